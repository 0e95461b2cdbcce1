"""Full in h:mm, from raw samples alone."""

from __future__ import annotations

import pytest
from tests.journeys.support import H0, HOUR_MS, MINUTE_MS, defined, series, store

from tidecast.journeys.fast_path import watch_fast_path
from tidecast.journeys.usage_records import ResourceKey
from tidecast.promql.engine import Engine

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


def test_what_was_before_its_window_does_not_count() -> None:
    before = [(H0 - 7 * HOUR_MS + i * MINUTE_MS, 5.0 * i) for i in range(50)]
    assert watched([*before, *ramp(0)]) == {KEY: None}
