"""Changes that people recorded; each is added once, and may be withdrawn."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from tidecast.records import tables
from tidecast.records.transaction import Transaction, checked_limit, record_of, row_of
from tidecast_analytics.changes import Change


@dataclass(frozen=True, slots=True)
class RecordedChange:
    """`by` recorded at `recorded_ms` what is, or was, changed at `at_ms` on the resources that the
    patterns (as of file names) let through; it is held to be known since `known_ms`.

    `expected` is the amount by which the usage is said to change, `expected_limit` that of what
    there is, as `expectations.parse_amount` reads them; "" where nobody said.
    """

    at_ms: int
    known_ms: int
    recorded_ms: int
    title: str
    by: str
    host: str = "*"
    resource: str = "*"
    item: str = "*"
    id: int | None = None
    withdrawn_ms: int | None = None
    withdrawn_by: str = ""
    expected: str = ""
    expected_limit: str = ""

    @property
    def change(self) -> Change:
        """What forecasts need to know of it."""
        return Change(
            self.at_ms, self.known_ms, self.title, self.by, self.host, self.resource, self.item,
            self.withdrawn_ms, self.expected, self.expected_limit,
        )  # fmt: skip


class RecordedChanges:
    """All of them, by when they happen."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def add(self, change: RecordedChange) -> RecordedChange:
        """Adds a change and returns it with its number."""
        row = row_of(change)
        del row["id"]
        return record_of(RecordedChange, {**row, "id": self._transaction.add(tables.changes, row)})

    def withdraw(self, number: int, by: str, at_ms: int) -> RecordedChange | None:
        """Takes a change back from then on; None where there is none such, or no longer."""
        table = tables.changes
        standing = sa.and_(table.c.id == number, table.c.withdrawn_ms.is_(None))
        said = {"withdrawn_ms": at_ms, "withdrawn_by": by}
        if not self._transaction.change(sa.update(table).where(standing).values(said)):
            return None
        (row,) = self._transaction.rows(sa.select(table).where(table.c.id == number))
        return record_of(RecordedChange, row)

    def since(self, at_ms: int, limit: int) -> list[RecordedChange]:
        """Up to `limit` changes that happen from then on, withdrawn ones too, the newest first."""
        table = tables.changes
        newest = sa.select(table).where(table.c.at_ms >= at_ms)
        newest = newest.order_by(table.c.at_ms.desc(), table.c.id.desc())
        rows = self._transaction.rows(newest.limit(checked_limit(limit)))
        return [record_of(RecordedChange, row) for row in rows]
