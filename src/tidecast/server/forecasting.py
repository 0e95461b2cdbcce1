"""The server's forecasts: runs over the fleet in the worker, their progress and their scores."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

from tidecast.journeys.fleet_analysis import Analysis, Case, analyse
from tidecast.journeys.forecast_fleet import (
    AGAIN_MS,
    HISTORY_MS,
    Fleet,
    Run,
    RunProgress,
    forecast_fleet,
)
from tidecast.journeys.plans import Plans
from tidecast.journeys.score_forecasts import Keeping, prune_forecasts, score_forecasts
from tidecast.journeys.track_records import read_tracks
from tidecast.policy.events import NOTHING_PLANNED, load_plans
from tidecast.server.application import Application

log = logging.getLogger(__name__)

MOST_CHANGES = 20_000
"""So many of the newest changes are known to forecasts."""
_UNFINISHED = "forecast_run"


class Forecasting:
    """Forecasts the fleet and keeps its ledger.

    Raises `InvalidPolicy` where the file of planned events is wrong.
    """

    def __init__(self, application: Application) -> None:
        self._app = application
        self._lane = application.worker.analysis
        self._stop = threading.Event()
        file = application.settings.events_file
        self._planned = load_plans(file) if file else NOTHING_PLANNED

    def start(self) -> None:
        """Learns how past forecasts fared."""
        self._app.track = read_tracks(self._app.records, self._app.clock.now_ms())

    def stop(self) -> None:
        """Ends a run between two batches; what is published is not made again by the next."""
        self._stop.set()

    def unfinished(self) -> bool:
        """Whether a run was broken off."""
        return self._unfinished() is not None

    def run(self, *, everything: bool) -> int:
        """Forecasts what is due, or everything; returns how many were published.

        A run that was broken off goes on where it was, unless everything has to be made again.
        """
        now = self._app.clock.now_ms()
        begun = self._unfinished()
        if begun is None or everything or now - begun[0] >= AGAIN_MS:
            begun = now, everything or (begun is not None and begun[1])
        started_ms, everything = begun
        self._keep({"started_ms": started_ms, "everything": everything})
        began = time.monotonic()

        def told(done: int, total: int) -> None:
            self._app.progress = RunProgress(
                True, started_ms, done, total, time.monotonic() - began
            )

        run = Run(started_ms, everything, told, self._stop.is_set)
        try:
            published = forecast_fleet(self._fleet(), run, now, self._app.settings.horizon_ms)
        finally:
            self._app.progress = replace(self._app.progress, running=False)
        if not self._stop.is_set():
            self._keep(None)
        return published

    def _fleet(self) -> Fleet:
        file = self._app.settings.resources_file
        return Fleet(
            self._app.own,
            self._app.records,
            self._app.definitions,
            self._analyse,
            self._lane.processes,
            self._app.track.widening,
            f"the policy file {file}" if file else "the default policy",
            self.plans(),
            self._app.hosts.clocks.all_apart_ms(self._app.clock.now_ms()),
        )

    def plans(self) -> Plans:
        """What is planned and was changed, as known now."""
        since_ms = self._app.clock.now_ms() - HISTORY_MS
        with self._app.records.reading() as unit:
            return Plans(self._planned, unit.changes.since(since_ms, MOST_CHANGES))

    def _analyse(self, cases: Sequence[Case], horizon_ms: int, now_ms: int) -> list[Analysis]:
        return self._lane.run(analyse, cases, horizon_ms, now_ms)

    def _unfinished(self) -> tuple[int, bool] | None:
        with self._app.records.reading() as unit:
            kept = unit.settings.get(_UNFINISHED)
        match kept:
            case {"started_ms": int(started_ms), "everything": bool(everything)}:
                return started_ms, everything
            case _:
                return None

    def _keep(self, run: dict[str, int | bool] | None) -> None:
        with self._app.records.unit() as unit:
            unit.settings.put(_UNFINISHED, None if run is None else {**run})

    def score(self) -> None:
        """Scores what is due, learns from it, and prunes the ledger."""
        now = self._app.clock.now_ms()
        added = score_forecasts(self._app.own, self._app.records, now, self._stop.is_set)
        if added:
            self._app.track = read_tracks(self._app.records, now)
            self._app.changes += 1
            log.info("scored %d forecasts", added)
        settings = self._app.settings
        keeping = Keeping(
            settings.forecasts_all_ms, settings.forecasts_daily_ms, settings.forecasts_weekly_ms
        )
        prune_forecasts(self._app.records, now, self._stop.is_set, keeping)
