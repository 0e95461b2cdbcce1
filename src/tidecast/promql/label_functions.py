"""Functions that change or order by labels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tidecast.promql.block import SAME_LABELSET, Block, merge_equal
from tidecast.promql.errors import QueryError
from tidecast.promql.tree import MatrixSelector, Node, Paren, VectorSelector
from tidecast.samples.matchers import InvalidRegex, MatchOp, compile_regex
from tidecast_collector.labels import NAME, Labels, label_value, make_labels

Tick = Callable[[], None]
_REFERENCE = re.compile(r"\$(?:\$|([A-Za-z0-9_]+)|\{([A-Za-z0-9_]+)\})")


MAX_LABEL_CHARACTERS = 1 << 16
"""The longest label value a query may make."""
MAX_CHARACTERS = 1 << 26
"""How much one call may make of them together."""


def label_replace(
    block: Block, target: str, replacement: str, source: str, pattern: str, tick: Tick
) -> Block:
    """Series whose label `source` matches get `replacement`, filled in, as label `target`.

    `tick` is called now and then and raises when the query's time is up.
    """
    if not target:
        raise QueryError("invalid destination label name in label_replace(): ")
    try:
        regex = compile_regex(pattern)
    except InvalidRegex as error:
        raise QueryError(f"invalid regular expression in label_replace(): {pattern}") from error
    made = _Made("label_replace", tick)
    pieces: dict[str, str | None] = {}
    for labels in block.labels:
        value = label_value(labels, source)
        if value not in pieces:
            match = regex.fullmatch(value)
            pieces[value] = None if match is None else made.text(_fill_in(replacement, match))
    return _relabelled(
        block, target, [pieces[label_value(labels, source)] for labels in block.labels]
    )


@dataclass(slots=True)
class _Made:
    """Counts what label values a call makes."""

    function: str
    tick: Tick
    characters: int = 0

    def text(self, pieces: Iterable[str]) -> str:
        """The pieces as one value; raises `QueryError` where it gets too long."""
        self.tick()
        kept = []
        length = 0
        for piece in pieces:
            kept.append(piece)
            length += len(piece)
            if length > MAX_LABEL_CHARACTERS:
                raise QueryError(
                    f"{self.function}() makes a label of more than {MAX_LABEL_CHARACTERS} "
                    "characters; make a shorter one"
                )
        self.characters += length
        if self.characters > MAX_CHARACTERS:
            raise QueryError(
                f"{self.function}() makes labels of more than {MAX_CHARACTERS} characters "
                "together; ask for fewer series or shorter labels"
            )
        return "".join(kept)


def _fill_in(replacement: str, match: Any) -> Iterator[str]:
    """The replacement, in pieces, with `$1`, `${1}`, `$name` and `$$` filled in.

    Unknown groups are empty.
    """
    at = 0
    for reference in _REFERENCE.finditer(replacement):
        yield replacement[at : reference.start()]
        at = reference.end()
        yield _referred(reference, match)
    yield replacement[at:]


def _referred(reference: re.Match[str], match: Any) -> str:
    name = reference.group(1) or reference.group(2)
    if name is None:
        return "$"
    if name.isdigit():
        index = int(name) if len(name) < 4 else match.re.groups + 1
        return (match.group(index) or "") if index <= match.re.groups else ""
    return (match.group(name) or "") if name in match.re.groupindex else ""


def label_join(
    block: Block, target: str, separator: str, sources: Sequence[str], tick: Tick
) -> Block:
    """Each series gets the values of `sources`, joined, as label `target`; `tick` as above."""
    if not target:
        raise QueryError("invalid destination label name in label_join(): ")
    made = _Made("label_join", tick)
    values: list[str | None] = [
        made.text(_joined(labels, separator, sources)) for labels in block.labels
    ]
    return _relabelled(block, target, values)


def _joined(labels: Labels, separator: str, sources: Sequence[str]) -> Iterator[str]:
    known = dict(labels)
    for number, source in enumerate(sources):
        if number:
            yield separator
        yield known.get(source, "")


def _relabelled(block: Block, target: str, values: Sequence[str | None]) -> Block:
    drop = block.drop_name.copy()
    result: list[Labels] = []
    for row, (labels, value) in enumerate(zip(block.labels, values, strict=True)):
        if value is None:
            result.append(labels)
            continue
        result.append(make_labels(dict(labels) | {target: value}))
        if target == NAME:
            drop[row] = False
    return merge_equal(replace(block, labels=result, drop_name=drop), SAME_LABELSET)


def sort_by_value(block: Block, *, descending: bool) -> Block:
    """The series of an instant ordered by value, NaN last; several steps stay as they are."""
    if block.steps != 1:
        return block
    values = block.values[:, 0]
    order = np.lexsort((-values if descending else values, np.isnan(values)))
    return block.take(order)


def sort_by_labels(block: Block, names: Sequence[str], *, descending: bool) -> Block:
    """The series of an instant in the natural order of these labels, then of all."""
    if block.steps != 1:
        return block

    def key(row: int) -> tuple[list[list[tuple[int, int, str]]], Labels]:
        labels = block.labels[row]
        return [_natural(label_value(labels, name)) for name in names], labels

    rows = sorted(range(len(block.labels)), key=key, reverse=descending)
    return block.take(np.array(rows, dtype=np.int64))


def _natural(text: str) -> list[tuple[int, int, str]]:
    """A sort key that puts `node-9` before `node-10`: of two numbers the longer is the greater."""
    return [
        (0, len(part.lstrip("0")), part.lstrip("0"))
        if part.isascii() and part.isdigit()
        else (1, 0, part)
        for part in re.split(r"([0-9]+)", text)
        if part
    ]


def absent_labels(node: Node) -> Labels:
    """The labels that `absent` can give: those a selector asks for by equality, once each."""
    while isinstance(node, Paren):
        node = node.expression
    if isinstance(node, MatrixSelector):
        node = node.vector
    if not isinstance(node, VectorSelector):
        return ()
    names = [matcher.name for matcher in node.matchers]
    return make_labels(
        (matcher.name, matcher.value)
        for matcher in node.matchers
        if matcher.op is MatchOp.EQUAL and names.count(matcher.name) == 1 and matcher.name != NAME
    )
