"""Whole policies: what they say, and every fault with its place."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tidecast.policy.elements import elements
from tidecast.policy.model import (
    ContractKind,
    CreditTier,
    InvalidPolicy,
    Involvement,
    OutageLimit,
    RequirementKind,
    RequirementState,
    SourceView,
)
from tidecast.policy.reading import read_directory, read_policy
from tidecast_analytics.availability import Category, CountedAs
from tidecast_analytics.calendars import ALWAYS, Event, WeeklyHours
from tidecast_analytics.structure import Component, k_of_n, parallel, series, weighted

BERLIN = ZoneInfo("Europe/Berlin")

WHOLE = """\
owners:
  ann: {email: ann@example.org}
  shop-team: {title: Shop team, members: [ann]}
suppliers:
  acme: {title: Acme Cloud, contact: noc@example.org}
calendars:
  office:
    time_zone: Europe/Berlin
    weekly: [{days: mon-fri, from: "08:00", to: "18:00"}]
    holidays: [2026-12-25]
    serves: R-hours
  sundays:
    time_zone: Europe/Berlin
    events:
      - start: 2026-01-04T22:00
        duration: 6h
        rule: FREQ=WEEKLY;BYDAY=SU
        excluded: [2026-03-01T22:00]
services:
  shop: {title: The shop, owner: shop-team, serves: R-sell}
  checkout:
    parent: shop
    owner: ann
    supplier: acme
    rests_on:
      series:
        - web
        - parallel: [db-1, db-2]
        - k_of_n: {k: 2, of: [a, b, c]}
        - weighted: {needed: 70, parts: [{part: big, weight: 60}, {part: small, weight: 40}]}
    agreed_service_time: office
    maintenance: sundays
    recovery_time: 4h
    availability:
      unknown: before
      degraded: down
      absorb_shorter_than: 2m
      flapping: {changes: 4, within: 10m}
      priority: [outside_service_time, maintenance, unmonitored, parent_down, flapping]
  search: {rests_on: [web, index]}
catalogue:
  checkout: {description: Pay for what is in the basket, offered_to: customers, price: included}
requirements:
  R-sell:
    title: Customers can buy
    kind: business
    view: business_strategy
    state: agreed
    measure: monthly availability of the shop
    owner: ann
    requester: the board
    review: 2027-01-31
  R-hours: {title: In office hours, kind: service, parent: R-sell}
marks:
  - {resource: filesystem, host: db-*, item: /var, mark_ratio: 80 %, serves: R-hours}
lead_times:
  - {resource: memory, lead_time: 30d}
slas:
  gold:
    service: checkout
    customer: Big customer
    target: 99.9 %
    outages: [{longer_than: 5m, at_most: 3}]
    longest_outage: 1h
    credits: [{below: 99.9 %, credit: 10 %}, {below: 99 %, credit: 30 %}]
    fee: 1000
    currency: EUR
    time_zone: Europe/Berlin
contracts:
  db-ola: {kind: ola, component: db-1, party: shop-team, target: 0.9995, recovery_time: 2h}
costs:
  - {resource: filesystem, unit: GiB, once: 0, monthly: 0.1, currency: EUR, supplier: acme}
routing:
  - {match: {service: checkout}, notify: shop-team}
roles:
  - {process: incident, service: checkout, responsible: [shop-team], accountable: ann}
---
apiVersion: openslo/v1
kind: SLO
---
groups: []
"""


def test_everything_is_read() -> None:
    policy = read_policy({"shop.yaml": WHOLE})
    checkout = policy.services["checkout"]
    assert checkout.rests_on == series(
        Component("web"),
        parallel(Component("db-1"), Component("db-2")),
        k_of_n(2, Component("a"), Component("b"), Component("c")),
        weighted(70, [(Component("big"), 60), (Component("small"), 40)]),
    )
    assert checkout.agreed.weekly == (WeeklyHours(frozenset(range(5)), 480, 1080),)
    assert checkout.agreed.holidays == {date(2026, 12, 25)}
    sunday = datetime.fromisoformat("2026-01-04T22:00")
    assert checkout.maintenance is not None
    assert checkout.maintenance.events == (
        Event(
            sunday,
            datetime.fromisoformat("2026-01-05T04:00"),
            BERLIN,
            "FREQ=WEEKLY;BYDAY=SU",
            frozenset({datetime.fromisoformat("2026-03-01T22:00")}),
            nominal=True,
        ),
    )
    rules = checkout.rules
    assert (rules.unknown, rules.degraded) == (CountedAs.BEFORE, CountedAs.DOWN)
    assert (rules.absorb_below_ms, rules.flapping_changes) == (120_000, 4)
    assert rules.flapping_window_ms == 600_000
    assert rules.priority[0] is Category.OUTSIDE_SERVICE_TIME
    assert checkout.recovery_time_seconds == 14_400
    assert policy.services["search"].agreed == ALWAYS
    assert policy.services["search"].rests_on == series(Component("web"), Component("index"))
    sell = policy.requirements["R-sell"]
    assert (sell.kind, sell.state, sell.view) == (
        RequirementKind.BUSINESS,
        RequirementState.AGREED,
        SourceView.BUSINESS_STRATEGY,
    )
    assert sell.review == date(2027, 1, 31)
    gold = policy.agreements["gold"]
    assert gold.target_ratio == 0.999
    assert gold.credits == [CreditTier(0.99, 0.3), CreditTier(0.999, 0.1)]
    assert gold.outages == [OutageLimit(300, 3)]
    assert policy.contracts["db-ola"].kind is ContractKind.OLA
    assert policy.marks[0].mark_ratio == 0.8
    assert policy.lead_times[0].lead_time_seconds == 30 * 86_400
    assert policy.routes[0].match == {"service": "checkout"}
    assert policy.roles[0].involved[Involvement.ACCOUNTABLE] == ("ann",)
    assert [(d.format, d.place.line) for d in policy.documents] == [("openslo", 78), ("rules", 81)]
    assert policy.documents[1].text.count("\n") == 81
    assert [str(one) for one in elements(policy) if one.serves] == [
        "calendar office",
        "service shop",
        "mark filesystem db-*:/var",
    ]


def test_no_file_is_an_empty_policy(tmp_path: Path) -> None:
    assert read_policy(read_directory(tmp_path)).services == {}
    with pytest.raises(InvalidPolicy, match="no such directory"):
        read_directory(tmp_path / "nowhere")
    (tmp_path / "bad.yaml").write_bytes(b"\xff")
    with pytest.raises(InvalidPolicy, match=r"bad\.yaml: not UTF-8"):
        read_directory(tmp_path)


def test_files_are_joined_and_calendars_come_from_icalendar(tmp_path: Path) -> None:
    (tmp_path / "hours").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "x.yaml").write_text("nonsense: 1")
    (tmp_path / "shop.yaml").write_text("services: {shop: {agreed_service_time: office}}")
    (tmp_path / "hours" / "office.yaml").write_text(
        "calendars: {office: {time_zone: Europe/Berlin, without_icalendar: days.ics}}"
    )
    (tmp_path / "hours" / "days.ics").write_text(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//\r\n"
        "BEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20261225\r\nEND:VEVENT\r\n"
        "BEGIN:VEVENT\r\nUID:2\r\nDTSTART:20260301T210000Z\r\nDURATION:PT2H\r\n"
        "RRULE:FREQ=WEEKLY;BYDAY=SU;COUNT=2\r\nEXDATE:20260308T210000Z\r\nEND:VEVENT\r\n"
        "BEGIN:VEVENT\r\nUID:3\r\nSTATUS:CANCELLED\r\nDTSTART:20260301T210000Z\r\nEND:VEVENT\r\n"
        "END:VCALENDAR\r\n"
    )
    without = read_policy(read_directory(tmp_path)).services["shop"].agreed.without
    christmas = datetime.fromisoformat("2026-12-25T00:00")
    assert without[0] == Event(christmas, christmas.replace(day=26), BERLIN, nominal=True)
    assert (without[1].zone.key, without[1].rule) == ("UTC", "FREQ=WEEKLY;COUNT=2;BYDAY=SU")
    assert len(without) == 2


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("shop: 1", "p.yaml:1:1: unknown key 'shop'"),
        ("- 1", "p.yaml:1:1: expected a mapping"),
        ("services: {a: {parent: b}}", "p.yaml:1:15: parent: there is no service 'b'"),
        ("services: {a: {parent: a}}", "p.yaml:1:15: a -> a: a is its own parent"),
        ("services: {a: {rests_on: b}, b: {rests_on: [a]}}", "rests on itself"),
        ("services: {a: {rests_on: {series: []}}}", "1:35: a group needs at least one part"),
        ("services: {a: {rests_on: {k_of_n: {k: 3, of: [b]}}}}", "k must be from 1 to 1"),
        ("services: {a: {rests_on: {weighted: {needed: 3, parts: []}}}}", "3 are needed"),
        ("services: {a: {rests_on: {}}}", "exactly one of series"),
        ("services: {a: {agreed_service_time: x}}", "1:37: agreed_service_time: there is no cal"),
        ("services: {a: {availability: {unknown: real}}}", "'real' is not one of up, down, exc"),
        ("services: {a: {availability: {priority: [up]}}}", "priority must name each of unmonit"),
        ("services: {a: {}, b: {}}\n---\nservices: {a: {}}", "3:15: 'a' stands in p.yaml:1:15 al"),
        ("services: {'': {}}", "a name must not be empty"),
        ("requirements: {r: {kind: service}}", "p.yaml:1:19: r lacks title"),
        ("requirements: {r: {title: x, kind: service, state: agreed}}", "has no measure"),
        ("requirements: {r: {title: x, kind: tech}}", "kind: 'tech' is not one of business, s"),
        (
            "requirements:\n  a: {title: x, kind: business, parent: b}\n"
            "  b: {title: x, kind: service}",
            "a is a business requirement and cannot derive from b, a service one",
        ),
        ("roles: [{process: x}]", "a role needs one of responsible"),
        ("roles: [{accountable: [a, b]}]", "one is accountable, not 2: a, b"),
        ("marks: [{resource: x, mark_ratio: 120 %}]", "mark_ratio: '120 %' is no share from 0"),
        ("marks: [{resource: x, mark_ratio: 0}]", "mark_ratio must be above 0"),
        ("marks: [{resource: x, mark_ratio: 1, serves: R}]", "serves: there is no requirement"),
        ("slas: {s: {service: a, customer: c}}", "s promises nothing"),
        ("slas: {s: {service: a, customer: c, target: 1}}", "service: there is no service 'a'"),
        ("calendars: {c: {time_zone: Mars}}", "1:28: time_zone: 'Mars' is no IANA time zone"),
        ("calendars: {c: {weekly: [{days: mo}]}}", "days: 'mo' is no weekday"),
        ("calendars: {c: {weekly: [{from: 8}]}}", "from: '8' is no time of day"),
        ("calendars: {c: {weekly: [{from: '08:00', to: '08:00'}]}}", "end when they begin"),
        ("calendars: {c: {events: [{start: 2026-01-01}]}}", "an event needs a 'start'"),
        (
            "calendars: {c: {events: [{start: 2026-01-02, end: 2026-01-01}]}}",
            "the event ends before it begins",
        ),
        (
            "calendars: {c: {events: [{start: 2026-01-02, duration: 1h, rule: FREQ=OFTEN}]}}",
            "rule: 'FREQ=OFTEN' is no recurrence rule",
        ),
        (
            "calendars: {c: {events: [{start: '2026-01-02T00:00Z', duration: 1h}]}}",
            "without an offset",
        ),
        ("calendars: {c: {icalendar: no.ics}}", "1:28: icalendar: 'no.ics' is not in the pol"),
        ("contracts: {c: {kind: ola, component: x, party: nobody}}", "party: there is no owner"),
        ("costs: [{resource: x, unit: y, currency: EUR, once: -1}]", "once: -1 is not a number"),
        ("services: [", "p.yaml:1:12: not YAML"),
    ],
)
def test_every_fault_has_its_place(text: str, fault: str) -> None:
    with pytest.raises(InvalidPolicy) as refused:
        read_policy({"p.yaml": text})
    assert fault in str(refused.value)
    assert str(refused.value).startswith("p.yaml:")


def test_hours_past_midnight_go_into_the_next_day() -> None:
    text = "calendars: {night: {weekly: [{days: 'fri,sun', from: '22:00', to: '06:00'}]}}"
    weekly = read_policy({"p.yaml": text}).calendars["night"].calendar.weekly
    assert weekly == (
        WeeklyHours(frozenset({4, 6}), 1320, 1440),
        WeeklyHours(frozenset({5, 0}), 0, 360),
    )


@pytest.mark.parametrize(
    "text",
    [
        f"services: {{x: {{rests_on: {'[' * 80}a{']' * 80}}}}}",
        "services: {x: {rests_on: &a [b, *a]}}",
        "a: &a0 [x, x]\n" + "".join(f"b{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40)),
    ],
    ids=["deep", "circle", "aliases of aliases"],
)
def test_small_text_that_would_become_huge_is_refused(text: str) -> None:
    with pytest.raises(InvalidPolicy, match=r"p\.yaml:1:1: .*(nested|aliases)"):
        read_policy({"p.yaml": text})


def test_slo_documents_may_stand_in_a_list_and_sloths_as_kubernetes_resources() -> None:
    listed = (
        "- {apiVersion: openslo/v1, kind: Service, metadata: {name: a}, spec: {}}\n"
        "- apiVersion: openslo/v1\n  kind: Service\n  metadata: {name: b}\n  spec: {}\n"
    )
    resource = "apiVersion: sloth.slok.dev/v1\nkind: PrometheusServiceLevel\nspec: {service: s}\n"
    policy = read_policy({"list.yaml": listed, "sloth.yaml": resource})
    assert [(each.format, str(each.place)) for each in policy.documents] == [
        ("openslo", "list.yaml:1:3"),
        ("openslo", "list.yaml:2:3"),
        ("sloth", "sloth.yaml:1:1"),
    ]
    with pytest.raises(InvalidPolicy, match=r"^list\.yaml:6:3: a list at the top may hold"):
        read_policy({"list.yaml": listed + "- {owners: {}}\n"})


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 5_000 + "a", "{a: " * 3_000])
def test_what_is_nested_too_deeply_is_refused(text: str) -> None:
    with pytest.raises(InvalidPolicy, match=r"^p\.yaml:"):
        read_policy({"p.yaml": text})
