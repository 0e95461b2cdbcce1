"""The series the server writes about what it knows: hosts, forecasts, headroom and incidents.

They are written again before PromQL looks back past them, so that they behave in rules and
dashboards like anything else that is scraped; a series that is not written any more is undefined.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from tidecast.journeys.find_anomalies import FleetAnomalies
from tidecast.journeys.track_records import FleetTrack
from tidecast.journeys.usage_records import HOUR_MS, ResourceKey
from tidecast.records import PublishedForecast
from tidecast.samples.batch import Float64s, Int64s, SampleBatch
from tidecast_analytics.availability import Assessment
from tidecast_collector.labels import Labels, make_labels

HELP: Mapping[str, str] = {
    "tidecast_sla_target_ratio": "The availability that the SLA promises.",
    "tidecast_sla_availability_ratio": "What was delivered in the period that goes on.",
    "tidecast_sla_availability_lowest_ratio": "The same with unknown time as down.",
    "tidecast_sla_availability_highest_ratio": "The same with unknown time as up.",
    "tidecast_sla_outages": "Outages in the period that goes on.",
    "tidecast_sla_longest_outage_seconds": "The longest of them.",
    "tidecast_sla_credit_ratio": "The share of the fee that would be given back by now.",
    "tidecast_requirement_met": "1 where a requirement is met, 0 where it is missed.",
    "tidecast_slo_objective_ratio": "What the SLO's objective asks for.",
    "tidecast_slo_level_ratio": "What was delivered in the period so far.",
    "tidecast_slo_error_budget_remaining_ratio": "The share of the error budget that is left; "
    "negative where it is overspent.",
    "tidecast_slo_burn_rate": "How many times faster than its period allows the budget was spent "
    "in the window.",
    "tidecast_host_last_seen_timestamp_seconds": "When the host was last heard of.",
    "tidecast_host_clock_offset_seconds": "By how much the host's clock is ahead of the server's, "
    "negative when behind; absent where it is hardly apart.",
    "tidecast_time_to_mark_seconds": "Seconds until the resource reaches its mark, by quantile of "
    "the forecast; 0 when over now, absent when undefined.",
    "tidecast_lead_time_seconds": "How long it takes to add more of the resource.",
    "tidecast_mark_within_lead_time": "1 if the mark is more likely than not reached within the "
    "lead time, else 0.",
    "tidecast_mark_within_lead_time_probability": "Probability of reaching the mark within the "
    "lead time; absent when undefined.",
    "tidecast_forecast_scored": "How many of the resource's last ten forecasts have been scored.",
    "tidecast_forecast_held": "How many of those held.",
    "tidecast_forecast_coverage_ratio": "Share of what came within the 80 or 95 % band of the "
    "resource's forecasts of the last weeks.",
    "tidecast_forecast_error_ratio": "Mean absolute error of these forecasts as a share of the "
    "mark.",
    "tidecast_forecast_alarms": "How full-within-30-days came out over a year, by verdict: right, "
    "wrong, missed or quiet.",
    "tidecast_forecast_crossing_error_seconds": "How far P50 was off on average where the mark was "
    "crossed.",
    "tidecast_forecast_run_series": "Series of the last forecast run, by state: done or total.",
    "tidecast_headroom_ratio": "Share of the mark that is still free; negative when over it.",
    "tidecast_full_in_seconds": "Seconds until the resource is full if the last hours go on, by "
    "quantile; infinite when it does not fill.",
    "tidecast_anomaly_score": "How strange the newest hour is: log10 of the weeks in which "
    "ordinary usage looks as strange once; -1 for oftener than ten times a week.",
    "tidecast_incidents": "Incidents by state.",
    "tidecast_availability_ratio": "Availability of the service over the last 30 days.",
    "tidecast_availability_lowest_ratio": "The same, if all unknown time was downtime.",
    "tidecast_availability_highest_ratio": "The same, if all unknown time was not.",
    "tidecast_availability_agreed_seconds": "Agreed service time of the last 30 days.",
    "tidecast_availability_down_seconds": "Downtime within it.",
    "tidecast_availability_unknown_seconds": "Time within it of which nobody knows.",
    "tidecast_availability_breaks": "How often the service broke in it.",
}

NEWEST_MS = 3 * HOUR_MS
"""An hour that ended longer ago is not the newest: nothing is said of now."""

Point = tuple[str, Mapping[str, str], float]
"""A metric name, its labels and its value."""


def batch_at(points: Iterable[Point], at_ms: int) -> SampleBatch:
    """These points, all at one time."""
    when: Int64s = np.array([at_ms], dtype=np.int64)

    def series() -> Iterator[tuple[Labels, Int64s, Float64s]]:
        for name, labels, value in points:
            yield make_labels({**labels, "__name__": name}), when, np.array([value])

    return SampleBatch.of(series())


def host_points(seen_ms: Mapping[str, int]) -> Iterator[Point]:
    """When each host was last heard of."""
    for host, at_ms in seen_ms.items():
        yield "tidecast_host_last_seen_timestamp_seconds", {"instance": host}, at_ms / 1000


def clock_points(apart_ms: Mapping[str, int]) -> Iterator[Point]:
    """How far the clocks are that are apart."""
    for host, apart in apart_ms.items():
        yield "tidecast_host_clock_offset_seconds", {"instance": host}, apart / 1000


def forecast_points(
    forecasts: Sequence[PublishedForecast],
    lead_seconds: Callable[[str, str, str], int],
    now_ms: int,
) -> Iterator[Point]:
    """What the newest published forecasts say, counted from now."""
    for each in forecasts:
        labels = ResourceKey(each.host, each.resource, each.item).labels()
        lead = lead_seconds(each.host, each.resource, each.item)
        if each.mark and each.usage is not None:
            yield "tidecast_headroom_ratio", labels, 1 - each.usage / each.mark
        if each.state == "not_enough_data":
            continue
        over = each.state == "over_now"
        for quantile, reached_ms in (
            ("0.1", each.p10_ms),
            ("0.5", each.p50_ms),
            ("0.9", each.p90_ms),
        ):
            if over or reached_ms is not None:
                left = 0.0 if over else max(0.0, ((reached_ms or now_ms) - now_ms) / 1000)
                yield "tidecast_time_to_mark_seconds", {**labels, "quantile": quantile}, left
        if each.basis is not None and each.basis.within_lead_time is not None:
            chance = 1.0 if over else each.basis.within_lead_time
            yield "tidecast_mark_within_lead_time_probability", labels, chance
        if lead:
            soon = over or (each.p50_ms is not None and each.p50_ms - now_ms <= lead * 1000)
            yield "tidecast_lead_time_seconds", labels, float(lead)
            yield "tidecast_mark_within_lead_time", labels, float(soon)


def track_points(track: FleetTrack, living: Iterable[ResourceKey]) -> Iterator[Point]:
    """How past forecasts of these resources fared; nothing where none was scored."""
    for key in living:
        of = track.of(key)
        labels = key.labels()
        if of.scored:
            yield "tidecast_forecast_scored", labels, float(of.scored)
            yield "tidecast_forecast_held", labels, float(of.held)
        if of.coverage80 is not None and of.coverage95 is not None:
            name = "tidecast_forecast_coverage_ratio"
            yield name, {**labels, "band": "80"}, of.coverage80
            yield name, {**labels, "band": "95"}, of.coverage95
            yield "tidecast_forecast_error_ratio", labels, of.mae_ratio
        for verdict, count in of.alarms.items():
            yield "tidecast_forecast_alarms", {**labels, "verdict": verdict}, float(count)
        if of.crossings:
            error_seconds = of.crossing_error_ms / 1000
            yield "tidecast_forecast_crossing_error_seconds", labels, error_seconds


def progress_points(done: int, total: int) -> Iterator[Point]:
    """How far the last run of forecasts came."""
    for state, count in (("done", done), ("total", total)):
        yield "tidecast_forecast_run_series", {"state": state}, float(count)


def fast_path_points(
    full_in: Mapping[ResourceKey, tuple[float, float, float] | None],
) -> Iterator[Point]:
    """When each watched resource is full; infinite where its last hours show no rise."""
    for key, seconds in full_in.items():
        for quantile, value in zip(("0.1", "0.5", "0.9"), seconds or (np.inf,) * 3, strict=True):
            labels = {**key.labels(), "quantile": quantile}
            yield "tidecast_full_in_seconds", labels, float(value)


def anomaly_points(told: FleetAnomalies, living: Iterable[ResourceKey]) -> Iterator[Point]:
    """How strange the newest hour of these resources is; nothing while that is being learned."""
    for key in living:
        strange = told.found.get(key)
        if strange is None or strange.score is None or told.made_ms is None:
            continue
        if strange.until_ms >= told.made_ms - NEWEST_MS:
            yield "tidecast_anomaly_score", key.labels(), strange.score


def incident_points(count_by_state: Mapping[str, int]) -> Iterator[Point]:
    """How many incidents are in each state."""
    for state, count in count_by_state.items():
        yield "tidecast_incidents", {"state": state}, float(count)


def availability_points(services: Mapping[str, Assessment]) -> Iterator[Point]:
    """The availability of each service; what is undefined is absent."""
    for service, assessment in services.items():
        chosen = assessment.chosen
        for name, value in (
            ("ratio", chosen.ratio),
            ("lowest_ratio", assessment.lowest),
            ("highest_ratio", assessment.highest),
            ("agreed_seconds", chosen.agreed_ms / 1000),
            ("down_seconds", chosen.down_ms / 1000),
            ("unknown_seconds", chosen.unknown_ms / 1000),
            ("breaks", float(chosen.breaks)),
        ):
            if value is not None:
                yield f"tidecast_availability_{name}", {"service": service}, value
