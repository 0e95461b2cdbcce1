"""Firing alerts become signals, and a signal clears only on proof.

When an alert stops firing, each selector of its expression that had a sample while it last fired
must have a newer one, narrowed to the alert's labels. Otherwise nobody knows: the signal is
`unknown`, is looked at again at each evaluation, and its incident stays open.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from tidecast_alerts.causes import cause_of
from tidecast_alerts.evaluation import ALERTNAME
from tidecast_alerts.model import Alert, AlertState, Signal, SignalState
from tidecast_alerts.ports import PromQL
from tidecast_alerts.rules import AlertingRule, RuleGroup
from tidecast_alerts.times import readable
from tidecast_collector.labels import NAME, Labels

RULE_SOURCE = "rule:"
"""How the source of every signal that a rule made begins."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A signal as an evaluation found it; `reason` says why it is unknown or cleared."""

    signal: Signal
    reason: str = ""


def signal_key(source: str, labels: Labels) -> str:
    """The key of the signal of these labels from this source, the same for ever."""
    identity = json.dumps([source, labels]).encode()
    return hashlib.blake2b(identity, digest_size=16).hexdigest()


def findings(
    rule: AlertingRule,
    group: RuleGroup,
    at_ms: int,
    alerts: Sequence[Alert],
    open_signals: Sequence[Signal],
    promql: PromQL,
) -> list[Finding]:
    """What an evaluation says of the rule's signals.

    `alerts` are the rule's alerts after it, `open_signals` its signals that are firing or unknown.
    A signal that stays as it is, is left out.
    """
    source = group.source(rule)
    # What the evaluation could see: an offset makes it look back.
    seen_ms = at_ms - group.query_offset_ms
    found = [
        Finding(_firing(rule, source, alert, at_ms, seen_ms, promql))
        for alert in alerts
        if alert.state is AlertState.FIRING and alert.last_breach_ms == at_ms
    ]
    # A breach that is pending or kept firing is no recovery, whatever its samples say.
    active = {signal_key(source, alert.labels) for alert in alerts}
    for signal in open_signals:
        if signal.key not in active:
            labels = narrowing(rule, signal.labels)
            newest = promql.newest_samples(signal.expression, labels, seen_ms)
            found += _ended(signal, newest, at_ms)
    return found


def of_rules_gone(signals: Sequence[Signal], sources: Collection[str]) -> list[Signal]:
    """The signals of rules that are no longer among the sources."""
    return [
        signal
        for signal in signals
        if signal.source.startswith(RULE_SOURCE) and signal.source not in sources
    ]


def withdrawn(signal: Signal) -> Finding:
    """The finding for a firing signal whose rule is gone: nobody looks whether it still holds."""
    return Finding(
        replace(signal, state=SignalState.UNKNOWN),
        f"{signal.source.removeprefix(RULE_SOURCE)} is no longer among the rules; it clears once "
        "its expression is seen to hold no more, or when somebody resolves the incident",
    )


def ended_without_rule(signal: Signal, at_ms: int, promql: PromQL) -> list[Finding]:
    """That the signal of a rule that is gone has ended, where its own expression proves it.

    It must give nothing that fits the signal's labels any more, on newer samples than when it
    fired. Raises what the engine does.
    """
    labels = tuple(each for each in signal.labels if each[0] != ALERTNAME)
    wanted = dict(labels)
    for sample in promql.instant(signal.expression, at_ms):
        if all(wanted.get(name, value) == value for name, value in sample.labels if name != NAME):
            return []
    proof = _proof(signal, promql.newest_samples(signal.expression, labels, at_ms))
    if not proof:
        return []
    cleared = replace(signal, state=SignalState.CLEARED, cleared_ms=at_ms)
    return [Finding(cleared, f"its rule is gone, and its expression holds no more: {proof}")]


def narrowing(rule: AlertingRule, labels: Labels) -> Labels:
    """The alert's labels by which its evidence is narrowed: those that no rule text set.

    A label that the rule sets to a fixed text (severity, team, ...) says nothing of the series.
    """
    fixed = {name for name, template in rule.labels if template.is_plain} | {ALERTNAME}
    return tuple((name, value) for name, value in labels if name not in fixed)


def _firing(
    rule: AlertingRule, source: str, alert: Alert, at_ms: int, seen_ms: int, promql: PromQL
) -> Signal:
    labels = narrowing(rule, alert.labels)
    return Signal(
        key=signal_key(source, alert.labels),
        cause=cause_of(alert.labels).key,
        source=source,
        expression=rule.expression,
        labels=alert.labels,
        annotations=alert.annotations,
        state=SignalState.FIRING,
        value=alert.value,
        first_firing_ms=alert.fired_at_ms or at_ms,
        last_firing_ms=at_ms,
        evidence_ms=tuple(promql.newest_samples(rule.expression, labels, seen_ms)),
    )


def _ended(signal: Signal, newest: Sequence[int | None], at_ms: int) -> list[Finding]:
    proof = _proof(signal, newest)
    if proof:
        return [Finding(replace(signal, state=SignalState.CLEARED, cleared_ms=at_ms), proof)]
    if signal.state is SignalState.UNKNOWN:
        return []
    reason = "it is no longer seen, but no newer sample proves that it ended"
    return [Finding(replace(signal, state=SignalState.UNKNOWN), reason)]


def _proof(signal: Signal, newest: Sequence[int | None]) -> str:
    """Why the signal has ended, or nothing."""
    if not newest:
        return "its expression rests on no series"
    pairs = list(zip_longest(signal.evidence_ms, newest))
    seen = [(old, new) for old, new in pairs if old is not None]
    if not seen:
        # It fired on an absence: a sample since then is the proof.
        since = [new for new in newest if new is not None and new > signal.last_firing_ms]
        return f"sample at {readable(max(since))}" if since else ""
    fresh = [new for old, new in seen if new is not None and new > old]
    if len(fresh) < len(seen):
        return ""
    last_breach_ms = max(old for old, _ in seen)
    return f"sample at {readable(min(fresh))}, newer than that of {readable(last_breach_ms)}"
