"""An import from Prometheus, planned in chunks of series and time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tidecast.samples.matchers import Matcher, Matchers, MatchOp
from tidecast_collector.labels import NAME

MINUTE_MS = 60_000
DAY_MS = 86_400_000
SPANS_MS = (DAY_MS, DAY_MS // 4, DAY_MS // 24, 10 * MINUTE_MS)
SAMPLES_A_MINUTE = 4
"""What a scrape every 15 s brings; only the size of a chunk hangs on it."""
SAMPLES_A_CHUNK = 1_000_000
NAMES_A_CHUNK = 200
_ESCAPED_IN_REGEX = frozenset(r"\.+*?()|[]{}^$")


@dataclass(frozen=True, slots=True)
class Chunk:
    """All samples of some metrics in [start, end], to be fetched and written in one piece."""

    names: tuple[str, ...]
    start_ms: int
    end_ms: int

    @property
    def id(self) -> str:
        """What the chunk is called when the import is resumed."""
        digest = hashlib.sha256("\n".join(self.names).encode()).hexdigest()[:16]
        return f"{digest}/{self.start_ms}/{self.end_ms}"

    def matchers(self, selector: Matchers) -> Matchers:
        """The selector, narrowed to this chunk's metrics."""
        if len(self.names) == 1:
            return [*selector, Matcher(NAME, MatchOp.EQUAL, self.names[0])]
        pattern = "|".join(map(_quoted, self.names))
        return [*selector, Matcher(NAME, MatchOp.REGEX, pattern)]


def _quoted(name: str) -> str:
    return "".join(f"\\{each}" if each in _ESCAPED_IN_REGEX else each for each in name)


def plan_chunks(series_of: Mapping[str, int], start_ms: int, end_ms: int) -> Iterator[Chunk]:
    """Chunks that together hold each metric over [start, end] once, oldest first within a group.

    `series_of` says how many series each metric has. Their bounds lie on multiples of their span,
    so that a later run, with a later end, meets the same chunks again.
    """
    for names, count in _groups(series_of):
        span = _span_ms(count)
        start = start_ms
        while start <= end_ms:
            end = min((start // span + 1) * span - 1, end_ms)
            yield Chunk(names, start, end)
            start = end + 1


def _groups(series_of: Mapping[str, int]) -> Iterator[tuple[tuple[str, ...], int]]:
    most = SAMPLES_A_CHUNK // (SAMPLES_A_MINUTE * DAY_MS // MINUTE_MS)
    names: list[str] = []
    total = 0
    for name, count in sorted(series_of.items()):
        if names and (total + count > most or len(names) == NAMES_A_CHUNK):
            yield tuple(names), total
            names, total = [], 0
        names.append(name)
        total += count
    if names:
        yield tuple(names), total


def _span_ms(series: int) -> int:
    for span in SPANS_MS:
        if series * SAMPLES_A_MINUTE * span // MINUTE_MS <= SAMPLES_A_CHUNK:
            return span
    return SPANS_MS[-1]
