"""Error-budget policies: what follows once so much of a budget is consumed."""

from __future__ import annotations

from collections.abc import Sequence

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
