"""The generated fleet: repeatable, plausible, and the samples continue the records."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidecast.journeys.demo_curves import DAY_MS, HOUR_MS, MINUTE_MS, Curve, noise
from tidecast.journeys.demo_feed import CLEANED_FROM_MS, FULL_FROM_MS, SILENT_FROM_MS, DemoFeed
from tidecast.journeys.demo_fleet import DemoFleet, measures
from tidecast_collector.labels import label_value

NOW_MS = 1_764_000_123_456


def history(fleet: DemoFleet):
    return {(each.instance, each.resource, each.item): each for each in fleet.history()}


def test_the_same_seed_and_time_give_the_same_fleet_and_another_seed_another():
    first, again, other = (history(DemoFleet(NOW_MS, seed)) for seed in (1, 1, 2))
    key = ("web-1", "cpu", "")
    assert (first[key].usage.mean == again[key].usage.mean).all()
    assert (first[key].usage.mean != other[key].usage.mean).any()


def test_twelve_hosts_have_thirteen_months_of_hourly_records_below_their_limits():
    records = history(DemoFleet(NOW_MS))
    assert len({host for host, _, _ in records}) == 12
    assert {resource for _, resource, _ in records} == {
        "cpu",
        "memory",
        "filesystem",
        "inodes",
        "network",
    }
    for series in records.values():
        usage = series.usage
        assert set(np.diff(usage.hours_ms)) == {HOUR_MS}
        assert usage.hours_ms[-1] == NOW_MS // HOUR_MS * HOUR_MS
        assert (usage.mean > 0).all()
        assert (usage.mean <= usage.p95).all()
        assert (usage.p95 <= usage.max).all()
        assert (usage.max <= series.limit).all()
        assert (series.mark <= series.limit).all()
    young, old = records["app-3", "cpu", ""], records["app-1", "cpu", ""]
    assert len(young.usage.hours_ms) == 9 * 24 + 1
    assert len(old.usage.hours_ms) == 396 * 24 + 1


def test_the_planted_disk_is_below_its_mark_now_and_reaches_it_within_two_months():
    series = history(DemoFleet(NOW_MS))["db-1", "filesystem", "/srv/postgresql"]
    share = series.usage.max / series.limit
    # 0.0019 of the disk a day from about 0.845: the mark is about 29 days away.
    growth = (share[-24:].mean() - share[-24 * 31 : -24 * 30].mean()) / 30
    days_left = (0.9 - share[-24:].mean()) / growth
    assert 10 < days_left < 60
    assert series.mark[-1] / series.limit[-1] == pytest.approx(0.9)


def test_a_release_raised_the_level_of_the_application_hosts():
    usage = history(DemoFleet(NOW_MS))["app-1", "cpu", ""].usage
    step = NOW_MS - 74 * DAY_MS
    before = usage.mean[(usage.hours_ms < step) & (usage.hours_ms > step - 14 * DAY_MS)].mean()
    after = usage.mean[(usage.hours_ms > step) & (usage.hours_ms < step + 14 * DAY_MS)].mean()
    # The step is 0.10, fourteen days of growth of 0.0004 a day add 0.0056.
    assert after - before == pytest.approx(0.1056, abs=0.01)


def test_working_days_are_busier_than_nights_and_weekends():
    fleet = DemoFleet(NOW_MS)
    usage = history(fleet)["web-1", "cpu", ""].usage
    hour, weekday = usage.hours_ms % DAY_MS // HOUR_MS, (usage.hours_ms // DAY_MS + 3) % 7
    noon, night = hour == 14, hour == 3
    assert usage.mean[noon & (weekday < 5)].mean() > usage.mean[night].mean() + 0.2
    assert usage.mean[noon & (weekday < 5)].mean() > usage.mean[noon & (weekday >= 5)].mean() + 0.05


def test_a_month_ends_on_its_last_two_days():
    curve = Curve(0.0, month_end=1.0, spread=0.0)
    days = np.array(["2026-02-26", "2026-02-27", "2026-02-28", "2026-03-01"], "datetime64[ms]")
    assert curve.smooth(days.astype(np.int64), 0).tolist() == [0.0, 1.0, 1.0, 0.0]


@given(st.integers(0, 2**32), st.integers(0, 2**40))
def test_noise_is_bounded_standard_and_repeatable(seed, start):
    buckets = np.arange(start, start + 4000, dtype=np.int64)
    values = noise(seed, buckets)
    assert (np.abs(values) <= 6**0.5).all()
    assert abs(values.mean()) < 0.1
    assert abs(values.std() - 1) < 0.1
    assert (values[1000:2000] == noise(seed, buckets[1000:2000])).all()


def feed_from(hours: int) -> DemoFeed:
    return DemoFeed(DemoFleet(NOW_MS), NOW_MS - hours * HOUR_MS)


def test_raw_samples_tell_what_the_records_tell():
    fleet = DemoFleet(NOW_MS)
    feed = DemoFeed(fleet, NOW_MS - 6 * HOUR_MS)
    times = np.arange(feed.last_ms + MINUTE_MS, NOW_MS + 1, MINUTE_MS)
    series = {labels: values for labels, _, values in feed.advance(times)}
    records = history(fleet)
    hour = NOW_MS // HOUR_MS * HOUR_MS
    within = (times > hour - HOUR_MS) & (times <= hour)
    for host in fleet.hosts:
        values = {
            dict(labels)["__name__"]: each
            for labels, each in series.items()
            if dict(labels)["instance"] == host.name and "memory" in dict(labels)["__name__"]
        }
        used = values["node_memory_MemTotal_bytes"] - values["node_memory_MemAvailable_bytes"]
        recorded = records[host.name, "memory", ""].usage
        assert recorded.hours_ms[-1] == hour
        share = abs(used[within].mean() - recorded.mean[-1]) / host.memory_bytes
        # Within a few standard deviations of the hourly value, and the slope of an hour.
        assert share < 4 * host.memory.spread + 0.05


@settings(deadline=None, max_examples=8)
@given(st.lists(st.integers(1, 90), min_size=1, max_size=20))
def test_counters_never_fall_and_a_cpu_counts_every_second_once(steps):
    feed = feed_from(1)
    start = feed.last_ms
    totals: dict[tuple[str, str], float] = {}
    last: dict[object, float] = {}
    time_ms = start
    for step in steps:
        time_ms += step * 1000
        totals.clear()
        for labels, _, values in feed.advance(np.array([time_ms], dtype=np.int64)):
            name = label_value(labels, "__name__")
            if name.endswith("_total"):
                assert values[0] >= last.get(labels, 0.0)
                last[labels] = values[0]
            if name == "node_cpu_seconds_total":
                key = (label_value(labels, "instance"), label_value(labels, "cpu"))
                totals[key] = totals.get(key, 0.0) + values[0]
    elapsed = (time_ms - start) / 1000
    assert all(total == pytest.approx(elapsed) for total in totals.values())


def test_time_only_advances():
    feed = feed_from(1)
    with pytest.raises(ValueError, match="ascend"):
        feed.advance(np.array([feed.last_ms], dtype=np.int64))


def test_scratch_fills_within_two_minutes_and_is_cleaned_up():
    feed = feed_from(1)
    moments = [NOW_MS, NOW_MS + FULL_FROM_MS, NOW_MS + CLEANED_FROM_MS + 1000]
    batch = feed.advance(np.array(moments, dtype=np.int64))
    series = {
        (label_value(labels, "__name__"), label_value(labels, "mountpoint")): values
        for labels, _, values in batch
        if label_value(labels, "instance") == "batch-1"
    }
    free = series["node_filesystem_avail_bytes", "/scratch"]
    used = 1 - free / series["node_filesystem_size_bytes", "/scratch"]
    assert FULL_FROM_MS < 120_000
    assert used[0] < 0.8
    assert used[1] > 0.97
    assert used[2] < 0.8


def test_one_host_falls_silent_and_returns_with_its_counters():
    feed = feed_from(1)

    def hosts(offset_ms: int) -> set[str]:
        batch = feed.advance(np.array([NOW_MS + offset_ms], dtype=np.int64))
        return {label_value(labels, "instance") for labels in batch.labels}

    everyone = {host.name for host in feed.fleet.hosts}
    assert hosts(1000) == everyone
    assert everyone - hosts(SILENT_FROM_MS + 1000) == {"queue-1"}
    assert hosts(20 * MINUTE_MS) == everyone
    assert everyone - hosts(60 * MINUTE_MS + SILENT_FROM_MS) == {"queue-1"}


def test_every_measure_of_a_host_has_a_limit_above_zero():
    for host in DemoFleet(NOW_MS).hosts:
        assert all(measure.limit > 0 for measure in measures(host))
