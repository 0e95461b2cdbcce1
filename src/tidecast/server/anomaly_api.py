"""Anomalies over HTTP: what is strange in the usage of the fleet."""

from __future__ import annotations

import math
from collections.abc import Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route

from tidecast.journeys.backtest_fleet import matchers_of, selected
from tidecast.journeys.examine_usage import (
    Document,
    event_document,
    leak_document,
    step_document,
)
from tidecast.journeys.explain_forecast import iso
from tidecast.journeys.find_anomalies import TOLD_MS
from tidecast.server.application import Application
from tidecast.server.parameters import time_ms
from tidecast.server.problems import Problem
from tidecast.server.tidecast_api import PREFIX, json_endpoint
from tidecast_analytics.anomalies import HIGHEST_SCORE

MOST_TOLD = 10_000


class AnomalyApi:
    """The handlers, over the running application."""

    def __init__(self, application: Application) -> None:
        self._app = application

    def routes(self) -> list[Route]:
        """The routes, as `openapi.py` describes them."""
        return [Route(f"{PREFIX}/anomalies", json_endpoint(self.anomalies), methods=["GET"])]

    async def anomalies(self, request: Request) -> object:
        """The newest anomalies first, the lasting shifts, and the leaks; `match` narrows."""
        return await run_in_threadpool(self._told, request.query_params)

    def _told(self, query: Mapping[str, str]) -> Document:
        now = self._app.clock.now_ms()
        since_ms = now - TOLD_MS
        if text := query.get("since"):
            since_ms = max(since_ms, time_ms(text, "since"))
        least = _score(query.get("min_score", "0"))
        told = self._app.anomalies
        keys = selected(told.found, matchers_of(query.get("match", "")))
        events: list[Document] = []
        steps: list[Document] = []
        leaks: list[Document] = []
        for key in keys:
            columns, strange = key._asdict(), told.found[key]
            events += [
                event_document(columns, each)
                for each in strange.events
                if each.last_ms >= since_ms and each.score >= least
            ]
            steps += [step_document(columns, e) for e in strange.steps if e.at_ms >= since_ms]
            if strange.leak is not None:
                leaks.append(leak_document(columns, strange.leak))
        events.sort(key=lambda each: str(each["peak"]), reverse=True)
        return {
            "made": iso(told.made_ms),
            "since": iso(since_ms),
            "resources": len(keys),
            "total": len(events),
            "anomalies": events[:MOST_TOLD],
            "shifts": steps[:MOST_TOLD],
            "leaks": leaks[:MOST_TOLD],
        }


def _score(text: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not 0 <= score <= HIGHEST_SCORE:
        raise Problem(400, f"min_score must be a number from 0 to {HIGHEST_SCORE:g}")
    return score
