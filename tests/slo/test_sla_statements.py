"""SLA statements by hand: hours, exclusions, outages, credits, and what was known when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from tests.scenario.driver import Server, eventually

from tidecast.journeys.applied_policy import PolicyInForce
from tidecast.journeys.own_series import HELP
from tidecast.journeys.sla_documents import statement_document, statement_points
from tidecast.journeys.sla_statements import Statement, Verdict, period_of, running, statements
from tidecast.policy.reading import read_policy
from tidecast.records import Records
from tidecast.records.availability import Classification
from tidecast_analytics.timelines import ClassificationKind, ComponentState, Observation
from tidecast_collector.errors import InvalidInput
from tidecast_reports.sla import sla_csv, sla_html

HOUR = 3_600_000
UP, DEGRADED, DOWN, UNKNOWN = ComponentState

POLICY = """
services: {shop: {}}
slas:
  gold:
    service: shop
    customer: Ana & Sons
    target: 99.9 %
    agreed_service_time:
      time_zone: Europe/Berlin
      weekly: [{days: mon-fri, from: "08:00", to: "18:00"}]
    excluded: {time_zone: Europe/Berlin, events: [{start: 2026-10-05T08:00, end: 2026-10-05T10:00}]}
    outages: [{longer_than: 30m, at_most: 1}]
    longest_outage: 2h
    credits: [{below: 99.9 %, credit: 5 %}, {below: 99 %, credit: 10 %}]
    fee: 1000
    currency: EUR
    time_zone: Europe/Berlin
  whole: {service: shop, customer: Bo, target: 99 %, period: quarter}
"""


def ms(text: str) -> int:
    """Milliseconds of an ISO time with an offset."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


DAY_AFTER = ms("2026-11-02T08:00+00:00")


def seen(state: ComponentState, at: str, known: str = "") -> Observation:
    return Observation("shop", state, ms(at), ms(known or at), "check")


OBSERVED = [
    seen(UP, "2026-09-01T00:00+00:00"),
    # Monday the 5th, 07:30 to 11:00 in Berlin: 10:00 to 11:00 counts.
    seen(DOWN, "2026-10-05T07:30+02:00"),
    seen(UP, "2026-10-05T11:00+02:00"),
    # Friday the 9th, 17:30 to 20:00: half an hour counts, which is not longer than half an hour.
    seen(DOWN, "2026-10-09T17:30+02:00"),
    seen(UP, "2026-10-09T20:00+02:00"),
    # Saturday: nothing counts.
    seen(DOWN, "2026-10-10T10:00+02:00"),
    seen(UP, "2026-10-10T12:00+02:00"),
]


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    with Records.open(f"sqlite:///{tmp_path / 'records.sqlite3'}") as opened:
        with opened.unit() as unit:
            unit.outages.observe(OBSERVED)
        yield opened


def made(records: Records, name: str, known_on_ms: int = DAY_AFTER) -> Statement:
    """The statement of October."""
    policy = read_policy({"p.yaml": POLICY})
    with records.reading() as unit:
        return next(statements(policy, unit, [name], "2026-10", known_on_ms))


def test_a_statement_by_hand(records: Records) -> None:
    gold = made(records, "gold")
    # 22 working days of 10 h, across the end of summer time; two hours are excluded.
    assert (gold.agreed_ms, gold.excluded.total_ms()) == (220 * HOUR, 2 * HOUR)
    assert gold.ratio == pytest.approx(1 - 1.5 / 218)
    assert gold.start_ms == ms("2026-10-01T00:00+02:00")
    assert gold.end_ms == ms("2026-11-01T00:00+01:00")
    assert (gold.counts[0].found, gold.counts[0].verdict) == (1, Verdict.MET)
    assert gold.longest_verdict is Verdict.MET
    # 99.31 % is below 99.9 %, not below 99 %.
    assert (gold.verdict, gold.credit_ratio, gold.credit) == (Verdict.MISSED, 0.05, 50.0)


def test_the_same_day_gets_the_same_statement(records: Records) -> None:
    before = statement_document(made(records, "gold"))
    late = ms("2026-11-09T08:00+00:00")
    with records.unit() as unit:
        unit.outages.observe(
            [
                seen(DOWN, "2026-10-20T08:00+02:00", "2026-11-09T00:00+00:00"),
                seen(UP, "2026-10-20T18:00+02:00", "2026-11-09T00:00+00:00"),
            ]
        )
        span = (ms("2026-10-05T10:00+02:00"), ms("2026-10-05T11:00+02:00"))
        unit.outages.classify(
            Classification("shop", ClassificationKind.EXCLUSION, *span, "=force", "ann", late)
        )
    assert statement_document(made(records, "gold")) == before
    after = made(records, "gold", late)
    # One hour less counts, and ten more were down: 10.5 of 217.
    assert after.ratio == pytest.approx(1 - 10.5 / 217)
    assert after.digest != before["sha256"]
    assert (after.credit_ratio, after.longest_verdict) == (0.1, Verdict.MISSED)
    page = sla_html([statement_document(after)])
    assert "Ana &amp; Sons" in page and "=force" in page
    row = sla_csv([statement_document(after)]).splitlines()[1]
    assert row.startswith("gold,Ana & Sons,shop,0.999,EUR,2026-09-30T22:00")


def test_unknown_time_leaves_it_open(tmp_path: Path) -> None:
    with Records.open(f"sqlite:///{tmp_path / 'empty.sqlite3'}") as records:
        with records.unit() as unit:
            unit.outages.observe([seen(UP, "2026-10-02T00:00+00:00")])
        whole = made(records, "whole", ms("2027-01-05T00:00+00:00"))
        assert period_of(whole.agreement, "2026-11") == (whole.start_ms, whole.end_ms)
        # One day of 92 is unknown: 98.9 % at worst, 100 % at best, and 99 % was agreed.
        assert whole.assessment.lowest == pytest.approx(91 / 92)
        assert (whole.target_verdict, whole.verdict) == (Verdict.OPEN, Verdict.OPEN)
        early = made(records, "whole", ms("2026-10-03T00:00+00:00"))
        assert early.measured_end_ms == early.known_on_ms < early.end_ms
        with pytest.raises(InvalidInput, match="had not begun"):
            made(records, "whole", ms("2026-09-03T00:00+00:00"))


def test_the_running_period_is_told_as_series(records: Records) -> None:
    policy = read_policy({"p.yaml": POLICY})
    with records.reading() as unit:
        points = list(statement_points(running(policy, unit, ms("2026-10-05T12:00+02:00"))))
    assert {name for name, _, _ in points} <= set(HELP)
    gold = {name: value for name, labels, value in points if labels["sla"] == "gold"}
    # Thursday and Friday whole, Monday from 10 to 12 o'clock, of which one hour it was down.
    assert gold["tidecast_sla_availability_ratio"] == pytest.approx(1 - 1 / 22)
    assert (gold["tidecast_sla_outages"], gold["tidecast_sla_target_ratio"]) == (1, 0.999)
    assert gold["tidecast_sla_longest_outage_seconds"] == 3600


@pytest.mark.parametrize("month", ["2026-13", "2026", "October", "2026-1"])
def test_a_month_that_is_none(records: Records, month: str) -> None:
    policy = read_policy({"p.yaml": POLICY})
    with records.reading() as unit, pytest.raises(InvalidInput, match="no month"):
        list(statements(policy, unit, ["gold"], month, DAY_AFTER))


def test_a_running_server_gives_statements(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with Records.open(f"sqlite:///{tmp_path / 'data' / 'records.sqlite3'}") as records:
        PolicyInForce(records).apply({"p.yaml": POLICY}, "ann", "", ms("2026-09-01T00:00+00:00"))
        with records.unit() as unit:
            unit.outages.observe(OBSERVED)
    with Server(tmp_path) as server:
        base = "/api/tidecast/v1/slas"
        assert [each["name"] for each in server.json(base)["slas"]] == ["gold", "whole"]
        query = "?month=2026-10&known_on=2026-11-02T08:00:00Z"
        (gold,) = server.json(f"{base}/statements{query}&name=gold")["statements"]
        assert (gold["credit"], gold["complete"], gold["verdict"]) == (0.05, True, "missed")
        status, body = server.request("GET", f"{base}/statements{query}&format=csv")
        assert (status, len(body.decode().splitlines())) == (200, 3)
        told = b'tidecast_sla_target_ratio{customer="Ana & Sons",'
        eventually(lambda: told in server.get("/metrics"), what="the series of SLAs")
        _, text = server.request("GET", f"{base}/statements{query}&format=text&service=shop")
        assert text.decode().startswith("gold: shop for Ana & Sons\n2026-09-30T22:00:00Z to ")
        assert "  longest outage: 1 h, 2 h agreed: met\n" in text.decode()
        customer = "&customer=Ana%20%26%20Sons"
        found = server.json(f"{base}/statements{query}{customer}")["statements"]
        assert {each["agreement"]["customer"] for each in found} == {"Ana & Sons"}
        assert server.json(f"{base}/statements{query}&customer=x")["statements"] == []
        for wrong, code in (("name=no", 404), ("month=x", 400), ("known_on=x", 400)):
            status, body = server.request("GET", f"{base}/statements?{wrong}")
            assert (status, json.loads(body)["status"]) == (code, code)
