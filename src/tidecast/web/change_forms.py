"""The form on a resource's page that records a change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tidecast.web.data import ChangeSaid, PageData
from tidecast.web.forms import read_form
from tidecast.web.rendering import Refused, error_page, resource_path
from tidecast_collector.errors import InvalidInput

MAX_CHARACTERS = {"title": 200, "by": 100, "expected": 40, "expected_limit": 40}
NOTHING = "Nothing was recorded"


def recorder(data: PageData) -> Callable[[Request], Awaitable[Response]]:
    """Records what the form says, then leads back to the resource (303: it is sent once)."""

    async def endpoint(request: Request) -> Response:
        try:
            said = _said(await read_form(request))
            if await run_in_threadpool(data.resource, said.host, said.resource, said.item) is None:
                raise Refused(404, NOTHING, "There is no such resource; it may be retired.")
            await run_in_threadpool(data.record_change, said)
        except Refused as refused:
            return error_page(request, refused.status, str(refused), refused.advice)
        except InvalidInput as error:
            return error_page(request, 400, NOTHING, str(error))
        address = resource_path(said.host, said.resource, said.item)
        return RedirectResponse(f"{address}#changes", status_code=303)

    return endpoint


def _said(fields: dict[str, str]) -> ChangeSaid:
    for name, most in MAX_CHARACTERS.items():
        if len(fields.get(name, "")) > most:
            raise Refused(400, NOTHING, f"{name} holds at most {most} characters.")
    if not fields.get("title") or not fields.get("by"):
        raise Refused(400, NOTHING, "Say what is changed, and who you are.")
    host, resource, item, title, by, expected, limit = (
        fields.get(name, "")
        for name in ("host", "resource", "item", "title", "by", "expected", "expected_limit")
    )
    at_ms = _moment_ms(fields["at"]) if fields.get("at") else None
    return ChangeSaid(host, resource, item, title, by, at_ms, expected, limit)


def _moment_ms(text: str) -> int:
    """Milliseconds UTC of what a field for date and time sends, which has no zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(400, NOTHING, "Write the time as in 2026-12-01T08:00 (UTC).") from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not 1971 <= moment.year <= 2199:
        raise Refused(400, NOTHING, "The time lies outside of the years 1971 to 2199.")
    return round(moment.timestamp() * 1000)
