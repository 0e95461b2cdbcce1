"""Changes that people made, or plan to make, and which resources they concern.

A change may have moved a level for good. By how much is seen in the history; of one to come, what
people expect is believed until then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

from tidecast_analytics.expectations import Amount, Expected, parse_amount
from tidecast_analytics.outlook import Seen

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Key = tuple[str, str, str]
"""Host, resource and item; or a pattern for each, as of file names."""


def concerns(patterns: Key, key: Key) -> bool:
    """Whether the patterns, as of file names, let this resource through."""
    return all(fnmatchcase(value, pattern) for value, pattern in zip(key, patterns, strict=True))


def pattern_of(text: str) -> str:
    """The pattern that lets this very text through, whatever it holds.

    >>> pattern_of("/srv/[a]*")
    '/srv/[[]a][*]'
    """
    return re.sub(r"([*?\[])", r"[\1]", text)


@dataclass(frozen=True, slots=True)
class Change:
    """What `by` changed, or is to change, at `at_ms` (milliseconds UTC) on the resources that the
    patterns let through.

    It is known from `known_ms` on, and believed until `withdrawn_ms` (None: for good). `usage` is
    what it is expected to do to the usage, `limit` to what there is; "" where nobody said.
    """

    at_ms: int
    known_ms: int
    title: str
    by: str = ""
    host: str = "*"
    resource: str = "*"
    item: str = "*"
    withdrawn_ms: int | None = None
    usage: str = ""
    limit: str = ""

    @property
    def patterns(self) -> Key:
        """Which resources it concerns."""
        return self.host, self.resource, self.item


@dataclass(frozen=True, slots=True)
class ChangeSeen:
    """A change in the light of a history: `size` is by how much the level moved for good, in the
    unit of the history; None where nothing stands out, or nothing came since. `expected` tells
    what it was said to do, `limit` what to the limit alone."""

    at_ms: int
    title: str
    by: str
    size: float | None = None
    expected: str = ""
    limit: str = ""


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


def expectations(changes: Iterable[Change], end_ms: int) -> tuple[Expected, ...]:
    """What changes after the end of a history are expected to do, in order."""
    return tuple(
        sorted(
            (
                Expected(each.at_ms, _amount(each.usage), _amount(each.limit))
                for each in changes
                if each.at_ms > end_ms and (each.usage or each.limit)
            ),
            key=lambda each: each.at_ms,
        )
    )


def _amount(text: str) -> Amount:
    return parse_amount(text) if text else Amount()


def _expected(change: Change) -> str:
    parts = (("usage", change.usage), ("limit", change.limit))
    return ", ".join(f"{what} {amount}" for what, amount in parts if amount)


def in_the_light_of(changes: Sequence[Change], seen: Seen | None) -> list[ChangeSeen]:
    """What each of the changes did, by the shifts that were seen in a history."""
    sizes = dict(seen.shifts) if seen else {}

    def size(change: Change) -> float | None:
        if seen is None or not seen.start_ms <= change.at_ms <= seen.end_ms:
            return None
        # The first value that covers time after the change.
        step = (change.at_ms - seen.start_ms) // seen.step_ms + 1
        return sizes.get(seen.start_ms + step * seen.step_ms)

    return [
        ChangeSeen(each.at_ms, each.title, each.by, size(each), _expected(each), each.limit)
        for each in changes
    ]


def later_marks(
    changes: Sequence[ChangeSeen], end_ms: int, mark: float, limit: float | None
) -> list[tuple[int, float]]:
    """The mark from the time of each change on that is to come after `end_ms`, and is expected to
    change what there is."""
    of_limit = mark / limit if limit is not None and limit > 0 else 1.0
    found = []
    for each in sorted(changes, key=lambda each: each.at_ms):
        if each.at_ms > end_ms and each.limit:
            amount = parse_amount(each.limit)
            mark = mark * (1 + amount.ratio) + amount.size * of_limit
            found.append((each.at_ms, mark))
    return found


def sentences(changes: Sequence[ChangeSeen], end_ms: int) -> list[str]:
    """What a reader of the forecast should know of them: those that moved the level up to the end
    of the history, and those that are to come."""
    return [
        _planned(each)
        if each.at_ms > end_ms
        else f"The step is a recorded change of {_told(each)}."
        for each in changes
        if each.at_ms > end_ms or each.size is not None
    ]


def _planned(change: ChangeSeen) -> str:
    if change.expected:
        return f"Planned for {_told(change)}; the forecast counts on it: {change.expected}."
    return f"Planned for {_told(change)}; by how much it moves the level is seen afterwards."


def _told(change: ChangeSeen) -> str:
    who = f" (by {change.by})" if change.by else ""
    at = _EPOCH + timedelta(milliseconds=change.at_ms)
    return f"{at:%Y-%m-%d %H:%M} UTC: {change.title}{who}"
