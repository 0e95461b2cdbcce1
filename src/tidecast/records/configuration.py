"""Configuration items: facts of each and relations between them, with when they held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from tidecast.records import tables
from tidecast.records.columns import JsonValue, digest
from tidecast.records.transaction import Transaction, record_of, row_of


@dataclass(frozen=True, slots=True)
class Fact:
    """`source` says that a CI's attribute has this value from `from_ms` until `until_ms` (None:
    still), and how sure it is, from 0 to 1."""

    ci: str
    attribute: str
    value: JsonValue
    source: str
    from_ms: int
    confidence_ratio: float = 1.0
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """`subject` has this relation (`rests_on`, `runs_on`, `connects_to`, ...) to `object`."""

    subject: str
    kind: str
    object: str
    source: str
    from_ms: int
    confidence_ratio: float = 1.0
    until_ms: int | None = None


class ConfigurationItems:
    """Facts and relations. A source's new word on something ends what it said of it before."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def put_facts(self, facts: Sequence[Fact]) -> int:
        """Adds what is new; returns how many those are. An equal value goes on as it was."""
        added = 0
        for fact in facts:
            table = tables.facts
            standing = sa.and_(
                table.c.ci_digest == digest(fact.ci),
                table.c.attribute == fact.attribute,
                table.c.source == fact.source,
                table.c.until_ms.is_(None),
            )
            before = [
                record_of(Fact, row)
                for row in self._transaction.rows(sa.select(table).where(standing))
            ]
            if before and (before[0].value, before[0].confidence_ratio) == (
                fact.value,
                fact.confidence_ratio,
            ):
                continue
            row = {**row_of(fact), "ci_digest": digest(fact.ci)}
            if before and fact.from_ms < before[0].from_ms:
                # A late word on the past: what was said of the time since then stands.
                row["until_ms"] = min(fact.until_ms or before[0].from_ms, before[0].from_ms)
            if row["until_ms"] is not None and self._said(row):
                continue
            if not before or fact.from_ms >= before[0].from_ms:
                ended = sa.update(table).where(standing).values(until_ms=fact.from_ms)
                self._transaction.change(ended)
            self._transaction.change_each(sa.insert(table), [row])
            added += 1
        return added

    def _said(self, row: Mapping[str, object]) -> bool:
        """Whether the row is there already."""
        table = tables.facts
        keys = ("ci_digest", "attribute", "source", "from_ms", "until_ms")
        same = sa.select(table).where(*(table.c[key] == row[key] for key in keys))
        return any(each["value"] == row["value"] for each in self._transaction.rows(same))

    def put_relations(self, source: str, relations: Sequence[Relation], at_ms: int) -> int:
        """What this source says of relations now, whole: others of its own end at that time.

        Returns how many are new or have ended.
        """
        table = tables.relations
        standing = sa.and_(table.c.source == source, table.c.until_ms.is_(None))
        before = {
            _identity(row["subject"], row["kind"], row["object"], row["confidence_ratio"]): row[
                "id"
            ]
            for row in self._transaction.rows(sa.select(table).where(standing))
        }
        now = {_identity(r.subject, r.kind, r.object, r.confidence_ratio): r for r in relations}
        ended = [number for key, number in before.items() if key not in now]
        added = [
            {**row_of(r), "source": source, "from_ms": at_ms, "digest": digest(r.subject)}
            for key, r in now.items()
            if key not in before
        ]
        for number in ended:
            self._transaction.change(
                sa.update(table).where(table.c.id == number).values(until_ms=at_ms)
            )
        if added:
            self._transaction.change_each(sa.insert(table), added)
        return len(ended) + len(added)

    def facts(self, at_ms: int, ci: str | None = None) -> list[Fact]:
        """Facts that held at that time, of one CI or of all, by CI and attribute."""
        table = tables.facts
        held = [table.c.from_ms <= at_ms, _lasts(table, at_ms)]
        if ci is not None:
            held.append(table.c.ci_digest == digest(ci))
        order = (table.c.ci, table.c.attribute, table.c.source)
        rows = self._transaction.rows(sa.select(table).where(*held).order_by(*order))
        return [record_of(Fact, row) for row in rows]

    def relations(self, at_ms: int) -> list[Relation]:
        """Relations that held at that time, by subject."""
        table = tables.relations
        order = (table.c.subject, table.c.kind, table.c.object, table.c.source)
        held = sa.select(table).where(table.c.from_ms <= at_ms, _lasts(table, at_ms))
        return [record_of(Relation, row) for row in self._transaction.rows(held.order_by(*order))]


def _lasts(table: sa.Table, at_ms: int) -> sa.ColumnElement[bool]:
    return sa.or_(table.c.until_ms.is_(None), table.c.until_ms > at_ms)


def _identity(subject: str, kind: str, target: str, confidence: float) -> tuple[str, ...]:
    return subject, kind, target, repr(confidence)
