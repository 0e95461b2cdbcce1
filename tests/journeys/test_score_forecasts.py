"""Published forecasts against what came: scored once, when due, and never again; then pruned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.journeys.support import H0, HOUR_MS

from tidecast.journeys import track_records
from tidecast.journeys.own_series import track_points
from tidecast.journeys.score_forecasts import (
    KEEPING,
    SETTLE_MS,
    prune_forecasts,
    score_forecasts,
    tell_late_usage,
)
from tidecast.journeys.track_records import read_tracks
from tidecast.journeys.usage_records import ResourceKey, UsageRecords, to_batch
from tidecast.records import ForecastScore, PublishedForecast, Records
from tidecast.samples.memory import MemorySamples
from tidecast_analytics.scoring import Alarm

DAY_MS = 24 * HOUR_MS
T0 = H0 // (7 * DAY_MS) * 7 * DAY_MS
"""A Thursday at midnight: weeks are counted from 1 January 1970."""
KEY = ResourceKey("web-1", "filesystem", "/var")
HOURS = T0 + HOUR_MS * np.arange(1, 60 * 24 + 1, dtype=np.int64)


def said(
    at_ms: int = T0, level: float = 50.0, half: float = 1.0, **more: object
) -> PublishedForecast:
    """A forecast of `level` for 60 days by hours, its 95 % band twice as wide as that of 80 %."""
    times = at_ms + HOUR_MS * np.arange(1, 60 * 24 + 1, dtype=np.int64)
    mean = np.full(times.size, level)
    given: dict[str, object] = {
        "host": KEY.host, "resource": KEY.resource, "item": KEY.item, "unit": "bytes",
        "statistic": "max", "source": "", "published_ms": at_ms,
        "horizon_ms": at_ms + 60 * DAY_MS, "state": "not_growing", "p10_ms": None,
        "p50_ms": None, "p90_ms": None, "mark": 90.0, "usage": level, "limit": 100.0,
        "method": "m", "reasons": ("why",), "query": "q", "times_ms": times, "mean": mean,
        "lo80": mean - half, "hi80": mean + half, "lo95": mean - 2 * half, "hi95": mean + 2 * half,
    }  # fmt: skip
    return PublishedForecast(**{**given, **more})  # type: ignore[arg-type]


def came(values: np.ndarray | float, key: ResourceKey = KEY) -> MemorySamples:
    usage = np.broadcast_to(np.asarray(values, dtype=float), HOURS.shape).copy()
    none = np.full(HOURS.size, np.nan)
    samples = MemorySamples()
    samples.append(to_batch([UsageRecords(key, HOURS, usage, usage, usage, none, none)]))
    return samples


def published(records: Records, *forecasts: PublishedForecast) -> None:
    with records.unit() as unit:
        unit.forecasts.publish(forecasts)


def scores(records: Records) -> list[ForecastScore]:
    with records.reading() as unit:
        return unit.scores.of(*KEY, 1000)


def test_what_nothing_came_for_is_scored_once_it_comes_late(records: Records) -> None:
    published(records, said(), said(T0 + DAY_MS))
    due_ms = T0 + 2 * DAY_MS + SETTLE_MS
    assert score_forecasts(MemorySamples(), records, due_ms) == 0
    samples = came(50.5)
    assert score_forecasts(samples, records, due_ms) == 0, "nobody said that it came"
    with records.unit() as unit:
        # Of two imports the earlier hours count; the second forecast sees the first day as well.
        tell_late_usage(unit, T0 + 30 * HOUR_MS)
        tell_late_usage(unit, T0 + 40 * HOUR_MS)
    assert score_forecasts(samples, records, due_ms) == 1
    with records.unit() as unit:
        tell_late_usage(unit, T0 + HOUR_MS)
    assert score_forecasts(samples, records, due_ms) == 1
    before = scores(records)
    with records.unit() as unit:
        tell_late_usage(unit, T0 + HOUR_MS)
    assert score_forecasts(came(70.0), records, due_ms) == 0, "a score is never changed"
    assert scores(records) == before


def test_nothing_is_scored_before_its_day(records: Records) -> None:
    published(records, said())
    samples = came(50.5)
    assert score_forecasts(samples, records, T0 + DAY_MS + SETTLE_MS - 1) == 0
    assert score_forecasts(samples, records, T0 + DAY_MS + SETTLE_MS) == 1
    assert score_forecasts(samples, records, T0 + DAY_MS + SETTLE_MS) == 0
    (one,) = scores(records)
    assert (one.lead_days, one.values, one.inside80, one.inside95) == (1, 24, 24, 24)
    assert (one.mae, one.scale, one.held, one.alarm) == (0.5, 90, True, None)
    assert (one.first_of_day, one.first_of_week) == (True, True)


def test_late_data_changes_neither_forecast_nor_score(records: Records) -> None:
    published(records, said())
    now = T0 + DAY_MS + SETTLE_MS
    assert score_forecasts(came(50.5), records, now) == 1
    before = scores(records)
    assert score_forecasts(came(99.0), records, now + DAY_MS) == 0
    assert scores(records) == before


def test_each_lead_adds_a_score_of_its_own(records: Records) -> None:
    published(records, said())
    # Off by 1.5 from the third day on: outside of the 80 % band, within the 95 %.
    values = np.where(HOURS > T0 + 2 * DAY_MS, 51.5, 50.0)
    assert score_forecasts(came(values), records, T0 + 61 * DAY_MS) == 4
    found = {each.lead_days: each for each in scores(records)}
    assert sorted(found) == [1, 7, 30, 45]
    assert (found[7].inside80, found[7].inside95) == (2 * 24, 7 * 24)
    assert found[45].alarm is Alarm.QUIET
    assert found[7].held is True


def test_a_fill_that_nobody_foretold_and_one_that_was(records: Records) -> None:
    values = np.where(HOURS > T0 + 20 * DAY_MS, 95.0, 50.0)
    dates = {f"p{q}_ms": T0 + day * DAY_MS for q, day in ((10, 18), (50, 22), (90, 30))}
    published(records, said(), said(T0 + HOUR_MS, state="in_horizon", **dates))
    score_forecasts(came(values), records, T0 + 61 * DAY_MS)
    first, second = (
        next(s for s in scores(records) if s.forecast_id == number and s.lead_days == 30)
        for number in (1, 2)
    )
    assert (first.alarm, first.held, first.crossing_error_ms) == (Alarm.MISSED, False, None)
    assert second.alarm is Alarm.RIGHT
    # Crossed in the first hour of the 21st day; P50 said the 22nd.
    assert second.crossed_ms == T0 + 20 * DAY_MS + HOUR_MS
    assert second.crossing_error_ms == 2 * DAY_MS - HOUR_MS
    assert not second.first_of_day


def test_hosts_that_fell_silent_are_passed_over(records: Records) -> None:
    published(records, said(), said(T0 + 1, state="not_enough_data"))
    other = came(50, ResourceKey("web-2", "filesystem", "/"))
    assert score_forecasts(other, records, T0 + 61 * DAY_MS) == 0
    assert scores(records) == []


def test_the_track_record_and_what_calibration_learns(records: Records) -> None:
    days = [said(T0 + day * DAY_MS, half=1.0 if day < 6 else 0.2) for day in range(24)]
    published(records, *days, said(T0 + HOUR_MS, half=0.01))
    assert score_forecasts(came(50.5), records, T0 + 26 * DAY_MS) > 40
    tracks = read_tracks(records, T0 + 26 * DAY_MS)
    track = tracks.of(KEY)
    # Of the last ten days' forecasts none held: 50.5 lies beyond 50 + 2 * 0.2.
    assert (track.held, track.scored) == (0, 10)
    assert track.coverage80 is not None
    assert track.coverage80 == pytest.approx(6 / 24, abs=0.15)
    assert tracks.fleet.values == track.values == tracks.by_kind["filesystem"].values
    assert tracks.widening(KEY).factor > 1.5
    assert tracks.widening(ResourceKey("new", "filesystem", "/")).factor > 1.5
    assert tracks.widening(ResourceKey("new", "cpu")).factor == 1
    names = {name for name, _, _ in track_points(tracks, [KEY, ResourceKey("new", "cpu")])}
    assert "tidecast_forecast_coverage_ratio" in names
    assert "tidecast_forecast_held" in names


def test_a_calm_resource_is_not_widened_for_a_restless_one_of_its_kind(records: Records) -> None:
    days = [T0 + day * DAY_MS for day in range(20)]
    calm = [said(at_ms, item="/calm") for at_ms in days]
    young = [said(at_ms, item="/young") for at_ms in days[-3:]]
    published(records, *(said(at_ms, half=0.2) for at_ms in days), *calm, *young)
    samples = came(50.5)
    keys = [ResourceKey(KEY.host, KEY.resource, item) for item in ("/calm", "/young")]
    for key in keys:
        samples.append(came(50.5, key).select((), 0, 2**60))
    score_forecasts(samples, records, T0 + 22 * DAY_MS)
    tracks = read_tracks(records, T0 + 22 * DAY_MS)
    assert [tracks.widening(key).factor > 1 for key in (KEY, *keys)] == [True, False, True]


def test_tracks_are_the_same_in_parts(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    others = [replace(said(T0 + i * DAY_MS), item=f"/{i % 3}") for i in range(12)]
    published(records, *others)
    samples = came(50.5)
    for i in range(3):
        key = ResourceKey(KEY.host, KEY.resource, f"/{i}")
        samples.append(came(50.2 + i, key).select((), 0, 2**60))
    assert score_forecasts(samples, records, T0 + 20 * DAY_MS) == 24
    whole = read_tracks(records, T0 + 20 * DAY_MS)
    monkeypatch.setattr(track_records, "_AT_ONCE", 5)
    assert read_tracks(records, T0 + 20 * DAY_MS) == whole
    assert whole.fleet.scored == 12


def test_alarms_are_counted_once_by_their_longest_lead(records: Records) -> None:
    dates = {f"p{q}_ms": T0 + 10 * DAY_MS for q in (10, 50, 90)}
    published(records, said(state="in_horizon", **dates))
    score_forecasts(came(50), records, T0 + 61 * DAY_MS)
    assert read_tracks(records, T0 + 61 * DAY_MS).of(KEY).alarms == {Alarm.WRONG: 1}


def test_pruning_keeps_what_is_still_to_be_scored_and_one_a_day(records: Records) -> None:
    every_six_hours = [said(T0 + i * 6 * HOUR_MS) for i in range(4 * 20)]
    published(records, *every_six_hours)
    now = T0 + 20 * DAY_MS
    prune_forecasts(records, now)
    with records.reading() as unit:
        assert len(unit.forecasts.of(*KEY, 1000)) == 80, "nothing is scored yet"
    score_forecasts(came(50), records, now)
    prune_forecasts(records, now)
    with records.reading() as unit:
        kept = unit.forecasts.of(*KEY, 1000)
    old = [each for each in kept if each.published_ms <= now - 8 * DAY_MS]
    assert [each.published_ms for each in old[::-1]] == [T0 + day * DAY_MS for day in range(13)]
    whole = [each.published_ms for each in old if each.times_ms.size]
    assert whole == [T0 + 7 * DAY_MS, T0]
    assert {each.reasons for each in old if not each.times_ms.size} == {()}
    assert all(each.times_ms.size for each in kept if each.published_ms > now - 8 * DAY_MS)
    before = len(scores(records))
    score_forecasts(came(50), records, now + 30 * DAY_MS)
    assert before > 0
    score_forecasts(came(50), records, now + KEEPING.daily_ms)
    prune_forecasts(records, now + KEEPING.daily_ms)
    with records.reading() as unit:
        weekly = [each.published_ms for each in unit.forecasts.of(*KEY, 1000)]
    # The newest, and the first ones of the three weeks.
    assert weekly == [every_six_hours[-1].published_ms, *(T0 + d * DAY_MS for d in (14, 7, 0))]
    track = read_tracks(records, now + KEEPING.daily_ms).of(KEY)
    prune_forecasts(records, now + KEEPING.weekly_ms + 90 * DAY_MS)
    with records.reading() as unit:
        (newest,) = unit.forecasts.of(*KEY, 1000)
    assert newest.published_ms == every_six_hours[-1].published_ms
    assert newest.times_ms.size, "the newest stays whole"
    old = [each for each in scores(records) if each.published_ms < newest.published_ms]
    assert [(each.published_ms, each.lead_days) for each in old] == [
        (T0 + d * DAY_MS, 45) for d in (14, 7, 0)
    ]
    assert track.alarms[Alarm.QUIET] == 3
    assert read_tracks(records, now + KEEPING.daily_ms).of(KEY).alarms == track.alarms


def test_a_forecast_of_an_import_counts_from_the_end_of_its_history(records: Records) -> None:
    late = said(T0)
    late = replace(late, published_ms=T0 + 5 * DAY_MS, horizon_ms=T0 + 65 * DAY_MS)
    published(records, late)
    assert score_forecasts(came(50), records, T0 + 7 * DAY_MS) == 1
    assert scores(records)[0].values == 6 * 24
