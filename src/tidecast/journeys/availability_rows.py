"""The availability of every service, kept until something that it rests on changes.

With a thousand services it takes seconds to work all of it out. What was worked out is kept for
each period that is asked for; later only those services are done again of whose components there
is a new observation or word. The whole is done again when the policy or a relation changes, and
when it is older than a hundred times what it takes, since time passes too.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tidecast.journeys.availability_plan import (
    CommonCause,
    PlannedPart,
    common_causes,
    planned_parts,
)
from tidecast.journeys.availability_report import Asked, summary_document
from tidecast.journeys.explain_forecast import Document
from tidecast.journeys.own_series import Point, availability_points
from tidecast.journeys.service_availability import Availabilities, below, expanded
from tidecast.policy.model import Policy
from tidecast.records import Records
from tidecast.records.availability import LedgerMark
from tidecast.records.database import Unit
from tidecast_analytics.recurrences import TooManyOccurrences
from tidecast_analytics.structure import TooComplex
from tidecast_collector.errors import InvalidInput

PERIODS_KEPT = 4
PATIENCE = 100
"""What took a second to work out is kept for so many."""


@dataclass(frozen=True, slots=True)
class Row:
    """One service in short, with its part of the plan; `why_not` where it cannot be worked out.

    `watches` are all components of which a word changes it.
    """

    name: str
    document: Document
    lowest_ratio: float
    parts: Sequence[PlannedPart] = ()
    causes: Sequence[CommonCause] = ()
    points: Sequence[Point] = ()
    watches: frozenset[str] = frozenset()
    why_not: str = ""


@dataclass(slots=True)
class _Kept:
    policy: Policy
    time: Asked
    mark: LedgerMark
    parents: Mapping[str, str]
    rows: dict[str, Row]
    made_ms: int
    took_ms: float


class AvailabilityRows:
    """Answers for all services; safe to use from several threads."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._kept: OrderedDict[object, _Kept] = OrderedDict()
        self._keeping, self._making = threading.Lock(), threading.Lock()

    def of(
        self, policy: Policy, asked: Asked, key: object, now_ms: int
    ) -> tuple[Asked, Sequence[Row]]:
        """The rows of all services, and the time that they are of.

        `key` names the question ("the last 30 days"), whose times may move on meanwhile.
        """
        found = self._found(policy, asked, key, now_ms)
        if found is None:
            # Others that ask meanwhile wait, and then find what was made.
            with self._making:
                found = self._found(policy, asked, key, now_ms)
                found = found or self._made(policy, asked, key, now_ms)
        return found

    def again(
        self, policy: Policy, asked: Asked, key: object, now_ms: int
    ) -> tuple[Asked, Sequence[Row]]:
        """The same, worked out now; what was there is served until then."""
        with self._making:
            return self._made(policy, asked, key, now_ms)

    def _found(
        self, policy: Policy, asked: Asked, key: object, now_ms: int
    ) -> tuple[Asked, Sequence[Row]] | None:
        with self._keeping:
            kept = self._kept.get(key)
            if kept is None or kept.policy is not policy:
                return None
            self._kept.move_to_end(key)
            old = now_ms - kept.made_ms > PATIENCE * kept.took_ms
            if old or not self._brought_up_to_date(kept, asked):
                return None
            return kept.time, list(kept.rows.values())

    def _made(
        self, policy: Policy, asked: Asked, key: object, now_ms: int
    ) -> tuple[Asked, Sequence[Row]]:
        began = time.perf_counter()
        with self._records.reading() as unit:
            mark, parents = unit.outages.mark(), _parents(unit, asked)
            rows = service_rows(policy, unit, asked, policy.services, parents)
        took_ms = 1000 * (time.perf_counter() - began)
        with self._keeping:
            self._kept[key] = _Kept(policy, asked, mark, parents, rows, now_ms, took_ms)
            self._kept.move_to_end(key)
            while len(self._kept) > PERIODS_KEPT:
                self._kept.popitem(last=False)
        return asked, list(rows.values())

    def _brought_up_to_date(self, kept: _Kept, asked: Asked) -> bool:
        """Does again what has changed; false where all has to be."""
        with self._records.reading() as unit:
            mark = unit.outages.mark()
            if _parents(unit, asked) != kept.parents:
                return False
            changed = unit.outages.changed_since(kept.mark, asked.end_ms)
            names = [row.name for row in kept.rows.values() if row.watches & changed]
            if len(names) > len(kept.rows) // 2:
                return False
            kept.rows |= service_rows(kept.policy, unit, asked, names, kept.parents)
            kept.mark = mark
        return True


def service_rows(
    policy: Policy, unit: Unit, asked: Asked, names: Iterable[str], parents: Mapping[str, str]
) -> dict[str, Row]:
    """The rows of these services; one that cannot be worked out says so in its own row."""
    rows: dict[str, Row] = {}
    watches: dict[str, frozenset[str]] = {}
    for name in names:
        try:
            expanded(policy, name)
        except InvalidInput as error:
            rows[name] = _bad_row(policy, name, str(error))
            continue
        parts = {name, *below(policy, name)}
        watches[name] = frozenset(parts | {parents[each] for each in parts if each in parents})
    if not watches:
        return rows
    found = Availabilities(policy, unit, asked.question, watches)
    for name, watched in watches.items():
        try:
            each = found.of(name)
            rows[name] = Row(
                name,
                summary_document(policy, each),
                each.assessment.lowest or 0.0,
                planned_parts(policy, each),
                common_causes(policy, each),
                tuple(availability_points({name: each.assessment})),
                watched,
            )
        except (TooManyOccurrences, TooComplex, InvalidInput) as error:
            rows[name] = _bad_row(policy, name, str(error), watched)
    return rows


def _bad_row(policy: Policy, name: str, why_not: str, watches: Iterable[str] = ()) -> Row:
    document: Document = {
        "name": name,
        "title": policy.services[name].title,
        "kind": "service",
        "availability": None,
        "availability_lowest": None,
        "availability_highest": None,
        "agreed_seconds": None,
        "down_seconds": None,
        "unknown_seconds": None,
        "breaks": None,
        "modelled_availability": None,
        "sentence": f"cannot be worked out: {why_not}",
    }
    # It stands first: somebody has to do something about it.
    return Row(name, document, -1.0, watches=frozenset(watches), why_not=why_not)


def _parents(unit: Unit, asked: Asked) -> Mapping[str, str]:
    relations = unit.configuration.relations(asked.until_ms - 1)
    return {r.subject: r.object for r in relations if r.kind == "runs_on"}
