"""Availability over HTTP: observations come in, words are said of time, figures go out."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route

from tidecast.journeys.observe import (
    classification_document,
    name,
    observation_document,
    parse_observations,
)
from tidecast.server.application import Application
from tidecast.server.availability_views import AvailabilityViews, moment
from tidecast.server.body import read_json
from tidecast.server.problems import Problem
from tidecast.server.tidecast_api import MAX_SMALL_BYTES, PREFIX, Answer, json_endpoint
from tidecast_analytics.timelines import Observation

MAX_OBSERVATIONS_BYTES = 4 << 20
MAX_SHOWN = 10_000
MAX_COMPONENTS = 1_000


class AvailabilityApi:
    """The handlers, over the running application."""

    def __init__(self, application: Application, views: AvailabilityViews) -> None:
        self._app, self._views = application, views

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
        if query.get("service") and query.get("component"):
            raise Problem(400, "service and component: give one of them, or none for all services")
        named = query.get("service") or query.get("component")
        time = self._views.asked(query)
        if not named:
            return await run_in_threadpool(self._views.all_services, time)
        return await run_in_threadpool(self._views.one, named, time)

    async def plan(self, request: Request) -> object:
        """What cost most availability, and what a second part would bring."""
        time = self._views.asked(request.query_params)
        service = request.query_params.get("service") or None
        return await run_in_threadpool(self._views.planned, service, time)

    async def observations(self, request: Request) -> object:
        """Raw observations of components that bear on a time, as they were known."""
        components = request.query_params.getlist("component")
        if len(components) > MAX_COMPONENTS:
            raise Problem(400, f"component: at most {MAX_COMPONENTS} are asked for at once")
        found = await run_in_threadpool(self._observations, components, self._span(request))
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
        span = self._span(request)

        def read() -> list[object]:
            with self._app.records.reading() as unit:
                words = unit.outages.classifications(components, *span)
            return [classification_document(word) for word in words[-MAX_SHOWN:]]

        return {"classifications": await run_in_threadpool(read)}

    async def classify(self, request: Request) -> object:
        """Says that a time was maintenance, is excluded, was really up or down, or is noted."""
        body = await read_json(request, MAX_SMALL_BYTES)
        return classification_document(await run_in_threadpool(self._views.say, body))

    async def withdraw(self, request: Request) -> object:
        """Takes a word back from now on."""
        body = await read_json(request, MAX_SMALL_BYTES)
        try:
            by = name(body.get("by"))
        except ValueError as error:
            raise Problem(400, f"by: {error}") from error
        number = request.path_params["id"]
        return classification_document(await run_in_threadpool(self._views.withdraw, number, by))

    def _span(self, request: Request) -> tuple[int, int, int | None]:
        query = request.query_params
        return *self._views.period(query), moment(query, "known_on")
