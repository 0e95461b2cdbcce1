"""What a policy directory says, as plain data: services, requirements, calendars, SLAs and more.

Everything has a `Place`: where it stands in which file, for complaints and for `policy why`.
Names are unique within their kind; one thing names another by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from tidecast_analytics.availability import AvailabilityRules
from tidecast_analytics.calendars import ALWAYS, Calendar
from tidecast_analytics.structure import Block
from tidecast_collector.errors import InvalidInput


class InvalidPolicy(InvalidInput):
    """A policy that is refused; the message lists every fault as `file:line:column: why`."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: `filename` as it was given, lines and columns from 1."""

    filename: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.filename}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Owner:
    """A person or a team."""

    name: str
    place: Place
    title: str = ""
    email: str = ""
    members: Sequence[str] = ()


class Involvement(StrEnum):
    """RACI: how somebody takes part in a process."""

    RESPONSIBLE = "responsible"
    ACCOUNTABLE = "accountable"
    CONSULTED = "consulted"
    INFORMED = "informed"


@dataclass(frozen=True, slots=True)
class Role:
    """Who does what in one process ("" for all) of one service ("" for all)."""

    place: Place
    process: str
    service: str
    involved: Mapping[Involvement, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Supplier:
    """Somebody outside on whom services rest."""

    name: str
    place: Place
    title: str = ""
    contact: str = ""


class Period(StrEnum):
    """Calendar periods: of an agreement in its time zone, of a requirement's review in UTC."""

    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


class RequirementKind(StrEnum):
    """The four levels, from why to how."""

    BUSINESS = "business"
    SERVICE = "service"
    OPERATIONAL = "operational"
    TECHNOLOGY = "technology"


class RequirementState(StrEnum):
    """A requirement's life: it is qualified when it has a measure."""

    PROPOSED = "proposed"
    QUALIFIED = "qualified"
    AGREED = "agreed"
    MET = "met"
    MISSED = "missed"
    RETIRED = "retired"


class SourceView(StrEnum):
    """Where a requirement comes from."""

    BUSINESS_STRATEGY = "business_strategy"
    SERVICE = "service"
    ORGANISATIONAL = "organisational"
    TECHNOLOGY_PLANNING = "technology_planning"


@dataclass(frozen=True, slots=True)
class Requirement:
    """What somebody asks for. `measure` says in words how it is told whether it is met.

    What measures it (SLOs, marks, calendars, rules, timers) names it by `serves`; it is judged once
    a `review_period`.
    """

    name: str
    place: Place
    title: str
    kind: RequirementKind
    state: RequirementState = RequirementState.PROPOSED
    parent: str = ""
    view: SourceView | None = None
    requester: str = ""
    owner: str = ""
    measure: str = ""
    review: date | None = None
    review_period: Period = Period.MONTH


@dataclass(frozen=True, slots=True)
class Hours:
    """A named calendar."""

    name: str
    place: Place
    calendar: Calendar
    serves: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """What is delivered. `rests_on` is made of components: hosts, CIs or other services, by name.

    A component that is a service's name is that service. `agreed` is its service time and
    `maintenance` when it may be worked on (None: never planned).
    """

    name: str
    place: Place
    title: str = ""
    parent: str = ""
    owner: str = ""
    supplier: str = ""
    rests_on: Block | None = None
    agreed: Calendar = ALWAYS
    maintenance: Calendar | None = None
    rules: AvailabilityRules = field(default_factory=AvailabilityRules)
    recovery_time_seconds: int | None = None
    """RTO: by when after a disaster it works again."""
    serves: str = ""


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """How a service is offered to customers."""

    service: str
    place: Place
    description: str
    offered_to: Sequence[str] = ()
    support: str = ""
    price: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """Another mark than the default, for the resources that fit: globs of host and item."""

    place: Place
    resource: str
    mark_ratio: float
    host: str = "*"
    item: str = "*"
    serves: str = ""


@dataclass(frozen=True, slots=True)
class LeadTime:
    """How long it takes to add more, for the resources that fit."""

    place: Place
    resource: str
    lead_time_seconds: int
    host: str = "*"
    item: str = "*"
    serves: str = ""


@dataclass(frozen=True, slots=True)
class CreditTier:
    """Below this availability so much of the fee is given back."""

    below_ratio: float
    credit_ratio: float


@dataclass(frozen=True, slots=True)
class OutageLimit:
    """At most so many outages longer than that in a period; none at all where `at_most` is 0."""

    longer_than_seconds: int
    at_most: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """An SLA with a customer. What it promises is measured within `agreed` less `excluded`."""

    name: str
    place: Place
    service: str
    customer: str
    target_ratio: float | None = None
    agreed: Calendar | None = None
    excluded: Calendar | None = None
    outages: Sequence[OutageLimit] = ()
    longest_outage_seconds: int | None = None
    credits: Sequence[CreditTier] = ()
    fee: float = 0.0
    currency: str = ""
    period: Period = Period.MONTH
    time_zone: str = "UTC"
    serves: str = ""


class ContractKind(StrEnum):
    """Whom an agreement that carries an SLA is with."""

    OLA = "ola"
    UNDERPINNING = "underpinning"


@dataclass(frozen=True, slots=True)
class Contract:
    """What an own team (OLA) or a supplier (underpinning contract) promises of a component."""

    name: str
    place: Place
    kind: ContractKind
    component: str
    party: str
    target_ratio: float | None = None
    recovery_time_seconds: int | None = None
    agreed: Calendar | None = None
    serves: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one more unit of a resource costs, once and for each month."""

    place: Place
    resource: str
    unit: str
    quantity: float
    once: float
    monthly: float
    currency: str
    supplier: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """Who is told of what: the labels must equal those given."""

    place: Place
    match: Mapping[str, str]
    notify: Sequence[str]
    serves: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A document in another format (`openslo`, `sloth`, `rules`, `resources`): its node's text."""

    place: Place
    format: str
    text: str


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything a policy directory says."""

    owners: Mapping[str, Owner] = field(default_factory=dict)
    roles: Sequence[Role] = ()
    suppliers: Mapping[str, Supplier] = field(default_factory=dict)
    calendars: Mapping[str, Hours] = field(default_factory=dict)
    services: Mapping[str, Service] = field(default_factory=dict)
    catalogue: Mapping[str, CatalogueEntry] = field(default_factory=dict)
    requirements: Mapping[str, Requirement] = field(default_factory=dict)
    marks: Sequence[Mark] = ()
    lead_times: Sequence[LeadTime] = ()
    agreements: Mapping[str, Agreement] = field(default_factory=dict)
    contracts: Mapping[str, Contract] = field(default_factory=dict)
    costs: Sequence[Cost] = ()
    routes: Sequence[Route] = ()
    documents: Sequence[Document] = ()
