"""Components that a rule watches without finding anything wrong are up, while it has evidence.

A rule that names its component in plain text says so of it also before it ever fired: as long as it
is evaluated, has no alert, and everything it reads has fresh samples. Once these are old, it knows
nothing any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tidecast.journeys.observe_hosts import SILENT_AFTER_MS, last_words
from tidecast.journeys.observe_rules import COMPONENT, COMPONENT_STATE, OPEN
from tidecast.records import Records
from tidecast_alerts.engine import AlertEngine
from tidecast_alerts.rules import AlertingRule
from tidecast_analytics.timelines import ComponentState, Observation


@dataclass(frozen=True, slots=True)
class _Watch:
    """A rule that finds nothing wrong with its component.

    `seen_ms` is the oldest of the newest samples that it reads; None where one has none.
    """

    component: str
    source: str
    seen_ms: int | None


def observe_watched(records: Records, alerts: AlertEngine, now_ms: int) -> int:
    """Adds what quiet rules now say of their components; returns how much of that is new."""
    watches = list(_watches(alerts, now_ms))
    if not watches:
        return 0
    with records.unit() as unit:
        busy = {signal.source for signal in unit.alerting.signals(states=OPEN)}
        words = last_words(unit, {watch.component for watch in watches}, now_ms)
        said = (_said(watch, words[watch.component], now_ms) for watch in watches)
        return unit.outages.observe(
            [one for one in said if one is not None and one.source not in busy]
        )


def _watches(alerts: AlertEngine, now_ms: int) -> Iterator[_Watch]:
    for group in alerts.status():
        for status in group.rules:
            rule = status.rule
            if not isinstance(rule, AlertingRule) or status.health != "ok" or status.alerts:
                continue
            labels = dict(rule.labels)
            component = labels.get(COMPONENT)
            if COMPONENT_STATE in labels and component is not None and component.is_plain:
                newest = alerts.promql.newest_samples(rule.expression, (), now_ms)
                seen = [at_ms for at_ms in newest if at_ms is not None]
                seen_ms = min(seen) if seen and len(seen) == len(newest) else None
                yield _Watch(component.text, group.group.source(rule), seen_ms)


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
