"""How a forecast fared against what came: its bands, its dates and its alarm, each by its usual
score.

Bands are scored by coverage, mean absolute error and pinball loss (Koenker and Bassett 1978, over
the five quantiles that a forecast states); dates by the pinball loss of P10, P50 and P90.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tidecast_analytics.series import DAY_MS

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]

ALARM_MS = 30 * DAY_MS
"""An alarm is a P50 within so long: "full within 30 days"."""
ALARM_GRACE_MS = 45 * DAY_MS
"""It was wrong if the mark was not crossed within so long."""
DATE_TOLERANCE_MS = DAY_MS
"""Dates are stated as days: a crossing on the day beside them is still on time."""
HELD_SHARE = 0.8
"""So much of what came has to lie within the 95 % band of a forecast that held."""
REACH_EDGES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.5, 6.0)
"""Borders of the counts of |value - mean| in half-widths of the 80 % band."""

_QUANTILES = (0.025, 0.1, 0.5, 0.9, 0.975)


class Steps(Protocol):
    """What a forecast says of usage, step by step."""

    @property
    def times_ms(self) -> Int64s: ...
    @property
    def mean(self) -> Float64s: ...
    @property
    def lo80(self) -> Float64s: ...
    @property
    def hi80(self) -> Float64s: ...
    @property
    def lo95(self) -> Float64s: ...
    @property
    def hi95(self) -> Float64s: ...


@dataclass(frozen=True, slots=True)
class Dates:
    """What a forecast made at `made_ms` says of a mark, until `horizon_ms`.

    The pXX are the first times by which the mark is crossed with XX %, None beyond the horizon.
    """

    made_ms: int
    horizon_ms: int
    p10_ms: int | None
    p50_ms: int | None
    p90_ms: int | None

    @property
    def alarm(self) -> bool:
        """Whether it says that the mark is reached within 30 days."""
        return self.p50_ms is not None and self.p50_ms - self.made_ms <= ALARM_MS


class Alarm(StrEnum):
    """RIGHT: said, and crossed within 45 days. WRONG: said, and not crossed. MISSED: crossed
    within 30 days and not said. QUIET: rightly not said."""

    RIGHT = "right"
    WRONG = "wrong"
    MISSED = "missed"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class BandScore:
    """How the bands fared over `values` values: how many lay within the 80 % and the 95 % band,
    the mean absolute error and the mean pinball loss in the unit of the history, and `reach`, the
    counts of |value - mean| in half-widths of the 80 % band between `REACH_EDGES`."""

    values: int
    inside80: int
    inside95: int
    mae: float
    pinball: float
    reach: tuple[int, ...]


def band_score(
    stated: Steps, times_ms: Int64s, values: Float64s, *, widening: float = 1.0
) -> BandScore | None:
    """The score of the bands against the values that came, None where none came.

    Each value belongs to the nearest step; those before the first or beyond the last step are left
    out. `widening` is by how much the stated bands had been widened already: `reach` counts
    half-widths as they were before.
    """
    steps = stated.times_ms
    if not steps.size:
        return None
    half = np.diff(steps) // 2
    first, last = (int(half[0]), int(half[-1])) if half.size else (DAY_MS // 48, DAY_MS // 48)
    wanted = (
        np.isfinite(values)
        & (times_ms >= steps[0] - first)
        & (times_ms <= steps[-1] + last)
    )  # fmt: skip
    came = values[wanted]
    if not came.size:
        return None
    at = np.searchsorted(steps[:-1] + half, times_ms[wanted])
    mean, lo80, hi80 = stated.mean[at], stated.lo80[at], stated.hi80[at]
    lo95, hi95 = stated.lo95[at], stated.hi95[at]
    said = np.stack((lo95, lo80, mean, hi80, hi95))
    level = np.array(_QUANTILES)[:, None]
    with np.errstate(over="ignore", invalid="ignore"):  # values beyond all measure
        over = came - said
        return BandScore(
            values=int(came.size),
            inside80=int(((came >= lo80) & (came <= hi80)).sum()),
            inside95=int(((came >= lo95) & (came <= hi95)).sum()),
            mae=float(np.abs(came - mean).mean()),
            pinball=float(np.maximum(level * over, (level - 1) * over).mean()),
            reach=_reach(came, mean, lo80, hi80, widening),
        )


def _reach(
    came: Float64s, mean: Float64s, lo80: Float64s, hi80: Float64s, widening: float
) -> tuple[int, ...]:
    away = np.abs(came - mean)
    half = np.where(came >= mean, hi80 - mean, mean - lo80)
    ratio = np.divide(away, half, out=np.where(away > half, np.inf, 0.0), where=half > 0)
    places = np.searchsorted(np.array(REACH_EDGES), ratio * widening)
    return tuple(np.bincount(places, minlength=len(REACH_EDGES) + 1).tolist())


def first_crossing_ms(times_ms: Int64s, values: Float64s, mark: float, run: int) -> int | None:
    """The time of the first of `run` consecutive values at or above the mark; None: never."""
    seen = np.isfinite(values)
    times_ms, over = times_ms[seen], values[seen] >= mark
    begun = np.ones(max(over.size - run + 1, 0), dtype=np.bool_)
    for later in range(run):
        begun &= over[later : over.size - run + 1 + later]
    return int(times_ms[int(begun.argmax())]) if begun.any() else None


def dates_held(said: Dates, crossed_ms: int | None, until_ms: int) -> bool:
    """Whether nothing that came until `until_ms` contradicts the dates.

    A crossing before P10 or after P90 does, by more than a day, and so does none by then.
    """
    early_ms = said.horizon_ms if said.p10_ms is None else said.p10_ms
    if crossed_ms is not None and crossed_ms < early_ms - DATE_TOLERANCE_MS:
        return False
    if said.p90_ms is None:
        return True
    happened_ms = until_ms if crossed_ms is None else crossed_ms
    return happened_ms <= said.p90_ms + DATE_TOLERANCE_MS


def alarm(said: Dates, crossed_ms: int | None, until_ms: int) -> Alarm | None:
    """Whether "full within 30 days" was said, and rightly; None while that is open."""
    away_ms = None if crossed_ms is None else crossed_ms - said.made_ms
    if said.alarm:
        if away_ms is not None and away_ms <= ALARM_GRACE_MS:
            return Alarm.RIGHT
        return Alarm.WRONG if until_ms - said.made_ms >= ALARM_GRACE_MS else None
    if away_ms is not None and away_ms <= ALARM_MS:
        return Alarm.MISSED
    return Alarm.QUIET if until_ms - said.made_ms >= ALARM_MS else None


def dates_pinball_ms(said: Dates, crossed_ms: int | None) -> float:
    """The mean pinball loss of P10, P50 and P90; what lies beyond the horizon counts as it.

    >>> day = 86_400_000
    >>> said = Dates(0, 90 * day, 10 * day, 20 * day, 40 * day)
    >>> round(dates_pinball_ms(said, 30 * day) / day, 3)  # (0.1 * 20 + 0.5 * 10 + 0.1 * 10) / 3
    2.667
    """
    horizon = said.horizon_ms - said.made_ms
    truth = horizon if crossed_ms is None else min(crossed_ms - said.made_ms, horizon)
    quantiles: Sequence[int | None] = (said.p10_ms, said.p50_ms, said.p90_ms)
    losses = []
    for level, at_ms in zip((0.1, 0.5, 0.9), quantiles, strict=True):
        late = truth - (horizon if at_ms is None else min(at_ms - said.made_ms, horizon))
        losses.append(max(level * late, (level - 1) * late))
    return sum(losses) / 3
