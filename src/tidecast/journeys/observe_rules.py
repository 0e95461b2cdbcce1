"""What alerts say of components: a rule with the label `component_state` is an observer.

While a signal of such a rule fires, the component in its label `component` (or else its host) is in
that state; once all of the rule's signals on it have cleared, it is up; while one is unknown and
none fires, so is the component. This is written in the unit of work that keeps the signal.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tidecast.journeys.observe_hosts import last_words
from tidecast.records import Records
from tidecast.records.database import Unit
from tidecast_alerts.causes import cause_of
from tidecast_alerts.model import Signal, SignalState
from tidecast_alerts.ports import AlertRepository, Clock
from tidecast_analytics.timelines import ComponentState, Observation
from tidecast_collector.labels import label_value

COMPONENT, COMPONENT_STATE = "component", "component_state"
STATES = {"down": ComponentState.DOWN, "degraded": ComponentState.DEGRADED}
OPEN = (SignalState.FIRING, SignalState.UNKNOWN)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AlertsObserved:
    """Opens units of work for alerting (`UnitOfWork`) that also tell the ledger of outages."""

    records: Records
    clock: Clock

    @contextmanager
    def unit(self) -> Iterator[AlertRepository]:
        """A unit of work on alerting; at its end what it says of components is added."""
        with self.records.unit() as unit:
            yield unit.alerting
            observe_signals(unit, unit.alerting.put_signals, self.clock.now_ms())


def observe_signals(unit: Unit, changed: Sequence[Signal], now_ms: int) -> int:
    """Adds what these signals, together with all that are open, say of their components now."""
    concerned = {key for signal in changed if (key := _concern(signal)) is not None}
    if not concerned:
        return 0
    every = {signal.key: signal for signal in unit.alerting.signals(states=OPEN)}
    every |= {signal.key: signal for signal in changed}
    by_concern: dict[tuple[str, str], list[Signal]] = {key: [] for key in concerned}
    for signal in every.values():
        concern = _concern(signal)
        if concern in by_concern:
            by_concern[concern].append(signal)
    words = last_words(unit, {component for component, _ in concerned}, now_ms)
    found = []
    for (component, source), signals in by_concern.items():
        state, from_ms = _state(signals, now_ms)
        before = words[component].get(source)
        if before is not None and before.state is state:
            continue
        if before is not None and before.from_ms >= from_ms:
            # It was lost from sight in between: that stays as it was seen.
            from_ms = max(before.from_ms + 1, *(each.last_firing_ms for each in signals))
        found.append(Observation(component, state, from_ms, now_ms, source))
    return unit.outages.observe(found)


def component_of(signal: Signal) -> str:
    """The component that it tells of: its label `component`, or else its host; "" for none."""
    return label_value(signal.labels, COMPONENT) or cause_of(signal.labels).host


def _concern(signal: Signal) -> tuple[str, str] | None:
    """The component and the source; None for a signal that says nothing of a component."""
    if label_value(signal.labels, COMPONENT_STATE) not in STATES:
        return None
    component = component_of(signal)
    if not component and signal.first_firing_ms == signal.last_firing_ms:
        log.warning(
            "%s tells a component's state, but of none: it has no label `component` and no host",
            signal.source,
        )
    return (component, signal.source) if component else None


def _state(signals: Sequence[Signal], now_ms: int) -> tuple[ComponentState, int]:
    """The worst that the signals say, and since when."""
    firing = [each for each in signals if each.state is SignalState.FIRING]
    for state in (ComponentState.DOWN, ComponentState.DEGRADED):
        since = [
            each.first_firing_ms
            for each in firing
            if STATES.get(label_value(each.labels, COMPONENT_STATE)) is state
        ]
        if since:
            return state, min(since)
    if any(each.state is SignalState.UNKNOWN for each in signals):
        return ComponentState.UNKNOWN, now_ms
    return ComponentState.UP, max(each.cleared_ms or now_ms for each in signals)
