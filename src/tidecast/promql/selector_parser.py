"""The half of the parser that reads selectors, their modifiers, and label lists."""

from __future__ import annotations

import math
from dataclasses import replace

from tidecast.promql.duration_parser import DurationParser
from tidecast.promql.duration_tree import At, Duration
from tidecast.promql.errors import ParseError
from tidecast.promql.lexer import TokenKind
from tidecast.promql.numbers import format_short, parse_number
from tidecast.promql.tree import MatrixSelector, Node, Span, Subquery, ValueType, VectorSelector
from tidecast.samples.matchers import InvalidRegex, Matcher, MatchOp, compile_regex
from tidecast_collector.labels import NAME

MAX_TIMESTAMP_SECONDS = (2**63 - 1) / 1000
_MATCH_OPS = {op.value: op for op in MatchOp}
_BOUNDARIES = ("anchored", "smoothed")


class SelectorParser(DurationParser):
    """Reads vector selectors and what may stand behind an expression."""

    def vector_selector(self) -> VectorSelector:
        """A name, braces, or both; raises `ParseError`."""
        first = self.peek()
        name = self.take().text if first.kind is TokenKind.IDENTIFIER else None
        matchers: tuple[Matcher, ...] = ()
        if self.peek_symbol("{"):
            matchers = self.label_matchers()
        span = Span(first.start, self.previous().end)
        matches_all = name is None and all(matcher.matches("") for matcher in matchers)
        if matches_all and not self.may_match_all:
            reason = "vector selector must contain at least one non-empty matcher"
            self.note(ParseError(self.query, first.start, reason))
        for matcher in matchers if name is not None else ():
            if matcher.name == NAME and not self.may_match_all:
                reason = f'metric name must not be set twice: "{name}" or "{matcher.value}"'
                self.note(ParseError(self.query, first.start, reason))
        return VectorSelector(name, matchers, span=span)

    def label_matchers(self) -> tuple[Matcher, ...]:
        self.expect("{", "in label matching")
        found = []
        while not self.peek_symbol("}"):
            found.append(self.label_matcher())
            if not self.peek_symbol(","):
                break
            self.take()
        self.expect("}", "in label matching", 'expected "," or "}"')
        return tuple(found)

    def label_matcher(self) -> Matcher:
        label = self.take()
        if label.kind not in (TokenKind.IDENTIFIER, TokenKind.STRING):
            raise self.unexpected(label, "in label matching", 'expected identifier or "}"')
        op = self.peek()
        if label.kind is TokenKind.STRING and op.text in (",", "}"):
            return Matcher(NAME, MatchOp.EQUAL, label.text)
        self.take()
        if op.kind is not TokenKind.SYMBOL or op.text not in _MATCH_OPS:
            raise self.unexpected(op, "in label matching", "expected label matching operator")
        value = self.take()
        if value.kind is not TokenKind.STRING:
            raise self.unexpected(value, "in label matching", "expected string")
        matcher = Matcher(label.text, _MATCH_OPS[op.text], value.text)
        if matcher.op in (MatchOp.REGEX, MatchOp.NOT_REGEX):
            try:
                compile_regex(matcher.value)
            except InvalidRegex as error:
                raise ParseError(self.query, label.start, str(error)) from error
        return matcher

    def label_list(self) -> tuple[str, ...]:
        """Label names in parentheses."""
        self.expect("(", "in grouping opts", 'expected "("')
        found = []
        while not self.peek_symbol(")"):
            token = self.take()
            if token.kind not in (TokenKind.IDENTIFIER, TokenKind.STRING) or not token.text:
                raise self.unexpected(token, "in grouping opts", "expected label")
            if token.kind is TokenKind.IDENTIFIER and token.text.lower() in ("inf", "nan"):
                raise self.unexpected(token, "in grouping opts", "expected label")
            found.append(token.text)
            if not self.peek_symbol(","):
                break
            self.take()
        self.expect(")", "in grouping opts", 'expected "," or ")"')
        return tuple(found)

    def postfix(self, node: Node) -> Node:
        """The node with the ranges and modifiers that stand behind it."""
        while True:
            if self.peek_symbol("["):
                node = self.range_or_subquery(node)
            elif self.peek_word() == "offset":
                node = self.with_offset(node)
            elif self.peek_symbol("@"):
                node = self.with_at(node)
            elif self.peek_word() in _BOUNDARIES:
                node = self.with_boundary(node)
            else:
                return node

    def range_or_subquery(self, node: Node) -> Node:
        start = self.take()
        extent = self.positive_duration()
        if self.peek_symbol(":"):
            self.take()
            step = None if self.peek_symbol("]") else self.positive_duration()
            end = self.expect("]", "in subquery selector", 'expected "]"')
            if node.type is not ValueType.VECTOR:
                kind = "matrix" if node.type is ValueType.MATRIX else node.type.value
                reason = f"subquery is only allowed on instant vector, got {kind} instead"
                self.note(ParseError(self.query, node.span.start, reason))
            return Subquery(node, extent, step, span=Span(node.span.start, end.end))
        end = self.expect("]", "in subquery or range", 'expected ":" or "]"')
        if not isinstance(node, VectorSelector):
            raise ParseError(self.query, start.start, "ranges only allowed for vector selectors")
        modifiers = (
            (node.offset, "offset"),
            (node.at, "@"),
            (node.boundary or None, node.boundary),
        )
        for modifier, name in modifiers:
            if modifier is not None:
                reason = f"no {name} modifiers allowed before range"
                raise ParseError(self.query, start.start, reason)
        return MatrixSelector(node, extent, Span(node.span.start, end.end))

    def with_boundary(self, node: Node) -> Node:
        word = self.take()
        vector = node.vector if isinstance(node, MatrixSelector) else node
        boundary = word.text.lower()
        if not isinstance(vector, VectorSelector):
            reason = f"{boundary} modifier must be preceded by an instant or range vector selector"
            raise ParseError(self.query, word.start, reason)
        if vector.boundary == boundary:
            reason = f"{boundary} may not be set multiple times"
            raise ParseError(self.query, word.start, reason)
        if vector.boundary:
            reason = "anchored and smoothed modifiers cannot be used together"
            raise ParseError(self.query, word.start, reason)
        span = Span(node.span.start, word.end)
        if isinstance(node, MatrixSelector):
            return replace(node, vector=replace(vector, boundary=boundary), span=span)
        return replace(vector, boundary=boundary, span=span)

    def with_offset(self, node: Node) -> Node:
        self.take()
        offset = self.offset_duration()
        if _modifiers_of(self.query, node, "offset")[0] is not None:
            raise ParseError(self.query, node.span.start, "offset may not be set multiple times")
        return self.modified(node, offset=offset)

    def with_at(self, node: Node) -> Node:
        self.take()
        at = self.at_modifier(node)
        if _modifiers_of(self.query, node, "@")[1] is not None:
            raise ParseError(
                self.query, node.span.start, "@ <timestamp> may not be set multiple times"
            )
        return self.modified(node, at=at)

    def modified(self, node: Node, offset: Duration | None = None, at: At | None = None) -> Node:
        span = Span(node.span.start, self.previous().end)
        if isinstance(node, MatrixSelector):
            vector = node.vector
            changed = replace(vector, offset=offset or vector.offset, at=at or vector.at)
            return replace(node, vector=changed, span=span)
        assert isinstance(node, VectorSelector | Subquery)
        return replace(node, offset=offset or node.offset, at=at or node.at, span=span)

    def at_modifier(self, node: Node) -> At:
        word = self.peek_word()
        if word in ("start", "end"):
            self.take()
            self.expect("(", "in @", "expected timestamp")
            self.expect(")", "in @", "expected timestamp")
            return At(word)
        sign = 1
        if self.peek_symbol("+") or self.peek_symbol("-"):
            sign = -1 if self.take().text == "-" else 1
        token = self.take()
        is_word = token.kind is TokenKind.IDENTIFIER and token.text.lower() in ("inf", "nan")
        if token.kind not in (TokenKind.NUMBER, TokenKind.DURATION) and not is_word:
            raise self.unexpected(token, "in @", "expected timestamp")
        seconds = sign * parse_number(self.query, token)
        if not math.isfinite(seconds) or abs(seconds) >= MAX_TIMESTAMP_SECONDS:
            reason = f"timestamp out of bounds for @ modifier: {format_short(seconds)}"
            raise ParseError(self.query, node.span.start, reason)
        return At("time", round(seconds * 1000))


def _modifiers_of(query: str, node: Node, what: str) -> tuple[Duration | None, At | None]:
    if isinstance(node, MatrixSelector):
        return node.vector.offset, node.vector.at
    if isinstance(node, VectorSelector | Subquery):
        return node.offset, node.at
    reason = (
        f"{what} modifier must be preceded by an instant vector selector or range vector selector "
        "or a subquery"
    )
    raise ParseError(query, node.span.start, reason)
