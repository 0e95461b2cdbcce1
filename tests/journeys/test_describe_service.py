"""What the policy says of a service stands where people look, and goes to whom it names."""

from __future__ import annotations

import json
from pathlib import Path

from tidecast.journeys.describe_service import describe
from tidecast.journeys.explain_policy import why, with_states
from tidecast.journeys.route_notifications import routed
from tidecast.policy.model import Policy
from tidecast.policy.reading import read_directory, read_policy
from tidecast_alerts.model import Incident, IncidentState
from tidecast_alerts.notifications import webhook_body

SHOP = read_policy(read_directory(Path(__file__).parents[2] / "examples" / "shop" / "policy"))
MORE = read_policy(
    {
        "p.yaml": """
owners: {ann: {title: Ann, email: ann@x.example}, ops: {}, dba: {email: dba@x.example}}
suppliers: {linko: {title: Linko, contact: noc@linko.example}}
services:
  top: {title: Top, owner: ann}
  web:
    title: Web
    parent: top
    supplier: linko
    rests_on: [vm, db]
    agreed_service_time: always
catalogue: {web: {description: Pages, offered_to: all, support: "by day", price: "10 EUR"}}
contracts: {line: {kind: underpinning, component: db, party: linko, target: 99 %}}
costs: [{resource: "d*", unit: TB, quantity: 2, once: 1, monthly: 3, currency: EUR}]
roles: [{service: web, responsible: ops, accountable: ann}, {service: top, accountable: ann}]
routing:
  - {match: {service: web, severity: page}, notify: [ops, dba]}
  - {match: {service: other}, notify: ann}
  - {notify: dba}
"""
    }
)


def test_everything_that_a_policy_says_of_a_service_is_told() -> None:
    assert describe(MORE, "web") == {
        "title": ["Web"],
        "parent": ["top"],
        "owner": ["ann (Ann, ann@x.example)"],
        "supplier": ["linko (Linko, noc@linko.example)"],
        "offered as": ["Pages", "offered to all", "support: by day", "price: 10 EUR"],
        "roles": ["every process: responsible ops; accountable ann (Ann, ann@x.example)"],
        "contracts": ["line: underpinning on db with linko (Linko, noc@linko.example): 99.000 %"],
        "costs": ["2 TB of d*: 1 EUR once, 3 EUR a month"],
        "told of incidents": [
            "service=web, severity=page: ops, dba (dba@x.example)",
            "anything: dba (dba@x.example)",
        ],
        "defined in": ["p.yaml:7:5"],
    }
    assert describe(MORE, "db").keys() == {"contracts", "costs"}
    assert describe(MORE, "nothing") == {}


def test_the_shop_says_what_is_promised() -> None:
    told = describe(SHOP, "shop")
    assert told["SLAs"] == ["retail-sla with retail department, 99.500 % a month"]
    assert told["SLOs"] == ["shop-requests"]
    assert told["recovery time"] == ["4 h"]
    assert len(told["contracts"]) == 5 and len(told["roles"]) == 2


def test_notifications_name_whom_the_routes_name() -> None:
    incident = Incident(1, "c", "t", "page", 1, "h", "r", "", IncidentState.OPEN, 0)
    body = json.loads(webhook_body(incident, (), "r", "http://x"))
    labels = {"alertname": "A", "service": "web", "severity": "page"}
    alerts = [
        {"labels": labels, "annotations": {"summary": "s"}},
        {"labels": {"alertname": "B"}, "annotations": {}},
    ]
    sent = json.loads(routed(MORE, json.dumps({**body, "alerts": alerts})))
    first, second = (each["annotations"] for each in sent["alerts"])
    assert first == {"summary": "s", "notify": "ops,dba", "notify_emails": "dba@x.example"}
    assert second == {"notify": "dba", "notify_emails": "dba@x.example"}
    assert sent["commonAnnotations"]["notify"] == "ops,dba"
    assert routed(Policy(), "as it is") == "as it is"


def test_requirements_count_as_they_were_judged() -> None:
    judged = with_states(SHOP, {"R-REVENUE": "missed"})
    states = {name: str(each.state) for name, each in judged.requirements.items()}
    assert states["R-REVENUE"] == "missed" and states["R-RESTORE"] == "agreed"
    (chain,) = why(judged, {}, "retail-sla")
    assert [step.state for step in chain.steps] == ["", "missed"]
