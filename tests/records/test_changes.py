"""Recorded changes: added once, withdrawn once, the newest first."""

from __future__ import annotations

from dataclasses import replace

from tidecast.records import RecordedChange

ONE = RecordedChange(1000, 900, 950, "moved the logs", "ann", "web-*", "filesystem", "/var")


def test_changes_are_added_and_withdrawn(records):
    with records.unit() as unit:
        first = unit.changes.add(ONE)
        second = unit.changes.add(replace(ONE, at_ms=2000, title="x" * 1000))
    assert (first, second.id) == (replace(ONE, id=first.id), first.id + 1)
    with records.unit() as unit:
        withdrawn = unit.changes.withdraw(first.id, "bob", 3000)
        assert unit.changes.withdraw(first.id, "eve", 4000) is None
        assert unit.changes.withdraw(second.id + 1, "eve", 4000) is None
    assert withdrawn == replace(first, withdrawn_ms=3000, withdrawn_by="bob")
    with records.reading() as unit:
        assert unit.changes.since(0, 10) == [second, withdrawn]
        assert unit.changes.since(1001, 10) == [second]
        assert unit.changes.since(0, 1) == [second]
    assert withdrawn.change.withdrawn_ms == 3000
    assert withdrawn.change.patterns == ("web-*", "filesystem", "/var")
