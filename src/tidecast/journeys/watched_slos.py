"""The SLOs of the applied policy with their newest figures."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from tidecast.journeys.applied_policy import PolicyInForce
from tidecast.journeys.explain_forecast import Document
from tidecast.journeys.kept_slices import KeptSlices
from tidecast.journeys.measure_slos import (
    Figures,
    exclusions,
    measure,
)
from tidecast.journeys.own_series import Point
from tidecast.journeys.propose_slos import (
    availability_proposal,
    past_periods,
    proposal_document,
    week_boundaries,
)
from tidecast.journeys.slo_documents import levels_of
from tidecast.journeys.slo_figures import (
    figures_document,
    slo_document,
    slo_points,
    unmeasured_document,
)
from tidecast.policy.model import Policy
from tidecast.promql.query_engine import QueryEngine
from tidecast.records import Records
from tidecast_alerts.slo.model import Objective, ServiceLevelObjective
from tidecast_analytics.calendars import local_time, utc_ms
from tidecast_collector.errors import InvalidInput, TidecastError

MONTHS = 13
FRESH_MS = 60_000
PATIENCE_SECONDS = 3.0
"""How long somebody who asks waits for SLOs that are not measured yet."""
NOT_YET = "it is measured for the first time; ask again in a minute"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Measured:
    """One objective with its figures, or why there are none."""

    slo: ServiceLevelObjective
    objective: Objective
    figures: Figures | None
    why_not: str = ""

    def document(self) -> Document:
        """The figures as a document."""
        if self.figures is None:
            return unmeasured_document(self.objective, self.why_not)
        return figures_document(self.figures)


@dataclass(frozen=True, slots=True)
class _Newest:
    """What was measured last of one SLO, by which policy, and when."""

    slo: ServiceLevelObjective
    version: int | None
    at_ms: int
    found: Sequence[Measured]


class WatchedSlos:
    """What is known of the policy's SLOs; safe to use from several threads."""

    def __init__(self, records: Records, policy: PolicyInForce) -> None:
        self._records, self._policy = records, policy
        self._measuring = threading.Lock()
        self._newest: dict[str, _Newest] = {}
        self._slices = KeptSlices()
        self._read: tuple[Policy, Sequence[ServiceLevelObjective]] | None = None

    def slos(self) -> Sequence[ServiceLevelObjective]:
        """The SLOs of the policy in force; none where they cannot be followed."""
        policy, read = self._policy.policy, self._read
        if read is not None and read[0] is policy:
            return read[1]
        try:
            found = list(levels_of(policy).slos.values())
        except InvalidInput as error:
            # Applied by another version of Tidecast: the server must go on all the same.
            log.error("the SLOs of the applied policy cannot be followed: %s", error)
            found = []
        self._read = (policy, found)
        return found

    def refresh(
        self,
        engine: QueryEngine,
        now_ms: int,
        rest: Callable[[float], None] = lambda took_seconds: None,
    ) -> Sequence[Measured]:
        """Measures every SLO and keeps the figures; after each it may rest, by what that took."""
        found: list[Measured] = []
        for slo in self.slos():
            began = time.perf_counter()
            with self._measuring:
                found += self._measured_anew(engine, slo, now_ms).found
            rest(time.perf_counter() - began)
        self._let_go()
        return found

    def newest(self, engine: QueryEngine, now_ms: int) -> Sequence[Measured]:
        """Figures of a minute ago by this policy, those that are not there measured now.

        That takes some seconds at most; then older figures are told, and of what was never measured
        that it was not.
        """
        found: list[Measured] = []
        until = time.perf_counter() + PATIENCE_SECONDS
        for slo in self.slos():
            kept = self._fresh(slo, now_ms)
            if kept is None and time.perf_counter() < until:
                with self._measuring:
                    # Whoever measured meanwhile did it for this one too.
                    kept = self._fresh(slo, now_ms) or self._measured_anew(engine, slo, now_ms)
            kept = kept or self._newest.get(slo.name)
            if kept is not None and kept.slo == slo:
                found += kept.found
            else:
                found += [Measured(slo, each, None, NOT_YET) for each in slo.objectives]
        return found

    def _measured_anew(
        self, engine: QueryEngine, slo: ServiceLevelObjective, now_ms: int
    ) -> _Newest:
        version = self._version()
        found = self.measured(engine, slo, now_ms, known=self._slices)
        self._newest[slo.name] = kept = _Newest(slo, version, now_ms, found)
        return kept

    def _fresh(self, slo: ServiceLevelObjective, now_ms: int) -> _Newest | None:
        kept = self._newest.get(slo.name)
        if kept is None or kept.slo != slo or kept.version != self._version():
            return None
        return kept if now_ms - kept.at_ms < FRESH_MS else None

    def _let_go(self) -> None:
        """Forgets what was measured of SLOs that are gone."""
        names = {slo.name for slo in self.slos()}
        for name in [name for name in self._newest if name not in names]:
            self._newest.pop(name, None)
        self._slices.keep_only(
            (each.figures.queries, each.figures.slices.width_ms)
            for kept in list(self._newest.values())
            for each in kept.found
            if each.figures is not None
        )

    def came_late(self, start_ms: int, end_ms: int) -> None:
        """Has what was measured of [start, end) measured again: samples came there meanwhile."""
        self._slices.forget(start_ms, end_ms)

    def points(self) -> Iterator[Point]:
        """The series of the newest figures that are there; nothing is measured for it."""
        for slo in self.slos():
            kept = self._newest.get(slo.name)
            if kept is not None and kept.slo == slo:
                yield from slo_points([each.figures for each in kept.found if each.figures])

    def measured(
        self,
        engine: QueryEngine,
        slo: ServiceLevelObjective,
        now_ms: int,
        known_on_ms: int | None = None,
        known: KeptSlices | None = None,
    ) -> list[Measured]:
        """Each objective of the SLO at that time, exclusions as they were known on the other.

        Slices that are `known` are not measured again.
        """
        start_ms, _ = slo.window.period(now_ms)
        with self._records.reading() as unit:
            left_out = exclusions(
                self._policy.policy, unit, slo.service, (start_ms, now_ms + 1), known_on_ms
            )
        found = []
        for objective in slo.objectives:
            try:
                figures = measure(engine, slo, objective, left_out, now_ms, known)
                why_not = objective.why_not or "nothing measures it"
            except TidecastError as error:
                figures, why_not = None, str(error)
            found.append(Measured(slo, objective, figures, "" if figures else why_not))
        return found

    def proposals(
        self, engine: QueryEngine, slo: ServiceLevelObjective, now_ms: int
    ) -> list[Document]:
        """What the last 13 whole months, or weeks, suggest for each objective.

        Raises what the engine does.
        """
        boundaries, weeks = _months(slo.window.zone, now_ms), week_boundaries(now_ms)
        with self._records.reading() as unit:
            span = (boundaries[0], max(boundaries[-1], weeks[-1]))
            left_out = exclusions(self._policy.policy, unit, slo.service, span)
        found = []
        for objective in slo.objectives:
            by_month, by_week = (
                past_periods(engine, slo, objective, left_out, each) for each in (boundaries, weeks)
            )
            found.append(proposal_document(slo, objective, by_month, by_week))
        return found

    def availability_proposal(self, service: str, now_ms: int) -> Document:
        """The same for the availability of a service, from its outages.

        Raises `InvalidInput` where that cannot be worked out.
        """
        policy = self._policy.policy
        zone = policy.services[service].agreed.zone
        with self._records.reading() as unit:
            return availability_proposal(policy, unit, service, now_ms, _months(zone, now_ms))

    def _version(self) -> int | None:
        version = self._policy.version
        return version.id if version else None


def told(slo: ServiceLevelObjective, measured: Sequence[Measured]) -> Document:
    """An SLO with its objectives' figures; a composite one with its weighted level."""
    document = slo_document(slo)
    document["objectives"] = [each.document() for each in measured]
    levels = [
        (each.objective.weight, each.figures.budget.ratio) for each in measured if each.figures
    ]
    known = [(weight, level) for weight, level in levels if level is not None]
    if slo.composite and len(known) == len(slo.objectives):
        total = sum(weight for weight, _ in known)
        document["composite_level"] = sum(weight * level for weight, level in known) / total
    return document


def _months(zone: ZoneInfo, now_ms: int) -> list[int]:
    """The starts of the last 13 whole months and of this one, in that time zone."""
    now = local_time(now_ms, zone)
    numbers = range(now.year * 12 + now.month - 1 - MONTHS, now.year * 12 + now.month)
    return [utc_ms(datetime(n // 12, n % 12 + 1, 1), zone) for n in numbers]  # noqa: DTZ001
