"""What a published forecast rests on, kept beside it as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from tidecast_analytics.changes import ChangeSeen
from tidecast_analytics.sanity import Finding, Severity


@dataclass(frozen=True, slots=True)
class Basis:
    """The history that was seen, how the forecast was made of it, and how far it is believed.

    The history has `values` values every `step_ms` from `first_ms` to `last_ms`. `weights` are the
    members of the mixture by share, `mae` and `naive_mae` its error in the back-test over `origins`
    origins beside the best naive method's, in the resource's unit (None: not tested).
    `probability` is that of crossing the mark within the horizon, `within_lead_time` that within
    the lead time (None where there is no mark, or no lead time). `widening` is by how much bands
    and dates were widened for what came of past forecasts; `mark_source` says where the mark
    comes from, `findings` what is wrong with the history, `changes` what people changed and what
    that did.
    """

    first_ms: int
    last_ms: int
    values: int
    step_ms: int
    weights: tuple[tuple[str, float], ...] = ()
    origins: int = 0
    mae: float | None = None
    naive_mae: float | None = None
    probability: float | None = None
    within_lead_time: float | None = None
    widening: float = 1.0
    mark_source: str = ""
    findings: tuple[Finding, ...] = ()
    changes: tuple[ChangeSeen, ...] = ()


def basis_from(told: Mapping[str, Any]) -> Basis:
    """The basis of its JSON form; what a newer version added is left out."""
    known = {field.name: told[field.name] for field in fields(Basis) if field.name in told}
    known["weights"] = tuple((name, share) for name, share in known["weights"])
    known["findings"] = tuple(
        Finding(**{**each, "severity": Severity(each["severity"])}) for each in known["findings"]
    )
    known["changes"] = tuple(ChangeSeen(**each) for each in known.get("changes", ()))
    return Basis(**known)


def basis_json(basis: Basis) -> dict[str, Any]:
    """The basis as JSON values."""
    return asdict(basis)
