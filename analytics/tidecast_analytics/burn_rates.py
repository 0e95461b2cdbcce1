"""Burn rates: how many times faster than its period allows an error budget is being spent.

A burn rate of 1 spends the budget exactly by the period's end. An alert is a pair of windows: both
must burn faster than the factor, the long one for significance and the short one so that it ends
soon after the trouble does (Site Reliability Workbook, chapter 5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HOUR, DAY = 3_600, 86_400


@dataclass(frozen=True, slots=True)
class BurnWindows:
    """One alert: `budget_ratio` of the period's budget spent within the long window."""

    severity: str
    long_seconds: int
    short_seconds: int
    budget_ratio: float

    def factor(self, period_seconds: int) -> float:
        """The burn rate at which the alert fires: budget share x period / long window."""
        # Rounded to what the shares are given in: 0.02 x 720 is 14.4, whatever binary makes of it.
        return round(self.budget_ratio * period_seconds / self.long_seconds, 10)

    def threshold_ratio(self, period_seconds: int, objective_ratio: float) -> float:
        """The error ratio that both windows must exceed: factor x (1 - objective)."""
        return round(self.factor(period_seconds) * (1 - objective_ratio), 12)


GOOGLE_30D = (
    BurnWindows("page", HOUR, HOUR // 12, 0.02),
    BurnWindows("page", 6 * HOUR, HOUR // 2, 0.05),
    BurnWindows("ticket", 3 * DAY, 6 * HOUR, 0.10),
)
"""The workbook's table: 14.4, 6 and 1 for a period of 30 days."""

SLOTH = (
    BurnWindows("page", HOUR, HOUR // 12, 0.02),
    BurnWindows("page", 6 * HOUR, HOUR // 2, 0.05),
    BurnWindows("ticket", DAY, 2 * HOUR, 0.10),
    BurnWindows("ticket", 3 * DAY, 6 * HOUR, 0.10),
)
"""With a second ticket window: 14.4, 6, 3 and 1 for a period of 30 days."""


def pyrra(period_seconds: int) -> Sequence[BurnWindows]:
    """Windows that grow with the period: 1 h, 6 h, 1 d, 4 d of 28 days; factors 14, 7, 2, 1.

    Whole minutes, as Pyrra rounds them (`slo/rules.go`), and at least one.
    """
    growth = period_seconds / (28 * DAY)
    found = []
    for severity, long_minutes, short_minutes, factor in (
        ("page", 60, 5, 14),
        ("page", 360, 30, 7),
        ("ticket", 1_440, 120, 2),
        ("ticket", 5_760, 360, 1),
    ):
        long, short = (
            max(int(minutes * growth + 0.5), 1) * 60 for minutes in (long_minutes, short_minutes)
        )
        found.append(BurnWindows(severity, long, short, factor * long / period_seconds))
    return tuple(found)


def window_sets(period_seconds: int) -> Mapping[str, Sequence[BurnWindows]]:
    """The sets to choose from, by name, for a period."""
    return {"google": GOOGLE_30D, "sloth": SLOTH, "pyrra": pyrra(period_seconds)}


def fires(
    long_ratio: float,
    short_ratio: float,
    windows: BurnWindows,
    period_seconds: int,
    objective: float,
) -> bool:
    """Whether both windows' error ratios are strictly above the threshold."""
    threshold = windows.threshold_ratio(period_seconds, objective)
    return long_ratio > threshold and short_ratio > threshold


def doubts(
    windows: BurnWindows,
    period_seconds: int,
    objective: float,
    events_per_second: float | None = None,
) -> list[str]:
    """Why this alert cannot work: it can never fire, or one bad event is enough to fire it."""
    found = []
    threshold = windows.threshold_ratio(period_seconds, objective)
    if threshold >= 1:
        found.append(
            f"it can never fire: {windows.factor(period_seconds):g} x (1 - {objective:g}) is "
            f"{threshold:g}, and an error ratio is at most 1"
        )
    if windows.long_seconds > period_seconds:
        found.append("its long window is longer than the period")
    if events_per_second is not None:
        events = events_per_second * windows.long_seconds
        if events * threshold < 1:
            found.append(
                f"one bad event fires it: about {events:.3g} events in its long window; take a "
                "longer window, a lower objective or time slices"
            )
    return found
