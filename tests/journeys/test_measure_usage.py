"""From raw samples to the hourly record: what an hour is, and what its statistics are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.journeys.support import (
    H0,
    HOUR_MS,
    MINUTE_MS,
    defined,
    minutes,
    series,
    store,
)

from tidecast.journeys.measure_usage import measure, usage_records
from tidecast.journeys.usage_records import ResourceKey, UsageRecords, to_batch
from tidecast.policy.resources import ResourceDefinition, Resources
from tidecast.promql.engine import Engine
from tidecast.samples.memory import MemorySamples


def recorded(
    samples: MemorySamples, *hours: int, definition: ResourceDefinition | None = None
) -> dict[ResourceKey, UsageRecords]:
    """The records of these hours; each resource in one run of hours."""
    wanted = definition or defined()
    runs = usage_records(Engine(samples), Resources({wanted.name: wanted}), hours)
    return {each.key: each for run in runs for each in run}


WEB = ResourceKey("web-1", "thing", "")


def test_an_hour_by_hand() -> None:
    # The last 20 minutes of the hour hold 1..20: mean 10.5, max 20; the 0.95 quantile lies at
    # rank 0.95 * 19 = 18.05, that is 19 + 0.05 * (20 - 19) = 19.05; the mark is 90 % of 100.
    samples = store(
        series("used", minutes(H0, list(range(1, 21)))),
        series("size", minutes(H0, [100.0] * 20)),
    )
    record = recorded(samples, H0)[WEB]
    assert record.hours_ms.tolist() == [H0]
    assert record.mean.tolist() == [10.5]
    assert record.p95.tolist() == pytest.approx([19.05])
    assert record.max.tolist() == [20]
    assert record.limit.tolist() == [100]
    assert record.mark.tolist() == [90]


def test_an_hour_is_open_at_its_beginning_and_closed_at_its_end() -> None:
    on_the_hour = store(series("used", [(H0, 7.0)]), series("size", [(H0, 10.0)]))
    found = recorded(on_the_hour, H0, H0 + HOUR_MS)[WEB]
    # The sample at H0 belongs to the hour that ends there; the next hour sees it for the five
    # minutes of Prometheus' lookback only (minutes 1 to 4), and not at its own beginning.
    assert found.max.tolist() == [7, 7]
    measured = next(iter(measure(Engine(on_the_hour), [defined()], H0, H0 + HOUR_MS)))
    assert np.flatnonzero(~np.isnan(measured.usage)).tolist() == [0, 1, 2, 3, 4]


def test_a_value_seen_once_a_minute_is_counted_once_a_minute() -> None:
    whole_hour = store(series("used", minutes(H0, [5.0] * 59 + [65.0])))
    record = recorded(whole_hour, H0, definition=defined(limit=100.0))[WEB]
    assert record.mean.tolist() == [6.0]  # (59 * 5 + 65) / 60
    assert record.p95.tolist() == [5.0]
    assert record.max.tolist() == [65.0]


def test_a_host_scraped_and_pushed_is_one_resource_with_the_fuller_reading() -> None:
    samples = store(
        series("used", minutes(H0, [10, 10, 30]), instance="web-1:9100", job="scraped"),
        series("used", minutes(H0, [20, 20, 20]), instance="web-1", job="pushed"),
        series("size", minutes(H0, [100] * 3), instance="web-1:9100", job="scraped"),
    )
    found = recorded(samples, H0)
    assert list(found) == [WEB]
    assert found[WEB].mean.tolist() == pytest.approx([(20 + 20 + 30) / 3])
    assert found[WEB].limit.tolist() == [100]


def test_items_tell_several_of_a_kind_apart_and_need_their_label() -> None:
    samples = store(
        series("used", minutes(H0, [1]), mountpoint="/"),
        series("used", minutes(H0, [2]), mountpoint="/var"),
        series("used", minutes(H0, [3])),
    )
    found = recorded(samples, H0, definition=defined(item="mountpoint", limit=10.0))
    assert {key.item: each.max.tolist() for key, each in found.items()} == {"/": [1], "/var": [2]}


def test_hours_without_data_have_no_values_and_write_no_samples() -> None:
    samples = store(
        series("used", [*minutes(H0, [1] * 5), *minutes(H0 + 2 * HOUR_MS, [3] * 5)]),
    )
    hours = [H0, H0 + HOUR_MS, H0 + 2 * HOUR_MS]
    record = recorded(samples, *hours, definition=defined(limit=10.0))[WEB]
    # The hour in between sees minutes 1 to 4 after the first one's last sample, by lookback.
    assert record.max.tolist() == [1, 1, 3]
    far = store(series("used", [*minutes(H0, [1]), *minutes(H0 + 3 * HOUR_MS, [3])]))
    record = recorded(far, *hours, H0 + 3 * HOUR_MS, definition=defined(limit=10.0))[WEB]
    assert np.isnan(record.max).tolist() == [False, False, True, False]
    assert np.isnan(record.limit).tolist() == [False, False, True, False]
    (usage, *_) = (times for labels, times, _ in to_batch([record]) if ("stat", "max") in labels)
    assert usage.tolist() == [H0, H0 + HOUR_MS, H0 + 3 * HOUR_MS]


def test_nothing_to_see_is_no_resource() -> None:
    assert recorded(store(), H0) == {}
    assert recorded(store(series("used", [(H0, 1.0)], instance="")), H0) == {}


def test_a_limit_of_an_expression_is_its_newest_value_in_the_hour() -> None:
    samples = store(
        series("used", minutes(H0, [1] * 60)),
        series("size", minutes(H0 - 10 * MINUTE_MS, [100] * 40 + [200] * 2)),
    )
    record = recorded(samples, H0, definition=defined(mark_ratio=0.5))[WEB]
    assert record.limit.tolist() == [200]
    assert record.mark.tolist() == [100]


def test_without_a_limit_there_is_usage_but_neither_limit_nor_mark() -> None:
    record = recorded(store(series("used", minutes(H0, [4]))), H0)[WEB]
    assert record.max.tolist() == [4]
    assert np.isnan(record.limit).all()
    assert np.isnan(record.mark).all()
    assert {dict(labels)["__name__"] for labels in to_batch([record]).labels} == {"tidecast_usage"}


def test_a_limit_that_others_have_is_not_ours() -> None:
    samples = store(
        series("used", minutes(H0, [4])), series("size", minutes(H0, [9]), instance="web-2")
    )
    assert np.isnan(recorded(samples, H0)[WEB].limit).all()


def test_hours_are_computed_in_runs_of_a_day_at_the_most() -> None:
    samples = store(series("used", [(H0 + i * HOUR_MS, float(i)) for i in range(60)]))
    hours = [H0 + i * HOUR_MS for i in (*range(30), 40, 41)]
    definition = defined(limit=100.0)
    runs = list(
        usage_records(Engine(samples), Resources({"thing": definition}), [*hours[::-1], hours[0]])
    )
    assert [len(run[0].hours_ms) for run in runs] == [24, 6, 2]
    assert [h for run in runs for h in run[0].hours_ms.tolist()] == hours
    assert [v for run in runs for v in run[0].max.tolist()] == [*range(30), 40, 41]


POINTS = st.lists(
    st.tuples(st.integers(1, 3 * 60 * 4), st.floats(-1e6, 1e6)), min_size=1, max_size=40
)


@given(POINTS, st.data())
def test_computed_again_after_late_samples_is_as_computed_at_once(
    points: list[tuple[int, float]], data: st.DataObject
) -> None:
    late = {at: value for at, value in points}
    stamped = [(H0 + at * 15_000, value) for at, value in sorted(late.items())]
    first = data.draw(st.integers(0, len(stamped)))
    order = data.draw(st.permutations(stamped))
    hours = [H0 + i * HOUR_MS for i in range(1, 5)]

    def computed(samples: MemorySamples) -> list[list[float]]:
        return [
            [*each.mean, *each.p95, *each.max, *each.limit]
            for each in recorded(samples, *hours, definition=defined(limit=5.0)).values()
        ]

    at_once, in_parts = store(series("used", stamped)), store()
    for part in (order[:first], order[first:]):
        if part:
            in_parts.append(store(series("used", part)).select((), 0, 2**60))
        computed(in_parts)
    np.testing.assert_array_equal(computed(in_parts), computed(at_once))
