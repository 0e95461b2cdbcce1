"""`info()`: series get the data labels of the info series of their job and instance."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from tidecast.promql.block import SAME_LABELSET, Block, Bools, concatenate, merge_equal
from tidecast.promql.context import Context
from tidecast.promql.errors import QueryError
from tidecast.promql.fetch import instant_vector
from tidecast.promql.tree import VectorSelector
from tidecast.samples.batch import Float64s, Int64s
from tidecast.samples.matchers import Matcher, MatchOp
from tidecast_collector.labels import NAME, Labels, label_value, make_labels

IDENTIFYING = ("instance", "job")
DEFAULT_INFO = Matcher(NAME, MatchOp.EQUAL, "target_info")
ANY_INFO = Matcher(NAME, MatchOp.REGEX, ".+_info")


def with_info_labels(
    context: Context, base: Block, asked: VectorSelector | None, times: Int64s
) -> Block:
    """The series of `base`, at every step with the data labels of its info series.

    `asked` says which info metrics and which of their labels; without it all of target_info. Where
    no info series is found a series stays as it is, or goes if a matcher asks for more than "".
    """
    given = asked.matchers if asked is not None else ()
    names = _name_matchers(given)
    data = [matcher for matcher in given if matcher.name != NAME]
    is_info = [all(m.matches(label_value(each, NAME)) for m in names) for each in base.labels]
    if not len(base.labels) or all(is_info):
        return base
    wanted = frozenset(matcher.name for matcher in data)
    required = any(not matcher.matches("") for matcher in data)
    selector = VectorSelector(None, (*names, *data))
    if asked is not None:
        selector = VectorSelector(None, (*names, *data), asked.offset, asked.at, span=asked.span)
    info, taken_ms = instant_vector(context, selector, times)
    by_identity = _by_identity(info)
    parts = [base.take(np.flatnonzero(is_info))]
    for row in np.flatnonzero(~np.array(is_info)).tolist():
        context.check_time()
        identity = _identity(base.labels[row])
        metrics = by_identity.get(identity, {}) if any(identity) else {}
        winners = [_newest(info, taken_ms, rows) for rows in metrics.values()]
        one = base.take(np.array([row]))
        for labels, present in _variants(one, info, winners, wanted, required=required):
            parts.append(Block([labels], one.values, present, one.drop_name))
    return merge_equal(concatenate(*parts), SAME_LABELSET)


def _name_matchers(given: tuple[Matcher, ...]) -> tuple[Matcher, ...]:
    names = tuple(matcher for matcher in given if matcher.name == NAME)
    if not names:
        return (DEFAULT_INFO,)
    if all(each.op in (MatchOp.NOT_EQUAL, MatchOp.NOT_REGEX) for each in names):
        return (ANY_INFO, *names)
    return names


def _identity(labels: Labels) -> tuple[str, ...]:
    return tuple(label_value(labels, name) for name in IDENTIFYING)


def _by_identity(info: Block) -> dict[tuple[str, ...], dict[str, list[int]]]:
    """The rows of the info series by identity, then by metric."""
    found: dict[tuple[str, ...], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row, labels in enumerate(info.labels):
        found[_identity(labels)][label_value(labels, NAME)].append(row)
    return found


def _newest(info: Block, taken_ms: Float64s, rows: list[int]) -> Int64s:
    """Of one metric's info series the row that is newest at each step; -1 where there is none."""
    present = info.present[rows]
    taken = np.where(present, taken_ms[rows], -np.inf)
    best = taken.max(axis=0)
    ties = (present & (taken == best)).sum(axis=0) > 1
    if ties.any():
        step = int(np.argmax(ties))
        name = label_value(info.labels[rows[0]], NAME)
        at_ms = int(best[step])
        raise QueryError(f"found duplicate series for info metric {name} @ {at_ms}")
    newest: Int64s = np.where(present.any(axis=0), np.array(rows)[taken.argmax(axis=0)], -1)
    return newest


def _variants(
    one: Block, info: Block, winners: list[Int64s], wanted: frozenset[str], *, required: bool
) -> list[tuple[Labels, Bools]]:
    """The labels that the series has, with the steps at which it has them."""
    steps = one.steps
    chosen = np.stack(winners) if winners else np.full((1, steps), -1)
    patterns, which = np.unique(chosen, axis=1, return_inverse=True)
    variants = []
    for index in range(patterns.shape[1]):
        rows = [row for row in patterns[:, index].tolist() if row >= 0]
        if required and not rows:
            continue
        present = one.present & (which.ravel() == index)
        if present.any():
            sources = [info.labels[row] for row in rows]
            variants.append((_enriched(one.labels[0], sources, wanted), present))
    return variants


def _enriched(labels: Labels, sources: list[Labels], wanted: frozenset[str]) -> Labels:
    known = dict(labels)
    added: dict[str, str] = {}
    for name, value in (pair for source in sources for pair in source):
        if name == NAME or name in known or (wanted and name not in wanted):
            continue
        if added.setdefault(name, value) != value:
            raise QueryError(f"conflicting label: {name}")
    return make_labels(known | added)
