"""The outage ledger: what was observed of components, and what people said of it afterwards.

Both are only ever added to, each with the time at which it was known, so that every report can be
made again as it was known on a day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from tidecast.records import tables
from tidecast.records.columns import digest
from tidecast.records.errors import UnstorableValue
from tidecast.records.transaction import Transaction, record_of, row_of
from tidecast_analytics.timelines import ClassificationKind, ComponentState, Observation


@dataclass(frozen=True, slots=True)
class Classification:
    """A word on [start, end) of a component: it changes how time counts, never what was observed.

    `state` is what a reclassification says that it really was. One that was withdrawn holds in
    reports as known before that.
    """

    component: str
    kind: ClassificationKind
    start_ms: int
    end_ms: int
    reason: str
    author: str
    known_at_ms: int
    state: ComponentState | None = None
    id: int | None = None
    withdrawn_ms: int | None = None
    withdrawn_by: str = ""


@dataclass(frozen=True, slots=True)
class LedgerMark:
    """How far the ledger has come: its newest observation, word and withdrawal."""

    observation: int
    word: int
    withdrawn_ms: int


class OutageLedger:
    """Observations and classifications by component."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def observe(self, observations: Sequence[Observation]) -> int:
        """Adds what is new among the observations; returns how many those are.

        What repeats the newest word of its source on the same moment is not new.
        """
        newest = self._newest_words(observations)
        rows = []
        for one in sorted(observations, key=lambda o: o.known_at_ms):
            key = (one.component, one.source, one.from_ms)
            if newest.get(key) is not one.state:
                newest[key] = one.state
                rows.append({**row_of(one), "component_digest": digest(one.component)})
        if rows:
            self._transaction.change_each(sa.insert(tables.observations), rows)
        return len(rows)

    def observations(
        self, components: Iterable[str], start_ms: int, end_ms: int, known_on_ms: int | None = None
    ) -> Mapping[str, list[Observation]]:
        """What was observed of each component that has a bearing on [start, end), in order.

        That is what is from within, and the last that each source had said before.
        """
        table = tables.observations
        wanted = {digest(component): component for component in components}
        known = sa.true() if known_on_ms is None else table.c.known_at_ms <= known_on_ms
        found: dict[str, list[Observation]] = {component: [] for component in wanted.values()}
        keys = list(wanted)
        for first in range(0, len(keys), _KEYS_AT_ONCE):
            ours = table.c.component_digest.in_(keys[first : first + _KEYS_AT_ONCE])
            before = (
                sa.select(
                    table.c.component_digest,
                    table.c.source,
                    sa.func.max(table.c.from_ms).label("from_ms"),
                )
                .where(ours, known, table.c.from_ms < start_ms)
                .group_by(table.c.component_digest, table.c.source)
                .subquery()
            )
            last = sa.select(table).join(
                before,
                sa.and_(
                    table.c.component_digest == before.c.component_digest,
                    table.c.source == before.c.source,
                    table.c.from_ms == before.c.from_ms,
                ),
            )
            within = sa.select(table).where(
                ours, table.c.from_ms >= start_ms, table.c.from_ms < end_ms
            )
            for select in (last.where(known), within.where(known)):
                for row in self._transaction.rows(select.order_by(table.c.from_ms, table.c.id)):
                    found[row["component"]].append(record_of(Observation, row))
        return found

    def components(self) -> list[str]:
        """Every component of which anything was observed, sorted."""
        names = sa.select(tables.observations.c.component).distinct()
        return sorted(row["component"] for row in self._transaction.rows(names))

    def mark(self) -> LedgerMark:
        """How far the ledger has come."""
        said, words = tables.observations.c, tables.classifications.c
        (row,) = self._transaction.rows(
            sa.select(sa.func.coalesce(sa.func.max(said.id), 0).label("id"))
        )
        (word,) = self._transaction.rows(
            sa.select(
                sa.func.coalesce(sa.func.max(words.id), 0).label("id"),
                sa.func.coalesce(sa.func.max(words.withdrawn_ms), 0).label("withdrawn_ms"),
            )
        )
        return LedgerMark(row["id"], word["id"], word["withdrawn_ms"])

    def changed_since(self, mark: LedgerMark, before_ms: int) -> set[str]:
        """The components of which there is more than at that mark on time before `before_ms`."""
        said, words = tables.observations.c, tables.classifications.c
        observed = sa.select(said.component).where(said.id > mark.observation)
        # Withdrawals of the same millisecond may have come after the mark.
        classified = sa.select(words.component).where(
            sa.or_(words.id > mark.word, words.withdrawn_ms >= max(mark.withdrawn_ms, 1))
        )
        selects = (
            observed.where(said.from_ms < before_ms).distinct(),
            classified.where(words.start_ms < before_ms).distinct(),
        )
        return {row["component"] for each in selects for row in self._transaction.rows(each)}

    def is_observed(self, component: str) -> bool:
        """Whether anything was ever observed of it."""
        table = tables.observations
        ours = table.c.component_digest == digest(component)
        return bool(self._transaction.rows(sa.select(table.c.id).where(ours).limit(1)))

    def classify(self, word: Classification) -> Classification:
        """Adds a word and returns it with its id. Raises `UnstorableValue` for one that ends
        before it begins, or a reclassification without a state."""
        if word.end_ms <= word.start_ms:
            raise UnstorableValue(f"a {word.kind} must end after it begins")
        if (word.kind is ClassificationKind.RECLASSIFICATION) != (word.state is not None):
            raise UnstorableValue("a reclassification needs a state, and nothing else has one")
        row = row_of(word)
        del row["id"]
        number = self._transaction.add(
            tables.classifications, {**row, "component_digest": digest(word.component)}
        )
        return record_of(Classification, {**row, "id": number})

    def withdraw(self, number: int, by: str, at_ms: int) -> Classification | None:
        """Takes a word back from then on; None where there is none such, or no longer."""
        table = tables.classifications
        standing = sa.and_(table.c.id == number, table.c.withdrawn_ms.is_(None))
        said = {"withdrawn_ms": at_ms, "withdrawn_by": by}
        if not self._transaction.change(sa.update(table).where(standing).values(said)):
            return None
        (row,) = self._transaction.rows(sa.select(table).where(table.c.id == number))
        return record_of(Classification, row)

    def classifications(
        self,
        components: Iterable[str] | None,
        start_ms: int,
        end_ms: int,
        known_on_ms: int | None = None,
    ) -> list[Classification]:
        """Words on [start, end) of these components (None: of all) that held, as they were known.

        Without `known_on_ms` those that hold now. In the order in which they were said.
        """
        table = tables.classifications
        holds = [table.c.start_ms < end_ms, table.c.end_ms > start_ms]
        if known_on_ms is None:
            holds.append(table.c.withdrawn_ms.is_(None))
        else:
            holds += [
                table.c.known_at_ms <= known_on_ms,
                sa.or_(table.c.withdrawn_ms.is_(None), table.c.withdrawn_ms > known_on_ms),
            ]
        select = sa.select(table).where(*holds).order_by(table.c.known_at_ms, table.c.id)
        wanted = None if components is None else set(components)
        words = (record_of(Classification, row) for row in self._transaction.rows(select))
        return [word for word in words if wanted is None or word.component in wanted]

    def _newest_words(
        self, observations: Sequence[Observation]
    ) -> dict[tuple[str, str, int], ComponentState]:
        table = tables.observations
        keys = sorted({digest(one.component) for one in observations})
        moments = [one.from_ms for one in observations]
        newest = {}
        for first in range(0, len(keys), _KEYS_AT_ONCE):
            select = (
                sa.select(table)
                .where(
                    table.c.component_digest.in_(keys[first : first + _KEYS_AT_ONCE]),
                    table.c.from_ms.between(min(moments), max(moments)),
                )
                .order_by(table.c.known_at_ms, table.c.id)
            )
            for row in self._transaction.rows(select):
                newest[row["component"], row["source"], row["from_ms"]] = row["state"]
        return newest


_KEYS_AT_ONCE = 500
