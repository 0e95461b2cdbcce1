"""What the store was told to forget, kept until the segments are written anew without it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tidecast.samples.index import find
from tidecast.samples.matchers import Matcher, Matchers, MatchOp
from tidecast.samples.segment import Segment


@dataclass(frozen=True, slots=True)
class Deletion:
    """Matching samples in [start, end] are gone from segments up to a priority, not from later."""

    number: int
    priority: int
    start_ms: int
    end_ms: int
    matchers: Matchers

    def concerns(self, segment: Segment) -> bool:
        """Whether the segment may hold samples that this deletion hides."""
        meta = segment.meta
        return (
            meta.deletions < self.number
            and meta.priority <= self.priority
            and meta.first_ms <= self.end_ms
            and meta.last_ms >= self.start_ms
        )


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The deletions that still hide something; `issued` numbers were given so far."""

    issued: int = 0
    deletions: tuple[Deletion, ...] = ()

    def adding(self, matchers: Matchers, priority: int, start_ms: int, end_ms: int) -> Forgotten:
        """The same with one more deletion."""
        number = self.issued + 1
        deletion = Deletion(number, priority, start_ms, end_ms, tuple(matchers))
        return replace(self, issued=number, deletions=(*self.deletions, deletion))

    def concerning(self, segments: Iterable[Segment]) -> Forgotten:
        """The same without the deletions that have nothing left to hide."""
        held = list(segments)
        kept = tuple(d for d in self.deletions if any(d.concerns(segment) for segment in held))
        return replace(self, deletions=kept)

    def hidden(self, segment: Segment) -> dict[int, list[tuple[int, int]]]:
        """The ranges (both ends included) that are gone, by number of the segment's series."""
        ranges: dict[int, list[tuple[int, int]]] = {}
        for deletion in self.deletions:
            if deletion.concerns(segment):
                for series in find(segment.index, deletion.matchers).tolist():
                    ranges.setdefault(series, []).append((deletion.start_ms, deletion.end_ms))
        return ranges

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "issued": self.issued,
            "deletions": [
                {
                    "number": d.number,
                    "priority": d.priority,
                    "start_ms": d.start_ms,
                    "end_ms": d.end_ms,
                    "matchers": [[m.name, m.op.value, m.value] for m in d.matchers],
                }
                for d in self.deletions
            ],
        }

    @staticmethod
    def from_json(body: dict[str, Any]) -> Forgotten:
        """What `to_json` gave."""
        return Forgotten(
            body["issued"],
            tuple(
                Deletion(
                    d["number"],
                    d["priority"],
                    d["start_ms"],
                    d["end_ms"],
                    tuple(Matcher(name, MatchOp(op), value) for name, op, value in d["matchers"]),
                )
                for d in body["deletions"]
            ),
        )


def covers(ranges_ms: Sequence[tuple[int, int]], start_ms: int, end_ms: int) -> bool:
    """Whether one of the ranges hides all of [start, end]."""
    if not ranges_ms:
        return False
    bounds = np.array(ranges_ms, dtype=np.int64)
    return bool(((bounds[:, 0] <= start_ms) & (bounds[:, 1] >= end_ms)).any())
