"""What is said of each history: the typed answer, its dates, its bands and its reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from tidecast_analytics.events import Event
from tidecast_analytics.expectations import Expected

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]


class OutlookState(StrEnum):
    """The typed answer.

    over_now: crossed at the end of history. in_horizon: P50 lies within the horizon.
    not_growing: P(crossed within the horizon) < 5 % and no upward trend. not_enough_data: less
    than two days of hours or 14 days (or rarer values). beyond_horizon: everything else.
    """

    OVER_NOW = "over_now"
    IN_HORIZON = "in_horizon"
    BEYOND_HORIZON = "beyond_horizon"
    NOT_GROWING = "not_growing"
    NOT_ENOUGH_DATA = "not_enough_data"


@dataclass(frozen=True, slots=True)
class History:
    """The usage of one resource: `times_ms` (milliseconds UTC) and `values`, in any order.

    `mark` is the threshold whose crossing is asked for (None: only a forecast is wanted) and
    `limit` what there physically is: no forecast exceeds it. `events` are planned ones, past and
    to come; at each of `changes_ms` something was changed that may have moved the level for good,
    and `expected` is what changes to come are said to do.
    """

    times_ms: Int64s
    values: Float64s
    mark: float | None = None
    limit: float | None = None
    events: Sequence[Event] = ()
    changes_ms: Sequence[int] = ()
    expected: Sequence[Expected] = ()


@dataclass(frozen=True, slots=True)
class Backtest:
    """How the method did on this history: errors in its unit, `mae` beside the best naive's.

    `weights` are the members of the mixture by share; `errors` the mean absolute errors of all
    members that were tested, the best first.
    """

    origins: int
    steps: int
    mae: float
    naive_mae: float
    weights: Mapping[str, float]
    errors: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was made of the history: `steps` values up to `end_ms`, `step_ms` apart, of which
    `observed_ratio` were observed.

    `season_steps` are the seasons that were looked for and of which two are known; `shifts` the
    times and sizes of lasting steps that do not count as growth; `pace_changed_ms` since when the
    newest pace holds; `event_lifts` what events of each label add on average.
    """

    start_ms: int
    end_ms: int
    step_ms: int
    steps: int
    observed_ratio: float
    season_steps: tuple[int, ...]
    shifts: tuple[tuple[int, float], ...] = ()
    pace_changed_ms: int | None = None
    event_lifts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outlook:
    """The answer for one history.

    The arrays hold one value per step of the horizon and are empty where nothing can be said.
    `state`, `probability` (crossed within the horizon), `crossed_by_day` (the same by the end of
    each day of it) and the pXX are None without a mark; the pXX, in milliseconds UTC, also where
    P(crossed) does not reach XX % within the horizon. Over now, they are the time of the last
    value.
    """

    times_ms: Int64s
    mean: Float64s
    lo80: Float64s
    hi80: Float64s
    lo95: Float64s
    hi95: Float64s
    step_ms: int
    method: str
    reasons: tuple[str, ...]
    state: OutlookState | None = None
    p10_ms: int | None = None
    p50_ms: int | None = None
    p90_ms: int | None = None
    probability: float | None = None
    crossed_by_day: Float64s | None = None
    growing: bool = False
    backtest: Backtest | None = None
    seen: Seen | None = None
