"""The part of a fleet's forecasts that computes: histories in, what is published of them out.

It runs in a worker process, so everything here pickles, and only the steps that the ledger keeps
come back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tidecast_analytics.calibration import UNWIDENED, Widening, widened
from tidecast_analytics.changes import Change, ChangeSeen, in_the_light_of, sentences
from tidecast_analytics.expectations import Amount
from tidecast_analytics.forecasting import forecast
from tidecast_analytics.lead_time import probability_by
from tidecast_analytics.outlook import Float64s, History, Outlook
from tidecast_analytics.sanity import (
    Finding,
    Severity,
    clock_finding,
    findings,
    twin_finding,
    twins,
    unit_finding,
)

DAY_MS = 86_400_000
HOURLY_KEPT_MS = 7 * DAY_MS
"""So far the ledger keeps every step of a forecast; beyond that, one a day."""

_BITS = 14


@dataclass(frozen=True, slots=True)
class Case:
    """One history to be forecast, in `unit`, with what past forecasts for it teach, and with the
    `changes` that its `changes_ms` are of, and those to come.

    `unit_inferred` tells how its unit was inferred, where nobody said it."""

    history: History
    unit: str
    name: str = ""
    lead_time_ms: int = 0
    widening: Widening = UNWIDENED
    changes: Sequence[Change] = ()
    clock_apart_ms: int = 0
    unit_inferred: str = ""


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is published of a case: the outlook by the steps that are kept, what is wrong with
    the history, P(crossed within the lead time), None without mark or lead time, and what the
    changes did."""

    outlook: Outlook
    findings: tuple[Finding, ...]
    within_lead_time: float | None
    changes: tuple[ChangeSeen, ...] = ()


def analyse(cases: Sequence[Case], horizon_ms: int, now_ms: int) -> list[Analysis]:
    """The analysis of each case, in the order given."""
    histories = [case.history for case in cases]
    outlooks = forecast(histories, horizon_ms)
    found = [
        (*_of_clock(case, now_ms), *_of_unit(case), *findings(case.history, case.unit, now_ms))
        for case in cases
    ]
    for place, first in twins(histories).items():
        found[place] = (*found[place], twin_finding(histories[place], cases[first].name))
    return [_analysis(*each, now_ms) for each in zip(cases, outlooks, found, strict=True)]


def _of_clock(case: Case, now_ms: int) -> tuple[Finding, ...]:
    return (clock_finding(case.clock_apart_ms, now_ms),) if case.clock_apart_ms else ()


def _of_unit(case: Case) -> tuple[Finding, ...]:
    return (unit_finding(case.history, case.unit_inferred),) if case.unit_inferred else ()


def _analysis(case: Case, outlook: Outlook, found: tuple[Finding, ...], now_ms: int) -> Analysis:
    floor, ceiling = _bounds(case.history)
    outlook = widened(outlook, case.widening, floor, ceiling)
    cautions = tuple(
        f"Caution: {each.what} {each.do}" for each in found if each.severity is not Severity.NOTE
    )
    soon_ms = now_ms + case.lead_time_ms
    soon = probability_by(outlook, soon_ms, case.widening.factor) if case.lead_time_ms else None
    changes = in_the_light_of(case.changes, outlook.seen)
    known = sentences(changes, int(case.history.times_ms.max(initial=0)))
    kept = thinned(replace(outlook, reasons=(*outlook.reasons, *known, *cautions)))
    return Analysis(kept, found, soon, tuple(changes))


def _bounds(history: History) -> tuple[float, float]:
    """What the resource can be at all: not negative if it never was, not above its limit."""
    seen = history.values[np.isfinite(history.values)]
    floor = 0.0 if seen.size and seen.min() >= 0 else -math.inf
    limit = history.limit
    # A limit that is to grow or shrink bounds the forecast step by step already.
    if (
        limit is None
        or not math.isfinite(limit)
        or any(e.limit != Amount() for e in history.expected)
    ):
        return floor, math.inf
    return floor, max(limit, float(seen.max(initial=limit)))


def thinned(outlook: Outlook) -> Outlook:
    """The outlook with the steps that the ledger keeps: the first days' all, then one for each day.

    A day's step has the mean of its means and the widest of its bands, and stands at its middle.
    """
    times = outlook.times_ms
    if not len(times):
        return outlook
    hourly = int(np.searchsorted(times, times[0] + HOURLY_KEPT_MS))
    per_day = max(1, DAY_MS // outlook.step_ms)
    starts = np.append(np.arange(hourly), np.arange(hourly, len(times), per_day))
    counts = np.diff(np.append(starts, len(times)))
    lo95 = np.minimum.reduceat(outlook.lo95, starts)
    hi95 = np.maximum.reduceat(outlook.hi95, starts)
    grain = _grain(float(lo95.min()), float(hi95.max()))
    return replace(
        outlook,
        times_ms=times[starts + counts // 2],
        mean=_rounded(np.add.reduceat(outlook.mean / np.repeat(counts, counts), starts), grain),
        lo80=_rounded(np.minimum.reduceat(outlook.lo80, starts), grain),
        hi80=_rounded(np.maximum.reduceat(outlook.hi80, starts), grain),
        lo95=_rounded(lo95, grain),
        hi95=_rounded(hi95, grain),
    )


def _grain(lowest: float, highest: float) -> float:
    """A power of two some 16,000 times smaller than the fan; 0 for one without height.

    Multiples of it are kept in a quarter of the space, and nobody can see the difference.
    """
    height = highest - lowest
    if not 1e-290 < height < math.inf:
        return 0.0
    return 2.0 ** (math.ceil(math.log2(height)) - _BITS)


def _rounded(values: Float64s, grain: float) -> Float64s:
    """Multiples of the grain, but never beyond the lowest and the highest of the values."""
    if not grain:
        return values
    return np.clip(np.round(values / grain) * grain, values.min(), values.max())
