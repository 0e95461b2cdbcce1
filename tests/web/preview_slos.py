"""Made-up SLOs for the page of budgets: one in budget, one overspent, one that nothing measures;
and requirements, one missed."""

from __future__ import annotations

from typing import Any


def preview_slos() -> list[dict[str, Any]]:
    """As the API's `/slos` tells them."""
    unmeasured = {"objective": "", "target": 0.99, "measured": False, "sentence": "not measured"}
    return [
        _slo("answers", _objective(-0.4, [1.0, 0.2, -0.4])),
        _slo("fast", _objective(0.8, [1.0, 0.9, 0.8])),
        _slo("other", unmeasured),
    ]


def _slo(name: str, objective: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "title": "", "period": "1M", "rolling": False, "objectives": [objective]}


def _objective(left: float, lefts: list[float]) -> dict[str, Any]:
    days = [f"2026-11-0{day}T00:00:00Z" for day in (2, 3, 4)]
    return {
        "objective": "",
        "target": 0.999,
        "measured": True,
        "sentence": "99.9 % delivered",
        "level": 0.999,
        "level_lowest": 0.998,
        "level_highest": 0.9995,
        "budget_remaining": left,
        "burn_rates": {"1h": 2.0, "3d": None},
        "doubts": ["few"],
        "met_probability": 0.9,
        "budget_ends": ["2026-12-20T00:00:00Z", None, None],
        "consequences": ["ticket"] if left < 0 else [],
        "numerator": 999,
        "denominator": 1000,
        "counted": "good events of all events",
        "start": "2026-11-01T00:00:00Z",
        "end": "2026-12-01T00:00:00Z",
        "until": days[-1],
        "slices": 864,
        "slice_seconds": 300,
        "unknown_slices": 1,
        "excluded_slices": 12,
        "exclusions": [{"start": days[0], "end": days[1]}],
        "good_query": "sum(increase(good[5m]))",
        "total_query": "sum(increase(all[5m]))",
        "burn_down": [{"at": at, "remaining": each} for at, each in zip(days, lefts, strict=True)],
    }


def preview_requirements() -> list[dict[str, Any]]:
    """As the API's `/requirements` tells them."""
    evidence = [
        {
            "what": "SLA gold",
            "place": "p.yaml:3:5",
            "verdict": "missed",
            "words": "98.9 % of 720 h",
        }
    ]
    return [
        _requirement("R-REVENUE", "agreed", None, []),
        _requirement("R-OPEN", "missed", "missed", evidence) | {"parent": "R-REVENUE"},
    ]


def _requirement(
    name: str, state: str, measured: str | None, evidence: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "name": name,
        "title": "The shop is open",
        "kind": "business",
        "parent": "",
        "owner": "ann",
        "measure": "the SLA",
        "review": "2027-06-30",
        "said": "agreed",
        "state": state,
        "decided_by": "people" if state == "agreed" else "measurement",
        "measured": measured,
        "contradicted": False,
        "start": "2026-10-01T00:00:00Z",
        "end": "2026-11-01T00:00:00Z",
        "evidence": evidence,
        "sentence": "missed by what was measured",
    }
