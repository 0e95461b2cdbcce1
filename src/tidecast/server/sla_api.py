"""SLAs over HTTP: what is agreed, and statements of a period as known on a day."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tidecast.journeys.explain_forecast import Document
from tidecast.journeys.sla_documents import agreement_document, statement_document
from tidecast.journeys.sla_statements import month_before, statements
from tidecast.policy.model import Policy
from tidecast.server.application import Application
from tidecast.server.error_status import status_of
from tidecast.server.problems import Problem, problem_response
from tidecast.server.slo_api import moment
from tidecast.server.tidecast_api import PREFIX, Answer, json_endpoint
from tidecast_collector.errors import TidecastError
from tidecast_reports.sla import sla_csv, sla_html, sla_text

FORMATS = {
    "json": "application/json",
    "text": "text/plain",
    "html": "text/html",
    "csv": "text/csv",
}
WRITERS = {"text": sla_text, "html": sla_html, "csv": sla_csv}


class SlaApi:
    """The handlers, over the running application."""

    def __init__(self, application: Application) -> None:
        self._app = application

    def routes(self) -> list[Route]:
        """The routes, as `openapi_slos.py` describes them."""
        return [
            Route(f"{PREFIX}/slas", json_endpoint(self.agreements)),
            Route(f"{PREFIX}/slas/statements", self.statements),
        ]

    async def agreements(self, request: Request) -> object:
        """Every SLA of the applied policy."""
        found = self._app.policy.policy.agreements.values()
        return {"slas": [agreement_document(each) for each in found]}

    async def statements(self, request: Request) -> Response:
        """Statements of one SLA (`name`), of a customer or service, or of all, in a format."""
        kind = request.query_params.get("format", "json")
        try:
            if kind not in FORMATS:
                raise Problem(400, f"format {kind[:100]!r} is not json, text, html or csv")
            found = await run_in_threadpool(self._documents, request)
        except TidecastError as error:
            return problem_response(status_of(error), str(error))
        if kind == "json":
            return await json_endpoint(_answer(found))(request)
        text = await run_in_threadpool(WRITERS[kind], found)
        return Response(text, media_type=f"{FORMATS[kind]}; charset=utf-8")

    def _documents(self, request: Request) -> list[Document]:
        query, now_ms = request.query_params, self._app.clock.now_ms()
        known_on_ms = min(moment(request, "known_on") or now_ms, now_ms)
        policy = self._policy(known_on_ms)
        name = query.get("name")
        if name is not None and name not in policy.agreements:
            raise Problem(404, f"there is no SLA {name[:100]!r} in the policy of that day")
        names = [
            each.name
            for each in policy.agreements.values()
            if name in (None, each.name)
            and query.get("customer") in (None, each.customer)
            and query.get("service") in (None, each.service)
        ]
        if not names:
            return []
        first = policy.agreements[names[0]]
        month = query.get("month") or month_before(known_on_ms, first)
        with self._app.records.reading() as unit:
            found = list(statements(policy, unit, names, month, known_on_ms))
        return [statement_document(each) for each in found]

    def _policy(self, known_on_ms: int) -> Policy:
        """The policy of that day; today's where none had been applied."""
        then = self._app.policy.as_of(known_on_ms)
        return then if then.agreements else self._app.policy.policy


def _answer(found: list[Document]) -> Answer:
    async def answer(request: Request) -> object:
        return {"statements": found}

    return answer
