"""The outage ledger, applied policies and configuration items, on both databases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tidecast.records import Records
from tidecast.records.availability import Classification
from tidecast.records.configuration import Fact, Relation
from tidecast.records.errors import UnstorableValue
from tidecast.records.policies import AppliedPolicy
from tidecast_analytics.timelines import ClassificationKind, ComponentState, Observation

UP, DOWN = ComponentState.UP, ComponentState.DOWN


def seen(component: str, state: ComponentState, at: int, known: int, source: str = "rule"):
    return Observation(component, state, at, known, source)


def test_observations_of_a_span_begin_with_the_last_word_before_it(records: Records) -> None:
    said = [
        seen("db", UP, 0, 0),
        seen("db", DOWN, 50, 50),
        seen("db", UP, 60, 60, "people"),
        seen("db", DOWN, 150, 400),
        seen("web", UP, 10, 10),
        seen("db", UP, 250, 250),
    ]
    with records.unit() as unit:
        assert unit.outages.observe(said) == 6
        assert unit.outages.observe(said) == 0, "what is repeated is not new"
    with records.reading() as unit:
        found = unit.outages.observations(["db", "cache"], 100, 200)
        assert found == {"db": [said[1], said[2], said[3]], "cache": []}
        early = unit.outages.observations(["db"], 100, 200, known_on_ms=300)
        assert early == {"db": [said[1], said[2]]}
        assert unit.outages.components() == ["db", "web"]


def test_a_word_may_be_taken_back_and_put_again(records: Records) -> None:
    with records.unit() as unit:
        for known, state in enumerate((UP, DOWN, DOWN, UP)):
            unit.outages.observe([seen("db", state, 5, known)])
        found = unit.outages.observations(["db"], 0, 10)["db"]
    assert [(one.state, one.known_at_ms) for one in found] == [(UP, 0), (DOWN, 1), (UP, 3)]


def test_classifications_hold_as_they_were_known(records: Records) -> None:
    kind = ClassificationKind.MAINTENANCE
    word = Classification("db", kind, 100, 200, "patching", "ann", known_at_ms=500)
    with records.unit() as unit:
        kept = unit.outages.classify(word)
        assert kept == replace(word, id=kept.id)
        unit.outages.classify(replace(word, component="web"))
    with records.unit() as unit:
        assert unit.outages.classifications(["db"], 150, 160) == [kept]
        assert unit.outages.classifications(["db"], 200, 300) == []
        assert len(unit.outages.classifications(None, 0, 300)) == 2
        assert unit.outages.classifications(["db"], 150, 160, known_on_ms=499) == []
        assert kept.id is not None
        withdrawn = unit.outages.withdraw(kept.id, "bob", 600)
        assert withdrawn == replace(kept, withdrawn_ms=600, withdrawn_by="bob")
        assert unit.outages.withdraw(kept.id, "bob", 700) is None
        assert unit.outages.classifications(["db"], 150, 160) == []
        before = unit.outages.classifications(["db"], 150, 160, known_on_ms=599)
        assert [each.id for each in before] == [kept.id]


def test_a_word_that_says_nothing_is_refused(records: Records) -> None:
    word = Classification("db", ClassificationKind.MAINTENANCE, 5, 5, "", "", 0)
    with records.unit() as unit, pytest.raises(UnstorableValue, match="end after it begins"):
        unit.outages.classify(word)
    bare = replace(word, kind=ClassificationKind.RECLASSIFICATION, end_ms=9)
    with records.unit() as unit, pytest.raises(UnstorableValue, match="needs a state"):
        unit.outages.classify(bare)


def test_the_last_policy_holds_and_earlier_ones_can_be_had(records: Records) -> None:
    with records.unit() as unit:
        assert unit.policies.current() is None
        first = unit.policies.apply(AppliedPolicy(10, "ann", "first", {"a.yaml": "services: {}"}))
        second = unit.policies.apply(AppliedPolicy(20, "ann", "", {"a.yaml": "", "b.yaml": "x"}))
    with records.reading() as unit:
        assert unit.policies.current() == second
        assert unit.policies.current(known_on_ms=19) == first
        assert unit.policies.recent(5) == [second, first]


def test_facts_hold_until_their_source_says_otherwise(records: Records) -> None:
    with records.unit() as unit:
        cores = Fact("web-1", "cpu_cores", 4, "agent", from_ms=10)
        assert unit.configuration.put_facts([cores, cores]) == 1
        more = replace(cores, value=8, from_ms=50)
        assert unit.configuration.put_facts([more]) == 1
        assert unit.configuration.facts(49, "web-1") == [replace(cores, until_ms=50)]
        assert unit.configuration.facts(50) == [more]
        assert unit.configuration.facts(9) == []


def test_relations_of_a_source_are_told_whole(records: Records) -> None:
    one = Relation("app", "runs_on", "web-1", "yaml", 10)
    two = Relation("app", "connects_to", "db", "yaml", 10, 0.7)
    with records.unit() as unit:
        assert unit.configuration.put_relations("yaml", [one, two], 10) == 2
        assert unit.configuration.put_relations("yaml", [one], 30) == 1
        assert unit.configuration.relations(29) == [replace(two, until_ms=30), one]
        assert unit.configuration.relations(30) == [one]
        assert unit.configuration.put_relations("agent", [], 40) == 0
