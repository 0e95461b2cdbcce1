"""Opening, closing, units of work, readers beside a writer, and what is refused."""

from __future__ import annotations

import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.scenario.driver import PATIENCE_SECONDS

from tidecast.records import Records, RecordsDamaged, RecordsUnavailable, UnstorableValue, database
from tidecast_collector.errors import InvalidInput, TidecastError


def audit_details(records: Records) -> list[str]:
    with records.reading() as unit:
        return [entry.detail for entry in unit.audit.recent(1000)]


def test_a_unit_is_kept_at_its_end(url):
    with Records.open(url) as records, records.unit() as unit:
        unit.audit.add(1, "ann", "retire", "web-3")
        unit.settings.put("generated", True)
    with Records.open(url) as records, records.reading() as unit:
        assert [e.detail for e in unit.audit.recent(10)] == ["web-3"]
        assert unit.settings.get("generated") is True


def test_an_exception_takes_the_whole_unit_back(records):
    with pytest.raises(ZeroDivisionError), records.unit() as unit:
        unit.audit.add(1, "ann", "retire", "web-3")
        unit.usage.mark_dirty([3_600_000])
        raise ZeroDivisionError
    assert audit_details(records) == []
    with records.unit() as unit:
        assert unit.usage.dirty_hours(10) == []


def test_a_reader_sees_one_snapshot_and_does_not_wait(records):
    with records.reading() as reader:
        assert reader.audit.recent(10) == []
        with ThreadPoolExecutor(1) as pool:
            pool.submit(write_audit, records, "later").result(PATIENCE_SECONDS)
        assert reader.audit.recent(10) == []
    assert audit_details(records) == ["later"]


def test_a_reader_beside_an_unfinished_unit_sees_nothing_of_it(records):
    with records.unit() as unit:
        unit.audit.add(1, "ann", "retire", "web-3")
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(audit_details, records).result(PATIENCE_SECONDS) == []


def test_a_reading_unit_refuses_to_write(records):
    with pytest.raises(RecordsUnavailable, match="read"), records.reading() as unit:
        unit.audit.add(1, "ann", "retire", "web-3")
    write_audit(records, "after")
    assert audit_details(records) == ["after"]


def write_audit(records: Records, detail: str) -> None:
    with records.unit() as unit:
        unit.audit.add(1, "ann", "note", detail)


def test_many_threads_write_and_read(records):
    start = threading.Barrier(8)

    def work(worker: int) -> None:
        start.wait(PATIENCE_SECONDS)
        for i in range(10):
            with records.unit() as unit:
                count = unit.settings.get("count") or 0
                unit.settings.put("count", count + 1)
                unit.audit.add(i, str(worker), "count", f"{worker}/{i}")
            # What a unit wrote stands whole for every reader: as many entries as the count says.
            with records.reading() as unit:
                assert len(unit.audit.recent(1000)) == unit.settings.get("count")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(set(audit_details(records))) == 80


def test_several_open_an_empty_database_at_once(url):
    start = threading.Barrier(4)

    def open_and_write(worker: int) -> None:
        start.wait(PATIENCE_SECONDS)
        with Records.open(url) as records:
            write_audit(records, str(worker))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(open_and_write, range(4)))
    with Records.open(url) as records:
        assert sorted(audit_details(records)) == ["0", "1", "2", "3"]


def test_a_second_unit_of_the_same_thread_is_refused(records):
    with records.unit(), pytest.raises(RecordsUnavailable, match="open already"), records.unit():
        pass
    write_audit(records, "after")
    assert audit_details(records) == ["after"]


def test_a_unit_does_not_wait_for_ever(records, monkeypatch):
    monkeypatch.setattr(database, "_TURN_SECONDS", 0.01)
    with records.unit(), ThreadPoolExecutor(1) as pool:
        refused = pool.submit(write_audit, records, "late").exception(20)
    assert isinstance(refused, RecordsUnavailable)
    assert "try again" in str(refused)
    assert audit_details(records) == []


def test_nothing_opens_after_close(url):
    records = Records.open(url)
    records.close()
    for opens in (records.unit, records.reading, records.alerting_unit):
        with pytest.raises(RecordsUnavailable, match="closed"), opens():
            pass


def test_a_unit_that_ended_refuses_work(records):
    with records.unit() as unit:
        pass
    with pytest.raises(TidecastError):
        unit.audit.add(1, "ann", "retire", "web-3")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("records.sqlite3", "cannot be read"),
        ("sqlite://", "absolute path"),
        ("sqlite:///:memory:", "absolute path"),
        ("sqlite:///records.sqlite3", "absolute path"),
        ("sqlite:////tmp/x.sqlite3?mode=ro", "absolute path"),
        ("mysql://localhost/x", "not in 'mysql'"),
    ],
)
def test_other_urls_are_refused(wrong, says):
    with pytest.raises(InvalidInput, match=says):
        Records.open(wrong)


def test_a_password_in_the_url_is_never_told(tmp_path):
    for wrong in (
        f"postgresql+psycopg://ann:tops3cret@/x?host={tmp_path}",
        "postgresql+psycopg//ann:tops3cret@localhost",
    ):
        with pytest.raises(TidecastError) as refused:
            Records.open(wrong)
        assert "tops3cret" not in str(refused.value)


@pytest.mark.servers
def test_a_database_that_is_not_utf8_is_refused(ascii_postgresql_url):
    with pytest.raises(RecordsUnavailable, match=r"SQL_ASCII.*ENCODING 'UTF8'"):
        Records.open(ascii_postgresql_url)


def test_a_missing_driver_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(RecordsUnavailable, match="extra `postgresql`"):
        Records.open("postgresql+psycopg://localhost/x")


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(RecordsUnavailable, match=r"gone/records\.sqlite3.*No such file"):
        Records.open(f"sqlite:///{tmp_path}/gone/records.sqlite3")


def test_a_file_that_is_no_database_is_left_alone(tmp_path):
    path = tmp_path / "records.sqlite3"
    path.write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(RecordsUnavailable, match="not a database"):
        Records.open(f"sqlite:///{path}")
    assert path.read_bytes().startswith(b"not a database")


def test_a_schema_that_is_no_text_any_more_is_named(tmp_path):
    path = tmp_path / "records.sqlite3"
    Records.open(f"sqlite:///{path}").close()
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE alembic", b"CREATE TABL\xce alembic"))
    with pytest.raises(RecordsDamaged, match=r"records\.sqlite3.*damaged.*restore"):
        Records.open(f"sqlite:///{path}")


def test_sqlite_is_set_up_as_promised(tmp_path, sqlite_url):
    with Records.open(sqlite_url) as records, records._engine.connect() as connection:
        told = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    # synchronous 2 is FULL.
    assert told == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 10_000,
    }
    assert stat.S_IMODE((tmp_path / "records.sqlite3").stat().st_mode) == 0o600


def test_a_failed_change_reads_as_ours_and_takes_the_unit_back(records):
    with pytest.raises(UnstorableValue, match="NUL"), records.unit() as unit:
        unit.audit.add(1, "ann", "retire", "fine")
        unit.audit.add(1, "ann", "retire", "web\0-3")
    assert audit_details(records) == []


def test_no_sqlalchemy_error_leaves_at_commit(records, monkeypatch):
    def fails(connection: sa.Connection) -> None:
        raise sa.exc.OperationalError("COMMIT", {}, OSError("disk full"))

    sa.event.listen(records._engine, "commit", fails)
    with pytest.raises(RecordsUnavailable, match="disk full"):
        write_audit(records, "lost")
    sa.event.remove(records._engine, "commit", fails)
    assert audit_details(records) == []


def test_opening_a_current_database_imports_no_alembic(sqlite_url):
    script = (
        "import sys; from tidecast.records import Records; Records.open(sys.argv[1]).close();"
        "print('alembic' in sys.modules, 'psycopg' in sys.modules, 'pandas' in sys.modules)"
    )
    for _ in range(2):
        ran = subprocess.run(
            [sys.executable, "-c", script, sqlite_url],
            env={"PYTHONPATH": ":".join(p for p in sys.path if p)},
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parent,
        )
        assert ran.stdout.split() == ["False", "False", "False"]
