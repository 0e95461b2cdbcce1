"""Reads the subset of Go's templates that alert annotations and labels use.

A template is text with actions between `{{` and `}}`: pipelines, variables, if, range and with.
`read_template` returns its nodes or says where it is wrong; `templates.py` expands them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from tidecast_collector.errors import InvalidInput

MAX_TEMPLATE_CHARACTERS = 64 * 1024
MAX_DEPTH = 50


class InvalidTemplate(InvalidInput):
    """A template that cannot be read; the message says where in it."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, a number, true, false or nil."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Dot:
    """The value that `.` stands for."""


@dataclass(frozen=True, slots=True)
class Variable:
    """`$name`; the root data is called `$`."""

    name: str


@dataclass(frozen=True, slots=True)
class Function:
    """A function's name, at the head of a command."""

    name: str


@dataclass(frozen=True, slots=True)
class Fields:
    """`base.A.b`: fields of a value, one after the other."""

    base: Operand
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands, each of which receives what the one before it gave as its last argument."""

    commands: tuple[tuple[Operand, ...], ...]


Operand: TypeAlias = Literal | Dot | Variable | Function | Fields | Pipeline


@dataclass(frozen=True, slots=True)
class Text:
    """Text that stands as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Output:
    """Writes what the pipeline gives."""

    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class Assign:
    """`$name := pipeline`, or `=` for a variable that is there already."""

    name: str
    declares: bool
    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class Block:
    """`if`, `with` or `range`, with its body and what stands after `else`."""

    kind: str
    names: tuple[str, ...]
    pipeline: Pipeline
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


Node: TypeAlias = Text | Output | Assign | Block


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int
    spaced: bool


@dataclass(frozen=True, slots=True)
class _Action:
    tokens: Sequence[_Token]
    line: int


_TOKEN = re.compile(
    r"""(?P<string>"(?:\\.|[^"\\\n])*")
      | (?P<raw>`[^`]*`)
      | (?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.]))
      | (?P<variable>\$\w*)
      | (?P<field>\.[^\W\d]\w*)
      | (?P<dot>\.)
      | (?P<word>[^\W\d]\w*)
      | (?P<sign>:=|=|\||\(|\)|,)""",
    re.VERBOSE,
)
_SPACE = re.compile(r"\s+")
_CLOSE = re.compile(r"(?P<trim>\s-)?}}")
_COMMENT = re.compile(r"(?:-\s)?\s*/\*.*?\*/\s*(?P<trim>\s-)?}}", re.DOTALL)
_WORDS = {"true": True, "false": False, "nil": None}
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "'": "'"}
_KEYWORDS = {"if", "else", "end", "range", "with"}
_UNSUPPORTED = {"define", "template", "block", "break", "continue"}


def read_template(text: str, functions: Collection[str]) -> tuple[Node, ...]:
    """The template's nodes; raises `InvalidTemplate` with the line of what is wrong."""
    if len(text) > MAX_TEMPLATE_CHARACTERS:
        raise InvalidTemplate(
            f"the template has {len(text)} characters; at most {MAX_TEMPLATE_CHARACTERS} are read"
        )
    return _Parser(tuple(_pieces(text)), functions).template()


def _pieces(text: str) -> Iterator[str | _Action]:
    """Text and actions in turn, trim markers applied, comments left out."""
    position, trim = 0, False
    while True:
        start = text.find("{{", position)
        chunk = text[position:] if start < 0 else text[position:start]
        chunk = chunk.lstrip() if trim else chunk
        if start < 0:
            yield chunk
            return
        after = start + 2
        if text.startswith("-", after) and text[after + 1 : after + 2].isspace():
            chunk = chunk.rstrip()
        yield chunk
        line = text.count("\n", 0, start) + 1
        comment = _COMMENT.match(text, after)
        if comment is not None:
            position, trim = comment.end(), comment["trim"] is not None
            continue
        if text.startswith("-", after) and text[after + 1 : after + 2].isspace():
            after += 1
        tokens, position, trim = _tokens(text, after, line)
        yield _Action(tokens, line)


def _tokens(text: str, position: int, line: int) -> tuple[list[_Token], int, bool]:
    tokens: list[_Token] = []
    spaced = False
    while position < len(text):
        close = _CLOSE.match(text, position)
        if close is not None:
            return tokens, close.end(), close["trim"] is not None
        space = _SPACE.match(text, position)
        if space is not None:
            # A trim marker needs the space before it.
            marker = text.startswith("-}}", space.end())
            position, spaced = (space.end() - 1 if marker else space.end()), True
            continue
        token = _TOKEN.match(text, position)
        if token is None:
            raise InvalidTemplate(
                f"line {line}: unexpected {text[position]!r} in a template action"
            )
        tokens.append(_Token(str(token.lastgroup), token[0], line, spaced or not tokens))
        position, spaced = token.end(), False
    raise InvalidTemplate(f"line {line}: '{{{{' has no '}}}}' after it")


@dataclass
class _Parser:
    pieces: Sequence[str | _Action]
    functions: Collection[str]
    piece: int = 0
    depth: int = 0
    variables: list[str] = field(
        default_factory=lambda: ["$", "$labels", "$value", "$externalLabels", "$externalURL"]
    )
    tokens: Sequence[_Token] = ()
    token: int = 0
    line: int = 1

    def template(self) -> tuple[Node, ...]:
        nodes, stop = self._nodes()
        if stop:
            raise self._wrong(f"unexpected {{{{{stop}}}}}")
        return nodes

    def _nodes(self) -> tuple[tuple[Node, ...], str]:
        """Nodes up to the end of the text, or to an `else` or `end` that closes this body."""
        nodes: list[Node] = []
        declared = len(self.variables)
        while self.piece < len(self.pieces):
            piece = self.pieces[self.piece]
            self.piece += 1
            if isinstance(piece, str):
                nodes.extend([Text(piece)] if piece else [])
                continue
            self.tokens, self.token, self.line = piece.tokens, 0, piece.line
            word = self._peek().text if self._peek().kind == "word" else ""
            if word in {"else", "end"}:
                self.token += 1
                del self.variables[declared:]
                return tuple(nodes), word
            nodes.append(self._action(word))
        return tuple(nodes), ""

    def _action(self, word: str) -> Node:
        if word in _UNSUPPORTED:
            raise self._wrong(f"{{{{{word}}}}} is not supported in alert templates")
        if word in _KEYWORDS:
            self.token += 1
            return self._block(word)
        name, declares = self._assignment()
        pipeline = self._whole_pipeline()
        if not name:
            return Output(pipeline)
        if declares:
            self.variables.append(name)
        return Assign(name, declares, pipeline)

    def _block(self, kind: str) -> Block:
        self._deeper()
        before = len(self.variables)
        names = self._range_names() if kind == "range" else ()
        if kind != "range":
            name, declares = self._assignment()
            if name and not declares:
                raise self._wrong(f"write {name} := in {{{{{kind}}}}}")
            names = (name,) if name else ()
        pipeline = self._whole_pipeline()
        self.variables.extend(names)
        body, stop = self._nodes()
        otherwise: tuple[Node, ...] = ()
        if stop == "else":
            otherwise, stop = self._otherwise(kind)
        if stop != "end":
            raise self._wrong(f"{{{{{kind}}}}} has no {{{{end}}}}")
        self._finish()
        del self.variables[before:]
        self.depth -= 1
        return Block(kind, names, pipeline, body, otherwise)

    def _otherwise(self, kind: str) -> tuple[tuple[Node, ...], str]:
        token = self._peek()
        if token.kind == "word" and token.text == kind and kind in {"if", "with"}:
            self.token += 1
            return (self._block(kind),), "end"
        self._finish()
        return self._nodes()

    def _assignment(self) -> tuple[str, bool]:
        first, second = self._peek(), self._peek(1)
        if first.kind == "variable" and second.text in {":=", "="}:
            self.token += 2
            if second.text == "=" and first.text not in self.variables:
                raise self._wrong(f"undefined variable {first.text}")
            return first.text, second.text == ":="
        return "", False

    def _range_names(self) -> tuple[str, ...]:
        names: list[str] = []
        while self._peek().kind == "variable" and self._peek(1).text in {",", ":="}:
            names.append(self._peek().text)
            self.token += 2
            if self.tokens[self.token - 1].text == ":=":
                break
        if len(names) > 2:
            raise self._wrong("{{range}} has at most an index and a value")
        return tuple(names)

    def _whole_pipeline(self) -> Pipeline:
        pipeline = self._pipeline()
        self._finish()
        return pipeline

    def _pipeline(self) -> Pipeline:
        commands = [self._command()]
        while self._peek().text == "|" and self._peek().kind == "sign":
            self.token += 1
            commands.append(self._command())
            if not isinstance(commands[-1][0], Function):
                raise self._wrong("only a function can stand after '|'")
        return Pipeline(tuple(commands))

    def _command(self) -> tuple[Operand, ...]:
        operands: list[Operand] = []
        while self._peek().kind and (self._peek().kind != "sign" or self._peek().text == "("):
            if operands and not self._peek().spaced:
                raise self._wrong(f"a space is missing before {self._peek().text!r}")
            operands.append(self._operand())
        if not operands:
            raise self._wrong("a value is missing")
        if len(operands) > 1 and not isinstance(operands[0], Function):
            raise self._wrong("only a function takes arguments")
        return tuple(operands)

    def _operand(self) -> Operand:
        token = self._peek()
        self.token += 1
        if token.kind == "field":
            base: Operand = Fields(Dot(), (token.text[1:],))
        elif token.text == "(":
            self._deeper()
            base = self._pipeline()
            if self._peek().text != ")":
                raise self._wrong("'(' has no ')' after it")
            self.token += 1
            self.depth -= 1
        else:
            base = self._simple(token)
        names: list[str] = []
        while self._peek().kind == "field" and not self._peek().spaced:
            names.append(self._peek().text[1:])
            self.token += 1
        return Fields(base, tuple(names)) if names else base

    def _simple(self, token: _Token) -> Operand:
        if token.kind == "variable":
            if token.text not in self.variables:
                raise self._wrong(f"undefined variable {token.text}")
            return Variable(token.text)
        if token.kind == "word":
            if token.text in _WORDS:
                return Literal(_WORDS[token.text])
            if token.text not in self.functions:
                raise self._wrong(f"function {token.text!r} is not defined")
            return Function(token.text)
        if token.kind == "number":
            # As in Go, a number is whole unless it is written with a point or an exponent.
            whole = not re.search(r"[.eE]", token.text)
            return Literal(int(token.text) if whole else float(token.text))
        if token.kind == "string":
            return Literal(_ESCAPE.sub(self._escape, token.text[1:-1]))
        return Dot() if token.kind == "dot" else Literal(token.text[1:-1])

    def _escape(self, match: re.Match[str]) -> str:
        code = match[1] or match[2]
        if code and not 0xD800 <= int(code, 16) < 0xE000:
            return chr(int(code, 16))
        if match[3] not in _ESCAPED:
            raise self._wrong(f"unknown escape {match[0]} in a string")
        return _ESCAPED[match[3]]

    def _peek(self, ahead: int = 0) -> _Token:
        index = self.token + ahead
        return self.tokens[index] if index < len(self.tokens) else _Token("", "", self.line, True)

    def _finish(self) -> None:
        if self._peek().kind:
            raise self._wrong(f"unexpected {self._peek().text!r}")

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._wrong(f"nested deeper than {MAX_DEPTH}")

    def _wrong(self, message: str) -> InvalidTemplate:
        return InvalidTemplate(f"line {self.line}: {message}")
