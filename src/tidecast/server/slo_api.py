"""SLOs over HTTP: what they ask for, what was delivered, and what history suggests."""

from __future__ import annotations

from itertools import groupby

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route

from tidecast.journeys.explain_forecast import Document
from tidecast.journeys.observe import moment_ms
from tidecast.journeys.watched_slos import told
from tidecast.server.application import Application
from tidecast.server.problems import Problem
from tidecast.server.tidecast_api import PREFIX, Answer, json_endpoint
from tidecast_alerts.slo.model import ServiceLevelObjective


class SloApi:
    """The handlers, over the running application."""

    def __init__(self, application: Application) -> None:
        self._app = application

    def routes(self) -> list[Route]:
        """The routes, as `openapi_slos.py` describes them."""
        handlers: list[tuple[str, Answer]] = [
            ("/slos", self.slos),
            ("/slos/{name}", self.slo),
            ("/slos/{name}/proposal", self.proposal),
        ]
        return [Route(PREFIX + path, json_endpoint(answer)) for path, answer in handlers]

    async def slos(self, request: Request) -> object:
        """Every SLO of the applied policy with its newest figures."""
        return {"slos": await run_in_threadpool(self.all)}

    def all(self) -> list[Document]:
        """Every SLO with its newest figures, the least budget left first."""
        found = self._app.slos.newest(self._app.engine, self._app.clock.now_ms())
        each_slo = groupby(found, key=lambda each: each.slo)
        told_of = [told(slo, list(measured)) for slo, measured in each_slo]
        return sorted(told_of, key=_budget_left)

    async def slo(self, request: Request) -> object:
        """One SLO, measured now, or at a time, with the exclusions as known on another."""
        slo = self._found(request)
        now_ms = self._app.clock.now_ms()
        at_ms = moment(request, "at") or now_ms
        known_on_ms = moment(request, "known_on")
        measured = await run_in_threadpool(
            self._app.slos.measured, self._app.engine, slo, min(at_ms, now_ms), known_on_ms
        )
        return told(slo, measured)

    async def proposal(self, request: Request) -> object:
        """What the last 13 months suggest, of an SLO or of a service's availability."""
        name, now_ms = request.path_params["name"], self._app.clock.now_ms()
        known = {slo.name for slo in self._app.slos.slos()}
        if name not in known and name in self._app.policy.policy.services:
            suggested = self._app.slos.availability_proposal
            return {"name": name, "objectives": [await run_in_threadpool(suggested, name, now_ms)]}
        slo = self._found(request)
        found = await run_in_threadpool(self._app.slos.proposals, self._app.engine, slo, now_ms)
        return {"name": slo.name, "objectives": found}

    def _found(self, request: Request) -> ServiceLevelObjective:
        name = request.path_params["name"]
        for slo in self._app.slos.slos():
            if slo.name == name:
                return slo
        raise Problem(404, f"there is no SLO {name[:100]!r} in the applied policy")


def _budget_left(document: Document) -> float:
    left = [each.get("budget_remaining") for each in document["objectives"]]
    return min((each for each in left if each is not None), default=2.0)


def moment(request: Request, name: str) -> int | None:
    """The time in milliseconds that a request names so; None where it names none."""
    if name not in request.query_params:
        return None
    try:
        return moment_ms(request.query_params[name])
    except ValueError as error:
        raise Problem(400, f"{name}: {error}") from error
