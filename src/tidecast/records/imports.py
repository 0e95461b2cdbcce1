"""Which parts of which import are in, so that an interrupted one goes on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from tidecast.records import tables
from tidecast.records.transaction import MAX_ROWS, Transaction, record_of


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """One import: its key, where it reads from, how many chunks are in, when the last one was."""

    key: str
    source: str
    chunks: int
    last_ms: int


class ImportProgressRecords:
    """Imports by key; a chunk is whatever the importer writes in one go."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def done_chunks(self, key: str) -> set[str]:
        """The chunks of this import that are in."""
        table = tables.import_chunks
        done = sa.select(table.c.chunk).where(table.c.key == key)
        return {row["chunk"] for row in self._transaction.rows(done)}

    def mark_done(self, key: str, source: str, chunk: str, at_ms: int) -> None:
        """Notes that the chunk is in; call it after the chunk is durable."""
        row = {"key": key, "source": source, "chunk": chunk, "at_ms": at_ms}
        self._transaction.put(tables.import_chunks, row)

    def list(self) -> Sequence[ImportProgress]:
        """Every import, the latest first."""
        chunks = tables.import_chunks.c
        last = sa.func.max(chunks.at_ms).label("last_ms")
        source = sa.func.max(chunks.source).label("source")
        found = (
            sa.select(chunks.key, source, sa.func.count().label("chunks"), last)
            .group_by(chunks.key)
            .order_by(last.desc(), chunks.key)
            .limit(MAX_ROWS)
        )
        return [record_of(ImportProgress, row) for row in self._transaction.rows(found)]
