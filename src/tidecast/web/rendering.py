"""Templates into responses, errors among them."""

from __future__ import annotations

from functools import cache
from urllib.parse import quote, urlencode

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse

from tidecast.web.data import PageStatus
from tidecast.web.figures import fan_figure, script_json
from tidecast_collector.errors import TidecastError
from tidecast_reports.availability import downtime, percent
from tidecast_reports.capacity import ResourceOutlook
from tidecast_reports.environment import make_environment

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""All that the pages need: no inline script or style, nothing from elsewhere."""

_TITLES = {
    400: "That cannot be answered",
    401: "This server asks who you are",
    403: "That is not allowed",
    404: "There is nothing here",
    405: "That cannot be done here",
    413: "That is too large",
    500: "Something went wrong here",
    503: "Not ready yet",
}
_ADVICE = {
    401: "Send a bearer token with the scope read, or open the page on the server's own machine.",
    403: "The token lacks the scope, or the request came from another site.",
    404: "The address may be old. What runs out first is a good place to start.",
    500: "The server's log says what; nothing was changed by this page.",
    503: "The server is still opening its data. Try again in some seconds.",
}


class Refused(TidecastError):
    """A page that is not given: the status of the answer, what was wrong and what to do next."""

    def __init__(self, status: int, title: str, advice: str) -> None:
        super().__init__(title)
        self.status = status
        self.advice = advice


def render(request: Request, template: str, status: PageStatus, **values: object) -> HTMLResponse:
    """The page of this template, with the frame that stands around every page."""
    text = (
        _environment()
        .get_template(template)
        .render(status=status, path=request.url.path, now_ms=status.now_ms, **values)
    )
    headers = {"cache-control": "no-store", "content-security-policy": CONTENT_SECURITY_POLICY}
    return HTMLResponse(text, headers=headers)


def error_page(
    request: Request, status_code: int, title: str = "", advice: str = ""
) -> HTMLResponse:
    """An error in the look of the pages; it needs no data, so that it can always be shown."""
    text = (
        _environment()
        .get_template("error.html")
        .render(
            status=None,
            path=request.url.path,
            code=status_code,
            title=title or _TITLES.get(status_code, "That did not work"),
            advice=advice or _ADVICE.get(status_code, ""),
        )
    )
    headers = {"cache-control": "no-store", "content-security-policy": CONTENT_SECURITY_POLICY}
    return HTMLResponse(text, status_code=status_code, headers=headers)


def wants_page(request: Request) -> bool:
    """Whether an error should be answered by a page: a person's browser asks, not a program."""
    return not request.url.path.startswith(("/api/", "/metrics", "/-/")) and (
        "text/html" in request.headers.get("accept", "")
    )


def resource_address(outlook: ResourceOutlook) -> str:
    """Where the page of a resource is, e.g. "/resources?host=web-3&resource=cpu&item="."""
    return resource_path(outlook.host, outlook.resource, outlook.item)


def resource_path(host: str, resource: str, item: str) -> str:
    """Where the page of the resource of this key is."""
    return "/resources?" + urlencode({"host": host, "resource": resource, "item": item})


@cache
def _environment() -> Environment:
    environment = make_environment("tidecast.web")
    environment.filters |= {
        "resource_address": resource_address,
        "host_address": lambda name: "/hosts/" + quote(name, safe=""),
        "service_address": lambda name: "/services/" + quote(name, safe=""),
        "percent": percent,
        "downtime": downtime,
        "fan_figure": fan_figure,
        "script_json": script_json,
    }
    return environment
