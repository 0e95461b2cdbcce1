"""Functions of one element at a time: mathematics and the calendar."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tidecast.promql.block import Block, empty_block
from tidecast.samples.batch import Float64s

ElementFunction = Callable[[Float64s], Float64s]

MATHEMATICS: dict[str, ElementFunction] = {
    "abs": np.abs,
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "ceil": np.ceil,
    "cos": np.cos,
    "cosh": np.cosh,
    "deg": np.degrees,
    "exp": np.exp,
    "floor": np.floor,
    "ln": np.log,
    "log10": np.log10,
    "log2": np.log2,
    "rad": np.radians,
    # Zero stays what it is: the sign of -0 is -0.
    "sgn": lambda values: np.where(values == 0, values, np.sign(values)),
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "tan": np.tan,
    "tanh": np.tanh,
}

_DAY_SECONDS = 86_400
_LAST_SECOND = 253_402_300_799.0  # 9999-12-31T23:59:59Z


def _months(days: Float64s) -> np.ndarray[tuple[int, ...], np.dtype[np.datetime64]]:
    return days.astype("datetime64[D]").astype("datetime64[M]")


def _days_in_month(days: Float64s) -> Float64s:
    months = _months(days)
    length = (months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")
    days_of_month: Float64s = length.astype(np.float64)
    return days_of_month


def _day_of_month(days: Float64s) -> Float64s:
    since = days.astype("datetime64[D]") - _months(days).astype("datetime64[D]")
    day: Float64s = since.astype(np.float64) + 1
    return day


def _day_of_year(days: Float64s) -> Float64s:
    dates = days.astype("datetime64[D]")
    since = dates - dates.astype("datetime64[Y]").astype("datetime64[D]")
    day: Float64s = since.astype(np.float64) + 1
    return day


_OF_DAYS: dict[str, ElementFunction] = {
    # 1970-01-01 was a Thursday; Sunday is 0.
    "day_of_week": lambda days: np.mod(days + 4, 7),
    "day_of_month": _day_of_month,
    "day_of_year": _day_of_year,
    "days_in_month": _days_in_month,
    "month": lambda days: np.mod(_months(days).astype(np.float64), 12) + 1,
    "year": lambda days: np.floor(_months(days).astype(np.float64) / 12) + 1970,
}


def calendar(name: str, seconds: Float64s) -> Float64s:
    """The part `name` of these UTC times, in seconds since 1970; NaN beyond the year 9999."""
    usable = np.abs(seconds) <= _LAST_SECOND
    whole = np.trunc(np.where(usable, seconds, 0.0))
    days = np.floor(whole / _DAY_SECONDS)
    if name == "hour":
        found = np.floor(np.mod(whole, _DAY_SECONDS) / 3600)
    elif name == "minute":
        found = np.floor(np.mod(whole, 3600) / 60)
    else:
        found = _OF_DAYS[name](days)
    return np.where(usable, found, np.nan)


def round_to(block: Block, nearest: Float64s) -> Block:
    """The values rounded to multiples of `nearest` [steps], halves up."""
    inverse = 1.0 / nearest
    return block.with_values(np.floor(block.values * inverse + 0.5) / inverse)


def greater(left: Float64s, right: Float64s) -> Float64s:
    """The greater of each pair; NaN where either is, but +Inf is greater than NaN, as in Go."""
    infinite = np.isposinf(left) | np.isposinf(right)
    found: Float64s = np.where(infinite, np.inf, np.maximum(left, right))
    return found


def lesser(left: Float64s, right: Float64s) -> Float64s:
    """The lesser of each pair; NaN where either is, but -Inf is less than NaN, as in Go."""
    return -greater(-left, -right)


def clamp(block: Block, low: Float64s, high: Float64s) -> Block:
    """The values moved into [low, high], each [steps]; nothing where low is above high."""
    values = greater(low, lesser(high, block.values))
    clamped = block.with_values(values)
    if not len(block.labels):
        return empty_block(block.steps)
    return clamped.with_present(clamped.present & ~(low > high))
