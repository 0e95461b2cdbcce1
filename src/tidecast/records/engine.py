"""Connections: how each database is opened, and how its transactions begin."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import sqlalchemy as sa

from tidecast.records.errors import RecordsUnavailable
from tidecast_collector.errors import InvalidInput

READING = "tidecast_reading"
"""Execution option: the transaction only reads."""

_BUSY_SECONDS = 10
_POOL = {"pool_size": 8, "max_overflow": 32, "pool_timeout": 30}


def make_engine(url: str) -> sa.Engine:
    """An engine on the database of this URL; nothing is connected yet.

    Raises `InvalidInput` for a URL that is not SQLite with an absolute path, or PostgreSQL.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        # The text may hold a password, so it is not repeated.
        raise InvalidInput(
            "the records URL cannot be read; write sqlite:////path/records.sqlite3 or "
            "postgresql+psycopg://user@host/database"
        ) from error
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _sqlite_engine(parsed)
    if backend == "postgresql":
        return _postgresql_engine(parsed.set(drivername="postgresql+psycopg"))
    raise InvalidInput(f"records are kept in SQLite or PostgreSQL, not in {backend!r}")


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    if not url.database or not Path(url.database).is_absolute() or url.query or url.host:
        raise InvalidInput(
            "SQLite records need the absolute path of a file: sqlite:////path/records.sqlite3"
        )
    path = Path(url.database)
    try:
        # Made here so that only its owner reads it; SQLite gives its log files the same mode.
        path.touch(mode=0o600)
    except OSError as error:
        raise RecordsUnavailable(f"{path}: cannot be written: {error.strerror}") from error
    engine = sa.create_engine(url, **_POOL)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    # The driver's own idea of when a transaction begins is switched off: see _begin_sqlite.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}").close()
    _use_wal(connection)
    connection.execute("PRAGMA synchronous = FULL").close()
    connection.execute("PRAGMA foreign_keys = ON").close()


def _use_wal(connection: sqlite3.Connection) -> None:
    # While somebody else switches a new file to WAL, SQLite answers busy without waiting.
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: sa.Connection) -> None:
    reading = connection.get_execution_options().get(READING, False)
    connection.exec_driver_sql(f"PRAGMA query_only = {'ON' if reading else 'OFF'}")
    # IMMEDIATE takes the write lock at once: a transaction never fails halfway for want of it.
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _postgresql_engine(url: sa.URL) -> sa.Engine:
    try:
        return sa.create_engine(
            url,
            **_POOL,
            pool_pre_ping=True,
            connect_args={"connect_timeout": _BUSY_SECONDS, "client_encoding": "utf8"},
        )
    except ModuleNotFoundError as error:
        raise RecordsUnavailable(
            "PostgreSQL records need psycopg: install tidecast with its extra `postgresql`"
        ) from error


def reading_options(engine: sa.Engine) -> dict[str, object]:
    """Execution options of a connection that only reads, each transaction from one snapshot."""
    if engine.dialect.name == "postgresql":
        return {"postgresql_readonly": True, "isolation_level": "REPEATABLE READ"}
    return {READING: True}
