"""What the pages show: plain views, and the one door through which they come.

The application supplies a `PageData`; tests and the preview supply plain data. Calls may block: the
pages make them in a thread pool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tidecast_alerts.model import Incident, IncidentView
from tidecast_reports.capacity import CapacityReport, PastForecast, ResourceOutlook


@dataclass(frozen=True, slots=True)
class PageStatus:
    """What stands around every page.

    `generated` marks demonstration data; `history` tells in one sentence which history was found
    (e.g. "sysstat history of 28 days, imported 1.2 M samples"), "" where none was; `forecasting`
    is how many series of how many are forecast while that goes on, else None.
    """

    version: str
    now_ms: int
    open_incidents: int
    generated: bool = False
    history: str = ""
    forecasting: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class HostSummary:
    """One line of the hosts page; `first` is what runs out first there, None without resources."""

    name: str
    last_seen_ms: int | None
    silent: bool
    resources: int
    open_incidents: int
    horizon_days: int
    first: ResourceOutlook | None


@dataclass(frozen=True, slots=True)
class HostView:
    """One host: `incidents` are those not resolved and the latest resolved, newest first; `clock`
    says in a sentence how far its clock is apart, "" where it hardly is."""

    name: str
    last_seen_ms: int | None
    silent: bool
    horizon_days: int
    outlooks: Sequence[ResourceOutlook]
    incidents: Sequence[Incident] = field(default_factory=tuple)
    clock: str = ""


@dataclass(frozen=True, slots=True)
class ResourceView:
    """One resource with the ledger of its past forecasts, newest first."""

    outlook: ResourceOutlook
    horizon_days: int
    ledger: Sequence[PastForecast] = field(default_factory=tuple)
    incidents: Sequence[Incident] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class ChangeSaid:
    """What somebody says was, or is to be, changed on a resource.

    At a time (None: now); `expected` is what it is to do to the usage and `expected_limit` to what
    there is, as +20% or +500GB ("": not said).
    """

    host: str
    resource: str
    item: str
    title: str
    by: str
    at_ms: int | None = None
    expected: str = ""
    expected_limit: str = ""


class PageData(Protocol):
    """What the pages need from the application."""

    def status(self) -> PageStatus:
        """Version, time of day and how many incidents are not resolved."""
        ...

    def capacity(self) -> CapacityReport:
        """The latest outlook of every resource, in any order."""
        ...

    def hosts(self) -> Sequence[HostSummary]:
        """Every host that is not retired."""
        ...

    def host(self, name: str) -> HostView | None:
        """The host of this name; None: there is none."""
        ...

    def resource(self, host: str, resource: str, item: str) -> ResourceView | None:
        """The resource of this key; None: there is none."""
        ...

    def explanation(self, host: str, resource: str, item: str) -> Mapping[str, Any] | None:
        """All that is behind the newest forecast, as the API tells it; None: there is none yet."""
        ...

    def record_change(self, said: ChangeSaid) -> None:
        """Records a change. Raises `InvalidInput` where what is expected cannot be read."""
        ...

    def incidents(self) -> Sequence[Incident]:
        """Incidents, those not resolved first, then newest first, at most some hundreds."""
        ...

    def incident(self, incident_id: int) -> IncidentView | None:
        """The incident of this id; None: there is none."""
        ...

    def acknowledge(self, incident_id: int, by: str, comment: str) -> None:
        """Says that `by` is on it. Raises `InvalidInput` where it is resolved already."""
        ...

    def resolve(self, incident_id: int, by: str, comment: str) -> None:
        """Resolves it by hand. Raises `InvalidInput` where it is resolved already."""
        ...
