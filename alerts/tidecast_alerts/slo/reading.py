"""SLOs of any number of documents, OpenSLO and Sloth: read, joined by name, and judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar, cast

from tidecast_alerts.slo.fields import Keys, read_metadata, where
from tidecast_alerts.slo.model import (
    Alerting,
    BurnCondition,
    Doubt,
    InvalidSLO,
    Objective,
    ServiceLevelObjective,
    ServiceLevels,
    ThresholdIndicator,
)
from tidecast_alerts.slo.openslo import (
    Measured,
    OrSLI,
    WrittenObjective,
    WrittenSLO,
    read_data_source,
    read_sli,
    read_slo,
)
from tidecast_alerts.slo.openslo_alerts import (
    HEAD,
    AlertPolicy,
    Reference,
    read_alert_policy,
    read_condition,
    read_target,
)
from tidecast_alerts.slo.sloth import SLOTH_GROUP, read_sloth
from tidecast_alerts.yaml_nodes import Field, Problems, read_documents

T = TypeVar("T")

PROMETHEUS_TYPES = {"", "prometheus", "tidecast", "victoriametrics", "mimir", "thanos", "cortex"}
"""Types of sources whose queries are PromQL, in lower case."""


def read_service(keys: Keys) -> str:
    """The name of a Service."""
    spec = keys.inner("spec", {"description"})
    if spec:
        spec.description()
    return read_metadata(keys).name


KINDS: Mapping[str, Callable[[Keys], object]] = {
    "SLO": read_slo,
    "SLI": read_sli,
    "DataSource": read_data_source,
    "Service": read_service,
    "AlertPolicy": read_alert_policy,
    "AlertCondition": read_condition,
    "AlertNotificationTarget": read_target,
}


def read_service_levels(documents: Iterable[tuple[str, str]]) -> ServiceLevels:
    """The SLOs of these (filename, text); raises `InvalidSLO` with every fault, located.

    A text may hold several documents; references are followed between all of them.
    """
    reading = _Reading()
    reports = []
    for filename, text in documents:
        problems = Problems(filename)
        for root in read_documents(text, problems):
            for document in root.items() if root.is_list else (root,):
                reading.take(document)
        if problems.found:
            reports.append(problems.report())
    if reports:
        raise InvalidSLO("\n".join(reports))
    return reading.joined()


@dataclass
class _Reading:
    objects: dict[tuple[str, str], object] = field(default_factory=dict)
    places: dict[tuple[str, str], str] = field(default_factory=dict)
    slos: dict[str, ServiceLevelObjective] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    doubts: list[Doubt] = field(default_factory=list)

    def take(self, root: Field) -> None:
        if not root.is_mapping:
            root.wrong("expected an OpenSLO or Sloth document")
            return
        fields = root.mapping(None)
        version = fields["apiVersion"].text() if "apiVersion" in fields else ""
        kind = fields["kind"].text() if "kind" in fields else ""
        if ("version" in fields and not version) or version.startswith(SLOTH_GROUP):
            self.kinds["sloth"] += 1
            for slo in read_sloth(root, self.doubts):
                self._name(("SLO", slo.name), slo, slo.where, root)
        elif version != "openslo/v1":
            (fields.get("apiVersion") or root).wrong(
                f"apiVersion must be openslo/v1, not {version!r}"
            )
        elif kind not in KINDS:
            (fields.get("kind") or root).wrong(f"kind must be one of {', '.join(KINDS)}")
        else:
            self.kinds[kind] += 1
            keys = Keys.of(root, HEAD, self.doubts, ("metadata", "spec"))
            found = KINDS[kind](keys)
            name = fields["metadata"].mapping(None).get("name") if "metadata" in keys else None
            if found is not None and name is not None:
                self._name((kind, name.text()), found, where(root), name)

    def _name(self, key: tuple[str, str], found: object, place: str, at: Field) -> None:
        if key in self.objects:
            at.wrong(f"{key[0]} {key[1]!r} stands in {self.places[key]} already")
        self.objects[key], self.places[key] = found, place

    def joined(self) -> ServiceLevels:
        for (kind, name), found in self.objects.items():
            if isinstance(found, WrittenSLO):
                self.slos[name] = self._slo(name, found)
            elif kind == "SLO" and isinstance(found, ServiceLevelObjective):
                self.slos[name] = found
        return ServiceLevels(self.slos, dict(self.kinds), tuple(dict.fromkeys(self.doubts)))

    def _slo(self, name: str, written: WrittenSLO) -> ServiceLevelObjective:
        composite = written.sli is None
        objectives = [
            self._objective(number, each, each.sli if composite else written.sli, written)
            for number, each in enumerate(written.objectives, start=1)
        ]
        annotations = written.metadata.annotations or {}
        thresholds = [isinstance(each.indicator, ThresholdIndicator) for each in objectives]
        if len(thresholds) > 1 and all(thresholds) and not composite:
            why = "the specification has one objective only beside a thresholdMetric"
            self.doubts.append(Doubt(written.where, f"{name}: {why}"))
        return ServiceLevelObjective(
            name,
            written.service,
            written.where,
            written.method,
            written.window,
            objectives,
            title=written.metadata.title,
            description=written.description,
            labels=written.metadata.labels or {},
            annotations=annotations,
            alerting=Alerting(conditions=self._conditions(written.policies)),
            composite=composite,
        )

    def _objective(
        self, number: int, each: WrittenObjective, sli: OrSLI, written: WrittenSLO
    ) -> Objective:
        alone = len(written.objectives) == 1
        titles = [other.title for other in written.objectives]
        unique = each.title and titles.count(each.title) == 1
        name = "" if alone else (each.title if unique else f"objective-{number}")
        measured = self._follow(sli, Measured) if isinstance(sli, Reference) else sli
        why_not = self._why_not(measured, each)
        if why_not:
            whose = f"{written.metadata.name} {name}".strip()
            self.doubts.append(Doubt(written.where, f"{whose}: {why_not}"))
        return Objective(
            name,
            each.target_ratio,
            measured.indicator if measured and not why_not else None,
            why_not,
            each.operator,
            each.value,
            each.slice_target,
            each.slice_seconds,
            each.weight,
        )

    def _why_not(self, measured: Measured | None, objective: WrittenObjective) -> str:
        if measured is None:
            return "not measured: its SLI is not among these files"
        for source in measured.sources:
            kind = source.type
            if not kind and source.data_source:
                kind = str(self.objects.get(("DataSource", source.data_source), ""))
            if kind.lower() not in PROMETHEUS_TYPES:
                return f"not measured: its source is {kind}, and only PromQL is asked here"
            if not source.query:
                return "not measured: its metricSource's spec has no 'query' in PromQL"
        if isinstance(measured.indicator, ThresholdIndicator) and (
            objective.operator is None or objective.value is None
        ):
            return "not measured: a thresholdMetric needs 'op' and 'value' in its objective"
        return ""

    def _conditions(self, policies: Sequence[AlertPolicy | Reference]) -> list[BurnCondition]:
        found = []
        for one in policies:
            policy = self._follow(one, AlertPolicy) if isinstance(one, Reference) else one
            if policy is None:
                continue
            targets = [
                target.name if isinstance(target, Reference) else target
                for target in policy.targets
            ]
            for target in policy.targets:
                if isinstance(target, Reference):
                    self._follow(target, str)
            for each in policy.conditions:
                condition = (
                    self._follow(each, BurnCondition) if isinstance(each, Reference) else each
                )
                if condition is not None and policy.when_breaching:
                    found.append(replace(condition, targets=targets))
                if condition is not None and policy.when_no_data:
                    found.append(replace(condition, targets=targets, without_data=True))
        return found

    def _follow(self, reference: Reference, kind: type[T]) -> T | None:
        found = self.objects.get((reference.kind, reference.name))
        if found is None:
            self.doubts.append(
                Doubt(
                    reference.where,
                    f"there is no {reference.kind} {reference.name!r} among these files",
                )
            )
            return None
        return cast("T", found)
