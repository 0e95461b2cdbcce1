"""What kind of history it is: who may speak for it depends on that."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import numpy.typing as npt

from tidecast_analytics.jumps import jumpy

Float64s = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# At rest: within this share of the whole range above the lowest value.
_REST_SHARE = 0.02
# A burst begins where it leaves this share of the range.
_BURST_SHARE = 0.1
_LEAST_BURSTS = 4
_NEWEST_DAYS = 3


class Kind(StrEnum):
    """EVEN: levels, seasons and lines describe it. IN_JUMPS: a daily history that moves on few
    days. RESTING: an hourly one that idles at its lowest value between bursts."""

    EVEN = "even"
    IN_JUMPS = "in jumps"
    RESTING = "resting"


def kinds(values: Float64s, per_day: int) -> list[Kind]:
    """The kinds of histories without holes, `values` [series, steps]."""
    special = Kind.IN_JUMPS if per_day == 1 else Kind.RESTING
    found = jumpy(values) if per_day == 1 else _rest(values, per_day)
    return [special if one else Kind.EVEN for one in found]


def _rest(values: Float64s, per_day: int) -> Bools:
    """At rest for half of the time and now, and back from several bursts.

    What once fell and has crept up since then is not at rest: it has had no bursts.
    """
    lowest, reach = values.min(axis=1), np.ptp(values, axis=1)
    low = values < (lowest + _REST_SHARE * reach)[:, None]
    newest = low[:, -_NEWEST_DAYS * per_day :]
    resting = (low.mean(axis=1) > 0.5) & (newest.mean(axis=1) > 0.5)
    some = np.flatnonzero(resting)
    bursting = values[some] > (lowest + _BURST_SHARE * reach)[some, None]
    resting[some] = (bursting[:, 1:] & ~bursting[:, :-1]).sum(axis=1) >= _LEAST_BURSTS
    return np.asarray(resting)
