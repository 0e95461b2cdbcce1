"""Evaluates rule groups: alerts to signals to incidents, each evaluation in one unit of work."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tidecast_alerts.alert_series import alert_series
from tidecast_alerts.evaluation import Evaluated, Surroundings, evaluate_rule
from tidecast_alerts.incidents import Incidents
from tidecast_alerts.model import Alert, Incident, Signal, SignalState
from tidecast_alerts.ports import AlertRepository, Clock, PromQL, UnitOfWork, VectorSample
from tidecast_alerts.rules import AlertingRule, InvalidRule, RecordingRule, Rule, RuleGroup
from tidecast_alerts.signals import (
    Finding,
    ended_without_rule,
    findings,
    of_rules_gone,
    withdrawn,
)
from tidecast_collector.errors import TidecastError
from tidecast_collector.labels import NAME, Labels, make_labels

log = logging.getLogger(__name__)

Record = Callable[[Sequence[VectorSample], int], None]
"""Writes what a recording rule gave, as samples at that time (ms)."""
Show = Callable[[Sequence[VectorSample], Sequence[Labels], int], None]
"""Writes the series of a rule's alerts at that time (ms), and that these others have ended."""

ORPHANS_MS = 60_000
"""How often signals of rules that are gone are looked at: whether they have ended."""
_OPEN = (SignalState.FIRING, SignalState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """A rule, how its last evaluation went, and its alerts. `health` is Prometheus' word."""

    rule: Rule
    health: str = "unknown"
    last_error: str = ""
    last_evaluation_ms: int | None = None
    evaluation_seconds: float = 0.0
    alerts: Sequence[Alert] = ()


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """A group and its rules, as they stood after the last evaluation at `last_evaluation_ms`."""

    group: RuleGroup
    rules: Sequence[RuleStatus]
    last_evaluation_ms: int | None = None
    evaluation_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What evaluating one alerting rule gave, before anything is kept."""

    before: Sequence[Alert]
    evaluated: Evaluated
    found: Sequence[Finding] = ()


def _no_record(samples: Sequence[VectorSample], at_ms: int) -> None:
    raise TidecastError("recording rules are not written here: the engine was given no 'record'")


def _show_nowhere(samples: Sequence[VectorSample], ended: Sequence[Labels], at_ms: int) -> None:
    """For engines whose alerts are not asked for as series."""


def check_group_names(groups: Sequence[RuleGroup]) -> None:
    """Raises `InvalidRule` where two of the groups have one name."""
    files: dict[str, str] = {}
    for group in groups:
        if group.name in files:
            raise InvalidRule(
                f"group {group.name!r} stands in {files[group.name]} and in {group.file}: "
                "alerts are kept under the group's name, so rename one of them"
            )
        files[group.name] = group.file


@dataclass
class AlertEngine:
    """The rule groups of one server; what they found lives in the unit of work's repository.

    One engine evaluates a group at a time. After a restart a new engine goes on where the
    repository's alerts stand.
    """

    groups: Sequence[RuleGroup]
    promql: PromQL
    unit_of_work: UnitOfWork
    clock: Clock
    receivers: Sequence[str] = ()
    external_url: str = ""
    external_labels: Labels = ()
    record: Record = _no_record
    show: Show = _show_nowhere
    _status: dict[str, GroupStatus] = field(default_factory=dict, init=False)
    _slots: dict[str, int] = field(default_factory=dict, init=False)
    _withdrawn: bool = field(default=False, init=False)
    _orphans: bool = field(default=False, init=False)
    _orphans_slot: int = field(default=-1, init=False)

    def __post_init__(self) -> None:
        check_group_names(self.groups)

    def follow(self, groups: Sequence[RuleGroup]) -> None:
        """Evaluates these groups from now on; the alerts of rules that are gone are withdrawn.

        Raises `InvalidRule` where two have one name; all is as before then.
        """
        check_group_names(groups)
        kept = {group.name for group in groups if group in self.groups}
        self.groups = groups
        self._status = {name: told for name, told in self._status.items() if name in kept}
        self._withdrawn = False

    def evaluate_due(self, now_ms: int) -> Sequence[RuleGroup]:
        """Evaluates each group whose interval is due, at the interval's start; returns them.

        A group whose findings could not be kept is logged, shows it in the health of its rules, and
        is evaluated again at its next interval.
        """
        if not self._withdrawn:
            self._withdraw_or_log(now_ms)
        if self._orphans and now_ms // ORPHANS_MS != self._orphans_slot:
            self._orphans_slot = now_ms // ORPHANS_MS
            self._look_after(now_ms)
        due = [g for g in self.groups if now_ms // g.interval_ms > self._slots.get(g.name, -1)]
        for group in due:
            slot = now_ms // group.interval_ms
            try:
                self.evaluate(group, slot * group.interval_ms)
            except TidecastError as error:
                self._status[group.name] = self._not_kept(group, error)
            self._slots[group.name] = slot
        return due

    def evaluate(self, group: RuleGroup, at_ms: int) -> GroupStatus:
        """Evaluates the group's rules in order at this time and keeps what they found."""
        started_ms = self.clock.now_ms()
        with self.unit_of_work() as repository:
            kept = [alert for alert in repository.alerts() if alert.group == group.name]
            signals = repository.signals(states=_OPEN)
        statuses, outcomes = [], []
        for rule in group.rules:
            status, outcome = self._evaluate_rule(rule, group, at_ms, kept, signals)
            statuses.append(status)
            outcomes += [outcome] if outcome else []
        with self.unit_of_work() as repository:
            for outcome in outcomes:
                _keep_alerts(repository, outcome)
            self._take(repository, at_ms, [f for outcome in outcomes for f in outcome.found])
        seconds = (self.clock.now_ms() - started_ms) / 1000
        self._status[group.name] = GroupStatus(group, statuses, at_ms, seconds)
        return self._status[group.name]

    def status(self) -> Sequence[GroupStatus]:
        """Every group with its rules' health and alerts, in the order of the files."""
        return [self._status.get(group.name) or self._not_evaluated(group) for group in self.groups]

    def acknowledge(self, incident_id: int, by: str, comment: str = "") -> Incident:
        """The incident with somebody on it; raises `InvalidInput` where that cannot be."""
        with self.unit_of_work() as repository:
            return self._incidents(repository, self.clock.now_ms()).acknowledge(
                incident_id, by, comment
            )

    def resolve(self, incident_id: int, by: str, comment: str = "") -> Incident:
        """The incident, resolved by a person; raises `InvalidInput` where that cannot be."""
        with self.unit_of_work() as repository:
            incidents = self._incidents(repository, self.clock.now_ms())
            incident = incidents.resolve(incident_id, by, comment)
            incidents.finish()
        return incident

    def retire(self, host: str, resource: str, item: str, by: str) -> int:
        """Closes the incidents of what is gone for good; returns how many.

        `resource` and `item` narrow it where they are not empty.
        """
        with self.unit_of_work() as repository:
            incidents = self._incidents(repository, self.clock.now_ms())
            closed = incidents.retire(host, resource, item, by)
            incidents.finish()
        return closed

    def _evaluate_rule(
        self,
        rule: Rule,
        group: RuleGroup,
        at_ms: int,
        kept: Sequence[Alert],
        signals: Sequence[Signal],
    ) -> tuple[RuleStatus, _Outcome | None]:
        started_ms = self.clock.now_ms()
        outcome, error = None, ""
        try:
            vector = self.promql.instant(rule.expression, at_ms - group.query_offset_ms)
            if isinstance(rule, RecordingRule):
                self.record(_recorded(rule, group, vector), at_ms - group.query_offset_ms)
            else:
                outcome = self._alerting(rule, group, at_ms, vector, kept, signals)
                error = outcome.evaluated.error
                if not error:
                    self._show(outcome.before, outcome.evaluated.alerts, group, at_ms)
        except TidecastError as problem:
            error = str(problem)
        alerts = outcome.evaluated.alerts if outcome else _alerts_of(rule, kept)
        seconds = (self.clock.now_ms() - started_ms) / 1000
        health = "err" if error else "ok"
        return RuleStatus(rule, health, error, at_ms, seconds, alerts), outcome

    def _alerting(
        self,
        rule: AlertingRule,
        group: RuleGroup,
        at_ms: int,
        vector: Sequence[VectorSample],
        kept: Sequence[Alert],
        signals: Sequence[Signal],
    ) -> _Outcome:
        surroundings = Surroundings(
            query=lambda expression: self.promql.instant(expression, at_ms - group.query_offset_ms),
            external_labels=self.external_labels,
            external_url=self.external_url,
        )
        before = _alerts_of(rule, kept)
        evaluated = evaluate_rule(rule, group, at_ms, vector, before, surroundings)
        if evaluated.error:
            return _Outcome(before, evaluated)
        own = [signal for signal in signals if signal.source == group.source(rule)]
        found = findings(rule, group, at_ms, evaluated.alerts, own, self.promql)
        return _Outcome(before, evaluated, found)

    def _show(
        self, before: Sequence[Alert], now: Sequence[Alert], group: RuleGroup, at_ms: int
    ) -> None:
        samples, ended = alert_series(before, now)
        if samples or ended:
            self.show(samples, ended, at_ms - group.query_offset_ms)

    def _withdraw_or_log(self, now_ms: int) -> None:
        try:
            self._withdraw(now_ms)
        except TidecastError as error:
            log.error("alerts of rules that are gone could not be withdrawn: %s", error)

    def _withdraw(self, now_ms: int) -> None:
        """Gives up the alerts and signals of rules that are no longer there."""
        rules = {(g.name, r.key): g for g in self.groups for r in g.rules}
        with self.unit_of_work() as repository:
            lost = [each for each in repository.alerts() if (each.group, each.rule) not in rules]
            for alert in lost:
                repository.remove_alert(alert)
            gone = of_rules_gone(repository.signals(states=_OPEN), self._sources())
            firing = [each for each in gone if each.state is SignalState.FIRING]
            self._take(repository, now_ms, [withdrawn(each) for each in firing])
        self._withdrawn, self._orphans, self._orphans_slot = True, bool(gone), -1
        if lost:
            self.show([], alert_series(lost, ())[1], now_ms)

    def _look_after(self, now_ms: int) -> None:
        """Clears the signals of rules that are gone which can be seen to have ended."""
        with self.unit_of_work() as repository:
            orphans = of_rules_gone(repository.signals(states=_OPEN), self._sources())
        found: list[Finding] = []
        for signal in orphans:
            try:
                found += ended_without_rule(signal, now_ms, self.promql)
            except TidecastError as error:
                log.warning("%s is gone, whether it ended is not known: %s", signal.source, error)
        self._orphans = len(found) < len(orphans)
        if found:
            with self.unit_of_work() as repository:
                self._take(repository, now_ms, found)

    def _sources(self) -> set[str]:
        return {g.source(r) for g in self.groups for r in g.rules if isinstance(r, AlertingRule)}

    def _take(self, repository: AlertRepository, at_ms: int, found: Sequence[Finding]) -> None:
        # An evaluation stands at its interval's start; somebody may have acted since then.
        incidents = self._incidents(repository, max(at_ms, self.clock.now_ms()))
        incidents.take(found)
        incidents.finish()

    def _incidents(self, repository: AlertRepository, at_ms: int) -> Incidents:
        return Incidents(repository, at_ms, self.receivers, self.external_url)

    def _not_kept(self, group: RuleGroup, error: TidecastError) -> GroupStatus:
        log.error("rule group %s: what it found could not be kept: %s", group.name, error)
        before = self._status.get(group.name) or self._not_evaluated(group)
        text = f"what was found could not be kept: {error}"
        rules = [replace(rule, health="err", last_error=text) for rule in before.rules]
        return replace(before, rules=rules)

    def _not_evaluated(self, group: RuleGroup) -> GroupStatus:
        return GroupStatus(group, [RuleStatus(rule) for rule in group.rules])


def _alerts_of(rule: Rule, kept: Sequence[Alert]) -> Sequence[Alert]:
    return [alert for alert in kept if alert.rule == rule.key]


def _keep_alerts(repository: AlertRepository, outcome: _Outcome) -> None:
    before: Mapping[Labels, Alert] = {alert.labels: alert for alert in outcome.before}
    now = {alert.labels: alert for alert in outcome.evaluated.alerts}
    for labels, alert in before.items():
        if labels not in now:
            repository.remove_alert(alert)
    for labels, alert in now.items():
        if before.get(labels) != alert:
            repository.put_alert(alert)


def _recorded(
    rule: RecordingRule, group: RuleGroup, vector: Sequence[VectorSample]
) -> Sequence[VectorSample]:
    """The vector under the rule's name and labels; raises where two elements become one."""
    samples = [
        VectorSample(
            make_labels(dict(sample.labels) | dict(rule.labels) | {NAME: rule.name}), sample.value
        )
        for sample in vector
    ]
    if len({sample.labels for sample in samples}) < len(samples):
        raise TidecastError(
            "vector contains metrics with the same labelset after applying rule labels"
        )
    if group.limit and len(samples) > group.limit:
        raise TidecastError(f"exceeded limit of {group.limit} with {len(samples)} series")
    return samples
