"""What kind of history it is: who may speak for it depends on that."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import numpy.typing as npt

from tidecast_analytics.jumps import jumpy

Float64s = npt.NDArray[np.float64]

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


def kind(values: Float64s, per_day: int) -> Kind:
    """The kind of one history without holes, `values` [steps]."""
    if per_day == 1:
        return Kind.IN_JUMPS if bool(jumpy(values[None, :])[0]) else Kind.EVEN
    return Kind.RESTING if _rests(values, per_day) else Kind.EVEN


def _rests(values: Float64s, per_day: int) -> bool:
    """At rest for half of the time and now, and back from several bursts.

    What once fell and has crept up since then is not at rest: it has had no bursts.
    """
    lowest, reach = values.min(), np.ptp(values)
    rest = lowest + _REST_SHARE * reach
    if max(np.median(values), np.median(values[-_NEWEST_DAYS * per_day :])) >= rest:
        return False
    bursting = values > lowest + _BURST_SHARE * reach
    return int((bursting[1:] & ~bursting[:-1]).sum()) >= _LEAST_BURSTS
