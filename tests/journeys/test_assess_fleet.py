"""The assessment of a small fleet, with and without a policy."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

import numpy as np

from tidecast.journeys.assess_fleet import KnownFleet, assess_fleet
from tidecast.journeys.service_graph import Edge
from tidecast.policy.model import Policy
from tidecast.policy.reading import read_policy
from tidecast.policy.resources import Resources
from tidecast_reports.capacity import ResourceOutlook

DAY_MS = 86_400_000
NOON = round(datetime.fromisoformat("2026-11-22T12:00:00Z").timestamp() * 1000)
NOTHING = np.empty(0, dtype=np.int64)


def outlook(host: str, state: str, days: int | None = None) -> ResourceOutlook:
    at = None if days is None else NOON + days * DAY_MS
    return ResourceOutlook(
        host, "disk", "/", "bytes", "max", "", 1.0, 2.0, 1.5, state, at,
        None if at is None else at + DAY_MS, None, (), "", "", NOON, NOTHING, np.empty(0), None,
    )  # fmt: skip


FLEET = KnownFleet(
    NOON,
    Policy(),
    Resources({}),
    [outlook("a", "over_now"), outlook("b", "in_horizon", 40), outlook("c", "not_enough_data")],
    {"a": False, "b": False, "c": True},
    2,
    [],
    {"a"},
)


def test_without_a_policy_it_says_what_was_found_out() -> None:
    told = assess_fleet(FLEET)
    assert [each.what for each in told.here_and_now] == [
        "3 hosts, 1 of them silent",
        "3 resources: 1 over_now, 1 in_horizon, 1 not_enough_data",
        "2 open incidents",
        "0 services, 0 SLAs, 0 contracts that carry them",
        "0 requirements",
        "disk:a:/ is over its mark now",
    ]
    assert [(s.what, s.by) for s in told.future] == [
        ("disk:b:/ reaches its mark (P50); P10 2027-01-01", date(2027, 1, 2))
    ]
    assert [each.what for each in told.gap] == [
        *(f"no service rests on the host {host}, as far as is known" for host in "abc"),
        *(f"nobody is known to own the host {host}" for host in "bc"),
        "disk:c:/ has no forecast yet: it lacks a history",
    ]
    assert [(each.by, each.what) for each in told.roadmap[:2]] == [
        (date(2026, 11, 22), "add to disk:a:/, or use less of it: it is over its mark"),
        (date(2027, 1, 1), "order more of disk:b:/: it takes 0 days"),
    ]


def test_a_policy_says_who_owns_what_and_by_when() -> None:
    policy = read_policy(
        {
            "p.yaml": "owners: {ann: {}}\n"
            "requirements: {R: {title: T, kind: business, state: missed, owner: ann, measure: m}}\n"
            "services: {shop: {owner: ann, rests_on: web, serves: R}, loose: {owner: ann}}\n"
            "catalogue: {shop: {description: It sells}}\n"
            "lead_times: [{resource: disk, lead_time: 30d, serves: R}]\n"
        }
    )
    told = assess_fleet(
        replace(
            FLEET,
            policy=policy,
            resources=Resources({}, policy.marks, policy.lead_times),
            told=[Edge("web", "b", "runs_on", "cmdb")],
        )
    )
    assert [(each.what, each.place) for each in told.gap][:3] == [
        ("the requirement R (T) is missed", "p.yaml:2:19"),
        ("shop is offered to customers without an SLA", "p.yaml:3:18"),
        ("loose: what it rests on is not said", "p.yaml:3:65"),
    ]
    hosts = [each.what for each in told.gap if "host" in each.what]
    assert hosts == [
        "no service rests on the host a, as far as is known",
        "no service rests on the host c, as far as is known",
        "nobody is known to own the host c",
    ]
    # P10 is on 1 January; ordering takes 30 days.
    assert (date(2026, 12, 2), "order more of disk:b:/: it takes 30 days") in [
        (each.by, each.what) for each in told.roadmap
    ]
