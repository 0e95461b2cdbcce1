"""Configuration items over HTTP: facts and relations in, as they held at any time out."""

from __future__ import annotations

import csv
import io
import json

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tidecast.journeys.configuration_items import (
    fact_row,
    keep_facts,
    parse_facts,
    relation_row,
)
from tidecast.journeys.explain_forecast import iso
from tidecast.server.application import Application
from tidecast.server.body import read_json
from tidecast.server.error_status import status_of
from tidecast.server.parameters import time_ms
from tidecast.server.problems import Problem, problem_response
from tidecast.server.tidecast_api import PREFIX, Answer, json_endpoint
from tidecast_collector.errors import TidecastError

MAX_BODY_BYTES = 16 << 20
COLUMNS = ("record", "ci", "attribute", "value", "source", "confidence", "from", "until")
Row = dict[str, object]


class ConfigurationApi:
    """The handlers, over the running application."""

    def __init__(self, application: Application) -> None:
        self._app = application

    def routes(self) -> list[Route]:
        """The routes, as `openapi.py` describes them."""
        handlers: list[tuple[str, str, Answer]] = [
            ("GET", "/facts", self.facts),
            ("POST", "/facts", self.put),
            ("GET", "/relations", self.relations),
        ]
        routes = [
            Route(PREFIX + path, json_endpoint(answer), methods=[method])
            for method, path, answer in handlers
        ]
        return [*routes, Route(f"{PREFIX}/configuration", self.export, methods=["GET"])]

    async def put(self, request: Request) -> object:
        """What one source says of configuration items; its relations are told whole."""
        body = await read_json(request, MAX_BODY_BYTES)
        by = body.get("by", "api")
        if not isinstance(by, str) or not 0 < len(by) <= 200:
            raise Problem(400, "by must be a text of 1 to 200 characters")
        now_ms = self._app.clock.now_ms()
        report = parse_facts(body, now_ms, time_ms)

        def keep() -> dict[str, int]:
            with self._app.records.unit() as unit:
                return keep_facts(unit, report, by, now_ms)

        return await run_in_threadpool(keep)

    async def facts(self, request: Request) -> object:
        """Facts that held at a time (now), of one CI or of all."""
        at_ms = self._at_ms(request)
        facts, _ = await run_in_threadpool(self._held, at_ms, request.query_params.get("ci"))
        return {"at": iso(at_ms), "facts": facts}

    async def relations(self, request: Request) -> object:
        """Relations that held at a time (now)."""
        at_ms = self._at_ms(request)
        _, relations = await run_in_threadpool(self._held, at_ms, None)
        return {"at": iso(at_ms), "relations": relations}

    async def export(self, request: Request) -> Response:
        """Everything that held at a time: format=json or csv."""
        kind = request.query_params.get("format", "json")
        if kind not in ("json", "csv"):
            return problem_response(400, f"format {kind[:100]!r} is not json or csv")
        try:
            at_ms = self._at_ms(request)
            facts, relations = await run_in_threadpool(self._held, at_ms, None)
        except TidecastError as error:
            return problem_response(status_of(error), str(error))
        if kind == "csv":
            return Response(_csv(facts, relations), media_type="text/csv; charset=utf-8")
        told = {"at": iso(at_ms), "facts": facts, "relations": relations}
        return Response(orjson.dumps(told), media_type="application/json")

    def _at_ms(self, request: Request) -> int:
        at = request.query_params.get("at")
        return time_ms(at, "at") if at else self._app.clock.now_ms()

    def _held(self, at_ms: int, ci: str | None) -> tuple[list[Row], list[Row]]:
        with self._app.records.reading() as unit:
            facts = unit.configuration.facts(at_ms, ci)
            relations = unit.configuration.relations(at_ms)
        return [fact_row(each) for each in facts], [relation_row(each) for each in relations]


def _csv(facts: list[Row], relations: list[Row]) -> str:
    """One table: of a relation `ci` is the subject, `attribute` its kind and `value` the object."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for each in facts:
        value = each["value"] if isinstance(each["value"], str) else json.dumps(each["value"])
        row = {**each, "record": "fact", "value": value}
        writer.writerow([_plain(row[name]) for name in COLUMNS])
    for each in relations:
        ends = {"ci": each["subject"], "attribute": each["kind"], "value": each["object"]}
        row = {**each, **ends, "record": "relation"}
        writer.writerow([_plain(row[name]) for name in COLUMNS])
    return out.getvalue()


def _plain(value: object) -> object:
    """What a spreadsheet would run as a formula is quoted first."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value
