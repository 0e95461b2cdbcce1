"""Known resources, imports, settings and the audit log."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tidecast.records import AuditEntry, ImportProgress, KnownResource, UnstorableValue

VAR = KnownResource("web-3", "filesystem", "/var", "bytes", "max", "node", 100, 200)
ROOT = replace(VAR, item="/")
CPU = KnownResource("web-3", "cpu", "", "ratio", "p95", "node", 100, 200)
OTHER = replace(CPU, host="web-4")


def put(records, *resources):
    with records.unit() as unit:
        unit.resources.put(resources)


def known(records):
    with records.reading() as unit:
        return unit.resources.all()


def test_resources_are_one_by_key(records):
    put(records, VAR, OTHER, CPU, ROOT)
    put(records)
    assert known(records) == [CPU, ROOT, VAR, OTHER]


def test_the_span_widens_and_the_last_sight_describes(records):
    put(records, VAR)
    put(records, replace(VAR, unit="late import", first_seen_ms=50, last_seen_ms=150))
    assert known(records) == [replace(VAR, first_seen_ms=50)]
    newest = replace(VAR, unit="ratio", statistic="mean", source="sar", last_seen_ms=300)
    put(records, replace(newest, first_seen_ms=250))
    assert known(records) == [replace(newest, first_seen_ms=50)]


@pytest.mark.parametrize(
    ("resource", "item", "retired"),
    [
        (None, None, [CPU, ROOT, VAR]),
        ("filesystem", None, [ROOT, VAR]),
        ("filesystem", "/var", [VAR]),
        ("cpu", "", [CPU]),
        ("cpu", "/var", []),
        ("swap", None, []),
    ],
)
def test_retiring_a_host_a_resource_or_an_item(records, resource, item, retired):
    put(records, VAR, OTHER, CPU, ROOT)
    with records.unit() as unit:
        told = unit.resources.retire("web-3", resource, item, 900, "scrapped", "ann")
    marks = {"retired_ms": 900, "retired_reason": "scrapped", "retired_by": "ann"}
    assert told == [replace(r, **marks) for r in retired]
    assert [r for r in known(records) if r.retired] == told
    assert len(known(records)) == 4


def test_retiring_twice_keeps_the_first_reason(records):
    put(records, VAR)
    with records.unit() as unit:
        (first,) = unit.resources.retire("web-3", None, None, 900, "scrapped", "ann")
        assert unit.resources.retire("web-3", None, None, 950, "again", "bob") == []
    assert known(records) == [first]


def test_a_late_sample_leaves_a_resource_retired_and_a_new_one_brings_it_back(records):
    put(records, VAR)
    with records.unit() as unit:
        unit.resources.retire("web-3", None, None, 900, "scrapped", "ann")
    put(records, replace(VAR, last_seen_ms=900))
    assert [r.retired_by for r in known(records)] == ["ann"]
    put(records, replace(VAR, last_seen_ms=901))
    assert known(records) == [replace(VAR, last_seen_ms=901)]


def test_only_retire_retires(records):
    put(records, replace(VAR, retired_ms=1, retired_reason="x", retired_by="y"))
    assert known(records) == [VAR]


def test_an_import_goes_on_where_it_stopped(records):
    with records.unit() as unit:
        imports = unit.imports
        assert imports.done_chunks("k1") == set()
        imports.mark_done("k1", "prometheus http://p:9090", "2026-01", 10)
        imports.mark_done("k1", "prometheus http://p:9090", "2026-02", 20)
        imports.mark_done("k1", "prometheus http://p:9090", "2026-02", 30)
        imports.mark_done("k2", "csv a.csv", "all", 25)
    with records.reading() as unit:
        assert unit.imports.done_chunks("k1") == {"2026-01", "2026-02"}
        assert unit.imports.list() == [
            ImportProgress("k1", "prometheus http://p:9090", 2, 30),
            ImportProgress("k2", "csv a.csv", 1, 25),
        ]


def test_a_chunk_name_is_bounded_in_utf8(records):
    with records.unit() as unit:
        unit.imports.mark_done("ü" * 500, "s", "c" * 1000, 1)
        with pytest.raises(UnstorableValue, match=r"1002 bytes is too long.*limit 1000"):
            unit.imports.mark_done("k", "s", "ü" * 501, 1)
        assert unit.imports.done_chunks("k") == set()


@pytest.mark.parametrize(
    "value", [0, 20_000_000_000, 1.5, True, False, "", "a", [], {}, {"a": [1, None, {"b": "ü"}]}]
)
def test_settings_come_back(records, value):
    with records.unit() as unit:
        unit.settings.put("key", "before")
        unit.settings.put("key", value)
    with records.reading() as unit:
        found = unit.settings.get("key")
        assert (found, type(found)) == (value, type(value))


def test_a_setting_can_be_forgotten(records):
    with records.unit() as unit:
        assert unit.settings.get("key") is None
        unit.settings.put("key", 1)
        unit.settings.put("key", None)
        assert unit.settings.get("key") is None


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), {"a": "\0"}, ["\ud800"], {"\0": 1}, {1, 2}, b"x"]
)
def test_what_json_cannot_say_is_refused(records, value):
    with records.unit() as unit:
        unit.settings.put("key", "before")
        with pytest.raises(UnstorableValue):
            unit.settings.put("key", value)
        assert unit.settings.get("key") == "before"


def test_a_value_that_holds_itself_is_refused(records):
    endless: list[object] = []
    endless.append(endless)
    with records.unit() as unit, pytest.raises(UnstorableValue):
        unit.settings.put("key", endless)


def test_the_audit_log_is_newest_first(records):
    entries = [AuditEntry(at, "ann", "retire", f"host {at}") for at in (5, 3, 9)]
    with records.unit() as unit:
        for entry in entries:
            unit.audit.add(entry.at_ms, entry.actor, entry.action, entry.detail)
    with records.reading() as unit:
        assert unit.audit.recent(2) == [entries[2], entries[1]]
        assert unit.audit.recent(10) == entries[::-1]
