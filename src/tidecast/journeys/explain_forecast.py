"""How a forecast came about, as one document for the page, the API and the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from tidecast.journeys.track_records import Track
from tidecast.records import Basis, ForecastScore, PublishedForecast
from tidecast_analytics.calibration import Fared
from tidecast_analytics.changes import ChangeSeen
from tidecast_analytics.decomposition import Parts, decompose
from tidecast_analytics.outlook import History
from tidecast_analytics.series import filled, rare, regular, within_one
from tidecast_analytics.shifts import known_shifts, upward_shifts, without_shifts

Document = dict[str, Any]

POINTS = 4 * 168
"""So many of the newest steps of each part are told: four weeks of hours."""
NOTHING_STRANGE: Document = {"anomalies": [], "leak": None}
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Anatomy:
    """What the history itself shows: its parts (None: too short, or too rarely seen, for a season,
    or `lacking` says what is not installed) and the lasting steps in it as (time, size)."""

    parts: Parts | None
    steps: Sequence[tuple[int, float]]
    lacking: str = ""


def dissect(history: History) -> Anatomy:
    """The anatomy of a history; takes a second, so it is for a worker process.

    Its parts are those on its newest level: lasting steps, and those at its `changes_ms`, are
    neither trend nor season.
    """
    if rare(history.times_ms, history.values) is not None:
        return Anatomy(None, [])
    grid, size = within_one(regular(history.times_ms, history.values))
    steps: list[tuple[int, float]] = []
    if grid.values.size:
        per_day, values = grid.steps_per_day, filled(grid)
        changed = [(at - grid.start_ms) // grid.step_ms + 1 for at in history.changes_ms]
        level = without_shifts(values, known_shifts(values, changed, per_day))
        found = upward_shifts(level[None], per_day)[0]
        steps = [(grid.start_ms + e.position * grid.step_ms, e.size * size) for e in found]
        grid = replace(grid, values=without_shifts(level, found))
    times = grid.start_ms + grid.step_ms * np.arange(grid.values.size, dtype=np.int64)
    try:
        return Anatomy(decompose(History(times, grid.values), size), steps)
    except ImportError:
        return Anatomy(None, steps, "statsmodels, which the extra tidecast[analysis] brings")


def explanation(
    forecast: PublishedForecast,
    anatomy: Anatomy,
    track: Track | None = None,
    scores: Sequence[ForecastScore] = (),
    strange: Document = NOTHING_STRANGE,
) -> Document:
    """Everything behind one forecast; times are ISO 8601 in UTC, values in the resource's unit.

    `strange` is what `examine_usage.strange_document` tells of its history.
    """
    basis = forecast.basis
    return {
        "host": forecast.host,
        "resource": forecast.resource,
        "item": forecast.item,
        "unit": forecast.unit,
        "statistic": forecast.statistic,
        "state": forecast.state,
        "p10": iso(forecast.p10_ms),
        "p50": iso(forecast.p50_ms),
        "p90": iso(forecast.p90_ms),
        "published": iso(forecast.published_ms),
        "reasons": list(forecast.reasons),
        "query": forecast.query,
        "mark": None
        if forecast.mark is None
        else {"value": forecast.mark, "source": basis.mark_source if basis else ""},
        "span": _span(basis),
        "method": _method(forecast, basis),
        "probability": basis.probability if basis else None,
        "within_lead_time": basis.within_lead_time if basis else None,
        "findings": [finding_document(each) for each in basis.findings] if basis else [],
        "changes": [change_document(each, forecast) for each in basis.changes] if basis else [],
        "steps": [{"at": iso(at_ms), "size": size} for at_ms, size in anatomy.steps],
        "strange": strange,
        "parts": parts_document(anatomy.parts),
        "parts_lacking": anatomy.lacking,
        "track": track_document(track) if track else None,
        "last_errors": [score_document(each) for each in scores],
    }


def iso(at_ms: int | None) -> str | None:
    """The moment in ISO 8601 with seconds and Z."""
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def finding_document(finding: Any) -> Document:
    """One finding of the sanity panel."""
    told = asdict(finding)
    told["first"], told["last"] = iso(told.pop("first_ms")), iso(told.pop("last_ms"))
    return told


def change_document(change: ChangeSeen, forecast: PublishedForecast) -> Document:
    """One recorded change, and by how much it moved the level for good (None: not visibly)."""
    return {
        "at": iso(change.at_ms),
        "title": change.title,
        "by": change.by,
        "to_come": change.at_ms > forecast.published_ms,
        "expected": change.expected,
        "size": change.size,
    }


def _span(basis: Basis | None) -> Document | None:
    if basis is None:
        return None
    return {
        "first": iso(basis.first_ms),
        "last": iso(basis.last_ms),
        "values": basis.values,
        "step_seconds": basis.step_ms // 1000,
    }


def _method(forecast: PublishedForecast, basis: Basis | None) -> Document:
    return {
        "name": forecast.method,
        "members": dict(basis.weights) if basis else {},
        "origins": basis.origins if basis else 0,
        "mean_error": basis.mae if basis else None,
        "naive_mean_error": basis.naive_mae if basis else None,
        "widening": basis.widening if basis else 1.0,
    }


def parts_document(parts: Parts | None) -> Document | None:
    """Trend, seasons and rest of the newest steps, and what they amount to."""
    if parts is None:
        return None
    kept = slice(-POINTS, None)
    return {
        "trend_strength": round(parts.trend_strength, 3),
        "rise_per_day": parts.rise_per_day,
        "seasons": {
            name: {"strength": round(strength, 3), "peak": _peak(name, parts.peaks[name])}
            for name, strength in parts.season_strengths.items()
        },
        "times_ms": parts.times_ms[kept].tolist(),
        "trend": parts.trend[kept].tolist(),
        "season": np.sum(list(parts.seasons.values()), axis=0)[kept].tolist(),
        "rest": parts.rest[kept].tolist(),
    }


def _peak(season: str, place: int) -> str:
    if season == "day":
        return f"{place:02d}:00 UTC"
    return _WEEKDAYS[place] if season == "week" else f"day {place + 1} of the year"


def track_document(track: Track) -> Document:
    """How past forecasts fared; None where nothing is scored."""
    return {
        "held": track.held,
        "scored": track.scored,
        "values": track.values,
        "coverage80": track.coverage80,
        "coverage95": track.coverage95,
        "mean_error_ratio": track.mae_ratio if track.values else None,
        "pinball_ratio": track.pinball_ratio if track.values else None,
        "alarms": {str(verdict): count for verdict, count in track.alarms.items()},
        "crossings": track.crossings,
        "crossing_error_seconds": track.crossing_error_ms / 1000 if track.crossings else None,
        "unwidened_coverage80": _coverage(track.fared),
    }


def _coverage(fared: Fared) -> float | None:
    return fared.coverage if sum(fared.reach) else None


def score_document(score: ForecastScore) -> Document:
    """One score of one forecast."""
    return {
        "published": iso(score.published_ms),
        "lead_days": score.lead_days,
        "scored": iso(score.scored_ms),
        "values": score.values,
        "coverage80": score.inside80 / score.values,
        "coverage95": score.inside95 / score.values,
        "mean_error": score.mae,
        "pinball": score.pinball,
        "crossed": iso(score.crossed_ms),
        "crossing_error_seconds": _seconds(score.crossing_error_ms),
        "held": score.held,
        "alarm": None if score.alarm is None else str(score.alarm),
    }


def _seconds(length_ms: int | None) -> float | None:
    return None if length_ms is None else length_ms / 1000


def tracks_document(kinds: Mapping[str, Track], fleet: Track) -> Document:
    """The tracks of the fleet and of each kind of resource."""
    return {
        "fleet": track_document(fleet),
        "kinds": {kind: track_document(track) for kind, track in kinds.items()},
    }
