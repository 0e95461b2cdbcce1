"""The forecast ledger."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import sqlalchemy as sa

from tidecast.records import PublishedForecast, RecordsDamaged, UnstorableValue, tables

HOUR = 3_600_000
STEPS = 2_160
TIMES = np.arange(1, STEPS + 1, dtype=np.int64) * HOUR
MEAN = np.linspace(0.2, 0.9, STEPS)
FORECAST = PublishedForecast(
    host="web-3",
    resource="filesystem",
    item="/var",
    unit="bytes",
    statistic="max",
    source="node",
    published_ms=0,
    horizon_ms=STEPS * HOUR,
    state="in_horizon",
    p10_ms=10 * HOUR,
    p50_ms=20 * HOUR,
    p90_ms=None,
    mark=0.9,
    usage=0.2,
    limit=None,
    method="drift",
    reasons=("grows by 1 % a day", "32 days of history"),
    query="a / b",
    times_ms=TIMES,
    mean=MEAN,
    lo80=MEAN - 0.1,
    hi80=MEAN + 0.1,
    lo95=MEAN - 0.2,
    hi95=MEAN + np.sqrt(MEAN),
)


def same(one: PublishedForecast, other: PublishedForecast) -> bool:
    for field in fields(PublishedForecast):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if isinstance(left, np.ndarray):
            if left.dtype != right.dtype or left.tobytes() != right.tobytes():
                return False
        elif left != right or type(left) is not type(right):
            return False
    return True


def all_same(found: list[PublishedForecast], wanted: list[PublishedForecast]) -> bool:
    return len(found) == len(wanted) and all(map(same, found, wanted))


def publish(records, *forecasts):
    with records.unit() as unit:
        unit.forecasts.publish(forecasts)


def test_the_ledger_keeps_every_forecast_newest_first(records):
    first, second = FORECAST, replace(FORECAST, published_ms=HOUR, state="over_now")
    same_hour = replace(second, method="damped trend")
    publish(records, second, first)
    publish(records, same_hour)
    with records.reading() as unit:
        ledger = unit.forecasts
        found = ledger.of("web-3", "filesystem", "/var", 10)
        assert all_same(found, [same_hour, second, first])
        assert all_same(ledger.of("web-3", "filesystem", "/var", 1), [same_hour])
        assert ledger.of("web-3", "filesystem", "/", 10) == []


def test_latest_has_one_of_each_resource(records):
    other = replace(FORECAST, item="/", published_ms=5)
    newest = replace(FORECAST, published_ms=HOUR)
    late_import = replace(FORECAST, published_ms=HOUR - 1)
    publish(records, FORECAST, other, newest, late_import)
    publish(records)
    with records.reading() as unit:
        assert all_same(unit.forecasts.latest(), [other, newest])
        plain = unit.forecasts.latest(bands=False)
    assert [(f.item, f.published_ms, f.reasons) for f in plain] == [
        ("/", 5, FORECAST.reasons),
        ("/var", HOUR, FORECAST.reasons),
    ]
    assert [len(f.mean) + len(f.times_ms) for f in plain] == [0, 0]


def test_a_key_does_not_run_together(records):
    publish(records, replace(FORECAST, host="a", resource="bc"), replace(FORECAST, host="ab"))
    publish(records, replace(FORECAST, host="ab", resource="c"))
    with records.reading() as unit:
        assert len(unit.forecasts.latest()) == 3


def test_not_enough_data_has_no_steps(records):
    bands = dict.fromkeys(("mean", "lo80", "hi80", "lo95", "hi95"), np.empty(0))
    empty = replace(
        FORECAST, state="not_enough_data", times_ms=np.empty(0, np.int64), reasons=(), **bands
    )
    publish(records, empty)
    with records.reading() as unit:
        assert all_same(unit.forecasts.latest(), [empty])


def test_numpy_numbers_are_kept_as_numbers(records):
    numpy = replace(
        FORECAST, p10_ms=np.int64(7), mark=np.float64(0.5), usage=np.float32(0.25), mean=MEAN[::1]
    )
    publish(records, numpy)
    with records.reading() as unit:
        (found,) = unit.forecasts.latest()
    assert same(found, replace(FORECAST, p10_ms=7, mark=0.5, usage=0.25))


@pytest.mark.parametrize(
    "wrong",
    [
        {"mean": MEAN[:-1]},
        {"mean": MEAN.reshape(2, -1)},
        {"mean": MEAN.astype(str)},
        {"times_ms": MEAN},
        {"mark": float("nan")},
        {"p50_ms": 1.5},
        {"p50_ms": 1 << 63},
        {"method": 7},
        {"reasons": ("a\0",)},
    ],
)
def test_a_forecast_that_cannot_be_kept_is_refused_whole(records, wrong):
    with pytest.raises(UnstorableValue), records.unit() as unit:
        unit.forecasts.publish([FORECAST, replace(FORECAST, **wrong)])
    with records.reading() as unit:
        assert unit.forecasts.latest() == []


def test_more_steps_than_a_forecast_may_have(records):
    long = np.zeros(100_001)
    bands = dict.fromkeys(("mean", "lo80", "hi80", "lo95", "hi95"), long)
    with pytest.raises(UnstorableValue, match="at most 100000"):
        publish(records, replace(FORECAST, times_ms=long.astype(np.int64), **bands))


@pytest.mark.parametrize("harm", [lambda b: b[:8], lambda b: b[:-1], lambda b: b"X" + b[1:]])
def test_damaged_bands_are_told(records, harm):
    publish(records, FORECAST)
    with records._engine.begin() as connection:
        blob = connection.execute(sa.select(tables.forecasts.c.bands)).scalar_one()
        connection.execute(tables.forecasts.update().values(bands=harm(blob)))
    with records.reading() as unit:
        with pytest.raises(RecordsDamaged, match="backup"):
            unit.forecasts.latest()
        assert len(unit.forecasts.latest(bands=False)) == 1


def test_what_is_kept_of_old_forecasts(records):
    # Two on each of ten days that begin with a week's first one; day 9 has the newest.
    day = 24 * HOUR
    start = HOUR // (7 * day) * 7 * day + 7 * day
    times = [start + n * day + hour * HOUR for n in range(10) for hour in (1, 13)]
    publish(records, *(replace(FORECAST, published_ms=at, horizon_ms=at + day) for at in times))
    key = FORECAST.host, FORECAST.resource, FORECAST.item

    def kept():
        with records.reading() as unit:
            return [each.published_ms for each in unit.forecasts.of(*key, 100)][::-1]

    with records.unit() as unit:
        place = unit.scores.keep_daily((0, 0), start + 8 * day, 100)
        assert unit.scores.keep_daily(place, start + 8 * day, 100) is None
    assert kept() == [*times[:16:2], *times[16:]]
    with records.unit() as unit:
        assert unit.scores.keep_weekly((0, 0), start + 30 * day, 100) is not None
    assert kept() == [times[0], times[14], times[-1]]
    with records.unit() as unit:
        assert unit.scores.forget(start + 30 * day, 1) == 1
        assert unit.scores.forget(start + 30 * day, 10) == 1
        assert unit.scores.forget(start + 30 * day, 10) == 0
    assert kept() == [times[-1]]
