"""The resources: what is finite on a host, its usage and limit in PromQL, and its mark."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from tidecast.policy.model import InvalidPolicy, LeadTime, Mark
from tidecast_alerts.yaml_nodes import Field, Problems, read_yaml
from tidecast_collector.durations import parse_duration_ms
from tidecast_collector.errors import InvalidInput

STATISTICS = ("mean", "p95", "max")
UNITS = ("ratio", "bytes", "bytes_per_second", "count", "seconds")


@dataclass(frozen=True, slots=True)
class ResourceDefinition:
    """How one kind of resource is measured and judged; see `defaults/resources.yaml`."""

    name: str
    title: str
    unit: str
    usage: str
    limit: str | float
    item: str = ""
    statistic: str = "max"
    mark_ratio: float = 0.9
    lead_time_seconds: int = 14 * 86400
    fast_path: bool = False


def custom_resource(name: str) -> ResourceDefinition:
    """How a resource is judged that only an import knows: by its hourly mean."""
    return ResourceDefinition(name, name, "count", "", 0.0, statistic="mean")


class Resources(Mapping[str, ResourceDefinition]):
    """Definitions by name, and the marks and lead times of a policy that hold for some of them.

    Of several that fit a resource the last one holds, in the order of files and lines.
    """

    def __init__(
        self,
        definitions: Mapping[str, ResourceDefinition],
        marks: Sequence[Mark] = (),
        lead_times: Sequence[LeadTime] = (),
    ) -> None:
        self._definitions = definitions
        self._marks, self._lead_times = marks, lead_times

    def __getitem__(self, name: str) -> ResourceDefinition:
        return self._definitions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._definitions)

    def __len__(self) -> int:
        return len(self._definitions)

    def mark_of(self, host: str, resource: str, item: str) -> Mark | None:
        """The policy's mark for this resource; None where its definition's holds."""
        return _last(self._marks, host, resource, item)

    def lead_time_of(self, host: str, resource: str, item: str) -> LeadTime | None:
        """The policy's lead time for this resource; None where its definition's holds."""
        return _last(self._lead_times, host, resource, item)

    def mark(
        self, host: str, resource: str, item: str, *, limit: float | None, recorded: float | None
    ) -> float | None:
        """The mark that holds now, in the resource's unit: the policy's, else what was recorded."""
        chosen = self.mark_of(host, resource, item)
        return recorded if chosen is None or limit is None else limit * chosen.mark_ratio

    def lead_time_seconds(self, host: str, resource: str, item: str) -> int:
        """How long it takes to add more of it; 0 where nothing says so."""
        known = resource in self._definitions or self.lead_time_of(host, resource, item)
        return self.fitting(host, resource, item).lead_time_seconds if known else 0

    def fitting(self, host: str, resource: str, item: str) -> ResourceDefinition:
        """How this very resource is measured and judged."""
        found = self.get(resource) or custom_resource(resource)
        mark = self.mark_of(host, resource, item)
        lead_time = self.lead_time_of(host, resource, item)
        if mark is not None:
            found = replace(found, mark_ratio=mark.mark_ratio)
        if lead_time is not None:
            found = replace(found, lead_time_seconds=lead_time.lead_time_seconds)
        return found


Chosen = TypeVar("Chosen", Mark, LeadTime)


def _last(choices: Sequence[Chosen], host: str, resource: str, item: str) -> Chosen | None:
    for one in reversed(choices):
        if one.resource == resource and fnmatchcase(host, one.host) and fnmatchcase(item, one.item):
            return one
    return None


CheckExpression = Callable[[str], None]
"""Raises `InvalidInput` for an expression that does not parse."""


def load_resources(check: CheckExpression, path: Path | None = None) -> Resources:
    """The definitions in the file, by name, or the defaults where no file is given.

    Raises `InvalidPolicy` with every fault, located.
    """
    source = path or files("tidecast.policy") / "defaults" / "resources.yaml"
    try:
        text = source.read_text("utf-8")
    except OSError as error:
        raise InvalidPolicy(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidPolicy(f"{path}: not UTF-8: {error}") from error
    return Resources(parse_resources(text, str(path or "resources.yaml"), check))


def parse_resources(
    text: str, filename: str, check: CheckExpression
) -> Mapping[str, ResourceDefinition]:
    """The definitions in this text; raises `InvalidPolicy` with every fault, located."""
    problems = Problems(filename)
    root = read_yaml(text, problems)
    found: dict[str, ResourceDefinition] = {}
    if root:
        bodies = root.mapping({"resources"}).get("resources")
        for name, body in bodies.mapping(None).items() if bodies else ():
            definition = read_definition(name, body, check)
            if definition:
                found[name] = definition
    if problems.found:
        raise InvalidPolicy(problems.report())
    return found


def read_definition(name: str, body: Field, check: CheckExpression) -> ResourceDefinition | None:
    """The definition of one resource; None where it is wrong, which the problems then tell."""
    values: dict[str, object] = {}
    fields = body.mapping(set(_READERS))
    for key, value in fields.items():
        reader = _READERS[key]
        values[_FIELDS.get(key, key)] = value.read(lambda text, r=reader: r(text, check), None)  # type: ignore[misc]
    missing = {"title", "unit", "usage", "limit"} - fields.keys()
    if missing:
        body.wrong(f"{name} lacks {', '.join(sorted(missing))}")
        return None
    return ResourceDefinition(name=name, **values)  # type: ignore[arg-type]


def _text(value: str, _check: CheckExpression) -> str:
    return value


def _one_of(*choices: str) -> Callable[[str, CheckExpression], str]:
    def read(value: str, _check: CheckExpression) -> str:
        if value not in choices:
            raise ValueError(f"{value!r} is not one of {', '.join(choices)}")
        return value

    return read


def _expression(value: str, check: CheckExpression) -> str:
    try:
        check(value)
    except InvalidInput as error:
        raise ValueError(str(error)) from error
    return value.strip()


def _limit(value: str, check: CheckExpression) -> str | float:
    try:
        limit = float(value)
    except ValueError:
        return _expression(value, check)
    if not 0 < limit < math.inf:
        raise ValueError(f"{value} is not a number above 0")
    return limit


def _mark_ratio(value: str, _check: CheckExpression) -> float:
    ratio = float(value)
    if not 0 < ratio <= 1:
        raise ValueError(f"{value} is not above 0 and at most 1")
    return ratio


def _duration(value: str, _check: CheckExpression) -> int:
    try:
        return parse_duration_ms(value) // 1000
    except InvalidInput as error:
        raise ValueError(str(error)) from error


def _flag(value: str, _check: CheckExpression) -> bool:
    if value not in ("true", "false"):
        raise ValueError(f"{value!r} is neither true nor false")
    return value == "true"


_READERS: Mapping[str, Callable[[str, CheckExpression], object]] = {
    "title": _text,
    "unit": _one_of(*UNITS),
    "item": _text,
    "usage": _expression,
    "limit": _limit,
    "statistic": _one_of(*STATISTICS),
    "mark_ratio": _mark_ratio,
    "lead_time": _duration,
    "fast_path": _flag,
}
RESOURCE_KEYS = frozenset(_READERS)
_FIELDS = {"lead_time": "lead_time_seconds"}
