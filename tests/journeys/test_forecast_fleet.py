"""From usage records to the ledger: dates that can be calculated, who is left out, what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from tests.journeys.support import H0, HOUR_MS, defined

from tidecast.journeys import forecast_fleet as journey
from tidecast.journeys.fleet_analysis import Analysis, Case, analyse
from tidecast.journeys.forecast_fleet import (
    AGAIN_MS,
    Fleet,
    Run,
    definition_of,
    usage_query,
)
from tidecast.journeys.usage_records import ResourceKey, UsageRecords, to_batch
from tidecast.policy.resources import Resources
from tidecast.promql.engine import Engine
from tidecast.records import KnownResource, PublishedForecast, Records
from tidecast.samples.memory import MemorySamples
from tidecast_analytics.calibration import Widening
from tidecast_analytics.forecasting import forecast
from tidecast_analytics.outlook import History, OutlookState

DAY_MS = 24 * HOUR_MS
HORIZON_MS = 90 * DAY_MS
KEY = ResourceKey("web-1", "thing", "/var")


def filling(
    key: ResourceKey = KEY, days: int = 28, growth_a_day: float = 1.0, mark: float = 90.0
) -> UsageRecords:
    """`days` of hours up to H0 at which usage is 50, after growing steadily."""
    hours = H0 - HOUR_MS * np.arange(days * 24 - 1, -1, -1, dtype=np.int64)
    usage = 50 + growth_a_day * (hours - H0) / DAY_MS
    full = np.full(len(hours), 100.0)
    return UsageRecords(key, hours, usage, usage, usage, full, np.full(len(hours), mark))


def forecast_fleet(fleet: Fleet, now_ms: int, horizon_ms: int, *, everything: bool = True) -> int:
    """A run that begins now."""
    return journey.forecast_fleet(fleet, Run(now_ms, everything), now_ms, horizon_ms)


def fleet(records: Records, *usages: UsageRecords) -> Fleet:
    samples = MemorySamples()
    for usage in usages:
        samples.append(to_batch([usage]))
    with records.unit() as unit:
        unit.resources.put(
            [
                KnownResource(*each.key, "bytes", "max", "", int(each.hours_ms[0]), H0)
                for each in usages
            ]
        )
    return Fleet(samples, records, Resources({"thing": defined(item="mountpoint")}))


def latest(records: Records) -> dict[str, PublishedForecast]:
    with records.reading() as unit:
        found = unit.forecasts.latest()
    return {str(ResourceKey(f.host, f.resource, f.item)): f for f in found}


def test_a_disk_that_fills_in_a_straight_line_is_full_on_the_calculated_day(
    records: Records,
) -> None:
    # 50 now, one a day more, the mark at 90: reached 40 days after H0.
    assert forecast_fleet(fleet(records, filling(days=60)), H0 + 60_000, HORIZON_MS) == 1
    (found,) = latest(records).values()
    assert found.state == OutlookState.IN_HORIZON
    assert found.p10_ms is not None and found.p50_ms is not None and found.p90_ms is not None
    assert found.p10_ms <= found.p50_ms <= found.p90_ms
    assert abs(found.p50_ms - (H0 + 40 * DAY_MS)) < 2 * DAY_MS
    assert (found.usage, found.mark, found.limit) == (pytest.approx(50), 90, 100)
    assert (found.unit, found.statistic, found.source) == ("bytes", "max", "")
    assert (found.published_ms, found.horizon_ms) == (H0 + 60_000, H0 + 60_000 + HORIZON_MS)
    assert found.method
    assert found.reasons


def test_the_ledger_keeps_the_first_week_by_hours_and_then_the_envelope_of_each_day(
    records: Records,
) -> None:
    usage = filling()
    (outlook,) = forecast([History(usage.hours_ms, usage.max, 90.0, 100.0)], HORIZON_MS)
    forecast_fleet(fleet(records, usage), H0, HORIZON_MS)
    (found,) = latest(records).values()
    steps = np.diff(found.times_ms)
    # 168 hours; the first day stands 12 hours after its first hour, 13 after the 168th; then days.
    assert steps[:167].tolist() == [HOUR_MS] * 167
    assert steps[167] == 13 * HOUR_MS
    assert set(steps[168:-1].tolist()) == {DAY_MS}
    assert 250 <= len(found.times_ms) <= 252  # 168 hours and the other 83 days of 90
    day = slice(168, 168 + 24)
    assert found.mean[168] == pytest.approx(outlook.mean[day].mean(), rel=1e-3)
    assert found.lo80[168] == pytest.approx(outlook.lo80[day].min(), rel=1e-3)
    assert found.hi95[168] == pytest.approx(outlook.hi95[day].max(), rel=1e-3)
    assert found.mean[:168].tolist() == pytest.approx(outlook.mean[:168].tolist(), rel=1e-3)
    assert len(found.hi80) == len(found.lo95) == len(found.times_ms)


def test_above_its_mark_and_flat_and_too_short(records: Records) -> None:
    many = fleet(
        records,
        filling(ResourceKey("a", "thing", "over"), mark=40),
        filling(ResourceKey("a", "thing", "flat"), growth_a_day=0),
        _cut(filling(ResourceKey("a", "thing", "short")), 5),
        _without_mark(filling(ResourceKey("a", "thing", "markless"))),
    )
    assert forecast_fleet(many, H0, HORIZON_MS) == 4
    states = {name: each.state for name, each in latest(records).items()}
    assert states == {
        "a:thing:over": "over_now",
        "a:thing:flat": "not_growing",
        "a:thing:short": "not_enough_data",
        "a:thing:markless": "no_mark",
    }


def _cut(usage: UsageRecords, hours: int) -> UsageRecords:
    return UsageRecords(
        usage.key,
        *(
            getattr(usage, name)[-hours:]
            for name in ("hours_ms", "mean", "p95", "max", "limit", "mark")
        ),
    )


def _without_mark(usage: UsageRecords) -> UsageRecords:
    none = np.full(len(usage.hours_ms), np.nan)
    return replace(usage, mark=none, limit=none)


class Asked:
    """Notes how much it is asked at a time."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, cases: Sequence[Case], horizon_ms: int, now_ms: int) -> list[Analysis]:
        self.calls.append(len(cases))
        return analyse(cases, horizon_ms, now_ms)


def test_what_is_retired_is_not_forecast_and_what_is_unknown_neither(records: Records) -> None:
    gone, lives = ResourceKey("gone", "thing", ""), ResourceKey("lives", "thing", "")
    both = fleet(records, filling(gone), filling(lives))
    with records.unit() as unit:
        unit.resources.retire("gone", None, None, H0, "retired", "me")
    both.samples.append(to_batch([filling(ResourceKey("never-registered", "thing", ""))]))
    assert forecast_fleet(both, H0, HORIZON_MS) == 1
    assert list(latest(records)) == ["lives:thing"]


def test_a_fresh_forecast_stands_for_six_hours(records: Records) -> None:
    all_of_them = fleet(records, filling())
    young = fleet(records, _cut(filling(ResourceKey("young", "thing", "")), 5))
    all_of_them.samples.append(young.samples.select((), 0, 2**60))
    assert forecast_fleet(all_of_them, H0, HORIZON_MS, everything=False) == 2
    # The one that lacked data is asked again as soon as there may be more; the other is fresh.
    assert forecast_fleet(all_of_them, H0 + HOUR_MS, HORIZON_MS, everything=False) == 1
    assert latest(records)["web-1:thing:/var"].published_ms == H0
    at = H0 + AGAIN_MS - 1
    assert forecast_fleet(all_of_them, at, HORIZON_MS, everything=False) == 1
    assert forecast_fleet(all_of_them, at + 1, HORIZON_MS, everything=False) == 2
    assert forecast_fleet(all_of_them, at + 2, HORIZON_MS) == 2


def test_a_fleet_is_forecast_in_batches_whatever_its_hosts_are_called(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journey, "BATCH", 50)
    odd = ["a.b", "a|b", "(c", "d)*", "e f", "ü-1", "g\nh", 'i"j', "k\\l", "[::1]", "#~&-"]
    names = [*odd, *(f"host-{i:02d}" for i in range(60 - len(odd)))]
    usages = [_cut(filling(ResourceKey(name, "thing", "")), 5) for name in names]
    asked = Asked()
    many = replace(fleet(records, *usages), run=asked)
    assert forecast_fleet(many, H0, HORIZON_MS) == 60
    assert asked.calls == [50, 10]
    assert {each.host for each in latest(records).values()} == set(names)


def test_a_resource_that_only_an_import_knows_is_judged_by_its_mean(records: Records) -> None:
    usage = replace(filling(ResourceKey("shop", "custom", "orders")), source="csv")
    only = fleet(records, replace(usage, p95=usage.mean + 100, max=usage.mean + 100))
    forecast_fleet(only, H0, HORIZON_MS)
    (found,) = latest(records).values()
    assert (found.statistic, found.source) == ("mean", "csv")
    assert found.usage == pytest.approx(50)
    assert definition_of({}, "custom").mark_ratio == 0.9


def test_the_query_shows_the_history_that_was_forecast(records: Records) -> None:
    key = ResourceKey('we"b', "thing", "C:\\data")
    one = fleet(records, filling(key))
    assert usage_query(ResourceKey("h", "memory"), "max") == (
        'tidecast_usage{instance="h",resource="memory",stat="max"}'
    )
    forecast_fleet(one, H0, HORIZON_MS)
    (found,) = latest(records).values()
    ((labels, value),) = list(Engine(one.samples).instant(found.query, H0).value)
    assert dict(labels)["item"] == "C:\\data"
    assert value == pytest.approx(50)


def test_nothing_known_is_nothing_forecast(records: Records) -> None:
    empty = replace(fleet(records), run=Asked())
    assert forecast_fleet(empty, H0, HORIZON_MS) == 0
    assert latest(records) == {}


def many(records: Records, count: int = 5) -> Fleet:
    return fleet(records, *(filling(ResourceKey(f"h{i}", "thing", "")) for i in range(count)))


def test_a_run_tells_its_progress_and_goes_on_where_it_was_broken_off(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journey, "BATCH", 2)
    five, told = many(records), []

    def dies_at_the_third(cases: Sequence[Case], horizon_ms: int, now_ms: int) -> list[Analysis]:
        if cases[0].history.values.size and len(told) == 2:
            raise RuntimeError("killed")
        return analyse(cases, horizon_ms, now_ms)

    run = Run(H0, told=lambda done, total: told.append((done, total)))
    with pytest.raises(RuntimeError, match="killed"):
        journey.forecast_fleet(replace(five, run=dies_at_the_third), run, H0, HORIZON_MS)
    made = set(latest(records))
    assert told[0] == (0, 5)
    assert 0 < len(made) < 5
    asked = Asked()
    rest = journey.forecast_fleet(replace(five, run=asked), run, H0 + HOUR_MS, HORIZON_MS)
    assert sum(asked.calls) == rest == 5 - len(made)
    found = latest(records)
    assert {name: each.published_ms for name, each in found.items()} == {
        f"h{i}:thing": H0 if f"h{i}:thing" in made else H0 + HOUR_MS for i in range(5)
    }


def test_a_run_that_is_stopped_publishes_no_more(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journey, "BATCH", 1)
    done = [0]

    def told(so_far: int, total: int) -> None:
        done[0] = so_far

    run = Run(H0, told=told, stopped=lambda: done[0] >= 2)
    assert journey.forecast_fleet(many(records), run, H0, HORIZON_MS) == 2
    assert len(latest(records)) == 2


def test_several_lanes_publish_the_same(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journey, "BATCH", 1)
    side_by_side = replace(many(records), lanes=3)
    assert forecast_fleet(side_by_side, H0, HORIZON_MS) == 5
    assert len({each.p50_ms for each in latest(records).values()}) == 1


def test_what_a_forecast_rests_on_is_kept_with_it(records: Records) -> None:
    usage = filling()
    usage.max[100] = 250.0
    one = replace(fleet(records, usage), widening=lambda key: Widening(2.0, "bands are wider"))
    forecast_fleet(one, H0, HORIZON_MS)
    (found,) = latest(records).values()
    basis = found.basis
    assert basis is not None
    assert (basis.first_ms, basis.last_ms) == (usage.hours_ms[0], H0)
    assert (basis.values, basis.step_ms, basis.widening) == (28 * 24, HOUR_MS, 2.0)
    assert sum(share for _, share in basis.weights) == pytest.approx(1)
    assert basis.mark_source == "90% of the limit, by the default policy"
    assert [each.kind for each in basis.findings] == ["over_limit"]
    assert basis.within_lead_time is not None
    assert 0 <= basis.within_lead_time < 0.1, "the mark is forty days away, the lead time two weeks"
    assert "bands are wider" in found.reasons
