"""Changes that people made, or plan to make, and which resources they concern.

A change may have moved a level for good. By how much is seen in the history, never believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

from tidecast_analytics.outlook import Seen

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Key = tuple[str, str, str]
"""Host, resource and item; or a pattern for each, as of file names."""


def concerns(patterns: Key, key: Key) -> bool:
    """Whether the patterns, as of file names, let this resource through."""
    return all(fnmatchcase(value, pattern) for value, pattern in zip(key, patterns, strict=True))


@dataclass(frozen=True, slots=True)
class Change:
    """What `by` changed, or is to change, at `at_ms` (milliseconds UTC) on the resources that the
    patterns let through.

    It is known from `known_ms` on, and believed until `withdrawn_ms` (None: for good).
    """

    at_ms: int
    known_ms: int
    title: str
    by: str = ""
    host: str = "*"
    resource: str = "*"
    item: str = "*"
    withdrawn_ms: int | None = None

    @property
    def patterns(self) -> Key:
        """Which resources it concerns."""
        return self.host, self.resource, self.item


@dataclass(frozen=True, slots=True)
class ChangeSeen:
    """A change in the light of a history: `size` is by how much the level moved for good, in the
    unit of the history; None where nothing stands out, or nothing came since."""

    at_ms: int
    title: str
    by: str
    size: float | None = None


def believed(changes: Iterable[Change], now_ms: int) -> list[Change]:
    """Those that were known and not withdrawn at that time, by when they happen."""
    found = [
        each
        for each in changes
        if each.known_ms <= now_ms and (each.withdrawn_ms is None or now_ms < each.withdrawn_ms)
    ]
    return sorted(found, key=lambda each: each.at_ms)


def moments(changes: Iterable[Change], end_ms: int) -> tuple[int, ...]:
    """When something was changed up to the end of a history, in order."""
    return tuple(sorted({each.at_ms for each in changes if each.at_ms <= end_ms}))


def in_the_light_of(changes: Sequence[Change], seen: Seen | None, step_ms: int) -> list[ChangeSeen]:
    """What each of the changes did, by the shifts that were seen in a history."""
    sizes = dict(seen.shifts) if seen else {}

    def size(change: Change) -> float | None:
        if seen is None or not seen.start_ms <= change.at_ms <= seen.end_ms:
            return None
        # The first value that covers time after the change.
        step = (change.at_ms - seen.start_ms) // step_ms + 1
        return sizes.get(seen.start_ms + step * step_ms)

    return [ChangeSeen(each.at_ms, each.title, each.by, size(each)) for each in changes]


def sentences(changes: Sequence[ChangeSeen], end_ms: int) -> list[str]:
    """What a reader of the forecast should know of them: those that moved the level up to the end
    of the history, and those that are to come."""
    return [
        f"Planned for {_told(each)}; by how much it moves the level is seen afterwards."
        if each.at_ms > end_ms
        else f"The step is a recorded change of {_told(each)}."
        for each in changes
        if each.at_ms > end_ms or each.size is not None
    ]


def _told(change: ChangeSeen) -> str:
    who = f" (by {change.by})" if change.by else ""
    at = _EPOCH + timedelta(milliseconds=change.at_ms)
    return f"{at:%Y-%m-%d %H:%M} UTC: {change.title}{who}"
