"""Components that a rule watches without finding anything wrong are up, while it has evidence.

A rule that names its component in plain text says so of it also before it ever fired: as long as it
is evaluated, has no alert, and everything it reads has fresh samples. Once these are old, it knows
nothing any more. Where the component comes of the samples, the same holds from its first signal on.
A rule that is gone knows nothing of anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tidecast.journeys.observe_hosts import SILENT_AFTER_MS, last_words
from tidecast.journeys.observe_rules import COMPONENT, COMPONENT_STATE, OPEN, component_of
from tidecast.records import Records
from tidecast.records.database import Unit
from tidecast_alerts.engine import AlertEngine
from tidecast_alerts.model import SignalState
from tidecast_alerts.rules import AlertingRule
from tidecast_alerts.signals import RULE_SOURCE, narrowing
from tidecast_alerts.templates import Template
from tidecast_analytics.timelines import ComponentState, Observation


@dataclass(frozen=True, slots=True)
class _Watch:
    """A rule that finds nothing wrong with its component.

    `seen_ms` is the oldest of the newest samples that it reads; None where one has none.
    """

    component: str
    source: str
    seen_ms: int | None


class WatchedComponents:
    """What quiet rules say of their components. Belongs to one thread."""

    def __init__(self, records: Records, alerts: AlertEngine) -> None:
        self._records, self._alerts = records, alerts
        self._sources: set[str] | None = None
        self._orphans = False

    def observe(self, now_ms: int) -> int:
        """Adds what they say now; returns how much of that is new."""
        rules = {
            status.group.source(told.rule): told.rule
            for status in self._alerts.status()
            for told in status.rules
            if isinstance(told.rule, AlertingRule)
        }
        watches = [*_watches(self._alerts, now_ms), *self._from_signals(rules, now_ms)]
        gone = self._sources != set(rules) or self._orphans
        if not watches and not gone:
            return 0
        with self._records.unit() as unit:
            busy = {(component_of(s), s.source) for s in unit.alerting.signals(states=OPEN)}
            words = last_words(unit, {watch.component for watch in watches}, now_ms)
            said = (_said(watch, words[watch.component], now_ms) for watch in watches)
            found = [o for o in said if o is not None and (o.component, o.source) not in busy]
            found += _of_rules_gone(unit, rules, now_ms) if gone else ()
            added = unit.outages.observe(found)
        # A signal of a rule that is gone may yet clear, and so say that its component is up.
        self._sources, self._orphans = set(rules), any(s not in rules for _, s in busy)
        return added

    def _from_signals(self, rules: Mapping[str, AlertingRule], now_ms: int) -> Iterator[_Watch]:
        """Components that a rule had told of by their samples."""
        told = [
            source
            for source, rule in rules.items()
            if (component := _component(rule)) and not component.is_plain
        ]
        if not told:
            return
        with self._records.reading() as unit:
            cleared = unit.alerting.signals_from(told, states={SignalState.CLEARED})
        for signal in cleared:
            labels = narrowing(rules[signal.source], signal.labels)
            newest = self._alerts.promql.newest_samples(signal.expression, labels, now_ms)
            if name := component_of(signal):
                yield _Watch(name, signal.source, _oldest(newest))


def _watches(alerts: AlertEngine, now_ms: int) -> Iterator[_Watch]:
    for group in alerts.status():
        for status in group.rules:
            rule = status.rule
            if not isinstance(rule, AlertingRule) or status.health != "ok" or status.alerts:
                continue
            component = _component(rule)
            if component and component.is_plain:
                newest = alerts.promql.newest_samples(rule.expression, (), now_ms)
                yield _Watch(component.text, group.group.source(rule), _oldest(newest))


def _component(rule: AlertingRule) -> Template | None:
    """How a rule that tells of states names the component; None where the host is meant."""
    labels = dict(rule.labels)
    return labels.get(COMPONENT) if COMPONENT_STATE in labels else None


def _oldest(newest: Sequence[int | None]) -> int | None:
    seen = [at_ms for at_ms in newest if at_ms is not None]
    return min(seen) if seen and len(seen) == len(newest) else None


def _of_rules_gone(
    unit: Unit, rules: Mapping[str, AlertingRule], now_ms: int
) -> Iterator[Observation]:
    for component, words in last_words(unit, unit.outages.components(), now_ms).items():
        for source, word in words.items():
            known = word.state is not ComponentState.UNKNOWN
            if known and source.startswith(RULE_SOURCE) and source not in rules:
                from_ms = max(now_ms, word.from_ms + 1)
                yield Observation(component, ComponentState.UNKNOWN, from_ms, now_ms, source)


def _said(watch: _Watch, words: Mapping[str, Observation], now_ms: int) -> Observation | None:
    before = words.get(watch.source)
    fresh = watch.seen_ms is not None and now_ms - watch.seen_ms <= SILENT_AFTER_MS
    state = ComponentState.UP if fresh else ComponentState.UNKNOWN
    was = ComponentState.UNKNOWN if before is None else before.state
    if state is was:
        return None
    from_ms = now_ms if watch.seen_ms is None else watch.seen_ms
    if before is not None:
        from_ms = max(from_ms, before.from_ms + 1)
    return Observation(watch.component, state, from_ms, now_ms, watch.source)
