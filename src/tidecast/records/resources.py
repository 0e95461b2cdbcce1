"""The registry of known resources: when each was first and last seen, and whether it is retired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from tidecast.records import tables
from tidecast.records.columns import digest
from tidecast.records.transaction import Transaction, record_of, row_of


@dataclass(frozen=True, slots=True)
class KnownResource:
    """A resource by its key (host, resource, item), with the span in which it was seen.

    A retired one is gone for good: it leaves the forecasts and its incidents close.
    `unit_inferred` tells how its unit was inferred, where nobody said it.
    """

    host: str
    resource: str
    item: str
    unit: str
    statistic: str
    source: str
    first_seen_ms: int
    last_seen_ms: int
    retired_ms: int | None = None
    retired_reason: str = ""
    retired_by: str = ""
    unit_inferred: str = ""

    @property
    def retired(self) -> bool:
        """Whether it is gone for good."""
        return self.retired_ms is not None


def resource_digest(host: str, resource: str, item: str) -> bytes:
    """The key under which all that is recorded of a resource is found."""
    return digest(host, resource, item)


class ResourceRegistry:
    """Known resources by key."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def put(self, resources: Sequence[KnownResource]) -> None:
        """Adds resources, or widens the span in which known ones were seen.

        A resource that is seen after it was retired was not gone for good: it is known again. Unit,
        statistic and source are those of the last sight. Only `retire` retires.
        """
        insert = self._transaction.insert(tables.resources)
        old, new = tables.resources.c, insert.excluded
        first, last = old.first_seen_ms, old.last_seen_ms
        newer = new.last_seen_ms >= last
        back = new.last_seen_ms > old.retired_ms
        merged = insert.on_conflict_do_update(
            index_elements=[old.digest],
            set_={
                **{
                    name: sa.case((newer, new[name]), else_=old[name])
                    for name in ("unit", "statistic", "source", "last_seen_ms", "unit_inferred")
                },
                "first_seen_ms": sa.case(
                    (new.first_seen_ms < first, new.first_seen_ms), else_=first
                ),
                "retired_ms": sa.case((back, sa.null()), else_=old.retired_ms),
                "retired_reason": sa.case((back, ""), else_=old.retired_reason),
                "retired_by": sa.case((back, ""), else_=old.retired_by),
            },
        )
        self._transaction.change_each(merged, [_row(resource) for resource in resources])

    def all(self) -> list[KnownResource]:
        """Every known resource, retired ones too, by key."""
        return self._where(sa.true())

    def retire(
        self,
        host: str,
        resource: str | None,
        item: str | None,
        at_ms: int,
        reason: str,
        by: str,
    ) -> list[KnownResource]:
        """Retires the host's resources (None: any) and returns those that were not so before.

        An empty answer says that nothing of that name is known, or that all of it is retired.
        """
        table = tables.resources
        wanted = [table.c.host == host, table.c.retired_ms.is_(None)]
        if resource is not None:
            wanted.append(table.c.resource == resource)
        if item is not None:
            wanted.append(table.c.item == item)
        found = self._where(sa.and_(*wanted))
        retirement = {"retired_ms": at_ms, "retired_reason": reason, "retired_by": by}
        self._transaction.change(sa.update(table).where(*wanted).values(retirement))
        return [record_of(KnownResource, {**row_of(r), **retirement}) for r in found]

    def _where(self, wanted: sa.ColumnElement[bool]) -> list[KnownResource]:
        table = tables.resources
        by_key = (
            sa.select(table).where(wanted).order_by(table.c.host, table.c.resource, table.c.item)
        )
        return [record_of(KnownResource, row) for row in self._transaction.rows(by_key)]


def _row(resource: KnownResource) -> dict[str, object]:
    unretired = {"retired_ms": None, "retired_reason": "", "retired_by": ""}
    key = resource_digest(resource.host, resource.resource, resource.item)
    return {**row_of(resource), **unretired, "digest": key}
