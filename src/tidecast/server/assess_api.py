"""The assessment over HTTP, made of what the server knows when it is asked."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route

from tidecast.journeys.assess_fleet import KnownFleet, Statement, assess_fleet
from tidecast.journeys.explain_forecast import iso
from tidecast.journeys.service_graph import Edge
from tidecast.server.application import Application
from tidecast.server.tidecast_api import PREFIX, json_endpoint
from tidecast.server.views import Views
from tidecast_alerts.model import IncidentState


class AssessApi:
    """The handler, over the running application."""

    def __init__(self, application: Application, views: Views) -> None:
        self._app, self._views = application, views

    def routes(self) -> list[Route]:
        """The route, as `openapi.py` describes it."""
        return [Route(f"{PREFIX}/assess", json_endpoint(self.assess), methods=["GET"])]

    async def assess(self, request: Request) -> object:
        """Here and now, future, gap and roadmap."""
        known = await run_in_threadpool(self._known)
        told = await run_in_threadpool(assess_fleet, known)
        return {
            "made": iso(known.now_ms),
            "here_and_now": [_document(each) for each in told.here_and_now],
            "future": [_document(each) for each in told.future],
            "gap": [_document(each) for each in told.gap],
            "roadmap": [_document(each) for each in told.roadmap],
        }

    def _known(self) -> KnownFleet:
        now_ms = self._app.clock.now_ms()
        with self._app.records.reading() as unit:
            facts = unit.configuration.facts(now_ms)
            relations = unit.configuration.relations(now_ms)
        incidents = self._views.incidents_in([IncidentState.OPEN, IncidentState.ACKNOWLEDGED])
        return KnownFleet(
            now_ms,
            self._app.policy.policy,
            self._app.definitions,
            self._views.capacity().outlooks,
            {each.name: each.silent for each in self._views.hosts()},
            len(incidents),
            [Edge(r.subject, r.object, r.kind, r.source, r.confidence_ratio) for r in relations],
            {fact.ci for fact in facts if fact.attribute == "owner" and fact.value},
            self._app.requirements.newest(self._app.engine, now_ms),
        )


def _document(each: Statement) -> dict[str, object]:
    return {"what": each.what, "by": each.by.isoformat() if each.by else None, "place": each.place}
