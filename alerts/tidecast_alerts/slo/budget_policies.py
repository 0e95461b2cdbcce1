"""Error-budget policies: what follows once so much of a budget is consumed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tidecast_alerts.slo.burn_rules import label_matchers, series_labels
from tidecast_alerts.slo.model import InvalidSLO, ServiceLevelObjective

POLICY_KEY = "tidecast-budget-policy"
CONSEQUENCES = ("ticket", "freeze", "page")
"""Write a ticket, change nothing that is not a repair, call somebody."""


def budget_policy(slo: ServiceLevelObjective) -> Sequence[tuple[float, str]]:
    """(share of the budget consumed, consequence) of the annotation: `50 ticket, 100 freeze`.

    Raises `InvalidSLO` for one that cannot be read.
    """
    text = slo.annotations.get(POLICY_KEY, "")
    found = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        at, _, what = part.partition(" ")
        number = at.removesuffix("%")
        if what.strip() not in CONSEQUENCES or not number.isdigit():
            raise InvalidSLO(
                f"{slo.where}: {POLICY_KEY}: {part!r} is not like '50 ticket' with one of "
                f"{', '.join(CONSEQUENCES)}"
            )
        found.append((int(number) / 100, what.strip()))
    return sorted(found)


def budget_policy_group(slos: Iterable[ServiceLevelObjective]) -> dict[str, object]:
    """A rule group with an alert for each consequence, on the budgets that the server measures."""
    return {
        "name": "slo-budget-policies",
        "rules": [
            _rule(slo, series_labels(slo, objective), share, what)
            for slo in slos
            for share, what in budget_policy(slo)
            for objective in slo.objectives
            if objective.indicator is not None
        ],
    }


def _rule(
    slo: ServiceLevelObjective, labels: dict[str, str], share: float, what: str
) -> dict[str, object]:
    series = f"tidecast_slo_error_budget_remaining_ratio{label_matchers(labels)}"
    severity = "page" if what == "page" else "ticket"
    about = slo.title or slo.name
    return {
        "alert": "SLOBudgetConsumed",
        "expr": f"1 - {series} >= {share:g}",
        "labels": {**labels, "severity": severity, "consequence": what, "consumed": f"{share:.0%}"},
        "annotations": {
            "summary": f"{about}: {share:.0%} of the error budget is consumed: {what}",
            "description": "Its error-budget policy asks for it: see `tidecast slo show`.",
        },
    }
