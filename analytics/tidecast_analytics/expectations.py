"""What a change is expected to do: said by people, believed until the change shows in a history."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

MOST_RATIO = 1000.0
"""Nothing is expected to become more than a thousand times as much."""

# Many changes one after the other come to no more.
_MOST_FACTOR, _MOST = 1e12, 1e290
_AMOUNT = re.compile(r"([+-]?)\s*(\d{1,15}(?:\.\d{1,9})?(?:[eE][+-]?\d{1,2})?)\s*(%|[A-Za-z]{0,3})")
_SIZES = {
    "": 1.0,
    **{f"{prefix}b": 1000.0**power for power, prefix in enumerate(("", "k", "m", "g", "t", "p"))},
    **{f"{prefix}ib": 1024.0**power for power, prefix in enumerate("kmgtp", 1)},
}


@dataclass(frozen=True, slots=True)
class Amount:
    """By how much a level changes: by this share of itself, and by this much in its unit."""

    ratio: float = 0.0
    size: float = 0.0


@dataclass(frozen=True, slots=True)
class Expected:
    """What a change at `at_ms` (milliseconds UTC) does to the usage of a resource, and to what
    there is of it."""

    at_ms: int
    usage: Amount = Amount()
    limit: Amount = Amount()


def parse_amount(text: str) -> Amount:
    """The amount of a text such as +20%, -5% or +500GB; raises ValueError.

    >>> parse_amount("+20%"), parse_amount("-1.5 GiB").size, parse_amount("+300").size
    (Amount(ratio=0.2, size=0.0), -1610612736.0, 300.0)
    """
    found = _AMOUNT.fullmatch(text.strip())
    if not found or found[3].lower() not in {"%", *_SIZES}:
        raise ValueError(f"{text[:80]!r} is no amount: write +20%, -5%, +500GB or +300")
    value = float(found[2]) * (-1.0 if found[1] == "-" else 1.0)
    if found[3] != "%":
        return Amount(size=value * _SIZES[found[3].lower()])
    ratio = round(value / 100, 12)
    if not -1.0 <= ratio <= MOST_RATIO:
        raise ValueError(f"{text[:80]!r}: nothing shrinks by more than all of it, or grows so much")
    return Amount(ratio=ratio)


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is expected at each step: usage `factor` times as much and `added` more; a mark and a
    limit `limit_factor` times as high and `limit_added` (of the limit) higher. Each [steps]."""

    factor: Float64s
    added: Float64s
    limit_factor: Float64s
    limit_added: Float64s

    def usage(self, values: Float64s) -> Float64s:
        """The usage [..., steps] with what is expected."""
        return np.asarray(values * self.factor + self.added)

    def limits(self, limit: float) -> Float64s:
        """The limit at each step."""
        return np.asarray(limit * self.limit_factor + self.limit_added)

    def marks(self, mark: float, limit: float | None) -> Float64s:
        """At each step the mark, in the scale of usage as it was: that of a usage which does not
        change, and reaches it when the changed usage reaches the changed mark."""
        of_limit = mark / limit if limit is not None and limit > 0 else 1.0
        # What overflows is out of all reach; what is huge on both sides is not known, and neither.
        with np.errstate(over="ignore", invalid="ignore"):
            changed = mark * self.limit_factor + self.limit_added * of_limit - self.added
            never = np.where(changed > 0, math.inf, -math.inf)
            some = self.factor > 0
            marks = np.where(some, changed / np.where(some, self.factor, 1.0), never)
        return np.where(np.isnan(marks), math.inf, marks)


def ahead(
    expected: Sequence[Expected], end_ms: int, step_ms: int, steps: int
) -> Ahead | None:  # fmt: skip
    """What changes after `end_ms` do to so many steps, each from the step on in which it is made;
    None where there is none."""
    later = sorted((each for each in expected if each.at_ms > end_ms), key=lambda each: each.at_ms)
    if not later:
        return None
    factor, limit_factor = np.ones(steps), np.ones(steps)
    added, limit_added = np.zeros(steps), np.zeros(steps)
    for each in later:
        since = slice(max((each.at_ms - end_ms - 1) // step_ms, 0), None)
        _compound(factor, added, since, each.usage)
        _compound(limit_factor, limit_added, since, each.limit)
    return Ahead(factor, added, limit_factor, limit_added)


def _compound(factor: Float64s, added: Float64s, since: slice, amount: Amount) -> None:
    factor[since] = np.minimum(factor[since] * (1 + amount.ratio), _MOST_FACTOR)
    added[since] = np.clip(added[since] * (1 + amount.ratio) + amount.size, -_MOST, _MOST)
