"""Our own resources under /api/tidecast/v1/; errors are RFC 9457 problem details."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tidecast.journeys.import_history import UsageImport, parse_usage_import
from tidecast.server import documents
from tidecast.server.application import Application
from tidecast.server.body import read_json
from tidecast.server.error_status import status_of
from tidecast.server.openapi import openapi_document
from tidecast.server.problems import Problem, problem_response
from tidecast.server.upkeep import Upkeep
from tidecast.server.views import Views
from tidecast_alerts.model import IncidentState
from tidecast_collector.errors import TidecastError
from tidecast_reports.csv import capacity_csv
from tidecast_reports.html import capacity_html

PREFIX = "/api/tidecast/v1"
MAX_USAGE_BYTES, MAX_SMALL_BYTES = 16 << 20, 64 << 10

Answer = Callable[[Request], Awaitable[object]]


class TidecastApi:
    """The handlers, over the running application."""

    def __init__(self, application: Application, upkeep: Upkeep, views: Views) -> None:
        self._app, self._upkeep, self._views = application, upkeep, views

    def routes(self) -> list[Route]:
        """Every route of ours, as `openapi.py` describes them."""
        handlers: list[tuple[str, str, Answer]] = [
            ("GET", "/openapi.json", self.openapi),
            ("GET", "/status", self.status),
            ("GET", "/capacity", self.capacity),
            ("GET", "/resource", self.resource),
            ("GET", "/hosts", self.hosts),
            ("POST", "/hosts/retire", self.retire),
            ("GET", "/incidents", self.incidents),
            ("GET", "/incidents/{id:int}", self.incident),
            ("POST", "/incidents/{id:int}/acknowledge", self.acknowledge),
            ("POST", "/incidents/{id:int}/resolve", self.resolve),
            ("POST", "/usage", self.usage),
            ("GET", "/imports", self.imports),
            ("POST", "/imports", self.import_done),
            ("PUT", "/settings/generated", self.set_generated),
        ]
        routes = [
            Route(PREFIX + path, json_endpoint(answer), methods=[method])
            for method, path, answer in handlers
        ]
        return [*routes, Route(f"{PREFIX}/reports/capacity", self.capacity_report)]

    async def openapi(self, request: Request) -> object:
        """This API in OpenAPI 3.1."""
        return openapi_document()

    async def status(self, request: Request) -> object:
        """What the server still has to do with what it was given."""
        return await run_in_threadpool(self._upkeep.status)

    async def capacity(self, request: Request) -> object:
        """Every resource with its typed answer, what runs out first at the top."""
        report = await run_in_threadpool(self._views.capacity)
        return documents.capacity(report)

    async def resource(self, request: Request) -> object:
        """One resource with its history, bands and reasons."""
        key = [request.query_params.get(name, "") for name in ("host", "resource", "item")]
        view = await run_in_threadpool(self._views.resource, *key)
        if view is None:
            raise Problem(404, f"no resource {':'.join(filter(None, key))!r} is known")
        return documents.outlook_with_series(view.outlook)

    async def hosts(self, request: Request) -> object:
        """Hosts and when each was last heard of."""
        hosts = await run_in_threadpool(self._views.hosts)
        return {"hosts": [documents.host(each) for each in hosts]}

    async def retire(self, request: Request) -> object:
        """A host (or one resource of it) that is gone for good."""
        body = await read_json(request, MAX_SMALL_BYTES)
        host = _text(body, "host")
        resource, item = _text(body, "resource", ""), _text(body, "item", "")
        by = _text(body, "by", "api")
        closed = await run_in_threadpool(self._app.retire, host, resource, item, by)
        return {"host": host, "incidents_closed": closed}

    async def incidents(self, request: Request) -> object:
        """Incidents, the newest first; `state` narrows."""
        wanted = request.query_params.getlist("state")
        try:
            states = [IncidentState(state) for state in wanted] or None
        except ValueError as error:
            raise Problem(400, f"state: {error}") from error
        found = await run_in_threadpool(self._views.incidents_in, states)
        return {"incidents": [documents.incident(each) for each in found]}

    async def incident(self, request: Request) -> object:
        """One incident with its signals and timeline."""
        view = await run_in_threadpool(self._views.incident, request.path_params["id"])
        if view is None:
            raise Problem(404, f"there is no incident {request.path_params['id']}")
        return documents.incident_view(view)

    async def acknowledge(self, request: Request) -> object:
        """Somebody is on it."""
        return await self._act(request, self._app.alerts.acknowledge)

    async def resolve(self, request: Request) -> object:
        """Somebody says it is over."""
        return await self._act(request, self._app.alerts.resolve)

    async def _act(self, request: Request, act: Callable[[int, str, str], object]) -> object:
        body = await read_json(request, MAX_SMALL_BYTES)
        by, comment = _text(body, "by"), _text(body, "comment", "")
        await run_in_threadpool(act, request.path_params["id"], by, comment)
        return await self.incident(request)

    async def usage(self, request: Request) -> object:
        """Usage records from an import."""
        body = await read_json(request, MAX_USAGE_BYTES)
        records: UsageImport = parse_usage_import(body)
        return {"written": await run_in_threadpool(self._app.import_usage, records)}

    async def imports(self, request: Request) -> object:
        """Which chunks of an import are done."""
        key = request.query_params.get("key", "")
        return {"done": sorted(await run_in_threadpool(self._app.import_chunks, key))}

    async def import_done(self, request: Request) -> object:
        """A chunk of an import is done."""
        body = await read_json(request, MAX_SMALL_BYTES)
        key, source, chunk = (_text(body, name) for name in ("key", "source", "chunk"))
        await run_in_threadpool(self._app.import_chunk_done, key, source, chunk)
        return {"key": key, "chunk": chunk}

    async def set_generated(self, request: Request) -> object:
        """Whether this server's data is generated, so that every page says so."""
        value = (await read_json(request, MAX_SMALL_BYTES)).get("value")
        if not isinstance(value, bool):
            raise Problem(400, "value must be true or false")
        await run_in_threadpool(self._app.set_generated, value)
        return {"value": value}

    async def capacity_report(self, request: Request) -> Response:
        """The capacity report as a document: format=html or csv."""
        kind = request.query_params.get("format", "html")
        if kind not in ("html", "csv"):
            return problem_response(400, f"format {kind[:100]!r} is not html or csv")
        report = await run_in_threadpool(self._views.capacity)
        text = await run_in_threadpool(capacity_html if kind == "html" else capacity_csv, report)
        return Response(text, media_type=f"text/{kind}; charset=utf-8")


def _text(body: dict[str, object], name: str, otherwise: str | None = None) -> str:
    value = body.get(name, otherwise)
    if not isinstance(value, str) or len(value) > 10_000:
        raise Problem(400, f"{name} must be a text")
    if otherwise is None and not value:
        raise Problem(400, f"{name} must not be empty")
    return value


def json_endpoint(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    """The answer as JSON, and a `TidecastError` as problem details."""

    async def endpoint(request: Request) -> Response:
        try:
            body = await answer(request)
        except TidecastError as error:
            return problem_response(status_of(error), str(error))
        return Response(orjson.dumps(body), media_type="application/json")

    return endpoint
