"""The alerting kinds of OpenSLO v1: AlertPolicy, AlertCondition, AlertNotificationTarget."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

from tidecast_alerts.slo.fields import Keys, finite, read_metadata, where
from tidecast_alerts.slo.model import BurnCondition, Doubt, Operator
from tidecast_alerts.slo.windows import read_duration
from tidecast_alerts.yaml_nodes import Field

T = TypeVar("T")
_NO_TIME = re.compile(r"0+[mhdwMQY]", re.ASCII)
HEAD = ("apiVersion", "kind", "metadata", "spec")
RESOLVED = "alertWhenResolved: the end of an alert is told by whoever sends it, for all alike"


@dataclass(frozen=True, slots=True)
class Reference:
    """The name of an object that stands elsewhere."""

    kind: str
    name: str
    where: str


OrCondition: TypeAlias = BurnCondition | Reference


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """When to alert, and whom to tell: names of targets, and what target it is where inlined."""

    name: str
    when_breaching: bool
    when_no_data: bool
    conditions: Sequence[OrCondition]
    targets: Sequence[Reference | str]


def read_alert_policy(keys: Keys) -> AlertPolicy:
    """An AlertPolicy, of its own or within an SLO."""
    name = read_metadata(keys).name
    flags = ("alertWhenNoData", "alertWhenResolved", "alertWhenBreaching")
    spec = keys.inner("spec", {"description", "conditions", "notificationTargets", *flags})
    if spec is None:
        return AlertPolicy(name, False, False, (), ())
    spec.description()
    given = {flag: spec.flag(flag) for flag in flags}
    if given["alertWhenResolved"]:
        keys.doubts.append(Doubt(where(spec.fields["alertWhenResolved"]), RESOLVED))
    conditions = [
        inline_or_reference(item, keys.doubts, "AlertCondition", "conditionRef", read_condition)
        for item in spec.items("conditions")
    ]
    if len(conditions) != 1:
        (spec.fields.get("conditions") or spec.body).wrong("exactly one condition must be given")
    targets = [
        inline_or_reference(item, keys.doubts, "AlertNotificationTarget", "targetRef", read_target)
        for item in spec.items("notificationTargets")
    ]
    if not targets:
        (spec.fields.get("notificationTargets") or spec.body).wrong(
            "at least one of notificationTargets must be given"
        )
    return AlertPolicy(
        name,
        given["alertWhenBreaching"] or not any(given.values()),
        given["alertWhenNoData"],
        [each for each in conditions if each is not None],
        [each for each in targets if each is not None],
    )


def read_condition(keys: Keys) -> BurnCondition:
    """The burn-rate condition of a document of kind AlertCondition; its faults are noted."""
    name = read_metadata(keys).name
    found = BurnCondition(name, "", Operator.GTE, 0.0, 3_600)
    spec = keys.inner("spec", {"description", "severity", "condition"}, ("severity", "condition"))
    if spec is None:
        return found
    spec.description()
    known = {"kind", "op", "threshold", "lookbackWindow", "alertAfter"}
    inner = spec.inner("condition", known, ("threshold", "lookbackWindow"))
    if inner is None:
        return found
    if inner.text("kind", "burnrate") != "burnrate":
        inner.fields["kind"].wrong("the only kind of condition is burnrate")
    if "op" not in inner:
        keys.doubts.append(Doubt(where(inner.body), "no 'op': taken as gte"))
    window = inner.read("lookbackWindow", read_duration, None)
    after = inner.text("alertAfter")
    for_ = (
        None
        if not after or _NO_TIME.fullmatch(after)
        else inner.read("alertAfter", read_duration, None)
    )
    return replace(
        found,
        severity=spec.told("severity"),
        operator=inner.read("op", read_operator, Operator.GTE),
        threshold=inner.read("threshold", finite, 0.0),
        window_seconds=window.seconds if window else 3_600,
        for_seconds=for_.seconds if for_ else 0,
    )


def read_target(keys: Keys) -> str:
    """The name of an AlertNotificationTarget."""
    name = read_metadata(keys).name
    spec = keys.inner("spec", {"description", "target"}, ("target",))
    if spec is not None:
        spec.description()
        spec.told("target")
    return name


def read_operator(text: str) -> Operator:
    """The operator; raises `ValueError`."""
    if text not in list(Operator):
        raise ValueError(f"{text!r} is not one of {', '.join(Operator)}")
    return Operator(text)


def inline_or_reference(
    item: Field, doubts: list[Doubt], kind: str, key: str, reader: Callable[[Keys], T]
) -> T | Reference | None:
    """An object of the kind that stands here, or where it is to be found; None after a fault."""
    joined = {"operator"} if kind == "AlertCondition" else set()
    keys = Keys.of(item, {*HEAD, key, *joined}, doubts)
    if "operator" in keys:
        # It stands in the specification's own test documents, beside the only condition there is.
        doubts.append(Doubt(where(keys.fields["operator"]), "'operator' joins nothing here"))
    chosen = keys.one_of((key, "spec"))
    if chosen == key:
        return Reference(kind, keys.reference(key), where(keys.fields[key]))
    if chosen != "spec":
        return None
    for needed in ("kind", "metadata"):
        if needed not in keys:
            item.wrong(f"an inlined {kind} lacks {needed}")
    if "kind" in keys and keys.text("kind") != kind:
        keys.fields["kind"].wrong(f"kind must be {kind} here")
    return reader(keys)
