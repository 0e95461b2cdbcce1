"""YAML read as nodes that know their lines, so that a file's problems can be told all at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import yaml

from tidecast_collector.errors import InvalidInput

T = TypeVar("T")

MAX_FILE_CHARACTERS = 4 * 1024 * 1024
MAX_PROBLEMS = 100
MAX_DEPTH_IN_C = 200
_NULL = "tag:yaml.org,2002:null"


@dataclass
class Problems:
    """What is wrong with one file, gathered while it is read."""

    filename: str
    found: list[tuple[int, int, str]] = field(default_factory=list)

    def add(self, line: int, column: int, message: str) -> None:
        """Remembers one problem at a line and column (counted from 1)."""
        self.found.append((line, column, message))

    @property
    def too_many(self) -> bool:
        """Whether reading on would only add to a list nobody reads."""
        return len(self.found) > MAX_PROBLEMS

    def report(self) -> str:
        """`file:line:column: message` for each problem, in the order of the file."""
        lines = [f"{self.filename}:{at}:{column}: {why}" for at, column, why in sorted(self.found)]
        left = len(lines) - MAX_PROBLEMS
        return "\n".join(lines[:MAX_PROBLEMS] + ([f"... and {left} more"] if left > 0 else []))


@dataclass(frozen=True, slots=True)
class Field:
    """One node of the file; `key` is what it stands under in a mapping."""

    node: yaml.Node
    problems: Problems
    key: str = ""

    @property
    def line(self) -> int:
        """Its line, counted from 1."""
        return int(self.node.start_mark.line) + 1

    @property
    def column(self) -> int:
        """Its column, counted from 1."""
        return int(self.node.start_mark.column) + 1

    @property
    def is_mapping(self) -> bool:
        """Whether it has keys."""
        return isinstance(self.node, yaml.MappingNode)

    @property
    def is_list(self) -> bool:
        """Whether it has elements."""
        return isinstance(self.node, yaml.SequenceNode)

    @property
    def is_null(self) -> bool:
        """Whether nothing stands there: a key without a value."""
        return isinstance(self.node, yaml.ScalarNode) and self.node.tag == _NULL

    def wrong(self, message: str) -> None:
        """Remembers what is wrong with it."""
        self.problems.add(self.line, self.column, message)

    def mapping(self, allowed: Collection[str] | None) -> dict[str, Field]:
        """Its keys with their values; keys that are not `allowed` (None: any) are problems."""
        if not isinstance(self.node, yaml.MappingNode):
            self.wrong(f"expected a mapping, found {_what(self.node)}")
            return {}
        fields: dict[str, Field] = {}
        for key_node, value_node in self.node.value:
            key = Field(key_node, self.problems)
            name = key.text()
            if allowed is not None and name not in allowed:
                key.wrong(f"unknown key {name!r}; known here: {', '.join(sorted(allowed))}")
            elif name in fields:
                key.wrong(f"{name!r} stands twice")
            else:
                fields[name] = Field(value_node, self.problems, name)
        return fields

    def items(self) -> Sequence[Field]:
        """Its elements."""
        if not isinstance(self.node, yaml.SequenceNode):
            self.wrong(f"expected a list, found {_what(self.node)}")
            return ()
        return [Field(node, self.problems) for node in self.node.value]

    def text(self) -> str:
        """Its text, as written; nothing at all is an empty text."""
        if not isinstance(self.node, yaml.ScalarNode):
            self.wrong(f"expected text, found {_what(self.node)}")
            return ""
        return "" if self.is_null else str(self.node.value)

    def whole_number(self) -> int:
        """Its value as a number that is not negative."""
        text = self.text()
        if not text.isascii() or not text.isdigit() or len(text) > 9:
            self.wrong(f"expected a whole number, found {text!r}")
            return 0
        return int(text)

    def read(self, reader: Callable[[str], T], otherwise: T) -> T:
        """What the reader makes of its text; where it raises `ValueError` or `InvalidInput`, that
        is a problem, and `otherwise` stands for it."""
        try:
            return reader(self.text())
        except (ValueError, InvalidInput) as error:
            self.wrong(f"{self.key}: {error}" if self.key else str(error))
            return otherwise


def read_yaml(text: str, problems: Problems) -> Field | None:
    """The root of this YAML document; None where it is empty or cannot be read."""
    roots = read_documents(text, problems)
    if len(roots) > 1:
        roots[1].wrong("a second document stands here; only one is expected")
    return roots[0] if roots else None


def read_documents(text: str, problems: Problems) -> Sequence[Field]:
    """The roots of the YAML documents in this text; none where it is empty or cannot be read."""
    if len(text) > MAX_FILE_CHARACTERS:
        limit = f"the file is larger than {MAX_FILE_CHARACTERS} characters; split it"
        problems.add(1, 1, limit)
        return ()
    try:
        nodes = _composed(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problems.add(line, column, f"not YAML: {error.problem or error.context}")
        return ()
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, error.position - before.rfind("\n")
        problems.add(line, column, f"not YAML: character {error.character!r} {error.reason}")
        return ()
    except RecursionError:
        problems.add(1, 1, "not usable YAML: nested too deeply")
        return ()
    return [Field(node, problems) for node in nodes]


def _composed(text: str) -> list[yaml.Node]:
    """The roots; by libyaml where it is there and finds nothing wrong.

    What it refuses is read again in Python, whose complaints are the ones we tell.
    """
    if yaml.__with_libyaml__:
        try:
            if _is_shallow(text):
                return [*filter(None, yaml.compose_all(text, Loader=yaml.CSafeLoader))]
        except yaml.YAMLError:
            pass
    return [*filter(None, yaml.compose_all(text, Loader=yaml.SafeLoader))]


def _is_shallow(text: str) -> bool:
    """Whether libyaml can compose it: it overflows the stack where Python raises an error."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH_IN_C:
            return False
    return True


def _what(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return f"{node.value[:80]!r}" if node.value else "nothing"
    return "a mapping" if isinstance(node, yaml.MappingNode) else "a list"
