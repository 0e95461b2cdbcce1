"""Alerts as series that can be asked for: `ALERTS` and `ALERTS_FOR_STATE`.

Source: Prometheus, "Alerting rules": each pending and firing alert is a sample of `ALERTS`, of
value 1 and with its state as the label `alertstate`, and one of `ALERTS_FOR_STATE`, whose value is
since when it has been active (Unix seconds).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tidecast_alerts.model import Alert
from tidecast_alerts.ports import VectorSample
from tidecast_collector.labels import NAME, Labels, make_labels

ALERTS = "ALERTS"
ALERTS_FOR_STATE = "ALERTS_FOR_STATE"


def alert_series(
    before: Iterable[Alert], now: Iterable[Alert]
) -> tuple[Sequence[VectorSample], Sequence[Labels]]:
    """The samples of the alerts there are now, and the series of those before that have ended."""
    samples, known = _samples(now), _samples(before)
    ended = [labels for labels in known if labels not in samples]
    return [VectorSample(labels, value) for labels, value in samples.items()], ended


def _samples(alerts: Iterable[Alert]) -> Mapping[Labels, float]:
    found = {}
    for alert in alerts:
        labels = dict(alert.labels)
        state = {NAME: ALERTS, "alertstate": alert.state.value}
        found[make_labels(labels | state)] = 1.0
        found[make_labels(labels | {NAME: ALERTS_FOR_STATE})] = float(alert.active_at_ms // 1000)
    return found
