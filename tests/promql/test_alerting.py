"""PromQL as alert rules see it: vectors, and the evidence behind each selector."""

from __future__ import annotations

import numpy as np
import pytest

from tidecast.promql.alerting import AlertingPromQL
from tidecast.promql.engine import Engine
from tidecast.promql.errors import ParseError, QueryError
from tidecast.samples.batch import STALE_NAN, SampleBatch
from tidecast.samples.memory import MemorySamples
from tidecast_alerts.ports import PromQL, VectorSample
from tidecast_collector.labels import make_labels

HOUR_MS = 3_600_000


def promql() -> PromQL:
    samples = MemorySamples()
    for name, host, times, values in (
        ("free", "a", [0, 60_000, 120_000], [1.0, 2.0, STALE_NAN]),
        ("free", "b", [0, 30_000], [5.0, 6.0]),
        ("size", "a", [40 * HOUR_MS], [9.0]),
        ("total", "", [90_000], [7.0]),
    ):
        labels = make_labels({"__name__": name, "host": host})
        samples.append(SampleBatch.of([(labels, np.array(times), np.array(values))]))
    return AlertingPromQL(Engine(samples))


def test_check_says_where() -> None:
    promql().check("free > 1")
    with pytest.raises(ParseError, match="1:8: parse error"):
        promql().check("free > ")


def test_instant_gives_elements() -> None:
    assert promql().instant("free > 1.5", 60_000) == [
        VectorSample((("__name__", "free"), ("host", "a")), 2.0),
        VectorSample((("__name__", "free"), ("host", "b")), 6.0),
    ]
    assert promql().instant("1 + 1", 0) == [VectorSample((), 2.0)]


@pytest.mark.parametrize("expression", ["free[5m]", "'text'"])
def test_rules_cannot_give_ranges_or_strings(expression: str) -> None:
    with pytest.raises(ParseError, match="1:1: parse error: a rule needs a scalar or instant"):
        promql().check(expression)
    with pytest.raises(QueryError, match="rule result is not a vector or scalar"):
        promql().instant(expression, 0)


@pytest.mark.parametrize(
    ("expression", "labels", "at_ms", "newest"),
    [
        # The series of host a ended with the staleness marker at 120 s: it is silent.
        ("free / size", {"host": "a", "alertname": "Full"}, 200_000, [None, None]),
        ("free / size", {"host": "a", "alertname": "Full"}, 110_000, [60_000, None]),
        ("free", {"host": "b"}, 200_000, [30_000]),
        # Without the label in the alert, any series counts; without it in the series too.
        ("free", {}, 200_000, [30_000]),
        ("total", {"host": "a"}, 200_000, [90_000]),
        ("free", {"host": "a"}, 45_000, [0]),
        # Found behind an hour, but not behind a day.
        ("free", {"host": "b"}, 20 * HOUR_MS, [30_000]),
        ("free", {"host": "b"}, 25 * HOUR_MS, [None]),
        ("free offset 1m", {"host": "a"}, 100_000, [0]),
        ("rate(free[1h]) > bool free{host='b'}", {}, 200_000, [30_000, 30_000]),
        ("free", {"host": "a.*|b"}, 200_000, [None]),
        ("free or total", {"host": "é(\\ \n\0"}, 200_000, [None, 90_000]),
        ("1", {}, 0, []),
    ],
)
def test_newest_samples(
    expression: str, labels: dict[str, str], at_ms: int, newest: list[int | None]
) -> None:
    assert promql().newest_samples(expression, make_labels(labels), at_ms) == newest
