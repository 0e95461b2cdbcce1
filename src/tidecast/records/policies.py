"""Applied policies: each version whole, as its files were, so that any day's can be had again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from tidecast.records import tables
from tidecast.records.transaction import Transaction, checked_limit, record_of, row_of


@dataclass(frozen=True, slots=True)
class AppliedPolicy:
    """The files of a policy (text by relative path), applied by `author` at that time."""

    applied_ms: int
    author: str
    comment: str
    files: Mapping[str, str]
    id: int | None = None


class PolicyVersions:
    """The versions in the order in which they were applied; the last one holds."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def apply(self, policy: AppliedPolicy) -> AppliedPolicy:
        """Adds a version, which holds from now on; returns it with its id."""
        row = row_of(policy)
        del row["id"]
        return record_of(AppliedPolicy, {**row, "id": self._transaction.add(tables.policies, row)})

    def current(self, known_on_ms: int | None = None) -> AppliedPolicy | None:
        """The version that holds (or held on that day); None where none was applied by then."""
        table = tables.policies
        select = sa.select(table).order_by(table.c.id.desc()).limit(1)
        if known_on_ms is not None:
            select = select.where(table.c.applied_ms <= known_on_ms)
        rows = self._transaction.rows(select)
        return record_of(AppliedPolicy, rows[0]) if rows else None

    def recent(self, limit: int) -> list[AppliedPolicy]:
        """The last `limit` versions, the newest first."""
        table = tables.policies
        select = sa.select(table).order_by(table.c.id.desc()).limit(checked_limit(limit))
        return [record_of(AppliedPolicy, row) for row in self._transaction.rows(select)]
