"""How far the usage records reach, and which hours must be computed again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import sqlalchemy as sa

from tidecast.records import tables
from tidecast.records.columns import storable_integer
from tidecast.records.errors import UnstorableValue
from tidecast.records.transaction import Transaction, checked_limit

HOUR_MS = 3_600_000
_BATCH = 5_000


class UsageProgress:
    """The watermark and the dirty hours; an hour is named by its end, in milliseconds UTC."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def watermark_ms(self) -> int | None:
        """The end of the newest hour whose usage records are written; None before the first."""
        rows = self._transaction.rows(sa.select(tables.usage_watermark.c.watermark_ms))
        return rows[0]["watermark_ms"] if rows else None

    def set_watermark(self, ms: int) -> None:
        """Moves the watermark to the end of an hour."""
        self._transaction.put(tables.usage_watermark, {"id": 1, "watermark_ms": _hour_end(ms)})

    def mark_dirty(self, hours: Iterable[int]) -> None:
        """Notes that these hours must be computed (again); one that is noted stays noted once."""
        insert = self._transaction.insert(tables.dirty_hours)
        # An hour that is dirtied again while it is being computed must outlive that computation.
        again = insert.on_conflict_do_update(
            index_elements=[tables.dirty_hours.c.hour_ms], set_={"taken": False}
        )
        for batch in _batches(hours):
            self._transaction.change_each(again, [{"hour_ms": h, "taken": False} for h in batch])

    def dirty_hours(self, limit: int) -> list[int]:
        """Takes up to `limit` dirty hours, oldest first; needs a unit that may write.

        They stay dirty until `clear_dirty`, so a crash in between only computes them once more.
        """
        table = tables.dirty_hours
        oldest = sa.select(table.c.hour_ms).order_by(table.c.hour_ms).limit(checked_limit(limit))
        hours = [row["hour_ms"] for row in self._transaction.rows(oldest)]
        take = sa.update(table).where(table.c.hour_ms == sa.bindparam("hour")).values(taken=True)
        self._transaction.change_each(take, [{"hour": hour} for hour in hours])
        return hours

    def clear_dirty(self, hours: Iterable[int]) -> None:
        """These hours are computed; one that was dirtied again after it was taken stays dirty."""
        table = tables.dirty_hours
        done = sa.delete(table).where(table.c.hour_ms == sa.bindparam("hour"), table.c.taken)
        for batch in _batches(hours):
            self._transaction.change_each(done, [{"hour": hour} for hour in batch])


def _batches(hours: Iterable[int]) -> Iterator[list[int]]:
    ends = (_hour_end(hour) for hour in hours)
    while batch := list(islice(ends, _BATCH)):
        yield batch


def _hour_end(ms: int) -> int:
    if storable_integer(ms) % HOUR_MS:
        raise UnstorableValue(f"{ms} ms is not the end of an hour in UTC")
    return ms
