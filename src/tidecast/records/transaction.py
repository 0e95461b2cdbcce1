"""One transaction: the only place where statements are run, and where their errors are explained.

Repositories build statements; SQLAlchemy's own errors end here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tidecast.records.errors import UnstorableValue, explained

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")

MAX_ROWS = 100_000
_BATCH = 5_000


class Transaction:
    """Runs statements on one connection whose transaction somebody else begins and ends."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._insert = (
            postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        )

    def rows(self, statement: sa.Select[Any]) -> Sequence[sa.RowMapping]:
        """The rows that the statement selects."""
        try:
            return self._connection.execute(statement).mappings().all()
        except sa.exc.SQLAlchemyError as error:
            raise explained(error) from error

    def change(self, statement: sa.Executable) -> int:
        """Runs an update or delete; returns how many rows it concerned."""
        try:
            return self._connection.execute(statement).rowcount
        except sa.exc.SQLAlchemyError as error:
            raise explained(error) from error

    def change_each(self, statement: sa.Executable, rows: Sequence[Mapping[str, Any]]) -> None:
        """Runs the statement once for each of the rows, in batches."""
        try:
            for start in range(0, len(rows), _BATCH):
                self._connection.execute(statement, rows[start : start + _BATCH])
        except sa.exc.SQLAlchemyError as error:
            raise explained(error) from error

    def add(self, table: sa.Table, row: Mapping[str, Any]) -> int:
        """Inserts a row of a numbered table; returns the number it was given."""
        try:
            added = self._connection.execute(sa.insert(table).returning(table.c.id), row)
            return int(added.scalar_one())
        except sa.exc.SQLAlchemyError as error:
            raise explained(error) from error

    def add_each(self, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> list[int]:
        """Inserts rows of a numbered table; returns the number each was given."""
        insert = sa.insert(table).returning(table.c.id, sort_by_parameter_order=True)
        numbers: list[int] = []
        try:
            for start in range(0, len(rows), _BATCH):
                added = self._connection.execute(insert, rows[start : start + _BATCH])
                numbers += [int(number) for number in added.scalars()]
        except sa.exc.SQLAlchemyError as error:
            raise explained(error) from error
        return numbers

    def put(self, table: sa.Table, *rows: Mapping[str, Any]) -> None:
        """Inserts rows, each replacing the one of the same primary key."""
        insert = self.insert(table)
        others = {c.name: insert.excluded[c.name] for c in table.c if not c.primary_key}
        keys = list(table.primary_key.columns)
        self.change_each(insert.on_conflict_do_update(index_elements=keys, set_=others), rows)

    def insert(self, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
        """An insert that can say what is to happen on conflict, in the database's dialect."""
        return self._insert(table)


def row_of(record: DataclassInstance) -> dict[str, Any]:
    """The record's fields by name (not recursive: columns know how to keep them)."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


def record_of(kind: type[Record], row: Mapping[Any, Any]) -> Record:
    """The record that a row holds."""
    return kind(**{field.name: row[field.name] for field in fields(kind)})


def checked_limit(limit: int) -> int:
    """The limit; raises `UnstorableValue` unless it is from 1 to `MAX_ROWS`."""
    if not 1 <= limit <= MAX_ROWS:
        raise UnstorableValue(f"a limit must be from 1 to {MAX_ROWS}, not {limit}")
    return limit
