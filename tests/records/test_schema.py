"""The two ways to a schema, tables and migrations, lead to the same one."""

from __future__ import annotations

import re
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from tidecast.records import Records, RecordsUnavailable
from tidecast.records.engine import make_engine
from tidecast.records.migrate import MIGRATIONS, upgrade
from tidecast.records.tables import NEWEST_REVISION, metadata


@contextmanager
def connected(url: str):
    engine = make_engine(url)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def schema_of(connection: sa.Connection) -> list[tuple]:
    """The schema as the database itself tells it, sequences and partial indexes included."""
    if connection.dialect.name == "sqlite":
        told = [
            # Columns that were added later stand behind other blanks.
            (kind, name, sql and re.sub(r"\s*([,()])\s*", r"\1", " ".join(sql.split())))
            for kind, name, sql in connection.exec_driver_sql(
                "SELECT type, name, sql FROM sqlite_master"
            )
        ]
    else:
        told = [
            tuple(row)
            for query in (
                "SELECT table_name, column_name, data_type, is_nullable, column_default "
                "FROM information_schema.columns WHERE table_schema = 'public'",
                "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
                "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
                "WHERE connamespace = 'public'::regnamespace",
            )
            for row in connection.exec_driver_sql(query)
        ]
    return sorted(told, key=str)


def test_migrations_lead_to_the_tables(url):
    with connected(url) as connection:
        upgrade(connection)
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        migrated = schema_of(connection)
        for table in metadata.sorted_tables[::-1]:
            table.drop(connection)
        connection.exec_driver_sql("DROP TABLE alembic_version")
    Records.open(url).close()
    with connected(url) as connection:
        assert schema_of(connection) == migrated


def test_the_newest_revision_is_the_newest_migration():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [NEWEST_REVISION]


def test_opening_again_changes_nothing(url):
    Records.open(url).close()
    with connected(url) as connection:
        before = schema_of(connection)
    Records.open(url).close()
    with connected(url) as connection:
        assert schema_of(connection) == before


def test_records_of_a_newer_version_are_left_alone(url):
    Records.open(url).close()
    with connected(url) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(RecordsUnavailable, match=r"'9999'.*newer"):
        Records.open(url)


def test_a_table_of_somebody_else_is_left_alone(url):
    with connected(url) as connection:
        connection.exec_driver_sql("CREATE TABLE alerts (theirs INTEGER)")
        before = schema_of(connection)
    with pytest.raises(RecordsUnavailable, match="already exists"):
        Records.open(url)
    with connected(url) as connection:
        assert schema_of(connection) == before
