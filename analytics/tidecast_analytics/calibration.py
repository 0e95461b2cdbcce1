"""How much wider bands have to be stated than the back-test says, by what came of past ones.

Adaptive conformal calibration (after Gibbs and Candes 2021): the factor is the 80 % quantile of how
far, in half-widths of the 80 % band, values came to lie from the mean. It is applied only where
the shortfall is more than chance, since few scored forecasts say little; and it is bounded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tidecast_analytics.outlook import Outlook
from tidecast_analytics.scoring import REACH_EDGES, Float64s

MOST = 6.0
"""Bands are never widened by more: what is off by more is no longer the same resource."""
LEAST = 1.05
"""Less is not worth telling."""
ENOUGH = 5.0
"""From so many independent forecasts on (ten days of them, as they overlap) a series speaks for
itself; before, resources of its kind help."""

_STATED = 0.8
_ONE_SIDED_95 = 1.645


@dataclass(frozen=True, slots=True)
class Fared:
    """What came of some forecasts: `reach` as in `BandScore`, over `forecasts` independent ones
    (overlapping ones count for what they add)."""

    reach: tuple[int, ...]
    forecasts: float

    @property
    def coverage(self) -> float:
        """The share of values within the 80 % band as it was before any widening."""
        return sum(self.reach[: REACH_EDGES.index(1.0) + 1]) / max(sum(self.reach), 1)


_CLASSES = len(REACH_EDGES) + 1
NOTHING = Fared((0,) * _CLASSES, 0.0)


def together(parts: Sequence[Fared]) -> Fared:
    """All of them as one."""
    if not parts:
        return NOTHING
    # Early scores knew fewer of the last classes: what they lack is zero.
    reach = np.sum([np.pad(part.reach, (0, _CLASSES - len(part.reach))) for part in parts], axis=0)
    return Fared(tuple(reach.tolist()), sum(part.forecasts for part in parts))


@dataclass(frozen=True, slots=True)
class Widening:
    """By how much bands and dates are widened, and why in words ("" where they are not)."""

    factor: float = 1.0
    reason: str = ""


UNWIDENED = Widening()


def widening(own: Fared, kind: Fared) -> Widening:
    """The widening for a resource by its own record and that of all resources of its kind."""
    factor = _factor(own)
    if factor > 1:
        return Widening(factor, _reason(own, "its", factor))
    factor = _factor(kind) if own.forecasts < ENOUGH else 1.0
    if factor > 1:
        return Widening(factor, _reason(kind, "this kind of resource's", factor))
    return UNWIDENED


def _factor(fared: Fared) -> float:
    if fared.forecasts <= 0 or not sum(fared.reach):
        return 1.0
    chance = _ONE_SIDED_95 * math.sqrt(_STATED * (1 - _STATED) / fared.forecasts)
    if fared.coverage >= _STATED - chance:
        return 1.0
    factor = round(_quantile(fared.reach), 2)
    return factor if factor >= LEAST else 1.0


def _quantile(reach: tuple[int, ...]) -> float:
    """The 80 % quantile of the counts, linear within each; at most `MOST`."""
    borders = (0.0, *REACH_EDGES)
    shares = np.cumsum(reach) / sum(reach)
    if shares[len(borders) - 2] < _STATED:
        return MOST
    return min(float(np.interp(_STATED, (0.0, *shares[:-1]), borders)), MOST)


def _reason(fared: Fared, whose: str, factor: float) -> str:
    return (
        f"Of what came, {fared.coverage:.0%} lay within the 80 % bands of {whose} past forecasts: "
        f"bands and dates are stated {factor:.2g} times as wide as simulated until that is mended."
    )


def widened(outlook: Outlook, by: Widening, floor: float, ceiling: float) -> Outlook:
    """The outlook with its bands and dates that much wider, within physical bounds.

    The state stays, as it goes by the median; P10 stays after the end of the history, and a P90
    that comes to lie beyond the horizon is None.
    """
    if by.factor == 1.0 or not outlook.times_ms.size:
        return outlook
    said = outlook.mean

    def wider(edge: Float64s) -> Float64s:
        reach = np.clip(said + by.factor * (edge - said), floor, ceiling)
        return np.where(edge <= said, np.minimum(reach, edge), np.maximum(reach, edge))

    first_ms, last_ms = int(outlook.times_ms[0]), int(outlook.times_ms[-1])
    p10_ms, p90_ms = outlook.p10_ms, outlook.p90_ms
    if outlook.p50_ms is not None and outlook.p50_ms >= first_ms:
        p50_ms = outlook.p50_ms
        if p10_ms is not None:
            p10_ms = max(first_ms, p50_ms - round(by.factor * (p50_ms - p10_ms)))
        if p90_ms is not None:
            p90_ms = p50_ms + round(by.factor * (p90_ms - p50_ms))
            p90_ms = p90_ms if p90_ms <= last_ms else None
    return replace(
        outlook,
        lo80=wider(outlook.lo80),
        hi80=wider(outlook.hi80),
        lo95=wider(outlook.lo95),
        hi95=wider(outlook.hi95),
        p10_ms=p10_ms,
        p90_ms=p90_ms,
        reasons=(*outlook.reasons, by.reason),
    )
