"""The pages of services: how available each was, why, and what people say of its time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tidecast.web.data import PageData
from tidecast.web.forms import read_form
from tidecast.web.rendering import Refused, error_page, render
from tidecast_collector.errors import InvalidInput, TidecastError
from tidecast_reports.state_strip import state_strip

Document = Mapping[str, Any]
Time = TypeVar("Time")
PARTS_SHOWN = 20
KINDS = (
    ("maintenance", "maintenance"),
    ("exclusion", "excluded by agreement"),
    ("down", "really down"),
    ("up", "really up"),
    ("degraded", "really degraded"),
    ("annotation", "only a note"),
)


class ServiceData(Protocol[Time]):
    """What these pages need from the application; documents are those of the API."""

    def asked(self, query: Mapping[str, str]) -> Time:
        """The time that an address asks for; raises `TidecastError`."""
        ...

    def overview(self, time: Time) -> tuple[Document, Document]:
        """All services in short, and the plan of all."""
        ...

    def one(self, name: str, time: Time) -> Document:
        """Everything about one service or component; raises `TidecastError`."""
        ...

    def planned(self, service: str, time: Time) -> Document:
        """The availability plan of one service."""
        ...

    def say(self, word: Mapping[str, object]) -> object:
        """Keeps a word on a time; raises `InvalidInput`."""
        ...

    def withdraw(self, number: int, by: str) -> object:
        """Takes a word back; raises `TidecastError` where none such stands."""
        ...


class ServicePages:
    """The pages, over what the application tells them."""

    def __init__(self, frame: PageData, data: ServiceData[Any]) -> None:
        self._frame, self._data = frame, data

    def routes(self) -> list[Route]:
        """The pages' routes, and those of the forms on them."""
        return [
            Route("/services", _page(self.services)),
            Route("/services/{name:path}", _page(self.service)),
            Route("/words", _action(self.say), methods=["POST"]),
            Route("/words/{id:int}/withdraw", _action(self.withdraw), methods=["POST"]),
        ]

    def services(self, request: Request) -> Response:
        """Every service, the least available first, and the plan."""
        found, plan = self._data.overview(self._data.asked(request.query_params))
        return render(
            request,
            "services.html",
            self._frame.status(),
            found=found,
            plan=plan,
            shown=PARTS_SHOWN,
            month=request.query_params.get("month", ""),
        )

    def service(self, request: Request) -> Response:
        """One service or component."""
        time = self._data.asked(request.query_params)
        found = self._data.one(request.path_params["name"], time)
        is_service = found["kind"] == "service"
        return render(
            request,
            "service.html",
            self._frame.status(),
            found=found,
            kinds=KINDS,
            plan=self._data.planned(found["name"], time) if is_service else None,
            strip=state_strip(found["timeline"], found["start"], found["until"]),
            shown=PARTS_SHOWN,
            month=request.query_params.get("month", ""),
        )

    def say(self, form: Mapping[str, str], number: int) -> object:
        """Keeps the word of a form."""
        return self._data.say(word_of(form))

    def withdraw(self, form: Mapping[str, str], number: int) -> object:
        """Takes a word back."""
        if not form.get("by"):
            raise InvalidInput("say who you are")
        return self._data.withdraw(number, form["by"])


def _page(answer: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return await run_in_threadpool(answer, request)
        except TidecastError as error:
            status = getattr(error, "status", 400)
            return error_page(request, status, "That cannot be answered", str(error))

    return endpoint


def _action(
    change: Callable[[Mapping[str, str], int], object],
) -> Callable[[Request], Awaitable[Response]]:
    """Does what a form asks, then leads back to the page (303, so that it is sent once)."""

    async def endpoint(request: Request) -> Response:
        try:
            form = await read_form(request)
            await run_in_threadpool(change, form, request.path_params.get("id", 0))
        except Refused as refused:
            return error_page(request, refused.status, str(refused), refused.advice)
        except TidecastError as error:
            status = getattr(error, "status", 400)
            return error_page(request, status, "Nothing was changed", str(error))
        where = "/services/" + quote(form.get("page", ""), safe="")
        month = form.get("month", "")
        return RedirectResponse(f"{where}?month={quote(month)}" if month else where, 303)

    return endpoint


def word_of(form: Mapping[str, str]) -> dict[str, object]:
    """The word of a form, as the API takes it; times without an offset are UTC."""
    kind = form.get("kind", "")
    state = {"state": kind} if kind in ("up", "degraded", "down") else {}
    return {
        "component": form.get("component"),
        "kind": "reclassification" if state else kind,
        **state,
        "start": _utc(form.get("start", "")),
        "end": _utc(form.get("end", "")),
        "reason": form.get("reason"),
        "author": form.get("by"),
    }


def _utc(text: str) -> str:
    # A browser's datetime-local field knows no offset; the page says that it is UTC.
    bare = "T" in text and not text.endswith("Z") and "+" not in text
    return f"{text}Z" if bare else text
