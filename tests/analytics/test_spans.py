"""Sets of time agree with sets of milliseconds."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tidecast_analytics.spans import NEVER, Spans, in_at_least, spans

_PAIRS = st.lists(st.tuples(st.integers(-30, 30), st.integers(-30, 30)), max_size=8)


def _set(pairs: list[tuple[int, int]]) -> set[int]:
    return {at for start, end in pairs for at in range(start, end)}


def _members(found: Spans) -> set[int]:
    pairs = list(found)
    for (_, end), (start, _) in pairwise(pairs):
        assert end < start, "spans are ascending and never touch"
    assert all(start < end for start, end in pairs)
    return _set(pairs)


@given(_PAIRS, _PAIRS)
def test_algebra_is_that_of_sets(one: list[tuple[int, int]], two: list[tuple[int, int]]) -> None:
    a, b = spans(one), spans(two)
    assert _members(a | b) == _set(one) | _set(two)
    assert _members(a & b) == _set(one) & _set(two)
    assert _members(a - b) == _set(one) - _set(two)
    assert a.total_ms() == len(_set(one))
    assert (a - b) | (a & b) == a
    assert hash(a | b) == hash(b | a)


@given(_PAIRS, st.integers(-40, 40), st.integers(-40, 40))
def test_gaps_are_what_is_left(pairs: list[tuple[int, int]], start: int, end: int) -> None:
    found = spans(pairs)
    window = set(range(start, end))
    assert _members(found.gaps(start, end)) == window - _set(pairs)
    assert _members(found.within(start, end)) == window & _set(pairs)
    assert found.contains(start) == (start in _set(pairs))


@given(st.lists(_PAIRS, max_size=5), st.integers(1, 5))
def test_k_of_n_counts_sets(many: list[list[tuple[int, int]]], count: int) -> None:
    found = in_at_least(map(spans, many), count)
    sets = [_set(pairs) for pairs in many]
    assert _members(found) == {t for t in range(-30, 30) if sum(t in s for s in sets) >= count}


def test_long_spans_and_no_time() -> None:
    found = spans([(0, 10), (20, 25), (25, 31)])
    assert list(found.longer_than(10)) == [(20, 31)]
    assert found != "spans"
    assert not len(NEVER)
    assert NEVER.total_ms() == 0
