"""The resources: what is finite on a host, its usage and limit in PromQL, and its mark."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import yaml

from tidecast.policy.documents import (
    Faults,
    InvalidPolicy,
    compose,
    entries,
)
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
    faults = Faults(filename)
    root = compose(text, filename)
    found: dict[str, ResourceDefinition] = {}
    for key, key_node, value in entries(root, faults) if root else ():
        if key != "resources":
            faults.add(key_node, f"unknown key {key!r}; expected 'resources'")
            continue
        for name, name_node, body in entries(value, faults):
            definition = _definition(name, name_node, body, faults, check)
            if definition:
                found[name] = definition
    faults.raise_if_any()
    return found


def _definition(
    name: str, name_node: yaml.Node, body: yaml.Node, faults: Faults, check: CheckExpression
) -> ResourceDefinition | None:
    values: dict[str, object] = {}
    for key, key_node, node in entries(body, faults):
        reader = _READERS.get(key)
        if reader is None:
            faults.add(key_node, f"unknown key {key!r}; expected one of {', '.join(_READERS)}")
        elif not isinstance(node, yaml.ScalarNode):
            faults.add(node, f"{key} must be a single value")
        else:
            try:
                values[_FIELDS.get(key, key)] = reader(node.value, check)
            except ValueError as error:
                faults.add(node, f"{key}: {error}")
    missing = {"title", "unit", "usage", "limit"} - values.keys()
    if missing:
        faults.add(name_node, f"{name} lacks {', '.join(sorted(missing))}")
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
