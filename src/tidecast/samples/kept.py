"""What is still kept of the past: since when raw samples, and which stretches stand in tiers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tidecast.samples.merge import Range
from tidecast.samples.segment import SegmentMeta

BEFORE_ALL_MS = -(2**62)


@dataclass(frozen=True, slots=True)
class Tier:
    """Points of buckets of this width, kept so long; `name` is also that of its directory."""

    name: str
    width_ms: int
    keep_ms: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """The time (after, up to], in tiers with all raw segments up to the priority `seen`."""

    after_ms: int
    up_to_ms: int
    seen: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What of the past can be read, and where.

    Up to `raw_after_ms` (included) raw samples are past keeping: they are hidden, and tiers answer
    in their place, or (without `tiers`) nothing does. What came so late that no tier has it yet, or
    later than the last judgement of what is past keeping (which met the priorities up to `judged`),
    stays visible. `removed_ms` is the time of the newest raw sample that is gone. Tiers hold what
    is later than `tier_after_ms`.
    """

    tiers: tuple[Tier, ...] = ()
    raw_after_ms: int = BEFORE_ALL_MS
    removed_ms: int = BEFORE_ALL_MS
    judged: int = -1
    tier_after_ms: tuple[int, ...] = ()
    stretches: tuple[Stretch, ...] = ()

    def hidden(self, meta: SegmentMeta) -> list[Range]:
        """Where a raw segment must not be read any more."""
        if meta.first_ms > self.raw_after_ms:
            return []
        ranges: list[Range] = []
        if meta.priority <= self.judged:
            ranges.append((BEFORE_ALL_MS, self.gone_ms))
        for stretch in self.stretches:
            if stretch.seen < meta.priority or stretch.after_ms >= self.raw_after_ms:
                continue
            low, high = stretch.after_ms + 1, min(stretch.up_to_ms, self.raw_after_ms)
            if low > meta.last_ms or high < meta.first_ms:
                continue
            if ranges and ranges[-1][1] == low - 1:
                ranges[-1] = ranges[-1][0], high
            else:
                ranges.append((low, high))
        return ranges

    @property
    def gone_ms(self) -> int:
        """Up to when (included) nothing is kept, in whatever resolution."""
        return min(self.tier_after_ms, default=self.raw_after_ms)

    def is_hidden(self, meta: SegmentMeta) -> bool:
        """Whether nothing of the raw segment can be read any more."""
        return any(low <= meta.first_ms and high >= meta.last_ms for low, high in self.hidden(meta))

    def seen(self, up_to_ms: int) -> int:
        """The priority up to which the tiers have the stretch that ends there; -1 for none."""
        return next((s.seen for s in self.stretches if s.up_to_ms == up_to_ms), -1)

    def with_stretches(self, built: Iterable[Stretch]) -> Kept:
        """The same after these stretches were built."""
        known = {stretch.up_to_ms: stretch for stretch in self.stretches}
        known |= {stretch.up_to_ms: stretch for stretch in built}
        return replace(self, stretches=tuple(known[end] for end in sorted(known)))

    def without_stretches(self, after_ms: int, up_to_ms: int) -> Kept:
        """The same where the tiers lack what lies within: it will be built again.

        What raw samples no longer reach stays as it is.
        """
        kept = tuple(
            stretch
            for stretch in self.stretches
            if stretch.up_to_ms <= after_ms
            or stretch.after_ms >= up_to_ms
            or stretch.after_ms < self.removed_ms
        )
        return replace(self, stretches=kept)

    def tier_after(self, tier: Tier) -> int:
        """Up to when (included) the tier has been emptied."""
        return self.tier_after_ms[self.tiers.index(tier)]

    def to_json(self) -> dict[str, Any]:
        """As plain data, but for the tiers, which are settings."""
        names = [tier.name for tier in self.tiers]
        return {
            "raw_after_ms": self.raw_after_ms,
            "removed_ms": self.removed_ms,
            "judged": self.judged,
            "tier_after_ms": dict(zip(names, self.tier_after_ms, strict=True)),
            "stretches": [[s.after_ms, s.up_to_ms, s.seen] for s in self.stretches],
        }

    @staticmethod
    def from_json(body: dict[str, Any] | None, tiers: Sequence[Tier]) -> Kept:
        """What `to_json` gave (None: nothing yet), with the tiers of now."""
        body = body or {}
        after_ms = body.get("tier_after_ms", {})
        return Kept(
            tuple(tiers),
            body.get("raw_after_ms", BEFORE_ALL_MS),
            body.get("removed_ms", BEFORE_ALL_MS),
            body.get("judged", -1),
            tuple(after_ms.get(tier.name, BEFORE_ALL_MS) for tier in tiers),
            tuple(Stretch(*each) for each in body.get("stretches", ())),
        )
