"""The records in memory refuse what real ones refuse."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tidecast_alerts.engine import AlertEngine
from tidecast_alerts.fakes import FakeClock, FakePromQL
from tidecast_alerts.memory import MemoryRecords
from tidecast_alerts.model import Incident, IncidentState, Signal, SignalState
from tidecast_alerts.rules import load_rules
from tidecast_collector.errors import InvalidInput

INCIDENT = Incident(0, "c", "title", "warning", 3, "web-3", "cpu", "", IncidentState.OPEN, 5)


def test_a_cause_has_one_unresolved_incident() -> None:
    records = MemoryRecords()
    with records() as repository:
        first = repository.add_incident(INCIDENT)
    with pytest.raises(InvalidInput, match="INC-1 of the same cause"), records() as repository:
        repository.add_incident(INCIDENT)
    with records() as repository:
        repository.put_incident(replace(first, state=IncidentState.RESOLVED))
        assert repository.add_incident(INCIDENT).id == 2
    with pytest.raises(InvalidInput, match="INC-2 of the same cause"), records() as repository:
        repository.put_incident(first)
    assert [i.id for i in records.kept.incidents(states={IncidentState.RESOLVED})] == [1]


def test_what_is_not_there_cannot_be_changed() -> None:
    repository = MemoryRecords().kept
    with pytest.raises(InvalidInput, match="has an id already"):
        repository.add_incident(replace(INCIDENT, id=4))
    with pytest.raises(InvalidInput, match="INC-4 is not there"):
        repository.put_incident(replace(INCIDENT, id=4))
    signal = Signal("k", "c", "s", "e", (), {}, SignalState.FIRING, 1.0, 0, 0, incident_id=4)
    with pytest.raises(InvalidInput, match="an incident that is not there"):
        repository.put_signal(signal)


def test_a_recording_rule_without_a_writer_says_so() -> None:
    promql = FakePromQL()
    text = "groups: [{name: g, rules: [{record: worst, expr: used}]}]"
    engine = AlertEngine(
        load_rules(text, "r.yml", promql).groups, promql, MemoryRecords(), FakeClock()
    )
    engine.evaluate_due(0)
    (status,) = engine.status()[0].rules
    assert (status.health, status.last_error) == (
        "err",
        "recording rules are not written here: the engine was given no 'record'",
    )
