"""Whether there is what SLOs measure by, asked of an engine with known samples."""

from __future__ import annotations

import numpy as np
import pytest
from tests.slo.test_measuring import DAY, MINUTE, NOW, SLO

from tidecast.journeys.slo_evidence import Ask, evidence_doubts
from tidecast.promql.alerting import AlertingPromQL
from tidecast.promql.engine import Engine
from tidecast.samples.batch import SampleBatch
from tidecast.samples.memory import MemorySamples
from tidecast_alerts.slo.reading import read_service_levels
from tidecast_collector.errors import InvalidInput
from tidecast_collector.labels import make_labels


def asking(a_minute: float, code: str = "200") -> Ask:
    """Answers from two days of so many requests a minute with that code."""
    times = np.arange(NOW - 2 * DAY, NOW + MINUTE, MINUTE)
    labels = make_labels({"__name__": "requests_total", "code": code})
    samples = MemorySamples()
    samples.append(SampleBatch.of([(labels, times, np.arange(len(times)) * a_minute)]))
    promql = AlertingPromQL(Engine(samples))

    def ask(query: str) -> float | None:
        found = promql.instant(query, NOW)
        assert len(found) <= 1
        return found[0].value if found else None

    return ask


def doubts(text: str, ask: Ask) -> list[str]:
    """What is doubted of the SLO."""
    return [
        each.message
        for each in evidence_doubts(read_service_levels([("f", text)]).slos.values(), ask)
    ]


def test_what_is_there_in_plenty_is_not_doubted() -> None:
    # Code 500 is there as well, so that the failures are known of.
    assert doubts(SLO, asking(10, "500")) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "x",
            "x",
            'answers: no sample of requests_total{code="500"} within the last day, but of its '
            "metric: nothing failed",
        ),
        (
            "query: requests_total}",
            "query: request_total}",
            "nor of its metric: nothing measures it",
        ),
        ("query: requests_total}", "query: 'requests_total{code=~\"9..\"}'}", "see to the labels"),
    ],
)
def test_what_is_not_there_is_told(old: str, new: str, told: str) -> None:
    assert any(told in each for each in doubts(SLO.replace(old, new), asking(10)))


def test_too_few_events_are_told() -> None:
    # One in 20 minutes is 3 an hour; for two days the alert over an hour has the factor
    # 0.02 x 48 = 0.96: 3 x 0.0096 is less than one bad event.
    few = doubts(SLO, asking(0.05, "500"))
    assert few and all("one bad event fires it" in each for each in few)
    # 0.005 a minute: 14.4 in two days, 0.144 may fail.
    scarce = doubts(SLO, asking(0.005, "500"))
    assert any("its whole budget is 0.14 of an event" in each for each in scarce)
    waiting = SLO.replace('freeze"}', 'freeze", tidecast-minimum-events: "1000"}')
    assert any(
        "its alert over 1h waits for 1000 events, and there are about 600" in each
        for each in doubts(waiting, asking(10, "500"))
    )


def test_what_the_server_does_not_answer_stays_unknown() -> None:
    def refuse(query: str) -> float | None:
        raise InvalidInput("too heavy")

    found = doubts(SLO, refuse)
    assert len(found) == 3 and all("it cannot be known whether" in each for each in found)
    assert any(
        "cannot be known whether there are enough" in each for each in doubts(SLO, asking(0))
    )
