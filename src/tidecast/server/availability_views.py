"""What the API and the pages tell of availability, read from the running application."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tidecast.journeys.availability_plan import (
    CommonCause,
    PlannedPart,
    cause_document,
    common_causes,
    part_document,
    planned_parts,
)
from tidecast.journeys.availability_report import (
    Asked,
    answers,
    asked,
    availability_document,
    month_span,
)
from tidecast.journeys.availability_rows import AvailabilityRows, Row
from tidecast.journeys.explain_forecast import Document, iso
from tidecast.journeys.observe import classify, moment_ms, parse_classification, withdraw
from tidecast.journeys.service_availability import ServiceAvailability
from tidecast.policy.model import Policy
from tidecast.records.availability import Classification
from tidecast.server.application import Application
from tidecast.server.problems import Problem
from tidecast_analytics.calendars import time_zone

DAY_MS = 86_400_000
DEFAULT_SPAN_MS = 30 * DAY_MS
MAX_PLANNED = 10_000
NOW_MS = 60_000
"""A period that ended so recently ends now."""


class AvailabilityViews:
    """Answers for programs and people."""

    def __init__(self, application: Application) -> None:
        self._app = application

    def asked(self, query: Mapping[str, str]) -> Asked:
        """The time that is asked for: `month` in `time_zone`, or from `start` to `end`.

        Raises `Problem` 400.
        """
        month, known_on_ms = query.get("month"), moment(query, "known_on")
        if not month:
            return asked(*self.period(query), known_on_ms, self._app.clock.now_ms())
        if query.get("start") or query.get("end"):
            raise Problem(400, "month: give a month, or start and end, not both")
        try:
            span = month_span(month, time_zone(query.get("time_zone") or "UTC"))
        except ValueError as error:
            raise Problem(400, f"month: {error}") from error
        return asked(*span, known_on_ms, self._app.clock.now_ms())

    def period(self, query: Mapping[str, str]) -> tuple[int, int]:
        """From `start` (30 days before the end) to `end` (now); raises `Problem` 400."""
        end_ms, start_ms = moment(query, "end"), moment(query, "start")
        end_ms = self._app.clock.now_ms() if end_ms is None else end_ms
        start_ms = max(0, end_ms - DEFAULT_SPAN_MS) if start_ms is None else start_ms
        if end_ms <= start_ms:
            raise Problem(400, "end must lie after start")
        return start_ms, end_ms

    def policy_of(self, time: Asked) -> Policy:
        """The policy by which that time is judged: as known on the day, where one was applied."""
        if time.known_on_ms is None:
            return self._app.policy.policy
        then = self._app.policy.as_of(time.known_on_ms)
        return then if then.services else self._app.policy.policy

    def one(self, name: str, time: Asked) -> Document:
        """Everything about one service or component; raises `Problem` 404."""
        policy = self.policy_of(time)
        with self._app.records.reading() as unit:
            if name not in policy.services and not unit.outages.is_observed(name):
                raise Problem(
                    404,
                    f"there is no service {name[:100]!r}, and nothing was observed of a component "
                    "of that name",
                )
            (found,) = answers(policy, unit, time, [name])
        return availability_document(policy, time, found)

    def all_services(self, time: Asked) -> Document:
        """All services in short, the least available first."""
        return _listed(*self._rows(time))

    def overview(self, time: Asked) -> tuple[Document, Document]:
        """All services in short, and the plan of all."""
        time, rows = self._rows(time)
        return _listed(time, rows), _plan(time, rows)

    def _rows(self, time: Asked) -> tuple[Asked, Sequence[Row]]:
        policy, now_ms = self.policy_of(time), self._app.clock.now_ms()
        rows = self._app.availability_rows
        if time.known_on_ms is not None:
            return AvailabilityRows(self._app.records).of(policy, time, None, now_ms)
        moves = time.until_ms == time.end_ms and now_ms - time.end_ms < NOW_MS
        # The last 30 days are one question, whenever it is asked.
        key = ("until now", time.end_ms - time.start_ms) if moves else (time.start_ms, time.end_ms)
        return rows.of(policy, time, key, now_ms)

    def refreshed(self) -> Sequence[Row]:
        """The rows of every service over the last 30 days, worked out now."""
        policy, time = self._app.policy.policy, self.asked({})
        if not policy.services:
            return ()
        key = ("until now", time.end_ms - time.start_ms)
        now_ms = self._app.clock.now_ms()
        return self._app.availability_rows.again(policy, time, key, now_ms)[1]

    def _answers(
        self, policy: Policy, time: Asked, names: Iterable[str]
    ) -> list[ServiceAvailability]:
        with self._app.records.reading() as unit:
            return answers(policy, unit, time, names)

    def planned(self, service: str | None, time: Asked) -> Document:
        """The availability plan of one service, or of all; raises `Problem` 404."""
        policy = self.policy_of(time)
        if service is not None and service not in policy.services:
            raise Problem(404, f"there is no service {service[:100]!r} in the applied policy")
        if service is None:
            return _plan(*self._rows(time))
        (found,) = self._answers(policy, time, [service])
        parts, causes = planned_parts(policy, found), common_causes(policy, found)
        return _plan_document(time, parts, causes)

    def say(self, word: Mapping[str, object]) -> Classification:
        """Keeps a word on a time; raises `InvalidObservation`."""
        said = parse_classification(word, self._app.clock.now_ms())
        return classify(self._app.records, said)

    def withdraw(self, number: int, by: str) -> Classification:
        """Takes a word back; raises `Problem` 404 where none such stands."""
        word = withdraw(self._app.records, number, by, self._app.clock.now_ms())
        if word is None:
            raise Problem(404, f"there is no classification {number} that still stands")
        return word


def _listed(time: Asked, rows: Sequence[Row]) -> Document:
    order = sorted(rows, key=lambda each: (each.lowest_ratio, each.name))
    return {
        "start": iso(time.start_ms),
        "end": iso(time.end_ms),
        "until": iso(time.until_ms),
        "known_on": iso(time.known_on_ms),
        "services": [each.document for each in order],
    }


def _plan(time: Asked, rows: Sequence[Row]) -> Document:
    parts = [part for each in rows for part in each.parts]
    causes = [cause for each in rows for cause in each.causes]
    return _plan_document(time, parts, causes)


def _plan_document(
    time: Asked, parts: Iterable[PlannedPart], causes: Iterable[CommonCause]
) -> Document:
    ranked = sorted(parts, key=lambda part: (-part.lost_ms, -(part.gain_ms or 0)))
    joint = sorted(causes, key=lambda cause: -cause.joint_ms)
    return {
        "start": iso(time.start_ms),
        "until": iso(time.until_ms),
        "parts": [part_document(part) for part in ranked[:MAX_PLANNED]],
        "common_causes": [cause_document(cause) for cause in joint[:MAX_PLANNED]],
    }


def moment(query: Mapping[str, str], parameter: str) -> int | None:
    """The time that a parameter gives; None without one. Raises `Problem` 400."""
    text = query.get(parameter)
    if not text:
        return None
    try:
        return moment_ms(text)
    except ValueError as error:
        raise Problem(400, f"{parameter}: {error}") from error
