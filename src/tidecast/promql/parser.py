"""PromQL text to its tree, by operator precedence."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

from tidecast.promql import typecheck
from tidecast.promql.errors import ParseError
from tidecast.promql.functions import AGGREGATION_PARAMETERS, AGGREGATIONS
from tidecast.promql.lexer import KEYWORDS, Token, TokenKind, tokenize
from tidecast.promql.numbers import is_number_word, parse_number
from tidecast.promql.selector_parser import SelectorParser
from tidecast.promql.tree import (
    Aggregation,
    Binary,
    Call,
    Grouping,
    Matching,
    Node,
    NumberLiteral,
    Paren,
    Span,
    StringLiteral,
    Unary,
    VectorSelector,
    children,
    operands,
    walk,
)

MAX_DEPTH = 100
"""How deep a query may nest; what walks the tree recursively stays within Python's stack.

Operators in a row, `a + b + c`, nest no deeper than one (`chain`).
"""

PRECEDENCE = {
    "or": 1,
    "and": 2,
    "unless": 2,
    **dict.fromkeys(("==", "!=", "<=", "<", ">=", ">", "</", ">/"), 3),
    "+": 4,
    "-": 4,
    **dict.fromkeys(("*", "/", "%", "atan2"), 5),
    "^": 6,
}
_REMEMBERED_CHARACTERS = 4_000
_SIGN_BINDS = 5
_FILLS = {"fill": ("left", "right"), "fill_left": ("left",), "fill_right": ("right",)}
_NOT_METRIC_NAMES = frozenset(("bool", "on", "ignoring", "group_left", "group_right", "atan2"))


def parse(query: str) -> Node:
    """The tree of the query; raises `ParseError` with line and column."""
    return _remembered(query) if len(query) <= _REMEMBERED_CHARACTERS else _parse(query)


@lru_cache(maxsize=2048)
def _remembered(query: str) -> Node:
    return _parse(query)


def _parse(query: str) -> Node:
    parser = _Parser(query, tokenize(query))
    if parser.peek().kind is TokenKind.END:
        raise ParseError(query, 0, "no expression found in input")
    tree = parser.expression(0)
    if parser.peek().kind is not TokenKind.END:
        raise parser.unexpected()
    if parser.fault is not None:
        raise parser.fault
    _check_depth(query, tree)
    return tree


def parse_selector(text: str) -> VectorSelector:
    """The selector that is the whole text, without modifiers, as `match[]` takes it.

    It may match anything. Raises `ParseError` with line and column.
    """
    parser = _Parser(text, tokenize(text))
    parser.may_match_all = True
    if parser.peek().kind is not TokenKind.IDENTIFIER and not parser.peek_symbol("{"):
        raise parser.unexpected()
    found = parser.vector_selector()
    if parser.peek().kind is not TokenKind.END:
        raise parser.unexpected()
    return found


def selectors(query: str | Node) -> list[VectorSelector]:
    """The selectors of the query, in the order of its text.

    The second argument of info() is none: it only chooses labels.
    """
    tree = parse(query) if isinstance(query, str) else query
    nodes = list(walk(tree))
    chooses_labels = {
        id(node.arguments[1])
        for node in nodes
        if isinstance(node, Call) and node.function == "info" and len(node.arguments) > 1
    }
    return [
        node
        for node in nodes
        if isinstance(node, VectorSelector) and id(node) not in chooses_labels
    ]


def _check_depth(query: str, tree: Node) -> None:
    level: list[Node] = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _below(node)]
        if not level:
            return
    raise ParseError(query, level[0].span.start, f"query nests deeper than {MAX_DEPTH} levels")


def _below(node: Node) -> tuple[Node, ...]:
    return operands(node) if isinstance(node, Binary) else children(node)


class _Parser(SelectorParser):
    def expression(self, above: int) -> Node:
        """An expression whose operators bind tighter than `above`."""
        self.enter()
        left = self.unary()
        while (op := self.operator()) is not None and PRECEDENCE[op] > above:
            left = self.binary(op, left)
        self.leave()
        return left

    def operator(self) -> str | None:
        token = self.peek()
        if token.kind is TokenKind.SYMBOL:
            return token.text if token.text in PRECEDENCE else None
        word = token.text.lower()
        known = token.kind is TokenKind.IDENTIFIER and word in ("and", "or", "unless", "atan2")
        return word if known else None

    def binary(self, op: str, left: Node) -> Node:
        token = self.take()
        return_bool = self.accept_word("bool")
        matching = self.matching()
        # ^ groups to the right: its right side may hold another ^.
        right = self.expression(PRECEDENCE[op] - (op == "^"))
        span = Span(left.span.start, right.span.end)
        node_type = typecheck.binary_type(op, left, right)
        node = Binary(op, left, right, node_type, return_bool, matching, span)
        self.checked(typecheck.check_binary, node, token.start)
        return node

    def matching(self) -> Matching | None:
        word = self.peek_word()
        if word not in ("on", "ignoring"):
            if word in ("group_left", "group_right"):
                raise self.unexpected()
            fill_left, fill_right = self.fills()
            matching = Matching(fill_left=fill_left, fill_right=fill_right)
            return matching if matching.fills else None
        self.take()
        labels = self.label_list()
        group = ""
        include: tuple[str, ...] = ()
        if self.peek_word() in ("group_left", "group_right"):
            group = self.take().text.lower().removeprefix("group_")
            if self.peek_symbol("("):
                include = self.label_list()
        return Matching(word == "on", labels, group, include, *self.fills())

    def fills(self) -> tuple[float | None, float | None]:
        """What stands in for a missing left, and right, side: fill(), fill_left(), fill_right()."""
        found: dict[str, float] = {}
        while (sides := _FILLS.get(self.peek_word())) and self.peek(1).text == "(":
            word = self.take()
            self.expect("(", f"in {word.text}")
            value = self.fill_value()
            self.expect(")", f"in {word.text}")
            for side in sides:
                if side in found:
                    raise self.unexpected(word)
                found[side] = value
        return found.get("left"), found.get("right")

    def fill_value(self) -> float:
        sign = self.take().text if self.peek_symbol("+") or self.peek_symbol("-") else "+"
        token = self.peek()
        is_number = token.kind in (TokenKind.NUMBER, TokenKind.DURATION)
        if not is_number and not is_number_word(self.peek_word()):
            raise self.unexpected(token, "in fill modifier", "expected number")
        value = self.number().value
        return -value if sign == "-" and not math.isnan(value) else value

    def unary(self) -> Node:
        sign = self.peek()
        if not (self.peek_symbol("+") or self.peek_symbol("-")):
            return self.postfix(self.primary())
        self.take()
        operand = self.expression(_SIGN_BINDS)
        span = Span(sign.start, operand.span.end)
        if isinstance(operand, NumberLiteral):
            # The one NaN stays itself, so that equal queries have equal trees.
            turned = sign.text == "-" and not math.isnan(operand.value)
            return NumberLiteral(-operand.value if turned else operand.value, span)
        node = Unary(sign.text, operand, span)
        self.checked(typecheck.check_unary, node)
        return node

    def primary(self) -> Node:
        token = self.peek()
        if token.kind in (TokenKind.NUMBER, TokenKind.DURATION):
            return self.number()
        if token.kind is TokenKind.STRING:
            self.take()
            return StringLiteral(token.text, Span(token.start, token.end))
        if self.peek_symbol("("):
            return self.paren()
        if self.peek_symbol("{"):
            return self.vector_selector()
        if token.kind is TokenKind.IDENTIFIER:
            return self.named(token)
        raise self.unexpected()

    def named(self, token: Token) -> Node:
        word = token.text.lower()
        if is_number_word(word):
            return self.number()
        if word in AGGREGATIONS and self.is_aggregation():
            return self.aggregation(word)
        if word in _NOT_METRIC_NAMES:
            raise self.unexpected()
        following = self.peek(1)
        if following.kind is TokenKind.SYMBOL and following.text == "(":
            if word in KEYWORDS:
                raise self.unexpected(following)
            return self.call()
        return self.vector_selector()

    def is_aggregation(self) -> bool:
        following = self.peek(1)
        if following.kind is TokenKind.SYMBOL:
            return following.text == "("
        return following.kind is TokenKind.IDENTIFIER and following.text.lower() in (
            "by",
            "without",
        )

    def number(self) -> NumberLiteral:
        token = self.take()
        value = math.nan if token.text.lower() == "nan" else parse_number(self.query, token)
        return NumberLiteral(value, Span(token.start, token.end))

    def paren(self) -> Node:
        start = self.take()
        inner = self.expression(0)
        end = self.expect(")")
        return Paren(inner, Span(start.start, end.end))

    def arguments(self, function: str = "") -> tuple[tuple[Node, ...], Token]:
        self.expect("(")
        found: list[Node] = []
        while not self.peek_symbol(")"):
            # The second argument of info() only has the form of a selector: it may match anything.
            self.may_match_all = function == "info" and len(found) == 1
            found.append(self.expression(0))
            self.may_match_all = False
            if not self.peek_symbol(","):
                break
            comma = self.take()
            if self.peek_symbol(")"):
                raise ParseError(
                    self.query, comma.start, "trailing commas not allowed in function call args"
                )
        return tuple(found), self.expect(")")

    def call(self) -> Node:
        name = self.take()
        arguments, end = self.arguments(name.text)
        signature = typecheck.signature_of(self.query, name)
        node = Call(name.text, arguments, signature.returns, Span(name.start, end.end))
        self.checked(typecheck.check_call, node, signature)
        return node

    def aggregation(self, op: str) -> Node:
        start = self.take()
        grouping = self.grouping()
        self.aggregations += 1
        arguments, end = self.arguments()
        self.aggregations -= 1
        if grouping is None:
            grouping = self.grouping()
        span = Span(start.start, self.previous().end if grouping else end.end)
        wanted = 2 if op in AGGREGATION_PARAMETERS else 1
        if not arguments:
            reason = "no arguments for aggregate expression provided"
            raise ParseError(self.query, span.start, reason)
        if len(arguments) != wanted:
            reason = (
                "wrong number of arguments for aggregate expression provided, "
                f"expected {wanted}, got {len(arguments)}"
            )
            raise ParseError(self.query, span.start, reason)
        parameter = arguments[0] if wanted == 2 else None
        node = Aggregation(op, arguments[-1], parameter, grouping, span)
        self.checked(typecheck.check_aggregation, node)
        return node

    def checked(self, check: Callable[..., None], *given: object) -> None:
        """Notes what the check of types finds wrong."""
        try:
            check(self.query, *given)
        except ParseError as fault:
            self.note(fault)

    def grouping(self) -> Grouping | None:
        word = self.peek_word()
        if word not in ("by", "without"):
            return None
        self.take()
        return Grouping(self.label_list(), word == "without")
