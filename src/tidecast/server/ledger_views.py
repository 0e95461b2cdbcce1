"""The ledger as pages and reports show it: past forecasts with what came of them."""

from __future__ import annotations

from tidecast.journeys.track_records import Track
from tidecast.journeys.usage_records import ResourceKey
from tidecast.records import ForecastScore, PublishedForecast, Unit
from tidecast_reports.capacity import Band, PastForecast, TrackRecord

SHOWN = 60
"""So many of the newest forecasts of a resource are looked at..."""
WHOLE = 400
"""...and so many in all; of those that are more than a week old, one a day is there."""
ROWS = 30


def track_record(track: Track) -> TrackRecord | None:
    """How the last forecasts fared; None before the first was scored."""
    return TrackRecord(track.held, track.scored, track.coverage80) if track.scored else None


def band_of(forecast: PublishedForecast) -> Band | None:
    """The steps of a forecast; None where there are none, or none any more."""
    if not forecast.times_ms.size:
        return None
    return Band(
        forecast.times_ms,
        forecast.mean,
        forecast.lo80,
        forecast.hi80,
        forecast.lo95,
        forecast.hi95,
    )


def past_forecasts(unit: Unit, key: ResourceKey) -> list[PastForecast]:
    """The newest forecast and the first ones of earlier days, the newest first, with their scores.

    Those of one day say nearly the same; of each the score of the longest lead is shown.
    """
    scores: dict[int, ForecastScore] = {}
    for score in unit.scores.of(*key, WHOLE):
        scores.setdefault(score.published_ms, score)  # the longest lead comes first
    found = unit.forecasts.of(*key, SHOWN)
    days: dict[int, PublishedForecast] = {}
    for forecast in found:
        days[forecast.published_ms // 86_400_000] = forecast
    shown = [*found[:1], *(each for each in days.values() if each is not found[0])][:ROWS]
    return [_past(forecast, scores.get(forecast.published_ms)) for forecast in shown]


def _past(forecast: PublishedForecast, score: ForecastScore | None) -> PastForecast:
    return PastForecast(
        forecast.published_ms,
        forecast.state,
        forecast.p10_ms,
        forecast.p50_ms,
        forecast.p90_ms,
        forecast.method,
        crossed_ms=score.crossed_ms if score else None,
        held=score.held if score else None,
        lead_days=score.lead_days if score else 0,
        coverage80=score.inside80 / score.values if score else None,
        band=band_of(forecast),
    )
