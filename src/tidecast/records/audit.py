"""The audit log: who did what and when; entries are only ever added."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from tidecast.records import tables
from tidecast.records.transaction import Transaction, checked_limit, record_of


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """`actor` did `action` (one word or two) at this time; `detail` says to what."""

    at_ms: int
    actor: str
    action: str
    detail: str


class AuditLog:
    """The entries, in the order in which they were added."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def add(self, at_ms: int, actor: str, action: str, detail: str) -> None:
        """Adds an entry, durable together with the change it tells of."""
        row = {"at_ms": at_ms, "actor": actor, "action": action, "detail": detail}
        self._transaction.add(tables.audit, row)

    def recent(self, limit: int) -> list[AuditEntry]:
        """The last `limit` entries, the newest first."""
        table = tables.audit
        newest = sa.select(table).order_by(table.c.id.desc()).limit(checked_limit(limit))
        return [record_of(AuditEntry, row) for row in self._transaction.rows(newest)]
