"""What a policy leads to: warnings, reasons, differences, and rules and marks that hold."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tidecast.journeys.explain_policy import why
from tidecast.journeys.lint_policy import (
    contracted_seconds,
    lint,
    recovery_seconds,
    unasked,
    unmeasured,
)
from tidecast.journeys.policy_checks import Follower
from tidecast.policy.differences import differences
from tidecast.policy.model import InvalidPolicy, Policy
from tidecast.policy.reading import read_policy
from tidecast.policy.resources import load_resources
from tidecast.promql.alerting import AlertingPromQL
from tidecast.promql.engine import Engine
from tidecast.samples.memory import MemorySamples
from tidecast_alerts.rules import load_rules
from tidecast_analytics.structure import Component, k_of_n, parallel, series, weighted
from tidecast_collector.errors import InvalidInput

TODAY = date(2026, 11, 22)
PROMQL = AlertingPromQL(Engine(MemorySamples()))
BASE = """\
owners: {ann: {}}
requirements:
  R-sell: {title: Customers can buy, kind: business, state: agreed, owner: ann, measure: orders}
  R-disk: {title: Room, kind: technology, parent: R-sell, state: agreed, owner: ann, measure: free}
services:
  shop: {rests_on: [web, db, net], owner: ann, serves: R-sell}
marks:
  - {resource: filesystem, host: "web-*", mark_ratio: 70 %, serves: R-disk}
"""
RULES = """\
groups:
  - name: mine
    rules:
      - {alert: Busy, expr: up == 0, annotations: {serves: R-sell}}
"""


def policy(*more: str) -> Policy:
    return read_policy({f"{i}.yaml": text for i, text in enumerate((BASE, *more))})


def warnings(*more: str) -> list[str]:
    return [f"{each.place}: {each.what}" for each in lint(policy(*more), TODAY)]


def test_a_sound_policy_has_no_warnings() -> None:
    assert warnings() == []


def test_three_olas_of_three_nines_cannot_carry_three_nines() -> None:
    def told(target: str, of_net: str = "99.9 %") -> list[str]:
        return warnings(
            f"slas: {{gold: {{service: shop, customer: bank, target: {target}}}}}\n"
            "contracts:\n"
            "  a: {kind: ola, component: web, party: ann, target: 99.9 %}\n"
            "  b: {kind: ola, component: db, party: ann, target: 99.9 %}\n"
            f"  c: {{kind: ola, component: net, party: ann, target: {of_net}}}\n"
        )

    # 0.999^3 = 0.997002999
    (found,) = told("99.9 %")
    assert found.startswith("1.yaml:1:14: gold promises 99.9 %")
    assert "99.7003 % at best (web 99.9 %, db 99.9 %, net 99.9 %)" in found
    assert told("99.7 %") == []
    # 0.999^2 = 0.998001, the network at 100 %: the best case.
    assert told("99.8 %", "100 %") == []


def test_an_rto_has_to_fit_what_the_service_rests_on() -> None:
    found = warnings(
        "services:\n"
        "  bank: {owner: ann, recovery_time: 1h, rests_on: [core, {parallel: [a, b]}]}\n"
        "  core: {owner: ann, serves: R-sell, rests_on: disk}\n"
        "contracts:\n"
        "  slow: {kind: ola, component: disk, party: ann, recovery_time: 2h}\n"
        "  a: {kind: ola, component: a, party: ann, recovery_time: 9h}\n"
    )
    # Of a and b nothing is said of b: it may be there at once.
    assert found == [
        "1.yaml:2:9: bank is to recover within 1h, but what it rests on needs 2h (core 2h): "
        "its RTO cannot be kept"
    ]


@pytest.mark.parametrize(
    ("block", "hours"),
    [
        (series(Component("a"), Component("b"), Component("c")), 3),
        (parallel(Component("a"), Component("b"), Component("c")), 1),
        (k_of_n(2, Component("a"), Component("b"), Component("c")), 2),
        # c (3 h) weighs 60 and is needed for 70, beside either of the others.
        (weighted(70, [(Component("a"), 20), (Component("b"), 20), (Component("c"), 60)]), 3),
        (weighted(40, [(Component("a"), 20), (Component("b"), 20), (Component("c"), 60)]), 2),
    ],
)
def test_enough_parts_recover_when_they_weigh_enough(block: Any, hours: int) -> None:
    contracts = "".join(
        f"  {name}: {{kind: ola, component: {name}, party: ann, recovery_time: {n}h}}\n"
        for n, name in enumerate("abc", start=1)
    )
    found = policy(f"contracts:\n{contracts}")
    assert recovery_seconds(found, contracted_seconds(found), block) == hours * 3600


def test_requirements_and_reviews_that_were_forgotten() -> None:
    found = warnings(
        "requirements:\n"
        "  R-old: {title: Old, kind: service, state: agreed, measure: x, review: 2026-11-21}\n"
        "  R-gone: {title: Gone, kind: service, state: retired, review: 2020-01-01}\n"
        "marks:\n"
        "  - {resource: memory, mark_ratio: 0.5}\n"
        "  - {resource: cpu, mark_ratio: 0.5, serves: R-gone}\n"
    )
    assert [each.partition(": ")[2][:44] for each in found] == [
        "R-old is agreed but nobody owns it",
        "R-old leads to no business requirement: no p",
        "R-old was due for review on 2026-11-21",
        "nothing measures the requirement R-old (Old)",
        "nothing asks for the mark memory *:*: name a",
        "the mark cpu *:* serves R-gone, which is ret",
    ]


def test_what_is_derived_measures_what_it_derives_from() -> None:
    found = policy("requirements: {R-x: {title: X, kind: service, parent: R-sell}}")
    assert [each.name for each in unmeasured(found)] == ["R-x"]
    assert unasked(found) == []


def test_why_goes_up_to_the_business() -> None:
    found = policy(RULES, "slas: {gold: {service: shop, customer: bank, target: 0.9}}")
    resources = load_resources(PROMQL.check)
    mark, lead = why(found, resources, "filesystem:web-3:/var")
    assert [(s.what, s.place, s.owner, s.state) for s in mark.steps] == [
        (
            "filesystem:web-3:/var: its mark is 70 % of the limit, by the mark filesystem web-*:*",
            "0.yaml:8:5",
            "",
            "",
        ),
        ("technology requirement R-disk: Room", "0.yaml:4:11", "ann", "agreed"),
        ("business requirement R-sell: Customers can buy", "0.yaml:3:11", "ann", "agreed"),
    ]
    assert mark.lacking == ""
    assert lead.lacking == "nothing asks for it: it is a default"
    assert why(found, resources, "web-3:filesystem:/var")[0].steps[1:] == mark.steps[1:]
    assert [s.what for s in why(found, resources, "gold")[0].steps] == [
        "SLA gold",
        "service shop",
        "business requirement R-sell: Customers can buy",
    ]
    assert len(why(found, resources, "alert Busy")[0].steps) == 2
    for unknown in ("nonsense", "web-3:nonsense:/var"):
        with pytest.raises(InvalidInput, match="filesystem:web-3:/"):
            why(found, resources, unknown)


def test_a_plan_names_what_is_added_changed_and_removed() -> None:
    before = policy(RULES)
    moved = read_policy({"z.yaml": f"# moved\n{BASE}", "r.yaml": f"\n\n{RULES}"})
    assert differences(before, moved) == []
    after = read_policy(
        {
            "0.yaml": BASE.replace("70 %", "80 %").replace("  shop:", "  store:"),
            "1.yaml": "marks: []",
        }
    )
    assert [(str(d.action), d.kind, d.name, [*d.parts]) for d in differences(before, after)] == [
        ("added", "service", "store", []),
        ("changed", "mark", "filesystem web-*:*", ["mark_ratio"]),
        ("removed", "service", "shop", []),
        ("removed", "alert", "Busy", []),
    ]


def test_rules_resources_marks_and_lead_times_hold_beside_the_defaults() -> None:
    follower = Follower(PROMQL, load_resources(PROMQL.check), ())
    found = policy(
        RULES,
        "resources: {tape: {title: Tape, unit: bytes, usage: a, limit: b, mark_ratio: 0.5}}",
        "lead_times: [{resource: tape, lead_time: 90d}, {resource: tape, host: x, lead_time: 2d}]\n"
        "marks: [{resource: filesystem, host: web-1, mark_ratio: 0.6}]",
    )
    assert [group.name for group in follower.rules(found)] == ["mine"]
    resources = follower.resources(found)
    assert {"tape", "cpu"} <= set(resources)
    # The last that fits holds.
    assert resources.fitting("web-1", "filesystem", "/").mark_ratio == 0.6
    assert resources.fitting("web-2", "filesystem", "/").mark_ratio == 0.7
    assert resources.fitting("db-1", "filesystem", "/").mark_ratio == 0.9
    assert resources.lead_time_seconds("y", "tape", "") == 90 * 86_400
    assert resources.lead_time_seconds("x", "tape", "") == 2 * 86_400
    assert resources.lead_time_seconds("x", "custom", "") == 0
    assert resources.mark("web-1", "filesystem", "/", limit=100.0, recorded=90.0) == 60
    assert resources.mark("db-1", "filesystem", "/", limit=100.0, recorded=90.0) == 90


def test_documents_are_checked_and_a_broken_one_stops_no_server() -> None:
    mine = load_rules(RULES, "rules.yml", PROMQL).groups
    follower = Follower(PROMQL, load_resources(PROMQL.check), mine)

    def refused(text: str) -> str:
        with pytest.raises(InvalidPolicy) as caught:
            for check in follower.checks:
                check(read_policy({"p.yaml": text}))
        return str(caught.value)

    assert refused("groups: [{name: g, rules: [{alert: A, expr: sum(}]}]").startswith("p.yaml:1:")
    assert refused("owners: {}\n---\nresources: {tape: {title: T}}").startswith("p.yaml:3:")
    assert "group 'mine' stands in rules.yml and in p.yaml" in refused(
        RULES.replace(", annotations: {serves: R-sell}", "")
    )
    assert follower.rules(policy(RULES)) == list(mine)
    broken = policy("groups: [{name: g, rules: [{alert: A, expr: sum(}]}]")
    assert follower.rules(broken) == list(mine)


def test_names_that_lead_nowhere_are_told() -> None:
    text = """
services: {shop: {owner: ann}}
owners: {ann: {}}
requirements: {R: {title: x, kind: business, owner: ann, state: qualified, measure: y}}
marks: [{resource: filesystm, mark_ratio: 80 %, serves: R}]
lead_times: [{resource: tape, lead_time: 30d, serves: R}]
---
resources: {tape: {}}
---
version: prometheus/v1
service: shp
slos: [{name: logins, labels: {serves: R}}]
"""
    policy = read_policy({"p.yaml": text})
    told = {str(each) for each in lint(policy, date(2026, 1, 1), {"filesystem", "cpu"})}
    found = [each for each in told if "is no service" in each or "is defined" in each]
    assert len(found) == 2
    assert any("no resource 'filesystm' is defined" in each for each in found)
    assert any("the SLO shp-logins is of 'shp', which is no service" in each for each in found)
