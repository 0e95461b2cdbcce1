"""Inputs that fuzzing begins with, made by the tests' own encoders and from their queries."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from tests.promql.expressions import EXPRESSIONS
from tests.samples import test_remote_write as version_1
from tests.samples import test_remote_write_2 as version_2
from tests.soak.targets import FORMS, pack
from tests.soak.workload import SERIES

from tidecast.samples.batch import STALE_NAN_BITS

_QUERIES = Path(__file__).parents[1] / "promql" / "corpus.txt"
_NOW_MS = 1_700_000_000_000
_TIMES = (_NOW_MS, _NOW_MS + 15_000, _NOW_MS + 30_000, -1, 0)
_BITS = (STALE_NAN_BITS, 0, 1 << 63, 0x3FF0000000000000, 0x40590AE147AE147B)
_SEVERAL = 12


def remote_write() -> list[bytes]:
    """Messages of both versions in every form that they can be sent in."""
    rng = random.Random("remote-write")
    found = []
    for size in range(_SEVERAL):
        request = [(labels, _points(rng, size % 4)) for labels in rng.sample(SERIES, 1 + size)]
        symbols = version_2.Symbols()
        about = version_1.about("up", 2, "Whether it answers.", "") if size % 3 == 0 else b""
        first = b"".join(version_1.series(*each) for each in request) + about
        told = version_2.about(symbols, 1, "Bytes.", "bytes") if size % 3 == 0 else b""
        second = b"".join(version_2.series(symbols, *each, told) for each in request)
        second = symbols.encoded() + second
        found += [pack(form, second if form in (1, 5, 6) else first) for form in range(FORMS)]
    return found


def _points(rng: random.Random, kind: int) -> list[tuple[int, int]]:
    times = _TIMES[:1] if kind else rng.sample(_TIMES, 3)
    return [(at, rng.choice(_BITS)) for at in times]


def promql() -> list[bytes]:
    """Queries of the PromQL tests."""
    lines = _QUERIES.read_text().splitlines()
    return [query.encode() for query in {*EXPRESSIONS, *lines} if query]


SEEDS: dict[str, Callable[[], list[bytes]]] = {"remote_write": remote_write, "promql": promql}
WORDS: dict[str, list[bytes]] = {
    "remote_write": [
        *(b"\x0a", b"\x12\x10\x09", b"\x12\x07\x10", b"\x22", b"\x2a", b"\x0a\x00"),
        *(b"__name__", b"\x80\xd0\x95\xff\xbc\x31", b"\xff" * 9 + b"\x01", b"\x1a", b"\x22\x00"),
    ],
    "promql": [
        *(b"sum", b" by (", b" without (", b")", b"[5m]", b"[1h:5m]", b" offset ", b" @ start()"),
        *(b" on (", b" ignoring (", b" group_left ", b"rate(", b"{a=~'", b"}", b"1e3", b"0x1p3"),
        *(b"NaN", b"-Inf", b" bool ", b"histogram_quantile(", b"'\\u00e4'", b"#", b"`", b" atan2 "),
        *(b" fill(", b" anchored ", b" smoothed ", b"</", b"-" * 20, b"(" * 20, b"5m+", b"info("),
    ],
}
"""Pieces of the language of each target."""
