"""The resources: what is finite on a host, its usage and limit in PromQL, and its mark."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from tidecast.policy.model import InvalidPolicy
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


CheckExpression = Callable[[str], None]
"""Raises `InvalidInput` for an expression that does not parse."""


def load_resources(
    check: CheckExpression, path: Path | None = None
) -> Mapping[str, ResourceDefinition]:
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
    return parse_resources(text, str(path or "resources.yaml"), check)


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
_FIELDS = {"lead_time": "lead_time_seconds"}
