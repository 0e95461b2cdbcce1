"""An import from Prometheus planned in chunks of series and time, and its JSON answers read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidecast.samples.batch import STALE_NAN, Float64s, Int64s, SampleBatch
from tidecast.samples.matchers import Matcher, Matchers, MatchOp
from tidecast_collector.errors import InvalidInput
from tidecast_collector.labels import NAME, Labels, make_labels

MINUTE_MS = 60_000
DAY_MS = 86_400_000
SPANS_MS = (DAY_MS, DAY_MS // 4, DAY_MS // 24, 10 * MINUTE_MS)
SAMPLES_A_MINUTE = 4
"""What a scrape every 15 s brings; only the size of a chunk hangs on it."""
SAMPLES_A_CHUNK = 1_000_000
NAMES_A_CHUNK = 200
_ESCAPED_IN_REGEX = frozenset(r"\.+*?()|[]{}^$")


class InvalidAnswer(InvalidInput):
    """An answer that does not read as the Prometheus HTTP API says."""


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


def is_ours(name: str) -> bool:
    """Whether a metric is one that only a Tidecast server writes, and so is never imported."""
    return name.startswith("tidecast_") and not name.startswith("tidecast_agent_")


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


def range_query(matchers: Matchers, start_ms: int, end_ms: int) -> str:
    """The range selector that, at `end_ms`, covers [start, end]; its lower end is open."""
    return f"{{{','.join(map(str, matchers))}}}[{end_ms - start_ms + 1}ms]"


def answer_data(answer: Any) -> Any:
    """The `data` of a successful answer of the Prometheus HTTP API; raises `InvalidAnswer`."""
    if not isinstance(answer, dict) or answer.get("status") != "success" or "data" not in answer:
        raise InvalidAnswer(f"no answer of the Prometheus HTTP API: {str(answer)[:200]}")
    return answer["data"]


def matrix_samples(
    data: Any, start_ms: int, end_ms: int, nan_is_stale: bool = False
) -> SampleBatch:
    """The samples of a matrix that lie in [start, end]; raises `InvalidAnswer`.

    `nan_is_stale`: the server keeps no NaN but staleness markers, and shows those as NaN.
    """
    try:
        if data["resultType"] != "matrix":
            raise InvalidAnswer(f"expected a matrix, got a {data['resultType']}")
        parts = [_series(each, start_ms, end_ms) for each in data["result"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidAnswer(f"the matrix does not read as one: {error!r}") from error
    if nan_is_stale:
        for _, _, values in parts:
            values[np.isnan(values)] = STALE_NAN
    return SampleBatch.of(part for part in parts if len(part[1]))


def _series(each: Any, start_ms: int, end_ms: int) -> tuple[Labels, Int64s, Float64s]:
    pairs: Sequence[tuple[float, str]] = each.get("values", ())
    times = np.array([round(time * 1000) for time, _ in pairs], dtype=np.int64)
    values = np.array([float(value) for _, value in pairs], dtype=np.float64)
    inside = (start_ms <= times) & (times <= end_ms)
    return make_labels(each["metric"]), times[inside], values[inside]
