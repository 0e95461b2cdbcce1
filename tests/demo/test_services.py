"""What the demo's shop delivers: outages that lie in the past, and requests that only grow."""

from __future__ import annotations

import numpy as np
import pytest

from tidecast.journeys.demo_curves import DAY_MS, MINUTE_MS
from tidecast.journeys.demo_services import OUTAGES, DemoTraffic, observations
from tidecast.journeys.observe import parse_observations

NOW_MS = 1_764_000_123_456


def requests(days: float, step_ms: int = MINUTE_MS) -> dict[str, np.ndarray]:
    times = np.arange(NOW_MS - round(days * DAY_MS) + step_ms, NOW_MS + 1, step_ms)
    batch = DemoTraffic(NOW_MS, 1, NOW_MS - round(days * DAY_MS)).advance(times)
    return {
        dict(labels).get("code") or dict(labels).get("le") or "count": values
        for labels, _, values in batch
    }


def test_every_observation_was_made_before_the_demo_and_each_outage_ended():
    told = parse_observations({"observations": observations(NOW_MS)}, NOW_MS)
    assert max(one.from_ms for one in told) < NOW_MS
    down = [one for one in told if str(one.state) == "down"]
    assert len(down) == len(OUTAGES)
    for one in down:
        assert any(
            other.component == one.component
            and str(other.state) == "up"
            and other.from_ms > one.from_ms
            for other in told
        )


def test_counters_only_grow_and_add_up():
    counts = requests(13)
    assert all((np.diff(values) >= 0).all() for values in counts.values())
    assert np.abs(counts["200"] + counts["503"] - counts["count"]).max() <= 2
    assert (counts["0.3"] <= counts["+Inf"]).all()
    # 0.04 % fail, and a quarter of those in the 26 minutes without payment twelve days ago.
    assert 0.0004 < counts["503"][-1] / counts["count"][-1] < 0.001


def test_traffic_goes_on_where_it_was():
    whole = requests(1)["count"]
    traffic = DemoTraffic(NOW_MS, 1, NOW_MS - DAY_MS)
    times = np.arange(NOW_MS - DAY_MS + MINUTE_MS, NOW_MS + 1, MINUTE_MS)
    parts = [traffic.advance(part) for part in np.array_split(times, 5)]
    ends = [
        next(values[-1] for labels, _, values in part if "count" in labels[0][1]) for part in parts
    ]
    assert ends[-1] == pytest.approx(whole[-1], abs=1)
    assert sorted(ends) == ends
