"""Forecasts over HTTP: how they fared, why they say what they say, the run, and back-tests."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route

from tidecast.journeys.backtest_fleet import backtest_here, matchers_of, score_row, selected
from tidecast.journeys.examine_usage import Strange, strange_document
from tidecast.journeys.explain_forecast import (
    dissect,
    explanation,
    iso,
    score_document,
    track_document,
    tracks_document,
)
from tidecast.journeys.forecast_fleet import HISTORY_MS, definition_of
from tidecast.journeys.usage_histories import read_histories
from tidecast.journeys.usage_records import ResourceKey, UsageHistory
from tidecast.server.application import Application
from tidecast.server.parameters import duration_ms
from tidecast.server.problems import Problem
from tidecast.server.tidecast_api import PREFIX, Answer, json_endpoint
from tidecast.server.upkeep import Upkeep
from tidecast_analytics.backtesting import MAX_ORIGINS
from tidecast_analytics.decomposition import load_statsmodels
from tidecast_analytics.forecasting import MAX_HORIZON_MS
from tidecast_analytics.outlook import History

SCORES_SHOWN = 200
ERRORS_SHOWN = 10
MAX_BACKTESTS = 20
"""So many series are back-tested in one request: Holt-Winters takes its time."""


class ForecastApi:
    """The handlers, over the running application."""

    def __init__(self, application: Application, upkeep: Upkeep) -> None:
        self._app, self._upkeep = application, upkeep

    def routes(self) -> list[Route]:
        """The routes, as `openapi.py` describes them."""
        handlers: list[tuple[str, str, Answer]] = [
            ("GET", "/forecasts", self.fleet),
            ("GET", "/forecasts/scores", self.scores),
            ("GET", "/forecasts/explain", self.explain),
            ("GET", "/forecasts/run", self.progress),
            ("POST", "/forecasts/run", self.run),
            ("GET", "/backtest", self.backtest),
        ]
        return [
            Route(PREFIX + path, json_endpoint(answer), methods=[method])
            for method, path, answer in handlers
        ]

    async def fleet(self, request: Request) -> object:
        """How past forecasts fared: of the fleet, and of each kind of resource."""
        track = self._app.track
        return tracks_document(track.by_kind, track.fleet)

    async def scores(self, request: Request) -> object:
        """How past forecasts for one resource fared, one by one."""
        key = _key(request)
        return await run_in_threadpool(self._scores, key)

    def _scores(self, key: ResourceKey) -> object:
        with self._app.records.reading() as unit:
            scores = unit.scores.of(*key, SCORES_SHOWN)
        return {
            "host": key.host,
            "resource": key.resource,
            "item": key.item,
            "track": track_document(self._app.track.of(key)),
            "scores": [score_document(each) for each in scores],
        }

    async def explain(self, request: Request) -> object:
        """Everything behind the newest forecast for one resource."""
        key = _key(request)
        told = await run_in_threadpool(self.explained, key)
        if told is None:
            raise Problem(404, f"no forecast for {str(key)[:200]!r} is known")
        return told

    def explained(self, key: ResourceKey) -> dict[str, Any] | None:
        """The explanation of the newest forecast; None where there is none."""
        with self._app.records.reading() as unit:
            found = unit.forecasts.of(*key, 1)
            scores = unit.scores.of(*key, ERRORS_SHOWN)
        if not found:
            return None
        (forecast,) = found
        last_ms = forecast.basis.last_ms if forecast.basis else forecast.published_ms
        histories = self._histories([key], last_ms)
        history = self._history(key, histories.get(key, UsageHistory()))
        if forecast.basis:
            changes_ms = [each.at_ms for each in forecast.basis.changes if each.size is not None]
            history = replace(history, changes_ms=changes_ms)
        anatomy = self._app.worker.explanations.run(dissect, history)
        strange = strange_document(self._app.anomalies.found.get(key, Strange()))
        return explanation(forecast, anatomy, self._app.track.of(key), scores, strange)

    def expect_explanation(self) -> None:
        """Somebody looks at a resource: the next thing may be to ask why."""
        self._app.worker.explanations.warm(load_statsmodels)

    def _histories(self, keys: list[ResourceKey], end_ms: int) -> dict[ResourceKey, UsageHistory]:
        definitions = self._app.definitions
        return read_histories(
            self._app.own,
            keys,
            lambda kind: definition_of(definitions, kind).statistic,
            end_ms - HISTORY_MS,
            end_ms,
        )

    def _history(self, key: ResourceKey, history: UsageHistory) -> History:
        statistic = definition_of(self._app.definitions, key.resource).statistic
        return History(*history.of(statistic), history.mark, history.limit)

    async def progress(self, request: Request) -> object:
        """How far the run of forecasts is."""
        told = asdict(self._app.progress)
        started = iso(told.pop("started_ms"))
        status = await run_in_threadpool(self._upkeep.status)
        return {**told, "started": started, "due": status["forecasts_due"]}

    async def run(self, request: Request) -> object:
        """Has every forecast made again; `progress` tells how far it is."""
        await run_in_threadpool(self._upkeep.forecast_again)
        return await self.progress(request)

    async def backtest(self, request: Request) -> object:
        """The forecasts of the past of some resources made again, beside other methods."""
        query = request.query_params
        horizon_ms = duration_ms(query.get("horizon", "14d"), "horizon")
        if not 0 < horizon_ms <= MAX_HORIZON_MS:
            raise Problem(400, "horizon must lie between 0 and two years")
        origins = _number(request, "origins", 3, 1, MAX_ORIGINS)
        offset = _number(request, "offset", 0, 0, 10_000_000)
        limit = _number(request, "limit", MAX_BACKTESTS, 1, MAX_BACKTESTS)
        found = await run_in_threadpool(self._selected, query.get("match", ""))
        some = found[offset : offset + limit]
        rows = await run_in_threadpool(self._backtest, some, horizon_ms, origins)
        return {"total": len(found), "offset": offset, "series": len(some), "scores": rows}

    def _selected(self, selector: str) -> list[ResourceKey]:
        with self._app.records.reading() as unit:
            known = unit.resources.all()
        living = [ResourceKey(r.host, r.resource, r.item) for r in known if not r.retired]
        return selected(living, matchers_of(selector))

    def _backtest(
        self, keys: list[ResourceKey], horizon_ms: int, origins: int
    ) -> list[dict[str, Any]]:
        if not keys:
            return []
        found = self._histories(keys, self._app.clock.now_ms())
        plans = self._upkeep.forecasting.plans()
        known = [
            plans.known_to(key, self._history(key, found[key]), horizon_ms)
            for key in keys
            if key in found
        ]
        histories, changes = [each for each, _ in known], [each for _, each in known]
        scores = self._app.worker.backtests.run(
            backtest_here, histories, changes, horizon_ms, origins
        )
        names = [str(key) for key in keys if key in found]
        return [
            score_row(name, score)
            for name, methods in zip(names, scores, strict=True)
            for score in methods
        ]


def _key(request: Request) -> ResourceKey:
    host, resource, item = (
        request.query_params.get(name, "") for name in ("host", "resource", "item")
    )
    if not (host or resource):
        raise Problem(400, "which resource? give host= and resource= (and item=)")
    return ResourceKey(host, resource, item)


def _number(request: Request, name: str, otherwise: int, least: int, most: int) -> int:
    text = request.query_params.get(name, str(otherwise))
    good = text.isascii() and text.isdigit() and len(text) <= 9
    if not good or not least <= int(text) <= most:
        raise Problem(400, f"{name} must be a whole number from {least} to {most}")
    return int(text)
