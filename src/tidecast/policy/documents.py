"""Reading YAML so that every complaint names its file, line and column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from tidecast_collector.errors import InvalidInput


class InvalidPolicy(InvalidInput):
    """A policy file that is refused; the message lists every fault as `file:line:column: why`."""


@dataclass(slots=True)
class Faults:
    """Faults found in one file, in the order of finding."""

    filename: str
    found: list[str] = field(default_factory=list)

    def add(self, node: yaml.Node, why: str) -> None:
        """Notes what is wrong where this node begins."""
        mark = node.start_mark
        self.found.append(f"{self.filename}:{mark.line + 1}:{mark.column + 1}: {why}")

    def raise_if_any(self) -> None:
        """Raises `InvalidPolicy` with everything noted so far."""
        if self.found:
            raise InvalidPolicy("\n".join(self.found))


def compose(text: str, filename: str) -> yaml.Node | None:
    """The document's node tree, with positions; raises `InvalidPolicy` where YAML ends."""
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise InvalidPolicy(f"{filename}{where}: not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise InvalidPolicy(f"{filename}: not YAML: {error}") from error


def entries(node: yaml.Node, faults: Faults) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
    """The (key, key node, value node) of a mapping; anything else, or a key twice, is a fault."""
    if not isinstance(node, yaml.MappingNode):
        faults.add(node, "expected a mapping (key: value)")
        return
    seen = set()
    for key_node, value_node in node.value:
        key = str(key_node.value)
        if key in seen:
            faults.add(key_node, f"{key!r} stands here twice")
            continue
        seen.add(key)
        yield key, key_node, value_node
