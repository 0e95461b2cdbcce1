"""Changes over HTTP: what people did, or plan to do, that may move a level for good."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route

from tidecast.journeys.explain_forecast import Document, iso
from tidecast.records import RecordedChange
from tidecast.server.application import Application
from tidecast.server.body import read_json
from tidecast.server.parameters import time_ms
from tidecast.server.problems import Problem
from tidecast.server.tidecast_api import MAX_SMALL_BYTES, PREFIX, json_endpoint
from tidecast.server.upkeep import Upkeep
from tidecast_analytics.expectations import parse_amount

MAX_SHOWN = 1_000
MAX_CHARACTERS = 1_000


class ChangeApi:
    """The handlers, over the running application."""

    def __init__(self, application: Application, upkeep: Upkeep) -> None:
        self._app, self._upkeep = application, upkeep

    def routes(self) -> list[Route]:
        """The routes, as `openapi.py` describes them."""
        return [
            Route(f"{PREFIX}/changes", json_endpoint(self.changes), methods=["GET"]),
            Route(f"{PREFIX}/changes", json_endpoint(self.record), methods=["POST"]),
            Route(
                f"{PREFIX}/changes/{{id:int}}/withdraw",
                json_endpoint(self.withdraw),
                methods=["POST"],
            ),
        ]

    async def changes(self, request: Request) -> object:
        """Changes that happen since a time, the newest first, withdrawn ones too."""
        since = request.query_params.get("since")
        since_ms = time_ms(since, "since") if since else 0
        found = await run_in_threadpool(self._since, since_ms)
        now_ms = self._app.clock.now_ms()
        return {"changes": [change_document(each, now_ms) for each in found]}

    def _since(self, since_ms: int) -> list[RecordedChange]:
        with self._app.records.reading() as unit:
            return unit.changes.since(since_ms, MAX_SHOWN)

    async def record(self, request: Request) -> object:
        """Records a change; the forecasts of what it concerns are made again."""
        body = await read_json(request, MAX_SMALL_BYTES)
        now_ms = self._app.clock.now_ms()
        at_ms = _time_ms(body, "at", now_ms)
        change = RecordedChange(
            at_ms=at_ms,
            known_ms=_time_ms(body, "known", now_ms),
            recorded_ms=now_ms,
            title=_text(body, "title"),
            by=_text(body, "by"),
            host=_text(body, "host"),
            resource=_text(body, "resource", "*"),
            item=_text(body, "item", "*"),
            expected=_amount(body, "expected"),
            expected_limit=_amount(body, "expected_limit"),
        )
        if change.known_ms > now_ms:
            raise Problem(400, "known lies in the future: it says since when the change was known")
        return change_document(await run_in_threadpool(self.keep, change), now_ms)

    def keep(self, change: RecordedChange) -> RecordedChange:
        """Adds a change, and has what it concerns forecast again; returns it with its number."""
        with self._app.records.unit() as unit:
            kept = unit.changes.add(change)
            unit.audit.add(kept.recorded_ms, kept.by, "record change", f"{kept.id}: {kept.title}")
        self._upkeep.forecast_changed()
        return kept

    async def withdraw(self, request: Request) -> object:
        """Says that a change was not, or will not be, made."""
        by = _text(await read_json(request, MAX_SMALL_BYTES), "by")
        number = request.path_params["id"]
        withdrawn = await run_in_threadpool(self._withdraw, number, by)
        return change_document(withdrawn, self._app.clock.now_ms())

    def _withdraw(self, number: int, by: str) -> RecordedChange:
        now_ms = self._app.clock.now_ms()
        with self._app.records.unit() as unit:
            found = unit.changes.withdraw(number, by, now_ms)
            if found is None:
                raise Problem(404, f"there is no change {number}, or it is withdrawn already")
            unit.audit.add(now_ms, by, "withdraw change", f"{number}: {found.title}")
        self._upkeep.forecast_changed()
        return found


def change_document(change: RecordedChange, now_ms: int) -> Document:
    """A recorded change as `Change` in the API; planned as long as its time is to come."""
    state = "planned" if change.at_ms > now_ms else "done"
    return {
        "id": change.id,
        "state": "withdrawn" if change.withdrawn_ms is not None else state,
        "at": iso(change.at_ms),
        "title": change.title,
        "by": change.by,
        "host": change.host,
        "resource": change.resource,
        "item": change.item,
        "expected": change.expected,
        "expected_limit": change.expected_limit,
        "known": iso(change.known_ms),
        "recorded": iso(change.recorded_ms),
        "withdrawn": iso(change.withdrawn_ms),
        "withdrawn_by": change.withdrawn_by,
    }


def _text(body: dict[str, object], name: str, otherwise: str = "") -> str:
    value = body.get(name, otherwise)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_CHARACTERS:
        raise Problem(400, f"{name} must be a text of 1 to {MAX_CHARACTERS} characters")
    return value


def _amount(body: dict[str, object], name: str) -> str:
    value = body.get(name) or ""
    if not isinstance(value, str):
        raise Problem(400, f"{name} must be a text such as +20%, -5% or +500GB")
    try:
        if value:
            parse_amount(value)
    except ValueError as error:
        raise Problem(400, f"{name}: {error}") from error
    return value


def _time_ms(body: dict[str, object], name: str, otherwise_ms: int) -> int:
    value = body.get(name)
    if value is None:
        return otherwise_ms
    if not isinstance(value, str):
        raise Problem(400, f"{name} must be a time in RFC 3339, as 2026-11-03T22:00:00Z")
    return time_ms(value, name)
