"""Availability over HTTP: observations come in, words are said of time, figures go out."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route

from tidecast.journeys.availability_plan import (
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
    summary_document,
)
from tidecast.journeys.explain_forecast import Document, iso
from tidecast.journeys.observe import (
    classification_document,
    classify,
    moment_ms,
    name,
    observation_document,
    parse_classification,
    parse_observations,
    withdraw,
)
from tidecast.policy.model import Policy
from tidecast.server.application import Application
from tidecast.server.body import read_json
from tidecast.server.problems import Problem
from tidecast.server.tidecast_api import MAX_SMALL_BYTES, PREFIX, Answer, json_endpoint
from tidecast_analytics.calendars import time_zone
from tidecast_analytics.timelines import Observation

MAX_OBSERVATIONS_BYTES = 4 << 20
MAX_SHOWN = 10_000
MAX_COMPONENTS = 1_000
DAY_MS = 86_400_000


class AvailabilityApi:
    """The handlers, over the running application."""

    def __init__(self, application: Application) -> None:
        self._app = application

    def routes(self) -> list[Route]:
        """The routes, as `openapi_availability.py` describes them."""
        handlers: list[tuple[str, str, Answer]] = [
            ("GET", "/availability", self.availability),
            ("GET", "/availability/plan", self.plan),
            ("GET", "/observations", self.observations),
            ("POST", "/observations", self.observe),
            ("GET", "/classifications", self.classifications),
            ("POST", "/classifications", self.classify),
            ("POST", "/classifications/{id:int}/withdraw", self.withdraw),
        ]
        return [
            Route(PREFIX + path, json_endpoint(answer), methods=[method])
            for method, path, answer in handlers
        ]

    async def availability(self, request: Request) -> object:
        """The availability of one service or component whole, or of all services in short."""
        query = request.query_params
        name = query.get("service") or query.get("component")
        if query.get("service") and query.get("component"):
            raise Problem(400, "service and component: give one of them, or none for all services")
        time = self.asked(request)
        if name is None:
            return await run_in_threadpool(self.all_services, time)
        return await run_in_threadpool(self.one, name, time, service="service" in query)

    def one(self, name: str, time: Asked, *, service: bool = False) -> Document:
        """Everything about one; raises `Problem` 404 where there is none such."""
        policy = self.policy_of(time)
        if service and name not in policy.services:
            raise Problem(404, f"there is no service {name[:100]!r} in the applied policy")
        with self._app.records.reading() as unit:
            (found,) = answers(policy, unit, time, [name])
        return availability_document(policy, time, found)

    def all_services(self, time: Asked) -> Document:
        """All services in short, the least available first."""
        policy = self.policy_of(time)
        with self._app.records.reading() as unit:
            found = answers(policy, unit, time, policy.services)
        found.sort(key=lambda each: (each.assessment.lowest or 0, each.service.name))
        return {
            "start": iso(time.start_ms),
            "end": iso(time.end_ms),
            "until": iso(time.until_ms),
            "known_on": iso(time.known_on_ms),
            "services": [summary_document(policy, time, each) for each in found],
        }

    async def plan(self, request: Request) -> object:
        """What cost most availability, and what a second part would bring."""
        time = self.asked(request)
        return await run_in_threadpool(self.planned, request.query_params.get("service"), time)

    def planned(self, service: str | None, time: Asked) -> Document:
        """The plan of one service, or of all."""
        policy = self.policy_of(time)
        if service is not None and service not in policy.services:
            raise Problem(404, f"there is no service {service[:100]!r} in the applied policy")
        with self._app.records.reading() as unit:
            found = answers(policy, unit, time, [service] if service else policy.services)
        parts = [part for each in found for part in planned_parts(policy, each)]
        parts.sort(key=lambda part: (-part.lost_ms, -(part.gain_ms or 0)))
        causes = [cause for each in found for cause in common_causes(policy, each)]
        causes.sort(key=lambda cause: -cause.joint_ms)
        return {
            "start": iso(time.start_ms),
            "until": iso(time.until_ms),
            "parts": [part_document(part) for part in parts[:MAX_SHOWN]],
            "common_causes": [cause_document(cause) for cause in causes[:MAX_SHOWN]],
        }

    def policy_of(self, time: Asked) -> Policy:
        """The policy by which that time is judged: as known on the day, where one was applied."""
        if time.known_on_ms is None:
            return self._app.policy.policy
        then = self._app.policy.as_of(time.known_on_ms)
        return then if then.services else self._app.policy.policy

    def asked(self, request: Request) -> Asked:
        """The time that a request asks for: `month` in `time_zone`, or from `start` to `end`."""
        month = request.query_params.get("month")
        known_on_ms, now_ms = _moment(request, "known_on"), self._app.clock.now_ms()
        if month is None:
            return asked(*self._period(request), known_on_ms, now_ms)
        if "start" in request.query_params or "end" in request.query_params:
            raise Problem(400, "month: give a month, or start and end, not both")
        try:
            span = month_span(month, time_zone(request.query_params.get("time_zone", "UTC")))
        except ValueError as error:
            raise Problem(400, f"month: {error}") from error
        return asked(*span, known_on_ms, now_ms)

    async def observations(self, request: Request) -> object:
        """Raw observations of components that bear on a time, as they were known."""
        components = request.query_params.getlist("component")
        if len(components) > MAX_COMPONENTS:
            raise Problem(400, f"component: at most {MAX_COMPONENTS} are asked for at once")
        span = (*self._period(request), _moment(request, "known_on"))
        found = await run_in_threadpool(self._observations, components, span)
        return {"observations": [observation_document(each) for each in found]}

    def _observations(
        self, components: list[str], span: tuple[int, int, int | None]
    ) -> list[Observation]:
        with self._app.records.reading() as unit:
            by_component = unit.outages.observations(components or unit.outages.components(), *span)
        found = [one for name in sorted(by_component) for one in by_component[name]]
        if len(found) > MAX_SHOWN:
            raise Problem(
                400,
                f"{len(found)} observations; at most {MAX_SHOWN} are shown: ask for a component, "
                "or for a shorter time",
            )
        return found

    async def observe(self, request: Request) -> object:
        """Adds observations; what is known already is not added again."""
        body = await read_json(request, MAX_OBSERVATIONS_BYTES)
        taken = parse_observations(body, self._app.clock.now_ms())
        return {"taken": len(taken), "added": await run_in_threadpool(self._observe, taken)}

    def _observe(self, observations: list[Observation]) -> int:
        with self._app.records.unit() as unit:
            return unit.outages.observe(observations)

    async def classifications(self, request: Request) -> object:
        """Words said of components' time, as they stood."""
        components = request.query_params.getlist("component") or None
        span = (*self._period(request), _moment(request, "known_on"))

        def read() -> list[object]:
            with self._app.records.reading() as unit:
                words = unit.outages.classifications(components, *span)
            return [classification_document(word) for word in words[-MAX_SHOWN:]]

        return {"classifications": await run_in_threadpool(read)}

    async def classify(self, request: Request) -> object:
        """Says that a time was maintenance, is excluded, was really up or down, or is noted."""
        body = await read_json(request, MAX_SMALL_BYTES)
        word = parse_classification(body, self._app.clock.now_ms())
        return classification_document(await run_in_threadpool(classify, self._app.records, word))

    async def withdraw(self, request: Request) -> object:
        """Takes a word back from now on."""
        body = await read_json(request, MAX_SMALL_BYTES)
        try:
            by = name(body.get("by"))
        except ValueError as error:
            raise Problem(400, f"by: {error}") from error
        number, now_ms = request.path_params["id"], self._app.clock.now_ms()
        word = await run_in_threadpool(withdraw, self._app.records, number, by, now_ms)
        if word is None:
            raise Problem(404, f"there is no classification {number} that still stands")
        return classification_document(word)

    def _period(self, request: Request) -> tuple[int, int]:
        """From `start` (30 days ago) to `end` (now)."""
        end_ms = _moment(request, "end") or self._app.clock.now_ms()
        start_ms = _moment(request, "start")
        start_ms = max(0, end_ms - 30 * DAY_MS) if start_ms is None else start_ms
        if end_ms <= start_ms:
            raise Problem(400, "end must lie after start")
        return start_ms, end_ms


def _moment(request: Request, parameter: str) -> int | None:
    text = request.query_params.get(parameter)
    if not text:
        return None
    try:
        return moment_ms(text)
    except ValueError as error:
        raise Problem(400, f"{parameter}: {error}") from error
