"""What an alert is about: the cause that its incident stands for, and how bad it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from tidecast_collector.labels import Labels, host_of_instance

HOST_RESOURCE = "host"
"""The resource of alerts that say that a whole host is silent."""

ITEM_LABELS = ("item", "mountpoint", "device")
"""Where an alert says which of a host's resources it means; the first that is there counts."""

DEFAULT_SEVERITY = "warning"
DEFAULT_PRIORITY = 3
PRIORITIES: Mapping[str, int] = {
    "critical": 1,
    "error": 2,
    "warning": 3,
    "info": 4,
    "none": 5,
    "page": 1,
    "ticket": 3,
}
"""The priority that a severity label gives an incident; 1 is the most urgent."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What went wrong: a resource of a host, or what an alert without a host says of itself."""

    host: str
    resource: str
    item: str

    @property
    def key(self) -> str:
        """The text that identifies it.

        >>> Cause("web-3", "filesystem", "/var").key
        '["web-3","filesystem","/var"]'
        """
        return json.dumps([self.host, self.resource, self.item], separators=(",", ":"))

    @property
    def text(self) -> str:
        """It in words, e.g. `filesystem /var on web-3`."""
        what = " ".join(part for part in (self.resource, self.item) if part)
        return f"{what} on {self.host}" if self.host else what


def cause_of(labels: Labels) -> Cause:
    """The cause of an alert with these labels.

    A host's alert names its resource in the label `resource` (the alert's name stands in for it).
    Without a host the cause is the alert's name with its labels, severity left out, so that a
    warning and its critical sister are one.
    """
    values = dict(labels)
    alertname = values.get("alertname", "")
    host = host_of_instance(values.get("instance", ""))
    resource = values.get("resource", alertname)
    item = next((values[name] for name in ITEM_LABELS if name in values), "")
    if host:
        return Cause(host, resource, item)
    others = [(n, v) for n, v in labels if n not in {"alertname", "severity"}]
    return Cause("", alertname, ",".join(f"{name}={json.dumps(value)}" for name, value in others))


def host_cause(host: str) -> Cause:
    """The cause of a host's silence."""
    return Cause(host, HOST_RESOURCE, "")


def severity_of(labels: Labels) -> str:
    """The severity that the labels state, or the default."""
    return dict(labels).get("severity", DEFAULT_SEVERITY)


def priority_of(severity: str) -> int:
    """The priority of a severity; words that are not known count as the default."""
    return PRIORITIES.get(severity, DEFAULT_PRIORITY)
