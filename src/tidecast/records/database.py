"""The door of this room: `Records`, and the unit of work it gives."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from tidecast.records.alerting import AlertRecords
from tidecast.records.audit import AuditLog
from tidecast.records.availability import OutageLedger
from tidecast.records.changes import RecordedChanges
from tidecast.records.configuration import ConfigurationItems
from tidecast.records.engine import make_engine, reading_options
from tidecast.records.errors import RecordsDamaged, RecordsUnavailable, explained
from tidecast.records.forecasts import ForecastLedger
from tidecast.records.imports import ImportProgressRecords
from tidecast.records.migrate import migrate
from tidecast.records.policies import PolicyVersions
from tidecast.records.resources import ResourceRegistry
from tidecast.records.scores import ForecastScores
from tidecast.records.settings import Settings
from tidecast.records.transaction import Transaction
from tidecast.records.usage import UsageProgress
from tidecast_alerts.ports import AlertRepository

_TURN_SECONDS = 30


class Unit:
    """A unit of work: what it wrote becomes visible and durable all at once, or not at all."""

    def __init__(self, transaction: Transaction) -> None:
        self.alerting = AlertRecords(transaction)
        self.usage = UsageProgress(transaction)
        self.forecasts = ForecastLedger(transaction)
        self.scores = ForecastScores(transaction)
        self.imports = ImportProgressRecords(transaction)
        self.resources = ResourceRegistry(transaction)
        self.settings = Settings(transaction)
        self.audit = AuditLog(transaction)
        self.outages = OutageLedger(transaction)
        self.changes = RecordedChanges(transaction)
        self.policies = PolicyVersions(transaction)
        self.configuration = ConfigurationItems(transaction)


class Records:
    """The records of one installation. Threads may share it; a unit belongs to one thread.

    One unit of this process writes at a time; any number read beside it.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._reading = engine.execution_options(**reading_options(engine))
        self._turn = threading.Lock()
        self._writer: int | None = None
        self._closed = False

    @staticmethod
    def open(url: str) -> Records:
        """The records at this URL, brought to the newest schema.

        `sqlite:////path/records.sqlite3` or `postgresql+psycopg://user@host/database`. Raises
        `InvalidInput` for another URL, `RecordsUnavailable` where the database cannot be used and
        `RecordsDamaged` where it is none any more.
        """
        engine = make_engine(url)
        try:
            migrate(engine)
        except sa.exc.SQLAlchemyError as error:
            engine.dispose()
            raise RecordsUnavailable(
                f"{engine.url.render_as_string(hide_password=True)}: {explained(error)}"
            ) from error
        except UnicodeDecodeError as error:
            # SQLite quotes from a damaged schema what is no text any more.
            engine.dispose()
            raise RecordsDamaged(
                f"{engine.url.render_as_string(hide_password=True)}: its schema is damaged; "
                "restore a backup"
            ) from error
        except BaseException:
            engine.dispose()
            raise
        return Records(engine)

    def close(self) -> None:
        """Lets go of every connection; units opened later are refused."""
        self._closed = True
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def copy_to(self, path: Path) -> bool:
        """Copies the records of one moment into a new SQLite file.

        False where they are in PostgreSQL, which has its own ways. Raises `RecordsUnavailable`.
        """
        if self._engine.dialect.name != "sqlite":
            return False
        connection = self._engine.raw_connection()
        try:
            path.touch(mode=0o600, exist_ok=False)
            with closing(sqlite3.connect(path)) as target:
                source = connection.driver_connection
                assert isinstance(source, sqlite3.Connection)
                source.backup(target)
        except sqlite3.Error as error:
            raise RecordsUnavailable(f"the records cannot be copied to {path}: {error}") from error
        finally:
            connection.close()
        return True

    @contextmanager
    def unit(self) -> Iterator[Unit]:
        """A unit of work that may write: committed at its end, rolled back on an exception."""
        with self._one_writer(), self._transaction(self._engine) as transaction:
            yield Unit(transaction)

    @contextmanager
    def reading(self) -> Iterator[Unit]:
        """A unit that only reads, from one snapshot; it never waits for a writer."""
        with self._transaction(self._reading) as transaction:
            yield Unit(transaction)

    @contextmanager
    def alerting_unit(self) -> Iterator[AlertRepository]:
        """A unit of work on alerting alone: the `UnitOfWork` of `tidecast_alerts.ports`."""
        with self.unit() as unit:
            yield unit.alerting

    @contextmanager
    def _transaction(self, engine: sa.Engine) -> Iterator[Transaction]:
        if self._closed:
            raise RecordsUnavailable("the records are closed")
        try:
            with engine.begin() as connection:
                yield Transaction(connection)
        except sa.exc.SQLAlchemyError as error:
            raise explained(error) from error

    @contextmanager
    def _one_writer(self) -> Iterator[None]:
        me = threading.get_ident()
        if self._writer == me:
            raise RecordsUnavailable(
                "this thread has a unit of work open already; use that one instead of a second"
            )
        if not self._turn.acquire(timeout=_TURN_SECONDS):
            raise RecordsUnavailable(
                f"another unit of work has been writing for {_TURN_SECONDS} seconds; try again"
            )
        self._writer = me
        try:
            yield
        finally:
            self._writer = None
            self._turn.release()
