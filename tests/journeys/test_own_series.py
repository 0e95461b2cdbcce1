"""The series we write about what we know: absent, zero, infinite, and when it is time to order."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import generate_latest
from tests.journeys.support import H0, HOUR_MS

from tidecast.journeys import own_series
from tidecast.journeys.own_series import (
    HELP,
    Point,
    batch_at,
    fast_path_points,
    forecast_points,
    host_points,
    incident_points,
)
from tidecast.journeys.usage_records import ResourceKey
from tidecast.records import PublishedForecast
from tidecast.records.errors import RecordsUnavailable
from tidecast.samples.batch import SampleBatch
from tidecast.server.metrics import ServerMetrics

JOURNEYS = Path(own_series.__file__).parent
DAY_MS = 24 * HOUR_MS
NOW = H0


def lead(host: str, resource: str, item: str) -> int:
    return 14 * 86_400 if resource == "filesystem" else 0


NO_STEPS = np.empty(0)


def published(state: str = "in_horizon", **given: object) -> PublishedForecast:
    """A forecast of web-1's /var as the ledger gives it, without its steps."""
    fields: dict[str, object] = {
        "host": "web-1", "resource": "filesystem", "item": "/var", "unit": "bytes",
        "statistic": "max", "source": "", "published_ms": NOW, "horizon_ms": NOW + 90 * DAY_MS,
        "state": state, "p10_ms": None, "p50_ms": None, "p90_ms": None, "mark": 90.0,
        "usage": 45.0, "limit": 100.0, "method": "drift", "reasons": (), "query": "",
        "times_ms": NO_STEPS.astype(np.int64), "mean": NO_STEPS, "lo80": NO_STEPS,
        "hi80": NO_STEPS, "lo95": NO_STEPS, "hi95": NO_STEPS,
    }  # fmt: skip
    return PublishedForecast(**{**fields, **given})  # type: ignore[arg-type]


def told(points: object) -> dict[str, float]:
    """Values by name, with the quantile behind it where there is one."""
    found: dict[str, float] = {}
    for name, labels, value in points:  # type: ignore[attr-defined]
        quantile = labels.get("quantile", "")
        found[name.removeprefix("tidecast_") + (f"@{quantile}" if quantile else "")] = value
    return found


def of(each: PublishedForecast, now: int = NOW) -> dict[str, float]:
    return told(forecast_points([each], lead, now))


def test_in_the_horizon_by_hand() -> None:
    # 10, 20 and 40 days away; the median beyond the lead time of 14 days; 1 - 45/90 is free.
    days = {name: NOW + d * DAY_MS for name, d in (("p10_ms", 10), ("p50_ms", 20), ("p90_ms", 40))}
    assert of(published(**days)) == {
        "headroom_ratio": 0.5,
        "time_to_mark_seconds@0.1": 10 * 86_400,
        "time_to_mark_seconds@0.5": 20 * 86_400,
        "time_to_mark_seconds@0.9": 40 * 86_400,
        "lead_time_seconds": 14 * 86_400,
        "mark_within_lead_time": 0,
    }


def test_dates_beyond_the_horizon_are_absent() -> None:
    found = of(published(p10_ms=NOW + DAY_MS, p50_ms=NOW + 2 * DAY_MS))
    assert "time_to_mark_seconds@0.9" not in found
    assert found["time_to_mark_seconds@0.5"] == 2 * 86_400


def test_over_now_is_zero_at_every_quantile_and_within_any_lead_time() -> None:
    found = of(published("over_now", usage=99.0))
    assert [found[f"time_to_mark_seconds@{q}"] for q in ("0.1", "0.5", "0.9")] == [0, 0, 0]
    assert found["mark_within_lead_time"] == 1
    assert found["headroom_ratio"] == pytest.approx(1 - 99 / 90)


@pytest.mark.parametrize("state", ["beyond_horizon", "not_growing", "no_mark"])
def test_without_a_date_there_is_no_time_to_the_mark(state: str) -> None:
    found = of(published(state))
    assert not [name for name in found if name.startswith("time_to_mark")]
    assert found["mark_within_lead_time"] == 0


def test_not_enough_data_tells_the_headroom_and_nothing_of_the_future() -> None:
    assert list(of(published("not_enough_data"))) == ["headroom_ratio"]
    assert of(published("not_enough_data", mark=None)) == {}
    assert of(published("not_enough_data", usage=None)) == {}
    assert of(published("not_enough_data", mark=0.0)) == {}


@pytest.mark.parametrize(("reached_days", "soon"), [(13.9, 1), (14, 1), (14.001, 0), (-1, 1)])
def test_the_mark_is_within_the_lead_time_by_its_median(reached_days: float, soon: int) -> None:
    each = published(p10_ms=NOW, p50_ms=NOW + int(reached_days * DAY_MS))
    assert of(each)["mark_within_lead_time"] == soon


def test_time_goes_on_between_forecasts_and_never_below_zero() -> None:
    each = published(p10_ms=NOW + HOUR_MS, p50_ms=NOW + 3 * HOUR_MS)
    later = of(each, NOW + 2 * HOUR_MS)
    assert later["time_to_mark_seconds@0.1"] == 0
    assert later["time_to_mark_seconds@0.5"] == 3600


def test_a_resource_without_a_lead_time_tells_none() -> None:
    found = told(forecast_points([published("over_now", resource="custom")], lead, NOW))
    assert "lead_time_seconds" not in found
    assert "mark_within_lead_time" not in found


def test_the_fast_path_is_infinite_where_nothing_fills() -> None:
    key = ResourceKey("web-1", "filesystem", "/var")
    assert told(fast_path_points({key: (60.0, 120.0, np.inf)})) == {
        "full_in_seconds@0.1": 60,
        "full_in_seconds@0.5": 120,
        "full_in_seconds@0.9": np.inf,
    }
    assert set(told(fast_path_points({key: None})).values()) == {np.inf}
    assert told(fast_path_points({})) == {}


def test_hosts_and_incidents() -> None:
    ((name, labels, value),) = host_points({"web-1": 1_500})
    assert (name, labels, value) == (
        "tidecast_host_last_seen_timestamp_seconds",
        {"instance": "web-1"},
        1.5,
    )
    points = list(incident_points({"open": 2, "resolved": 0}))
    assert [(labels["state"], value) for _, labels, value in points] == [
        ("open", 2.0),
        ("resolved", 0.0),
    ]


def test_as_a_batch_they_stand_at_one_time_with_canonical_labels_and_a_help_text() -> None:
    points: list[Point] = [
        *host_points({"web-1": NOW}),
        *forecast_points([published("over_now", item="")], lead, NOW),
        *fast_path_points({ResourceKey("web-1", "memory"): None}),
        *incident_points({"open": 1}),
    ]
    batch = batch_at(points, NOW)
    assert set(batch.timestamps.tolist()) == {NOW}
    assert len(batch) == len(points)
    for labels in batch.labels:
        assert list(labels) == sorted(labels)
        assert all(value for _, value in labels)
        assert dict(labels)["__name__"] in HELP
    assert len(batch_at([], NOW)) == 0


ELSEWHERE = {"tidecast_usage", "tidecast_limit", "tidecast_mark"}
"""Written as records of the hour; not among the newest series on /metrics."""


def test_every_series_of_our_own_that_a_journey_names_is_described() -> None:
    named: set[str] = set()
    for path in JOURNEYS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named |= set(re.findall(r"^tidecast_[a-z0-9_]*[a-z0-9]$", node.value))
    assert len(named) > 20
    assert named - ELSEWHERE - HELP.keys() == set()


def test_metrics_survive_series_that_are_not_described_and_records_that_are_away() -> None:
    metrics = ServerMetrics()
    points: list[Point] = [("tidecast_brand_new", {"host": "a"}, 1.0)]
    metrics.show(lambda: batch_at(points, NOW))
    text = generate_latest(metrics.registry).decode()
    assert 'tidecast_brand_new{host="a"} 1.0' in text
    assert "tidecast_own_series_told 1.0" in text

    def away() -> SampleBatch:
        raise RecordsUnavailable("the database is away")

    metrics = ServerMetrics()
    metrics.show(away)
    text = generate_latest(metrics.registry).decode()
    assert "tidecast_own_series_told 0.0" in text and "tidecast_build_info" in text
