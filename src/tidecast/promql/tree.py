"""The PromQL syntax tree: frozen nodes that know where they stand in the query.

Two trees are equal when they mean the same text; positions do not count. `str(node)` is canonical
PromQL that parses back to an equal tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from tidecast.promql.duration_tree import At, Duration, format_modifiers
from tidecast.promql.spelling import format_label, format_number, quote
from tidecast.samples.matchers import Matcher, MatchOp
from tidecast_collector.labels import NAME


class ValueType(Enum):
    """What an expression evaluates to; the values are the words of error messages."""

    SCALAR = "scalar"
    VECTOR = "instant vector"
    MATRIX = "range vector"
    STRING = "string"


@dataclass(frozen=True, slots=True)
class Span:
    """Where a node stands: character offsets into the query, the end excluded."""

    start: int
    end: int


NOWHERE = Span(0, 0)


@dataclass(frozen=True, slots=True)
class NumberLiteral:
    """A number; a duration such as `5m` counts seconds."""

    value: float
    span: Span = field(default=NOWHERE, compare=False)

    @property
    def type(self) -> ValueType:
        return ValueType.SCALAR

    def __str__(self) -> str:
        return format_number(self.value)


@dataclass(frozen=True, slots=True)
class StringLiteral:
    """A string, unquoted."""

    value: str
    span: Span = field(default=NOWHERE, compare=False)

    @property
    def type(self) -> ValueType:
        return ValueType.STRING

    def __str__(self) -> str:
        return quote(self.value)


@dataclass(frozen=True, slots=True)
class VectorSelector:
    """An instant selector; `name` is what stands before the braces, `matchers` what is in them.

    `boundary` is "", "anchored" or "smoothed": how values at the ends of a range are found.
    """

    name: str | None
    matchers: tuple[Matcher, ...] = ()
    offset: Duration | None = None
    at: At | None = None
    boundary: str = ""
    span: Span = field(default=NOWHERE, compare=False)

    @property
    def type(self) -> ValueType:
        return ValueType.VECTOR

    @property
    def all_matchers(self) -> tuple[Matcher, ...]:
        """The matchers, that of the name before the braces among them."""
        if self.name is None:
            return self.matchers
        return (Matcher(NAME, MatchOp.EQUAL, self.name), *self.matchers)

    def without_modifiers(self) -> str:
        """The selector alone, as text."""
        inside = ", ".join(
            f"{format_label(m.name)}{m.op.value}{quote(m.value)}" for m in self.matchers
        )
        braces = f"{{{inside}}}" if inside or self.name is None else ""
        return f"{self.name or ''}{braces}"

    def __str__(self) -> str:
        return self.without_modifiers() + self.modifiers()

    def modifiers(self) -> str:
        """What stands behind the selector, each with a space before it."""
        boundary = f" {self.boundary}" if self.boundary else ""
        return boundary + format_modifiers(self.offset, self.at)


@dataclass(frozen=True, slots=True)
class MatrixSelector:
    """A range selector `foo[5m]`; offset and @ stand in its vector selector."""

    vector: VectorSelector
    range: Duration
    span: Span = field(default=NOWHERE, compare=False)

    @property
    def type(self) -> ValueType:
        return ValueType.MATRIX

    def __str__(self) -> str:
        return f"{self.vector.without_modifiers()}[{self.range}]{self.vector.modifiers()}"


@dataclass(frozen=True, slots=True)
class Subquery:
    """`expression[range:step]`; without a step the engine's own is used."""

    expression: Node
    range: Duration
    step: Duration | None
    offset: Duration | None = None
    at: At | None = None
    span: Span = field(default=NOWHERE, compare=False)

    @property
    def type(self) -> ValueType:
        return ValueType.MATRIX

    def __str__(self) -> str:
        step = "" if self.step is None else str(self.step)
        return f"{self.expression}[{self.range}:{step}]{format_modifiers(self.offset, self.at)}"


@dataclass(frozen=True, slots=True)
class Paren:
    """An expression in parentheses."""

    expression: Node
    span: Span = field(default=NOWHERE, compare=False)

    @property
    def type(self) -> ValueType:
        return self.expression.type

    def __str__(self) -> str:
        return f"({self.expression})"


@dataclass(frozen=True, slots=True)
class Unary:
    """A sign, `+` or `-`, before an expression."""

    op: str
    expression: Node
    span: Span = field(default=NOWHERE, compare=False)

    @property
    def type(self) -> ValueType:
        return self.expression.type

    def __str__(self) -> str:
        return f"{self.op}{self.expression}"


@dataclass(frozen=True, slots=True)
class Call:
    """A function call."""

    function: str
    arguments: tuple[Node, ...]
    type: ValueType
    span: Span = field(default=NOWHERE, compare=False)

    def __str__(self) -> str:
        return f"{self.function}({', '.join(map(str, self.arguments))})"


@dataclass(frozen=True, slots=True)
class Grouping:
    """`by (...)`, or `without (...)`."""

    labels: tuple[str, ...]
    without: bool = False

    def __str__(self) -> str:
        word = "without" if self.without else "by"
        return f"{word} ({', '.join(map(format_label, self.labels))})"


@dataclass(frozen=True, slots=True)
class Aggregation:
    """`sum by (a) (expression)`; `parameter` is the k, the quantile or the label of some."""

    op: str
    expression: Node
    parameter: Node | None = None
    grouping: Grouping | None = None
    span: Span = field(default=NOWHERE, compare=False)

    @property
    def type(self) -> ValueType:
        return ValueType.VECTOR

    def __str__(self) -> str:
        grouping = "" if self.grouping is None else f" {self.grouping} "
        parameter = "" if self.parameter is None else f"{self.parameter}, "
        return f"{self.op}{grouping}({parameter}{self.expression})"


@dataclass(frozen=True, slots=True)
class Matching:
    """How the two sides of a binary operation find each other.

    `labels` with `on`: only these must agree; else all but these. `group` is "", "left" (many on
    the left) or "right"; `include` are the labels copied from the "one" side. `fill_left` and
    `fill_right` stand in for a side that has no match.
    """

    on: bool = False
    labels: tuple[str, ...] = ()
    group: str = ""
    include: tuple[str, ...] = ()
    fill_left: float | None = None
    fill_right: float | None = None

    @property
    def fills(self) -> bool:
        """Whether any side is filled in."""
        return self.fill_left is not None or self.fill_right is not None

    def __str__(self) -> str:
        word = "on" if self.on else "ignoring"
        text = f"{word} ({', '.join(map(format_label, self.labels))})"
        if self.group:
            text += f" group_{self.group} ({', '.join(map(format_label, self.include))})"
        for side, value in (("left", self.fill_left), ("right", self.fill_right)):
            if value is not None:
                text += f" fill_{side} ({format_number(value)})"
        return text


@dataclass(frozen=True, slots=True)
class Binary:
    """A binary operation; `matching` is None where the query does not say how to match."""

    op: str
    left: Node
    right: Node
    type: ValueType
    return_bool: bool = False
    matching: Matching | None = None
    span: Span = field(default=NOWHERE, compare=False)

    def __str__(self) -> str:
        operations = chain(self)
        return str(operations[0].left) + "".join(each.tail() for each in operations)

    def tail(self) -> str:
        """What stands behind the left side, as text."""
        return_bool = " bool" if self.return_bool else ""
        matching = "" if self.matching is None else f" {self.matching}"
        return f" {self.op}{return_bool}{matching} {self.right}"


Node: TypeAlias = (
    NumberLiteral
    | StringLiteral
    | VectorSelector
    | MatrixSelector
    | Subquery
    | Paren
    | Unary
    | Call
    | Aggregation
    | Binary
)


def chain(last: Binary) -> list[Binary]:
    """The operations of `a + b + c`, from left to right: each is the left side of the next.

    Thousands of them are no depth: whatever follows a tree takes them one after the other.
    """
    found = [last]
    while isinstance(left := found[-1].left, Binary):
        found.append(left)
    return found[::-1]


def operands(last: Binary) -> tuple[Node, ...]:
    """What the operations of the chain join, from left to right."""
    operations = chain(last)
    return (operations[0].left, *(each.right for each in operations))


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below, in the order of the text."""
    match node:
        case Paren() | Unary() | Subquery():
            return (node.expression,)
        case MatrixSelector():
            return (node.vector,)
        case Call():
            return node.arguments
        case Aggregation():
            parameter = () if node.parameter is None else (node.parameter,)
            return (*parameter, node.expression)
        case Binary():
            return (node.left, node.right)
        case _:
            return ()


def walk(root: Node) -> Iterator[Node]:
    """The node and everything below it, in the order of the text."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(children(node)))
