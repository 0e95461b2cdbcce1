"""Full in h:mm, from raw samples alone."""

from __future__ import annotations

import numpy as np
import pytest
from tests.journeys.support import H0, HOUR_MS, MINUTE_MS, defined, series, store

from tidecast.journeys.fast_path import FamiliarRises, watch_fast_path
from tidecast.journeys.usage_records import ResourceKey, UsageRecords, to_batch
from tidecast.promql.engine import Engine
from tidecast.samples.memory import MemorySamples

WATCHED = {"thing": defined(fast_path=True), "slow": defined(name="slow", fast_path=False)}
KEY = ResourceKey("web-1", "thing")


def ramp(a_minute: float, until: int = H0) -> list[tuple[int, float]]:
    """Six hours that end at 60 after growing by this much a minute."""
    return [
        (H0 - i * MINUTE_MS, 60 - i * a_minute) for i in range(360) if H0 - i * MINUTE_MS <= until
    ]


def watched(used: list[tuple[int, float]], size: float | None = 100.0) -> dict[ResourceKey, object]:
    sizes = [] if size is None else [series("size", [(at, size) for at, _ in used])]
    return watch_fast_path(Engine(store(series("used", used), *sizes)), WATCHED, H0)


def test_a_disk_that_fills_steadily_is_full_at_the_calculated_time() -> None:
    # 40 are free and 0.1 a minute goes: 400 minutes.
    found = watched(ramp(0.1))
    assert list(found) == [KEY], "only what kills fast is watched"
    p10, p50, p90 = found[KEY]
    assert p10 <= p50 <= p90
    assert p50 == pytest.approx(400 * 60, rel=0.05)


def test_what_does_not_rise_does_not_fill() -> None:
    assert watched(ramp(0)) == {KEY: None}
    assert watched(ramp(-0.1)) == {KEY: None}


def test_silence_and_a_missing_limit_are_no_evidence() -> None:
    assert watched(ramp(0.1, until=H0 - 6 * MINUTE_MS)) == {}
    assert watched(ramp(0.1), size=None) == {}
    assert watch_fast_path(Engine(store()), WATCHED, H0) == {}


def test_rises_like_those_before_are_familiar() -> None:
    # Every day up from 20 to 70 within five hours, and back.
    hours = H0 - HOUR_MS * np.arange(8 * 24, 6, -1, dtype=np.int64)
    usage = 20 + 10.0 * np.clip(hours // HOUR_MS % 24 - 3, 0, 5)
    none = np.full(hours.size, np.nan)
    samples = MemorySamples()
    samples.append(to_batch([UsageRecords(KEY, hours, usage, usage, usage, none, none)]))
    rises = FamiliarRises(samples)

    def found(a_minute: float, now_at: float = 60.0) -> object:
        used = [(at, value + now_at - 60) for at, value in ramp(a_minute)]
        sizes = series("size", [(at, 100.0) for at, _ in used])
        engine = Engine(store(series("used", used), sizes))
        return watch_fast_path(engine, WATCHED, H0, lambda keys: rises.of(keys, H0))[KEY]

    assert found(0.15) is None, "9 an hour up to 60 was there before"
    assert found(0.15, now_at=75.0) is not None, "75 never was"
    assert found(0.4) is not None, "24 an hour never was"
    assert rises.of([ResourceKey("new", "thing")], H0) == {}


def test_what_was_before_its_window_does_not_count() -> None:
    before = [(H0 - 7 * HOUR_MS + i * MINUTE_MS, 5.0 * i) for i in range(50)]
    assert watched([*before, *ramp(0)]) == {KEY: None}
