"""What a capacity report is made of: plain data, ranked by what runs out first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidecast_analytics.sanity import Finding

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Band:
    """A forecast by its steps: times in milliseconds UTC, the rest in the resource's base unit."""

    times_ms: Int64s
    mean: Float64s
    lo80: Float64s
    hi80: Float64s
    lo95: Float64s
    hi95: Float64s


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """How scored forecasts fared: `held` of the last `scored`, and, where it is told, the share of
    what came within their 80 % bands."""

    held: int
    scored: int
    coverage80: float | None = None


@dataclass(frozen=True, slots=True)
class PastForecast:
    """One line of the forecast ledger.

    `crossed_ms` is when the mark was crossed in fact; `held` says whether the forecast was right
    and is None until its day has come: it was scored for its first `lead_days` days, in which
    `coverage80` of what came lay within its 80 % band. `band` holds its steps where they are kept.
    """

    published_ms: int
    state: str
    p10_ms: int | None
    p50_ms: int | None
    p90_ms: int | None
    method: str
    crossed_ms: int | None = None
    held: bool | None = None
    lead_days: int = 0
    coverage80: float | None = None
    band: Band | None = None


@dataclass(frozen=True, slots=True)
class MarkedChange:
    """A recorded change; `expected` tells what one to come is said to do, "" where nobody said."""

    at_ms: int
    title: str
    by: str = ""
    expected: str = ""


@dataclass(frozen=True, slots=True)
class ResourceOutlook:
    """One resource and when it reaches its mark: a row of *What runs out first*.

    `state` is the typed answer (`over_now`, `in_horizon`, `beyond_horizon`, `not_growing`,
    `not_enough_data`); the pXX are the first milliseconds UTC by which P(crossed) >= XX %.
    Values are in `unit` ("bytes", "ratio", "count", ...); `statistic` says what of each hour is
    forecast ("max", "p95", "mean").
    """

    host: str
    resource: str
    item: str
    unit: str
    statistic: str
    source: str
    usage: float | None
    limit: float | None
    mark: float | None
    state: str
    p10_ms: int | None
    p50_ms: int | None
    p90_ms: int | None
    reasons: Sequence[str]
    method: str
    query: str
    published_ms: int | None
    history_ms: Int64s
    history: Float64s
    band: Band | None
    full_in_seconds: tuple[float, float, float] | None = None
    """Fast path: seconds until the limit at P10, P50 and P90, where the last hours show a rise."""
    provisional: float | None = None
    """The running hour's value so far."""
    possible_ms: int | None = None
    """When there will be history enough for a first forecast; None where there is one."""
    track: TrackRecord | None = None
    """How its past forecasts fared; None before the first was scored."""
    findings: Sequence[Finding] = ()
    """What is wrong with its history, the gravest first."""
    anomalies_ms: Sequence[int] = ()
    """When it was strangest, of the last four weeks."""
    shifts_ms: Sequence[int] = ()
    """When its level went up for good."""
    changes: Sequence[MarkedChange] = ()
    """What people changed on it, and plan to."""
    later_marks: Sequence[tuple[int, float]] = ()
    """The mark from such times on, in milliseconds UTC, where planned changes move it."""

    def mark_at(self, at_ms: int) -> float | None:
        """The mark that will hold then."""
        return next((mark for since, mark in self.later_marks[::-1] if at_ms >= since), self.mark)

    @property
    def over_this_hour(self) -> bool:
        """Whether the running hour's peak is at its mark already, though no whole hour says so.

        Only where peaks are forecast: an hour's beginning says little of a percentile.
        """
        return (
            self.state != "over_now"
            and self.statistic == "max"
            and self.mark is not None
            and self.provisional is not None
            and self.provisional >= self.mark
        )


@dataclass(frozen=True, slots=True)
class CapacityReport:
    """The ranked list with the time it was made, its horizon, whether the data is generated, and
    how past forecasts of the whole fleet fared (None before the first was scored)."""

    title: str
    made_ms: int
    horizon_days: int
    outlooks: Sequence[ResourceOutlook]
    generated: bool = False
    track: TrackRecord | None = None
