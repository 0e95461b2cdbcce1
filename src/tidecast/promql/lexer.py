"""PromQL text to tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from tidecast.promql.durations import DURATION_PATTERN, UNITS_MS
from tidecast.promql.errors import ParseError
from tidecast.promql.functions import AGGREGATIONS

MAX_QUERY_CHARACTERS = 100_000


class TokenKind(Enum):
    """The values are the words that error messages use."""

    END = "end of input"
    IDENTIFIER = "identifier"
    NUMBER = "number"
    DURATION = "duration"
    STRING = "string"
    SYMBOL = "symbol"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the query; `text` is as written, but unquoted for strings.

    Of a fault, behind which nothing is read, it is the reason.
    """

    kind: TokenKind
    text: str
    start: int
    end: int

    def describe(self, query: str) -> str:
        """What an error message calls it."""
        if self.kind is TokenKind.END:
            return "end of input"
        if self.kind is TokenKind.SYMBOL:
            return f"<op:{self.text}>" if self.text in OPERATORS else f'"{self.text}"'
        if self.kind is TokenKind.IDENTIFIER:
            if self.text.lower() in ("inf", "nan"):
                return f'number "{self.text}"'
            if self.text.lower() in KEYWORDS:
                return f"<{KEYWORDS[self.text.lower()]}>"
            return f'{"metric " if ":" in self.text else ""}identifier "{self.text}"'
        written = query[self.start : self.end]
        quoted = written[:_SHOWN].replace("\\", "\\\\").replace('"', '\\"')
        return f'{self.kind.value} "{quoted}"{"..." if len(written) > _SHOWN else ""}'


OPERATORS = frozenset(
    ("+", "-", "*", "/", "%", "^", "==", "!=", "<", "<=", ">", ">=", "=~", "!~", "</", ">/")
)
KEYWORDS = {
    **{word: word for word in ("bool", "by", "group_left", "group_right", "ignoring", "offset")},
    **{word: word for word in ("on", "without")},
    **{word: f"op:{word}" for word in ("and", "atan2", "or", "unless")},
    **{word: f"aggr:{word}" for word in AGGREGATIONS},
}
"""The words of the language that error messages call by their role."""
_SHOWN = 10
"""So much of a string or a number is shown."""
_DIGITS = "[0-9]+(?:_[0-9]+)*"
_HEX = "[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*"
_SKIP = re.compile(r"(?:[ \t\r\n]+|#[^\r\n]*)+")
_NUMBER = re.compile(
    rf"(?:0[xX]_?{_HEX}(?:\.(?:{_HEX})?)?(?:[pP][+-]?[0-9]+)?"
    rf"|(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?)(?![A-Za-z0-9_.])"
)
_LIKE_A_DURATION = re.compile(r"[0-9]+[smhdwy]s?(?:[0-9]+[smhdw]s?)*(?![A-Za-z0-9_])")
_LIKE_A_NUMBER = re.compile(
    r"(?:0[xX][0-9a-fA-F_]*|[0-9_]*(?:\.[0-9_]*)?\.?(?:[eE][+-]?[0-9_]*)?)"
    r"(?:[smhdwy]s?(?:[0-9]+[smhdw]s?)*(?:[0-9]+|.)?)?"
)
"""So much is read, and told, of what turns out to be neither."""
_DURATION = re.compile(rf"{DURATION_PATTERN}(?<=[a-z])(?![A-Za-z0-9_:])")
_DURATION_IN_BRACKETS = re.compile(rf"{DURATION_PATTERN}(?<=[a-z])(?![A-Za-z0-9_])")
_IDENTIFIER = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_IDENTIFIER_WITHOUT_COLON = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SYMBOL = re.compile(r"=~|!~|==|!=|<=|>=|</|>/|[-+*/%^<>=(){}\[\],@:]")
_WITHIN_BRACES = re.compile(r"=~|!~|!=|[=,}]")
_NOT_OUTSIDE_BRACES = ("=~", "!~")
_CLOSES = {")": "(", "]": "[", "}": "{"}
_NAMES = {"(": "parenthesis", "[": "bracket", "{": "brace"}
_UNCLOSED = {
    "(": "unclosed left parenthesis",
    "[": "unexpected end of input in duration expression",
    "{": "unexpected end of input inside braces",
}
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\'\"])|([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))"
)
_BEGUN_ESCAPE = re.compile(r"\\(?:[0-7]{1,2}|x[0-9a-fA-F]?|u[0-9a-fA-F]{0,3}|U[0-9a-fA-F]{0,7})")
_OTHER_QUOTE = {'"': "'", "'": '"'}
_SIMPLE_ESCAPES = dict(zip("abfnrtv\\'\"", "\a\b\f\n\r\t\v\\'\"", strict=True))


def tokenize(query: str) -> list[Token]:
    """The tokens of the query, ending with one of kind END or, where it cannot be read, FAULT.

    Raises `ParseError` for a query that is too long.
    """
    if len(query) > MAX_QUERY_CHARACTERS:
        raise ParseError(
            query, 0, f"query is longer than {MAX_QUERY_CHARACTERS} characters; shorten it"
        )
    return _Lexer(query).run()


class _Unreadable(Exception):
    """What stands at this place cannot be read, and why."""

    def __init__(self, at: int, reason: str) -> None:
        super().__init__(reason)
        self.at = at


class _Lexer:
    def __init__(self, query: str) -> None:
        self.query = query
        self.position = 0
        self.open: list[str] = []

    def run(self) -> list[Token]:
        tokens = []
        try:
            while (token := self.next_token()).kind is not TokenKind.END:
                tokens.append(token)
                self.position = token.end
        except _Unreadable as error:
            # What stands before it may be out of place already: that is told first.
            token = Token(TokenKind.FAULT, str(error), error.at, len(self.query))
        tokens.append(token)
        return tokens

    def next_token(self) -> Token:
        skipped = _SKIP.match(self.query, self.position)
        if skipped:
            self.position = skipped.end()
        if self.position == len(self.query):
            return self.end()
        character = self.query[self.position]
        if character in "\"'`":
            return self.string(character)
        if self.open and self.open[-1] == "{" and not _IDENTIFIER_WITHOUT_COLON.match(character):
            return self.symbol_within_braces(character)
        if character == "." and not self.query[self.position + 1 : self.position + 2].isdigit():
            raise self.error("unexpected character: '.'")
        if character.isascii() and (character.isdigit() or character == "."):
            return self.number_or_duration()
        inside = bool(self.open) and self.open[-1] in "[{"
        word = (_IDENTIFIER_WITHOUT_COLON if inside else _IDENTIFIER).match(
            self.query, self.position
        )
        if word:
            return Token(TokenKind.IDENTIFIER, word.group(), *word.span())
        return self.symbol(character)

    def end(self) -> Token:
        if self.open:
            raise self.error(_UNCLOSED[self.open[-1]])
        return Token(TokenKind.END, "", self.position, self.position)

    def symbol(self, character: str) -> Token:
        match = _SYMBOL.match(self.query, self.position)
        if match is None:
            raise self.error(f"unexpected character: {character!r}")
        text = match.group()
        if text in _NOT_OUTSIDE_BRACES:
            raise self.error(f"unexpected character after {text[0]!r}: '~'")
        if text in _NAMES:
            self.open.append(text)
        elif text in _CLOSES:
            if text == "}" and "{" not in self.open:
                raise self.error("unexpected character: '}'")
            if not self.open or self.open[-1] != _CLOSES[text]:
                # Prometheus sees this only behind a parenthesis, but before a bracket.
                at = self.position + (text == ")")
                raise _Unreadable(at, f"unexpected right {_NAMES[_CLOSES[text]]} {text!r}")
            self.open.pop()
        return Token(TokenKind.SYMBOL, text, *match.span())

    def symbol_within_braces(self, character: str) -> Token:
        match = _WITHIN_BRACES.match(self.query, self.position)
        if match is None:
            if character == "{":
                raise self.error("unexpected left brace '{'")
            if character == "!":
                after = self.query[self.position + 1 : self.position + 2]
                raise self.error(f"unexpected character after '!' inside braces: {after!r}")
            raise self.error(f"unexpected character inside braces: {character!r}")
        if match.group() == "}":
            self.open.pop()
        return Token(TokenKind.SYMBOL, match.group(), *match.span())

    def number_or_duration(self) -> Token:
        in_brackets = "[" in self.open
        duration = (_DURATION_IN_BRACKETS if in_brackets else _DURATION).match(
            self.query, self.position
        )
        if duration:
            return Token(TokenKind.DURATION, duration.group(), *duration.span())
        number = _NUMBER.match(self.query, self.position)
        if number is None:
            raise self.error(self.bad_number())
        return Token(TokenKind.NUMBER, number.group(), *number.span())

    def bad_number(self) -> str:
        like = _LIKE_A_DURATION.match(self.query, self.position)
        if like is None:
            bad = _LIKE_A_NUMBER.match(self.query, self.position)
            return f'bad number or duration syntax: "{bad.group() if bad else ""}"'
        text = like.group()
        for unit in re.findall("[a-z]+", text):
            if unit not in UNITS_MS:
                return f'unknown unit "{unit}" in duration "{text}"'
        return f'not a valid duration string: "{text}"'

    def string(self, quote: str) -> Token:
        start = self.position
        at = start + 1
        pieces: list[bytes] = []
        stop = re.compile(f"[{quote}]" if quote == "`" else rf"[{quote}\\\n]")
        while True:
            found = stop.search(self.query, at)
            if found is None or found.group() == "\n":
                kind = "raw" if quote == "`" else "quoted"
                raise self.error(f"unterminated {kind} string")
            pieces.append(self.encode(self.query[at : found.start()]))
            if found.group() == quote:
                break
            at = self.escape(found.start(), quote, pieces)
        try:
            text = b"".join(pieces).decode()
        except UnicodeDecodeError as error:
            raise self.error("string is not valid UTF-8") from error
        return Token(TokenKind.STRING, text, start, found.end())

    def escape(self, at: int, quote: str, pieces: list[bytes]) -> int:
        """Appends what the escape at `at` stands for; returns where it ends."""
        match = _ESCAPE.match(self.query, at)
        if match is None or (match.group(1) or quote) in _OTHER_QUOTE[quote]:
            raise self.error(self.bad_escape(at))
        simple, octal, hexadecimal, short, long = match.groups()
        if simple:
            pieces.append(_SIMPLE_ESCAPES[simple].encode())
        elif octal or hexadecimal:
            code = int(octal, 8) if octal else int(hexadecimal, 16)
            if code > 255:
                raise self.error("escape sequence is an invalid Unicode code point")
            pieces.append(bytes([code]))
        else:
            code = int(short or long, 16)
            if code > 0x10FFFF or 0xD800 <= code < 0xE000:
                raise self.error("escape sequence is an invalid Unicode code point")
            pieces.append(chr(code).encode())
        return match.end()

    def bad_escape(self, at: int) -> str:
        begun = _BEGUN_ESCAPE.match(self.query, at)
        end = at + 1 if begun is None else begun.end()
        if end == len(self.query):
            return "escape sequence not terminated"
        character = self.query[end]
        if begun is not None:
            return f"illegal character U+{ord(character):04X} {character!r} in escape sequence"
        return f"unknown escape sequence U+{ord(character):04X} {character!r}"

    def encode(self, text: str) -> bytes:
        try:
            return text.encode()
        except UnicodeEncodeError as error:
            raise self.error("string is not valid UTF-8") from error

    def error(self, reason: str) -> _Unreadable:
        return _Unreadable(self.position, reason)
