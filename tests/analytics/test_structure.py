"""Structures: what they model, what happens in them over time, and what takes them down."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidecast_analytics.spans import spans
from tidecast_analytics.structure import (
    Block,
    Component,
    Group,
    TooComplex,
    component_names,
    cut_sets,
    joined,
    k_of_n,
    modelled,
    parallel,
    series,
    weighted,
)
from tidecast_analytics.timelines import ComponentState, Timeline

A, B, C, D = (Component(name) for name in "abcd")
UP, DEGRADED, DOWN, UNKNOWN = ComponentState


def works(block: Block, up: Mapping[str, bool]) -> bool:
    if isinstance(block, Component):
        return up[block.name]
    return (
        sum(w for part, w in zip(block.parts, block.weights, strict=True) if works(part, up))
        >= block.needed
    )


def test_series_parallel_and_k_of_n_by_hand() -> None:
    each = dict.fromkeys("abcd", 0.9)
    assert modelled(series(A, B), each) == pytest.approx(0.9 * 0.9)
    assert modelled(parallel(A, B), each) == pytest.approx(1 - 0.1 * 0.1)
    # 2 of 3: 3 x 0.9^2 x 0.1 + 0.9^3 = 0.243 + 0.729
    assert modelled(k_of_n(2, A, B, C), each) == pytest.approx(0.972)
    unequal = {"a": 0.9, "b": 0.8, "c": 0.7}
    # 2 of 3, unequal: ab not c .216, ac not b .126, bc not a .056, abc .504
    assert modelled(k_of_n(2, A, B, C), unequal) == pytest.approx(0.902)


def test_weights_decide_which_parts_are_enough() -> None:
    # 60 + 25 + 15, 70 needed: the big one and any other.
    group = weighted(70, [(A, 60), (B, 25), (C, 15)])
    # 0.9 x (1 - 0.2 x 0.3)
    assert modelled(group, {"a": 0.9, "b": 0.8, "c": 0.7}) == pytest.approx(0.846)
    assert cut_sets(group) == [frozenset("a"), frozenset("bc")]


def test_a_shared_component_is_not_counted_twice() -> None:
    switch = Component("switch")
    pair = parallel(series(A, switch), series(B, switch))
    each = {"a": 0.9, "b": 0.9, "switch": 0.99}
    # The switch once: 0.99 x (1 - 0.1 x 0.1)
    assert modelled(pair, each) == pytest.approx(0.9801)
    assert cut_sets(pair) == [frozenset({"switch"}), frozenset("ab")]


def test_what_is_too_much_is_refused() -> None:
    twice = [parallel(Component(f"c{i}"), Component(f"c{i}")) for i in range(17)]
    with pytest.raises(TooComplex, match="17 components"):
        modelled(series(*twice), {f"c{i}": 0.9 for i in range(17)})
    wide = [Component(f"c{i}") for i in range(120)]
    with pytest.raises(TooComplex, match="ways to fail"):
        cut_sets(k_of_n(110, *wide))
    with pytest.raises(TooComplex, match="cut sets"):
        cut_sets(k_of_n(118, *wide))
    with pytest.raises(TooComplex, match="cut sets"):
        cut_sets(parallel(*(series(*wide[i : i + 30]) for i in (0, 30, 15))))


_NAMES = "abcde"


def _blocks() -> st.SearchStrategy[Block]:
    def group(parts: list[Block]) -> st.SearchStrategy[Block]:
        weights = st.lists(st.integers(1, 4), min_size=len(parts), max_size=len(parts))
        return weights.flatmap(
            lambda w: st.integers(1, sum(w)).map(lambda needed: Group(parts, w, needed))
        )

    leaf: st.SearchStrategy[Block] = st.sampled_from([Component(name) for name in _NAMES])
    return st.recursive(
        leaf, lambda inner: st.lists(inner, min_size=1, max_size=3).flatmap(group), max_leaves=7
    )


@settings(max_examples=150)
@given(_blocks(), st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_the_model_is_the_sum_over_all_cases(block: Block, chances: list[float]) -> None:
    each = dict(zip(_NAMES, chances, strict=True))
    names = sorted(set(component_names(block)))
    total = 0.0
    for case in itertools.product((False, True), repeat=len(names)):
        up = dict(zip(names, case, strict=True))
        chance = 1.0
        for name in names:
            chance *= each[name] if up[name] else 1 - each[name]
        total += chance * works(block, up)
    assert modelled(block, each) == pytest.approx(total, abs=1e-12)


@settings(max_examples=150)
@given(_blocks())
def test_cut_sets_are_exactly_the_smallest_fatal_sets(block: Block) -> None:
    names = set(component_names(block))

    def fatal(down: frozenset[str]) -> bool:
        return not works(block, {name: name not in down for name in names})

    all_fatal = {
        frozenset(down)
        for size in range(1, len(names) + 1)
        for down in itertools.combinations(sorted(names), size)
        if fatal(frozenset(down))
    }
    smallest = {cut for cut in all_fatal if not any(other < cut for other in all_fatal)}
    assert set(cut_sets(block, largest=5)) == smallest
    assert set(cut_sets(block, largest=2)) == {cut for cut in smallest if len(cut) <= 2}


_STATES = st.lists(st.sampled_from(list(ComponentState)), min_size=12, max_size=12)


def _line(each: list[ComponentState]) -> Timeline:
    held = {s: spans((i, i + 1) for i, one in enumerate(each) if one is s) for s in ComponentState}
    return Timeline(0, len(each), held)


@settings(max_examples=150)
@given(_blocks(), st.lists(_STATES, min_size=4, max_size=4))
def test_joined_timelines_agree_with_each_moment(
    block: Block, states: list[list[ComponentState]]
) -> None:
    given_states = dict(zip("abcd", states, strict=True))
    line = joined(block, {name: _line(each) for name, each in given_states.items()}, 0, 12)
    names = set(component_names(block))
    for t in range(12):
        now = {n: given_states[n][t] if n in given_states else UNKNOWN for n in names}
        best = works(block, {n: s is not DOWN for n, s in now.items()})
        worst = works(block, {n: s not in (DOWN, UNKNOWN) for n, s in now.items()})
        harmed = any(s in (DOWN, DEGRADED) for s in now.values())
        expected = (DEGRADED if harmed else UP) if worst else UNKNOWN if best else DOWN
        assert [s for s in ComponentState if line.of(s).contains(t)] == [expected]
