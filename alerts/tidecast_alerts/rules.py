"""Alerting and recording rules, and the Prometheus rule files they are read from.

A file is read strictly and as a whole: everything that is wrong with it is told at once, each with
its line, and nothing of it is used.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from tidecast_alerts.ports import PromQL
from tidecast_alerts.template_syntax import InvalidTemplate
from tidecast_alerts.templates import Template
from tidecast_alerts.yaml_nodes import Field, Problems, read_yaml
from tidecast_collector.durations import parse_duration_ms
from tidecast_collector.errors import InvalidInput
from tidecast_collector.labels import LABEL_NAME, METRIC_NAME, NAME, Labels, make_labels

DEFAULT_INTERVAL_MS = 60_000
MAX_RULES = 10_000

Templates: TypeAlias = tuple[tuple[str, Template], ...]
"""Names with the template of their value, in the order of the names."""


class InvalidRule(InvalidInput):
    """A rule file that is refused: one `file:line: message` for each problem."""


@dataclass(frozen=True, slots=True)
class AlertingRule:
    """A condition that makes alerts: each element of the expression's vector is one.

    `key` tells rules of one group apart that share a name: the name with the rule's labels.
    """

    name: str
    expression: str
    for_ms: int = 0
    keep_firing_for_ms: int = 0
    labels: Templates = ()
    annotations: Templates = ()

    @property
    def key(self) -> str:
        """The rule's name and labels as written, e.g. `FilesystemFull{severity="critical"}`."""
        return _key(self.name, [(name, template.text) for name, template in self.labels])


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """A series written from an expression's vector."""

    name: str
    expression: str
    labels: Labels = ()

    @property
    def key(self) -> str:
        """The series' name and labels."""
        return _key(self.name, self.labels)


Rule: TypeAlias = AlertingRule | RecordingRule


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules that are evaluated one after the other, at one time, every interval."""

    name: str
    file: str
    rules: tuple[Rule, ...]
    interval_ms: int = DEFAULT_INTERVAL_MS
    limit: int = 0
    query_offset_ms: int = 0

    def source(self, rule: AlertingRule) -> str:
        """How the rule's signals name where they come from."""
        return f"rule:{self.name}/{rule.key}"


@dataclass(frozen=True, slots=True)
class RuleFile:
    """What one rule file holds."""

    name: str
    groups: tuple[RuleGroup, ...]


def load_rules(
    text: str,
    filename: str,
    promql: PromQL,
    label_values: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> RuleFile:
    """The rule groups of this text, in which some labels of alerts may have these values only.

    Raises `InvalidRule` with every problem and its line.
    """
    problems = Problems(filename)
    root = read_yaml(text, problems)
    groups = _Reader(filename, promql, problems, label_values).groups(root) if root else ()
    if problems.found:
        raise InvalidRule(problems.report())
    return RuleFile(filename, groups)


@dataclass(frozen=True, slots=True)
class _Reader:
    filename: str
    promql: PromQL
    problems: Problems
    label_values: Mapping[str, Collection[str]]

    def groups(self, root: Field) -> tuple[RuleGroup, ...]:
        fields = root.mapping({"groups"})
        found: list[RuleGroup] = []
        seen: dict[str, int] = {}
        for item in fields["groups"].items() if "groups" in fields else ():
            if self.problems.too_many:
                break
            group = self._group(item)
            if group.name in seen:
                item.wrong(f"group {group.name!r} stands already at line {seen[group.name]}")
            seen.setdefault(group.name, item.line)
            found.append(group)
        return tuple(found)

    def _group(self, item: Field) -> RuleGroup:
        fields = item.mapping({"name", "interval", "query_offset", "limit", "labels", "rules"})
        name = fields["name"].text() if "name" in fields else ""
        if not name:
            item.wrong("a group needs a name")
        interval_ms = self._duration(fields, "interval") or DEFAULT_INTERVAL_MS
        common = dict(self._labels(fields.get("labels")))
        rules: list[Rule] = []
        known: dict[str, int] = {}
        for rule_item in fields["rules"].items() if "rules" in fields else ():
            rule = self._rule(rule_item, common)
            if self.problems.too_many:
                break
            if rule is None:
                continue
            if rule.key in known:
                rule_item.wrong(f"{rule.key} stands already at line {known[rule.key]}")
            known.setdefault(rule.key, rule_item.line)
            rules.append(rule)
        if len(rules) > MAX_RULES:
            item.wrong(f"more than {MAX_RULES} rules in one group; split it")
        limit = fields["limit"].whole_number() if "limit" in fields else 0
        offset_ms = self._duration(fields, "query_offset")
        return RuleGroup(name, self.filename, tuple(rules), interval_ms, limit, offset_ms)

    def _rule(self, item: Field, common: dict[str, tuple[str, Field]]) -> Rule | None:
        fields = item.mapping(
            {"alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations"}
        )
        if ("alert" in fields) == ("record" in fields):
            item.wrong("a rule is either an 'alert' or a 'record'")
            return None
        labels = {**common, **dict(self._labels(fields.get("labels")))}
        for label in labels.keys() & (self.label_values if "alert" in fields else {}):
            text, field = labels[label]
            if text not in self.label_values[label]:
                known = ", ".join(self.label_values[label])
                field.wrong(f"the label {label} is {text[:60]!r}; write one of {known}")
        name = fields["alert" if "alert" in fields else "record"].text()
        expression = self._expression(item, fields, name)
        if "record" in fields:
            return self._recording(fields, name, expression, labels)
        if not name:
            item.wrong("an alert needs a name")
        return AlertingRule(
            name=name,
            expression=expression,
            for_ms=self._duration(fields, "for"),
            keep_firing_for_ms=self._duration(fields, "keep_firing_for"),
            labels=tuple(self._templates(name, labels)),
            annotations=tuple(self._templates(name, dict(self._labels(fields.get("annotations"))))),
        )

    def _recording(
        self,
        fields: dict[str, Field],
        name: str,
        expression: str,
        labels: dict[str, tuple[str, Field]],
    ) -> RecordingRule:
        if not METRIC_NAME.fullmatch(name):
            fields["record"].wrong(f"{name!r} is not a metric name")
        for key in ("for", "keep_firing_for", "annotations"):
            if key in fields:
                fields[key].wrong(f"{key!r} belongs to alerts, not to recording rules")
        return RecordingRule(
            name, expression, make_labels({key: text for key, (text, _) in labels.items()})
        )

    def _expression(self, item: Field, fields: dict[str, Field], name: str) -> str:
        expression = fields["expr"].text().strip() if "expr" in fields else ""
        if not expression:
            item.wrong(f"rule {name!r} needs an 'expr'")
            return ""
        try:
            self.promql.check(expression)
        except InvalidInput as error:
            fields["expr"].wrong(f"rule {name!r}: {error}")
        return expression

    def _duration(self, fields: dict[str, Field], key: str) -> int:
        if key not in fields:
            return 0
        try:
            return parse_duration_ms(fields[key].text())
        except InvalidInput as error:
            fields[key].wrong(f"{key}: {error}")
            return 0

    def _labels(self, field: Field | None) -> Iterator[tuple[str, tuple[str, Field]]]:
        for name, value in sorted(field.mapping(None).items()) if field else ():
            if not LABEL_NAME.fullmatch(name) or name == NAME:
                value.wrong(f"{name!r} is not a name for a label or annotation here")
            yield name, (value.text(), value)

    def _templates(
        self, alert: str, texts: dict[str, tuple[str, Field]]
    ) -> Iterator[tuple[str, Template]]:
        for name, (text, field) in sorted(texts.items()):
            try:
                yield name, Template.read(text)
            except InvalidTemplate as error:
                field.wrong(f"rule {alert!r}: template of {name!r}: {error}")


def _key(name: str, labels: Sequence[tuple[str, str]]) -> str:
    inside = ",".join(f'{key}="{value}"' for key, value in labels)
    return f"{name}{{{inside}}}" if inside else name
