"""Availability over HTTP: observations come in, words are said of time, figures go out."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route

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
from tidecast.server.application import Application
from tidecast.server.body import read_json
from tidecast.server.problems import Problem
from tidecast.server.tidecast_api import MAX_SMALL_BYTES, PREFIX, Answer, json_endpoint
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
