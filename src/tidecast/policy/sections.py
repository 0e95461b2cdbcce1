"""The other sections of policy files: people, requirements, marks, agreements, costs, routes."""

from __future__ import annotations

from tidecast.policy.forms import Form, whole
from tidecast.policy.model import (
    Agreement,
    CatalogueEntry,
    Contract,
    ContractKind,
    Cost,
    CreditTier,
    Involvement,
    LeadTime,
    Mark,
    OutageLimit,
    Owner,
    Period,
    Requirement,
    RequirementKind,
    RequirementState,
    Role,
    Route,
    SourceView,
    Supplier,
)
from tidecast.policy.services import CalendarShelf
from tidecast_alerts.yaml_nodes import Field

OWNER_KEYS = {"title", "email", "members"}
ROLE_KEYS = {"process", "service", *Involvement}
SUPPLIER_KEYS = {"title", "contact"}
REQUIREMENT_KEYS = {
    "title",
    "kind",
    "parent",
    "view",
    "requester",
    "owner",
    "state",
    "measure",
    "review",
    "review_period",
}
CATALOGUE_KEYS = {"description", "offered_to", "support", "price"}
MARK_KEYS = {"resource", "host", "item", "mark_ratio", "serves"}
LEAD_TIME_KEYS = {"resource", "host", "item", "lead_time", "serves"}
AGREEMENT_KEYS = {
    "service",
    "customer",
    "target",
    "agreed_service_time",
    "excluded",
    "outages",
    "longest_outage",
    "credits",
    "fee",
    "currency",
    "period",
    "time_zone",
    "serves",
}
CONTRACT_KEYS = {
    "kind",
    "component",
    "party",
    "target",
    "recovery_time",
    "agreed_service_time",
    "serves",
}
COST_KEYS = {"resource", "unit", "quantity", "once", "monthly", "currency", "supplier"}
ROUTE_KEYS = {"match", "notify", "serves"}


def read_owner(name: str, body: Field) -> Owner:
    """A person or team."""
    form = Form(body, OWNER_KEYS)
    title, email = form.text("title", name), form.text("email")
    return Owner(name, form.place, title, email, form.texts("members"))


def read_role(body: Field) -> Role:
    """Who takes part in a process, and how."""
    form = Form(body, ROLE_KEYS)
    involved = {how: form.texts(how) for how in Involvement if how in form}
    if not involved:
        body.wrong(f"a role needs one of {', '.join(Involvement)}")
    accountable = involved.get(Involvement.ACCOUNTABLE, ())
    if len(accountable) > 1:
        body.wrong(f"one is accountable, not {len(accountable)}: {', '.join(accountable)}")
    return Role(form.place, form.text("process"), form.text("service"), involved)


def read_supplier(name: str, body: Field) -> Supplier:
    """Somebody outside who delivers a part: the title and contact under the supplier's name."""
    form = Form(body, SUPPLIER_KEYS)
    return Supplier(name, form.place, form.text("title", name), form.text("contact"))


def read_requirement(name: str, body: Field) -> Requirement:
    """What somebody asks for."""
    form = Form(body, REQUIREMENT_KEYS, required=("title", "kind"))
    state = form.choice("state", RequirementState, RequirementState.PROPOSED)
    if state not in (RequirementState.PROPOSED, RequirementState.RETIRED) and "measure" not in form:
        body.wrong(f"{name} is {state} but has no measure; a requirement is qualified by one")
    return Requirement(
        name,
        form.place,
        title=form.text("title"),
        kind=form.choice("kind", RequirementKind, RequirementKind.BUSINESS),
        state=state,
        parent=form.text("parent"),
        view=form.choice("view", SourceView, SourceView.SERVICE) if "view" in form else None,
        requester=form.text("requester"),
        owner=form.text("owner"),
        measure=form.text("measure"),
        review=form.day("review"),
        review_period=form.choice("review_period", Period, Period.MONTH),
    )


def read_catalogue_entry(service: str, body: Field) -> CatalogueEntry:
    """How a service is offered."""
    form = Form(body, CATALOGUE_KEYS, required=("description",))
    return CatalogueEntry(
        service,
        form.place,
        description=form.text("description"),
        offered_to=form.texts("offered_to"),
        support=form.text("support"),
        price=form.text("price"),
    )


def read_mark(body: Field) -> Mark:
    """Another mark than the default."""
    form = Form(body, MARK_KEYS, required=("resource", "mark_ratio"))
    mark_ratio = form.ratio("mark_ratio")
    if mark_ratio == 0:
        body.wrong("mark_ratio must be above 0")
    return Mark(
        form.place,
        resource=form.text("resource"),
        mark_ratio=mark_ratio or 1.0,
        host=form.text("host", "*"),
        item=form.text("item", "*"),
        serves=form.text("serves"),
    )


def read_lead_time(body: Field) -> LeadTime:
    """How long it takes to add more."""
    form = Form(body, LEAD_TIME_KEYS, required=("resource", "lead_time"))
    return LeadTime(
        form.place,
        resource=form.text("resource"),
        lead_time_seconds=form.seconds("lead_time") or 0,
        host=form.text("host", "*"),
        item=form.text("item", "*"),
        serves=form.text("serves"),
    )


def read_agreement(name: str, body: Field, shelf: CalendarShelf) -> Agreement:
    """The SLA of this name: what is promised to whom, in which hours, and what a miss costs."""
    form = Form(body, AGREEMENT_KEYS, required=("service", "customer"))
    if not {"target", "outages", "longest_outage"} & {key for key in AGREEMENT_KEYS if key in form}:
        body.wrong(f"{name} promises nothing: give a target, outages or longest_outage")
    credits_ = [_credit(item) for item in form.items("credits")]
    return Agreement(
        name,
        form.place,
        service=form.text("service"),
        customer=form.text("customer"),
        target_ratio=form.ratio("target"),
        agreed=shelf.calendar(form.field("agreed_service_time"), None),
        excluded=shelf.calendar(form.field("excluded"), None),
        outages=[_outage_limit(item) for item in form.items("outages")],
        longest_outage_seconds=form.seconds("longest_outage"),
        credits=sorted(credits_, key=lambda tier: tier.below_ratio),
        fee=form.number("fee"),
        currency=form.text("currency"),
        period=form.choice("period", Period, Period.MONTH),
        time_zone=form.text("time_zone", "UTC"),
        serves=form.text("serves"),
    )


def read_contract(name: str, body: Field, shelf: CalendarShelf) -> Contract:
    """An OLA or an underpinning contract."""
    form = Form(body, CONTRACT_KEYS, required=("kind", "component", "party"))
    return Contract(
        name,
        form.place,
        kind=form.choice("kind", ContractKind, ContractKind.OLA),
        component=form.text("component"),
        party=form.text("party"),
        target_ratio=form.ratio("target"),
        recovery_time_seconds=form.seconds("recovery_time"),
        agreed=shelf.calendar(form.field("agreed_service_time"), None),
        serves=form.text("serves"),
    )


def read_cost(body: Field) -> Cost:
    """What one more unit costs."""
    form = Form(body, COST_KEYS, required=("resource", "unit", "currency"))
    return Cost(
        form.place,
        resource=form.text("resource"),
        unit=form.text("unit"),
        quantity=form.number("quantity", 1.0),
        once=form.number("once"),
        monthly=form.number("monthly"),
        currency=form.text("currency"),
        supplier=form.text("supplier"),
    )


def read_route(body: Field) -> Route:
    """Who is told."""
    form = Form(body, ROUTE_KEYS, required=("notify",))
    match = form.field("match")
    labels = {key: value.text() for key, value in match.mapping(None).items()} if match else {}
    return Route(form.place, labels, form.texts("notify"), form.text("serves"))


def _credit(body: Field) -> CreditTier:
    form = Form(body, {"below", "credit"}, required=("below", "credit"))
    return CreditTier(form.ratio("below") or 0.0, form.ratio("credit") or 0.0)


def _outage_limit(body: Field) -> OutageLimit:
    form = Form(body, {"longer_than", "at_most"}, required=("longer_than", "at_most"))
    return OutageLimit(form.seconds("longer_than") or 0, form.read("at_most", whole, 0))
