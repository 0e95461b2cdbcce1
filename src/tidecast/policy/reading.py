"""A whole policy from the files of one directory: read, joined, and every fault told at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeVar

import yaml

from tidecast.policy.forms import place_of
from tidecast.policy.model import Document, InvalidPolicy, Policy
from tidecast.policy.references import wrong_references
from tidecast.policy.sections import (
    read_agreement,
    read_catalogue_entry,
    read_contract,
    read_cost,
    read_lead_time,
    read_mark,
    read_owner,
    read_requirement,
    read_role,
    read_route,
    read_supplier,
)
from tidecast.policy.services import CalendarShelf, read_hours, read_service
from tidecast_alerts.slo.sloth import SLOTH_GROUP
from tidecast_alerts.yaml_nodes import Field, Problems, read_documents

T = TypeVar("T")

MAX_FILES = 2_000
MAX_BYTES = 32 << 20
MAX_DEPTH = 50
MAX_NODES = 2_000_000
SUFFIXES = (".yaml", ".yml", ".ics")

NAMED = (
    "owners",
    "suppliers",
    "calendars",
    "services",
    "catalogue",
    "requirements",
    "slas",
    "contracts",
    "resources",
)
"""Sections that map names to what they name."""
LISTED = ("roles", "marks", "lead_times", "costs", "routing")
SECTIONS = {*NAMED, *LISTED}


def read_directory(directory: Path) -> Mapping[str, str]:
    """The texts of the policy files below the directory, by relative path.

    Hidden files and directories are left out. Raises `InvalidPolicy` where there is none, or one
    cannot be read.
    """
    if not directory.is_dir():
        raise InvalidPolicy(f"{directory}: no such directory; name the one with the policy files")
    paths = sorted(
        path
        for path in directory.rglob("*")
        if path.suffix in SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(directory).parts)
    )
    if len(paths) > MAX_FILES:
        raise InvalidPolicy(f"{directory}: {len(paths)} files; at most {MAX_FILES} are read")
    files: dict[str, str] = {}
    for path in paths:
        try:
            files[path.relative_to(directory).as_posix()] = path.read_text("utf-8")
        except OSError as error:
            raise InvalidPolicy(f"{path}: cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise InvalidPolicy(f"{path}: not UTF-8: {error}") from error
    return files


def read_policy(files: Mapping[str, str]) -> Policy:
    """The policy that these texts make together, by relative path.

    Raises `InvalidPolicy` with every fault as `file:line:column: why`.
    """
    if sum(map(len, files.values())) > MAX_BYTES:
        raise InvalidPolicy(f"the policy is larger than {MAX_BYTES} characters")
    reading = _Reading(files)
    policy = reading.policy()
    reading.raise_if_wrong()
    wrong = wrong_references(policy)
    if wrong:
        raise InvalidPolicy("\n".join(f"{place}: {why}" for place, why in wrong))
    return policy


@dataclass
class _Reading:
    files: Mapping[str, str]
    problems: list[Problems] = field(default_factory=list)
    bodies: dict[str, list[Field]] = field(default_factory=dict)
    documents: list[Document] = field(default_factory=list)

    def policy(self) -> Policy:
        for filename, text in self.files.items():
            if not filename.endswith(".ics"):
                problems = Problems(filename)
                self.problems.append(problems)
                for root in read_documents(text, problems):
                    self._take(root, text)
        calendars = {
            name: read_hours(name, body, self._beside(body))
            for name, body in self._named("calendars")
        }
        shelves: dict[str, CalendarShelf] = {}

        def shelf(body: Field) -> CalendarShelf:
            filename = body.problems.filename
            if filename not in shelves:
                shelves[filename] = CalendarShelf(calendars, self._beside(body))
            return shelves[filename]

        return Policy(
            owners=self._mapping("owners", read_owner),
            roles=self._list("roles", read_role),
            suppliers=self._mapping("suppliers", read_supplier),
            calendars=calendars,
            services=self._mapping("services", lambda n, b: read_service(n, b, shelf(b))),
            catalogue=self._mapping("catalogue", read_catalogue_entry),
            requirements=self._mapping("requirements", read_requirement),
            marks=self._list("marks", read_mark),
            lead_times=self._list("lead_times", read_lead_time),
            agreements=self._mapping("slas", lambda n, b: read_agreement(n, b, shelf(b))),
            contracts=self._mapping("contracts", lambda n, b: read_contract(n, b, shelf(b))),
            costs=self._list("costs", read_cost),
            routes=self._list("routing", read_route),
            documents=self.documents,
        )

    def raise_if_wrong(self) -> None:
        reports = [problems.report() for problems in self.problems if problems.found]
        if reports:
            raise InvalidPolicy("\n".join(reports))

    def _take(self, root: Field, text: str) -> None:
        """Sorts a document by what it is: ours by section, others whole."""
        fault = _too_large(root.node)
        if fault:
            root.wrong(fault)
            return
        if root.is_list and any(_listed_format(item) for item in root.items()):
            for item in root.items():
                self._take_listed(item, text)
            return
        if not root.is_mapping:
            root.wrong("expected a mapping (sections, or an OpenSLO, Sloth or rules document)")
            return
        keys = {key.value for key, _ in root.node.value if isinstance(key, yaml.ScalarNode)}
        form = _format_of(root, keys)
        if form:
            self._keep(root, form, text)
            return
        for section, body_field in root.mapping(SECTIONS).items():
            self.bodies.setdefault(section, []).append(body_field)

    def _take_listed(self, item: Field, text: str) -> None:
        """One document of a list of them, as OpenSLO's tools write them."""
        form = _listed_format(item)
        if form:
            self._keep(item, form, text)
        else:
            item.wrong("a list at the top may hold OpenSLO and Sloth documents only")

    def _keep(self, root: Field, form: str, text: str) -> None:
        body = text[root.node.start_mark.index : root.node.end_mark.index]
        # Padded, so that lines in complaints are those of the file.
        padded = "\n" * (root.line - 1) + " " * (root.column - 1) + body
        self.documents.append(Document(place_of(root), form, padded))

    def _named(self, section: str) -> Iterator[tuple[str, Field]]:
        seen: dict[str, Field] = {}
        for body in self.bodies.get(section, ()):
            for name, item in body.mapping(None).items():
                if name in seen:
                    item.wrong(f"{name!r} stands in {place_of(seen[name])} already")
                elif not name:
                    item.wrong("a name must not be empty")
                else:
                    seen[name] = item
                    yield name, item

    def _mapping(self, section: str, reader: Callable[[str, Field], T]) -> dict[str, T]:
        return {name: reader(name, body) for name, body in self._named(section)}

    def _list(self, section: str, reader: Callable[[Field], T]) -> Sequence[T]:
        bodies = self.bodies.get(section, ())
        return tuple(reader(item) for body in bodies for item in body.items())

    def _beside(self, body: Field) -> Callable[[str], str]:
        """Reads files by their paths as seen from the file in which the body stands."""
        folder = PurePosixPath(body.problems.filename).parent

        def read(path: str) -> str:
            name = (folder / path).as_posix()
            if name not in self.files:
                raise ValueError(f"{path!r} is not in the policy directory")
            return self.files[name]

        return read


def _too_large(root: yaml.Node) -> str:
    """What is wrong with a document that is small as text, but not once its aliases are followed.

    "" where nothing is.
    """
    sizes: dict[int, int] = {}

    def size(node: yaml.Node, depth: int) -> int:
        if depth > MAX_DEPTH:
            raise ValueError(f"nested more than {MAX_DEPTH} deep, or an alias of what it stands in")
        if id(node) not in sizes:
            below = node.value if isinstance(node, yaml.CollectionNode) else ()
            pairs = below if isinstance(node, yaml.MappingNode) else ((each,) for each in below)
            sizes[id(node)] = 1 + sum(size(each, depth + 1) for pair in pairs for each in pair)
        return sizes[id(node)]

    try:
        expanded = size(root, 0)
    except ValueError as error:
        return str(error)
    if expanded > MAX_NODES:
        return f"{expanded} values once its aliases are followed; at most {MAX_NODES} are read"
    return ""


def _listed_format(item: Field) -> str:
    form = _format_of(item, set()) if item.is_mapping else ""
    return form if form in {"openslo", "sloth"} else ""


def _format_of(root: Field, keys: set[str]) -> str:
    scalar = yaml.ScalarNode
    pairs = [(k, v) for k, v in root.node.value if isinstance(k, scalar) and isinstance(v, scalar)]
    values = {key.value: value.value for key, value in pairs}
    if str(values.get("apiVersion", "")).startswith("openslo"):
        return "openslo"
    sloth = str(values.get("apiVersion", "")).startswith(SLOTH_GROUP)
    if sloth or str(values.get("version", "")).startswith("prometheus/"):
        return "sloth"
    if keys == {"groups"}:
        return "rules"
    return "resources" if keys == {"resources"} else ""
