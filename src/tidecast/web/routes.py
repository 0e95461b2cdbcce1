"""The pages: each answers one address with one template, and works without a script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from tidecast.samples.protocol import SamplesUnavailable
from tidecast.web.change_forms import recorder
from tidecast.web.data import PageData
from tidecast.web.forms import read_form
from tidecast.web.live_charts import live_charts
from tidecast.web.rendering import Refused, error_page, render
from tidecast_alerts.model import IncidentState
from tidecast_collector.errors import InvalidInput
from tidecast_reports.ranking import rank
from tidecast_reports.sentences import STATE_NAMES

ROWS_PER_PAGE = 50
INTERACTIVE_CHARTS = 12
"""So many charts of a list carry their data for the browser; the rest stay drawings."""
MAX_NAME_CHARACTERS = 100
MAX_COMMENT_CHARACTERS = 2_000

Page = Callable[[Request, PageData], Response]
Action = Callable[[int, str, str], None]


def page_routes(data: PageData) -> list[BaseRoute]:
    """The routes of all pages and of the style sheets and scripts that they load."""
    return [
        Route("/", _route(first_to_run_out, data), name="first"),
        Route("/hosts", _route(hosts, data)),
        Route("/hosts/{name:path}", _route(host, data)),
        Route("/resources", _route(resource, data)),
        Route("/resources/changes", recorder(data), methods=["POST"]),
        Route("/incidents", _route(incidents, data)),
        Route("/incidents/{id}", _route(incident, data)),
        Route("/incidents/{id}/acknowledge", _action(data, data.acknowledge), methods=["POST"]),
        Route("/incidents/{id}/resolve", _action(data, data.resolve), methods=["POST"]),
        Mount(
            "/static",
            StaticFiles(packages=[("tidecast.web", "static"), ("tidecast_reports", "static")]),
        ),
    ]


def first_to_run_out(request: Request, data: PageData) -> Response:
    """What runs out first, ranked, fifty to a page."""
    status, report = data.status(), data.capacity()
    ranked = rank(report.outlooks, status.now_ms)
    pages = max(-(-len(ranked) // ROWS_PER_PAGE), 1)
    page = _page_number(request.query_params.get("page", "1"), pages)
    counts = Counter(outlook.state for outlook in ranked)
    return render(
        request,
        "first.html",
        status,
        report=report,
        ranked=ranked,
        rows=ranked[(page - 1) * ROWS_PER_PAGE : page * ROWS_PER_PAGE],
        first_row=(page - 1) * ROWS_PER_PAGE,
        page=page,
        pages=pages,
        interactive=INTERACTIVE_CHARTS,
        filling=[outlook for outlook in ranked if outlook.full_in_seconds is not None],
        counts=[(state, counts[state]) for state in STATE_NAMES if counts[state]],
        waiting=bool(ranked) and set(counts) == {"not_enough_data"},
    )


def hosts(request: Request, data: PageData) -> Response:
    """Every host with what runs out first on it; those in trouble first."""
    status = data.status()
    order = sorted(
        data.hosts(), key=lambda host: (not host.silent, -host.open_incidents, host.name)
    )
    return render(request, "hosts.html", status, hosts=order)


def host(request: Request, data: PageData) -> Response:
    """One host: live charts, outlooks, incidents."""
    name = request.path_params["name"]
    view = data.host(name)
    if view is None:
        raise Refused(404, f"There is no host {name}", "It may be retired, or never have reported.")
    status = data.status()
    return render(
        request,
        "host.html",
        status,
        view=view,
        ranked=rank(view.outlooks, status.now_ms),
        charts=live_charts(view.name),
    )


def resource(request: Request, data: PageData) -> Response:
    """One resource: its chart, why, and how its past forecasts fared."""
    query = request.query_params
    if not query.get("host") and not query.get("resource"):
        raise Refused(400, "Which resource?", "The address needs host= and resource= (and item=).")
    key = (query.get("host", ""), query.get("resource", ""), query.get("item", ""))
    view = data.resource(*key)
    if view is None:
        told = ", ".join(part for part in key if part)
        raise Refused(404, f"There is no resource {told}", "It may be retired, or new.")
    explained = data.explanation(*key) if query.get("explain") == "1" else None
    return render(
        request, "resource.html", data.status(), view=view, outlook=view.outlook, told=explained
    )


def incidents(request: Request, data: PageData) -> Response:
    """Incidents: those not resolved, then the others."""
    found = data.incidents()
    resolved = [incident for incident in found if incident.state is IncidentState.RESOLVED]
    current = [incident for incident in found if incident.state is not IncidentState.RESOLVED]
    return render(request, "incidents.html", data.status(), current=current, resolved=resolved)


def incident(request: Request, data: PageData) -> Response:
    """One incident: its timeline, its signals, and what may be done."""
    incident_id = _incident_id(request)
    view = data.incident(incident_id)
    if view is None:
        raise Refused(
            404,
            f"There is no incident INC-{incident_id}",
            "The page Incidents lists those there are.",
        )
    return render(
        request,
        "incident.html",
        data.status(),
        view=view,
        incident=view.incident,
        max_name=MAX_NAME_CHARACTERS,
        max_comment=MAX_COMMENT_CHARACTERS,
    )


def _route(page: Page, data: PageData) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return await run_in_threadpool(page, request, data)
        except Refused as refused:
            return error_page(request, refused.status, str(refused), refused.advice)
        except InvalidInput as error:
            return error_page(request, 400, "That cannot be answered", str(error))
        except SamplesUnavailable as error:
            return error_page(request, 503, "Samples cannot be read now", str(error))

    return endpoint


def _action(data: PageData, act: Action) -> Callable[[Request], Awaitable[Response]]:
    """Does what a form asks, then leads back to the incident (303, so that it is sent once)."""

    async def endpoint(request: Request) -> Response:
        try:
            incident_id = _incident_id(request)
            by, comment = await _form(request)
            if await run_in_threadpool(data.incident, incident_id) is None:
                raise Refused(
                    404,
                    f"There is no incident INC-{incident_id}",
                    "The page Incidents lists those there are.",
                )
            await run_in_threadpool(act, incident_id, by, comment)
        except Refused as refused:
            return error_page(request, refused.status, str(refused), refused.advice)
        except InvalidInput as error:
            return error_page(request, 400, "Nothing was changed", str(error))
        return RedirectResponse(f"/incidents/{incident_id}", status_code=303)

    return endpoint


async def _form(request: Request) -> tuple[str, str]:
    """Who acts and what they say, from a form."""
    fields = await read_form(request)
    by, comment = (fields.get(name, "") for name in ("by", "comment"))
    if not by or len(by) > MAX_NAME_CHARACTERS:
        raise Refused(400, "Nothing was changed", "Say who you are, in at most 100 characters.")
    if len(comment) > MAX_COMMENT_CHARACTERS:
        raise Refused(400, "Nothing was changed", "A comment holds at most 2000 characters.")
    return by, comment


def _incident_id(request: Request) -> int:
    text = request.path_params["id"].upper().removeprefix("INC-")
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise Refused(404, "There is no such incident", "An incident reads INC-12, or just 12.")
    return int(text)


def _page_number(text: str, pages: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and 1 <= int(text) <= pages):
        raise Refused(404, f"There is no page {text}", f"The list has {pages} pages.")
    return int(text)
