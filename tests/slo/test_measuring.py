"""Budgets from samples: counted by hand, with exclusions, and on a running server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.scenario.driver import Server
from tests.slo.documents import EVERY_KIND

from tidecast.journeys.applied_policy import PolicyInForce
from tidecast.journeys.measure_slos import Figures, exclusions, measure
from tidecast.journeys.propose_slos import PastPeriod, proposal
from tidecast.journeys.slo_figures import figures_document
from tidecast.policy.reading import read_policy
from tidecast.promql.engine import Engine
from tidecast.records import Records
from tidecast.records.availability import Classification
from tidecast.samples.batch import SampleBatch
from tidecast.samples.memory import MemorySamples
from tidecast_alerts.slo.budget_policies import budget_policy
from tidecast_alerts.slo.model import InvalidSLO
from tidecast_alerts.slo.reading import read_service_levels
from tidecast_analytics.spans import NEVER, Spans, spans
from tidecast_analytics.timelines import ClassificationKind
from tidecast_collector.labels import make_labels

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NOW = 20_000 * DAY
"""2024-10-04T00:00:00Z."""

SLO = """\
apiVersion: openslo/v1
kind: SLO
metadata:
  name: answers
  annotations: {tidecast-budget-policy: "50 ticket, 100% freeze"}
spec:
  service: checkout
  indicator:
    metadata: {name: answers}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: Prometheus, spec: {query: 'requests_total{code="500"}'}}}
        total: {metricSource: {type: Prometheus, spec: {query: requests_total}}}
  timeWindow: [{duration: 2d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.99}]
"""
CALENDAR = "{duration: 1w, calendar: {startTime: 2024-09-30 00:00:00, timeZone: UTC}}"
SLICES = SLO.replace("Occurrences", "Timeslices").replace(
    "{target: 0.99}", "{target: 0.99, timeSliceTarget: 0.9, timeSliceWindow: 1h}"
)


def requests(bad_hours: range) -> SampleBatch:
    """Ten requests a minute for four days; half of them fail in these hours before NOW."""
    times = np.arange(NOW - 4 * DAY, NOW + MINUTE, MINUTE)
    failing = np.zeros(len(times))
    for hour in bad_hours:
        failing[(times > NOW - (hour + 1) * HOUR) & (times <= NOW - hour * HOUR)] = 5
    ok = make_labels({"__name__": "requests_total", "code": "200"})
    bad = make_labels({"__name__": "requests_total", "code": "500"})
    return SampleBatch.of([(ok, times, np.cumsum(10 - failing)), (bad, times, np.cumsum(failing))])


@pytest.fixture(scope="module")
def engine() -> Engine:
    samples = MemorySamples()
    samples.append(requests(range(10, 12)))
    return Engine(samples)


def figures(engine: Engine, text: str, excluded: Spans = NEVER) -> Figures:
    slo = read_service_levels([("slo.yaml", text)]).slos["answers"]
    found = measure(engine, slo, slo.objectives[0], excluded, NOW)
    assert found is not None
    return found


def test_events_are_counted_and_everything_is_told(engine: Engine) -> None:
    found = figures(engine, SLO)
    # 10 a minute for 2 days; 5 a minute fail for two hours: 600 of 28,800.
    assert found.budget.denominator == pytest.approx(28_800, rel=1e-6)
    assert found.budget.denominator - found.budget.numerator == pytest.approx(600, rel=1e-6)
    # 600 of the 288 that may fail.
    assert found.budget.consumed_ratio == pytest.approx(600 / 288, rel=1e-6)
    document = figures_document(found)
    assert document["consequences"] == ["ticket", "freeze"]
    assert document["slices"] == 2 * 288
    # A period of two days: the windows of three days are longer.
    assert any("longer than the period" in each for each in document["doubts"])
    assert document["total_query"] == "sum(increase(requests_total[5m]))"
    assert "overspent" in document["sentence"]
    # Of two days the second day had the failures: all of the budget is left after the first.
    lefts = [round(each["remaining"], 3) for each in document["burn_down"]]
    assert lefts == [1.0, round(1 - 600 / 288, 3)]
    low, high = found.interval or (0, 0)
    assert low < 1 - 600 / 28_800 < high
    # The last hour had no failures, the last six none either.
    assert document["burn_rates"]["1h"] == pytest.approx(0, abs=1e-9)


def test_exclusions_are_applied_when_read(engine: Engine) -> None:
    excluded = spans([(NOW - 12 * HOUR, NOW - 11 * HOUR)])
    found = figures(engine, SLO, excluded)
    # One of the two bad hours is out, with its 600 requests.
    assert found.budget.denominator == pytest.approx(28_200, rel=1e-6)
    assert found.budget.denominator - found.budget.numerator == pytest.approx(300, rel=1e-6)
    assert found.budget.excluded_slices == 12
    # 2 of 48 hours are bad; without one of them 1 of 47.
    assert figures(engine, SLICES).budget.numerator == 46
    sliced = figures(engine, SLICES, excluded).budget
    assert (sliced.numerator, sliced.denominator) == (46, 47)


def test_a_calendar_week_is_looked_ahead(engine: Engine) -> None:
    found = figures(engine, SLO.replace("{duration: 2d, isRolling: true}", CALENDAR))
    # Friday 00:00 of the week from Monday, 30 September: 4 of 7 days.
    assert (found.start_ms, found.end_ms) == (NOW - 4 * DAY, NOW + 3 * DAY)
    assert found.outlook is not None and 0 <= found.outlook.met_probability <= 1


SLOTH = """\
version: prometheus/v1
service: checkout
slos:
  - name: answers
    objective: 99
    sli:
      events:
        error_query: sum(rate(requests_total{code="500"}[{{.window}}]))
        total_query: sum(rate(requests_total[{{.window}}]))
    alerting: {page_alert: {disable: true}, ticket_alert: {disable: true}}
"""


def test_events_that_are_given_per_second_are_counted_as_events(engine: Engine) -> None:
    slo = read_service_levels([("slo.yaml", SLOTH)]).slos["checkout-answers"]
    found = measure(engine, slo, slo.objectives[0], NEVER, NOW)
    assert found is not None
    # Sloth's period is thirty days, of which there are samples of four: 10 a minute, 600 failed.
    assert found.budget.denominator == pytest.approx(57_600, rel=1e-3)
    assert found.budget.denominator - found.budget.numerator == pytest.approx(600, rel=1e-3)
    assert found.queries.total == "(sum(sum(rate(requests_total[5m]))) * 300)"


def test_words_and_calendars_make_exclusions(tmp_path: Path) -> None:
    policy = read_policy(
        {
            "p.yaml": "services: {checkout: {agreed_service_time: "
            '{weekly: [{from: "06:00", to: "24:00"}]}}}'
        }
    )
    with Records.open(f"sqlite:///{tmp_path / 'r.sqlite3'}") as records, records.unit() as unit:
        span = (NOW + 8 * HOUR, NOW + 9 * HOUR)
        word = Classification("checkout", ClassificationKind.EXCLUSION, *span, "why", "ann", 100)
        unit.outages.classify(word)
        found = exclusions(policy, unit, "checkout", (NOW, NOW + DAY))
        before = exclusions(policy, unit, "checkout", (NOW, NOW + DAY), known_on_ms=99)
    assert list(found) == [(NOW, NOW + 6 * HOUR), span]
    assert list(before) == [(NOW, NOW + 6 * HOUR)]


def past(*levels: float, known: float = 1.0) -> list[PastPeriod]:
    """Periods of 730 events a day with these levels."""
    return [PastPeriod(i, level, 730 * 365 / 12, known) for i, level in enumerate(levels)]


def test_what_history_suggests() -> None:
    months = past(*[0.9996] * 11, 0.99, 0.98)
    found = proposal(months, past(0.5, 0.5), True)
    assert found.target_ratio == 0.9995
    assert found.sentence == (
        "delivered at least 99.95 % in 11 of 13 months; the worst had 98.000 %"
    )
    # 730 a day, of which 0.05 % may fail: 10.95 in 30 days.
    (chosen,) = (each for each in found.candidates if each.target_ratio == 0.9995)
    assert (chosen.met, chosen.allowed_seconds) == (11, None)
    assert chosen.allowed_events == pytest.approx(10.95)
    timed = proposal(months, (), False).candidates[0]
    # 0.01 % of 30 days.
    assert (timed.allowed_events, timed.allowed_seconds) == (None, pytest.approx(259.2))


def test_a_proposal_says_how_little_it_rests_on() -> None:
    # Two months, one of them half known: the weeks are taken, all four of which met 99.9 %.
    found = proposal([*past(0.9992), *past(0.9, known=0.5)], past(*[0.9992] * 4), True)
    assert (found.basis, found.target_ratio) == ("weeks", 0.999)
    assert "in 4 of 4 weeks" in found.sentence and "a first guess" in found.sentence
    nothing = proposal(past(1.0), past(1.0), True)
    assert (nothing.target_ratio, nothing.candidates) == (None, ())
    assert "too few to propose" in nothing.sentence
    assert "no usual target" in proposal(past(*[0.5] * 3), (), True).sentence


def test_a_budget_policy_that_cannot_be_read_is_told() -> None:
    slo = read_service_levels([("slo.yaml", SLO.replace("50 ticket", "half ticket"))])
    with pytest.raises(InvalidSLO, match=r"slo\.yaml:1:1: tidecast-budget-policy"):
        budget_policy(slo.slos["answers"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose policy has every kind of SLO."""
    directory = tmp_path_factory.mktemp("slos")
    (directory / "data").mkdir()
    with Records.open(f"sqlite:///{directory / 'data' / 'records.sqlite3'}") as records:
        PolicyInForce(records).apply({"slo.yaml": EVERY_KIND}, "ann", "", 1_700_000_000_000)
    with Server(directory) as running:
        yield running


def test_a_running_server_tells_slos_and_evaluates_their_alerts(server: Server) -> None:
    base = "/api/tidecast/v1/slos"
    assert {each["name"] for each in server.json(base)["slos"]} == {"answers", "fast", "whole"}
    answers = server.json(f"{base}/answers")
    assert [each["target"] for each in answers["objectives"]] == [0.999, 0.999]
    assert answers["objectives"][0]["why_not"] == "no samples in the period"
    (proposed,) = server.json(f"{base}/fast/proposal")["objectives"]
    assert proposed["proposed"] is None
    assert b"tidecast_slo_objective_ratio{" in server.get("/metrics")
    assert "Nothing is measured yet" in server.get("/slos").decode()
    groups = [group["name"] for group in server.json("/api/v1/rules")["data"]["groups"]]
    assert {"slo-answers", "slo-fast", "slo-whole"} <= {*groups}
    for wrong, code in (("/nothing", 404), ("/answers?at=x", 400)):
        status, body = server.request("GET", base + wrong)
        assert (status, json.loads(body)["status"]) == (code, code)
