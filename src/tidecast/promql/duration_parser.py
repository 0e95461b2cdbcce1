"""The part of the parser that walks the tokens and reads durations and their arithmetic."""

from __future__ import annotations

from tidecast.promql.duration_tree import (
    Duration,
    DurationCall,
    DurationLiteral,
    DurationNumber,
    DurationOperation,
    DurationParen,
)
from tidecast.promql.durations import MAX_DURATION_MS
from tidecast.promql.errors import ParseError
from tidecast.promql.lexer import Token, TokenKind
from tidecast.promql.numbers import parse_number

MAX_NESTING = 100
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, "%": 2, "^": 3}
_IN_BRACKETS = "in subquery selector", "expected number or duration"
"""How an error tells what a duration is for."""
_SIGN_BINDS = _PRECEDENCE["*"]
_NOTHING = (DurationLiteral(0), DurationNumber(0.0))
_CALLS = {"step": 0, "range": 0, "min": 2, "max": 2, "min_of": 2, "max_of": 2}


class DurationParser:
    """A cursor over the tokens of one query."""

    def __init__(self, query: str, tokens: list[Token]) -> None:
        self.query = query
        self.tokens = tokens
        self.index = 0
        self.nesting = 0
        self.may_match_all = False
        self.aggregations = 0
        self.where = _IN_BRACKETS
        self.fault: ParseError | None = None

    def peek(self, ahead: int = 0) -> Token:
        """The token at the cursor, or so many behind it; raises `ParseError` for a fault."""
        token = self.tokens[min(self.index + ahead, len(self.tokens) - 1)]
        if token.kind is TokenKind.FAULT:
            raise ParseError(self.query, token.start, token.text)
        return token

    def peek_symbol(self, text: str) -> bool:
        """Whether the token at the cursor is this symbol."""
        token = self.peek()
        return token.kind is TokenKind.SYMBOL and token.text == text

    def peek_word(self) -> str:
        """The word at the cursor in lower case; "" where there is none."""
        token = self.peek()
        return token.text.lower() if token.kind is TokenKind.IDENTIFIER else ""

    def previous(self) -> Token:
        """The token before the cursor."""
        return self.tokens[self.index - 1]

    def take(self) -> Token:
        """The token at the cursor, which moves on."""
        token = self.peek()
        self.index += 1
        return token

    def accept_word(self, word: str) -> bool:
        """Takes this word if it is next; returns whether it was."""
        found = self.peek_word() == word
        if found:
            self.index += 1
        return found

    def expect(self, symbol: str, context: str = "", expected: str = "") -> Token:
        """Takes this symbol; raises `ParseError` where something else stands."""
        if not self.peek_symbol(symbol):
            raise self.unexpected(None, context, expected)
        return self.take()

    def note(self, fault: ParseError) -> None:
        """Remembers the first fault of meaning: it is told where there is none of form."""
        self.fault = self.fault or fault

    def unexpected(
        self, token: Token | None = None, context: str = "", expected: str = ""
    ) -> ParseError:
        """The error that names the token (by default the one at the cursor) as out of place."""
        token = token or self.peek()
        reason = f"unexpected {token.describe(self.query)}"
        if not context and self.aggregations:
            context = "in aggregation"
        if context:
            reason += f" {context}"
        if expected:
            reason += f", {expected}"
        return ParseError(self.query, token.start, reason)

    def enter(self) -> None:
        """One level deeper; raises `ParseError` where that is too deep."""
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            reason = f"query nests deeper than {MAX_NESTING} levels"
            raise ParseError(self.query, self.peek().start, reason)

    def leave(self) -> None:
        """One level back."""
        self.nesting -= 1

    def positive_duration(self) -> Duration:
        """The duration expression of a range or a step: more than nothing."""
        start = self.peek()
        self.where = _IN_BRACKETS
        duration = _seconds_where_alone(self.duration(0))
        if isinstance(duration, DurationLiteral) and duration.milliseconds <= 0:
            raise ParseError(self.query, start.start, "duration must be greater than 0")
        return duration

    def offset_duration(self) -> Duration:
        """The duration behind `offset`: arithmetic only within parentheses."""
        self.where = "in offset", "expected number or duration"
        return _seconds_where_alone(self.signed_duration())

    def duration(self, above: int) -> Duration:
        self.enter()
        left = self.signed_duration(within_arithmetic=True)
        count = 0
        while (op := self.peek()).kind is TokenKind.SYMBOL and (
            _PRECEDENCE.get(op.text, 0) > above
        ):
            self.take()
            count += 1
            if count > MAX_NESTING:
                raise ParseError(self.query, op.start, "duration expression is too long")
            right = self.duration(_PRECEDENCE[op.text] - (op.text == "^"))
            if op.text in "/%" and right in _NOTHING:
                reason = "division by zero" if op.text == "/" else "modulo by zero"
                raise ParseError(self.query, op.start, reason)
            left = DurationOperation(op.text, left, right, op.start)
        self.leave()
        return left

    def signed_duration(self, *, within_arithmetic: bool = False) -> Duration:
        if not (self.peek_symbol("+") or self.peek_symbol("-")):
            return self.duration_primary()
        sign = self.take()
        self.enter()
        # In arithmetic a sign binds like a factor: -2 ^ 2 is -(2 ^ 2).
        operand = self.duration(_SIGN_BINDS) if within_arithmetic else self.signed_duration()
        self.leave()
        if isinstance(operand, DurationLiteral):
            factor = -1 if sign.text == "-" else 1
            return DurationLiteral(factor * operand.milliseconds)
        if isinstance(operand, DurationNumber):
            return DurationNumber(-operand.value if sign.text == "-" else operand.value)
        return DurationOperation(sign.text, None, operand, sign.start)

    def duration_primary(self) -> Duration:
        token = self.take()
        if token.kind is TokenKind.DURATION:
            return DurationLiteral(round(parse_number(self.query, token) * 1000))
        if token.kind is TokenKind.NUMBER:
            value = parse_number(self.query, token)
            if abs(value) * 1000 > MAX_DURATION_MS:
                raise ParseError(self.query, token.start, "duration out of range")
            return DurationNumber(value)
        if token.kind is TokenKind.SYMBOL and token.text == "(":
            inner = self.duration(0)
            self.expect(")", *self.where)
            return DurationParen(inner)
        if token.kind is TokenKind.IDENTIFIER and token.text.lower() in _CALLS:
            return self.duration_call(token.text.lower())
        raise self.unexpected(token, *self.where)

    def duration_call(self, name: str) -> Duration:
        self.expect("(", *self.where)
        arguments = []
        for index in range(_CALLS[name]):
            if index:
                self.expect(",", *self.where)
            arguments.append(self.duration(0))
        self.expect(")", *self.where)
        return DurationCall(name, tuple(arguments))


def _seconds_where_alone(duration: Duration) -> Duration:
    if isinstance(duration, DurationNumber):
        return DurationLiteral(round(duration.value * 1000))
    return duration
