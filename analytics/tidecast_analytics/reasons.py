"""Plain sentences that go with an outlook: what was seen, how it was judged, and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from tidecast_analytics.bursts import Bursts, Role
from tidecast_analytics.events import MONTHS_DAYS
from tidecast_analytics.outlook import Backtest, OutlookState
from tidecast_analytics.paces import PaceChange
from tidecast_analytics.series import DAY_MS, HOUR_MS, Grid
from tidecast_analytics.shifts import Shift

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def span(grid: Grid) -> str:
    """What was seen: how much, from when to when, and how much of it is missing."""
    kind = _kind(grid)
    missing = 1 - grid.observed.mean()
    holes = f", {missing:.0%} of them missing" if missing >= 0.005 else ""
    return (
        f"Seen are {grid.values.size} {kind} from {_time(grid.start_ms)} "
        f"to {_time(grid.end_ms)}{holes}."
    )


def how(grid: Grid, backtest: Backtest, naive_only: bool, mark: float | None) -> tuple[str, ...]:
    """The method and its record in the back-test."""
    ahead = _duration(backtest.steps * grid.step_ms)
    origins = "1 origin" if backtest.origins == 1 else f"{backtest.origins} origins"
    if naive_only:
        name = next(iter(backtest.weights))
        return (
            f"Method: {name} alone, as nothing did better in the back-test "
            f"({origins}, up to {ahead} ahead, mean error {amount(backtest.naive_mae, mark)}).",
        )
    mix = ", ".join(f"{name} {share:.0%}" for name, share in list(backtest.weights.items())[:3])
    if len(backtest.weights) > 3:
        mix += f" and {len(backtest.weights) - 3} more"
    return (
        f"Method: {mix}.",
        f"In the back-test ({origins}, up to {ahead} ahead) its mean error was "
        f"{amount(backtest.mae, mark)}, that of the best naive method "
        f"{amount(backtest.naive_mae, mark)}.",
    )


def more_later(grid: Grid, least_steps: int) -> tuple[str, ...]:
    """What a longer history will allow, and in how long."""
    have = grid.values.size * grid.step_ms
    if grid.step_ms > DAY_MS:
        stages = [(least_steps * grid.step_ms, "a typed answer")]
    elif grid.step_ms == DAY_MS:
        stages = [(least_steps * DAY_MS, "a typed answer"), (56 * DAY_MS, "a long trend")]
    else:
        stages = [
            (least_steps * HOUR_MS, "a typed answer"),
            (6 * DAY_MS, "a daily season tested on what it did not see"),
            (42 * DAY_MS, "a weekly season tested on what it did not see"),
        ]
    if grid.step_ms <= DAY_MS:
        stages.append((MONTHS_DAYS * DAY_MS, "what the turn of a month does, if anything"))
    left = [f"in {_duration(needed - have)}: {what}" for needed, what in stages if have < needed]
    return (f"Not known yet: {'; '.join(left)}.",) if left else ()


def steps_up(
    grid: Grid, shifts: Sequence[Shift], unit: float, mark: float | None
) -> tuple[str, ...]:
    """Which steps were taken for a release or a migration, and not for growth."""
    return tuple(
        f"The step of {amount(shift.size * unit, mark)} at "
        f"{_time(grid.start_ms + shift.position * grid.step_ms)} is not taken for growth."
        for shift in shifts
    )


def bursts(grid: Grid, bursts: Bursts, levels: Sequence[float], mark: float | None) -> str:
    """What was made of bursts that reached these levels, the oldest first."""
    if bursts.role is Role.GROWING:
        return (
            f"Its {len(levels)} bursts grow, from {amount(levels[0], mark)} to "
            f"{amount(levels[-1], mark)}: the dates are asked of them."
        )
    days = grid.values.size // grid.steps_per_day
    first_ms = grid.end_ms - (days - 1 - bursts.found[0].first) * max(DAY_MS, grid.step_ms)
    return (
        f"A burst up to {amount(levels[0], mark)} about {_time(first_ms)[:10]} came only once: "
        "the dates do not count on another one."
    )


def new_pace(grid: Grid, change: PaceChange | None) -> tuple[str, ...]:
    """Since when the resource has had the pace that is believed."""
    if change is None:
        return ()
    since = _time(grid.start_ms + change.position * grid.step_ms)
    return (f"The pace changed at {since}: the new one is taken to go on.",)


def not_enough(grid: Grid, least_steps: int) -> str:
    """Why there is no typed answer yet."""
    kind = _kind(grid)
    return (
        f"Not enough data: {int(grid.observed.sum())} {kind} over {grid.values.size} "
        f"steps; needed are {least_steps} steps with at least half of them seen."
    )


def over_now(run: int) -> str:
    """Why it is over its mark."""
    values = "value is" if run == 1 else f"{run} values are"
    return f"Over now: the last {values} at or above the mark."


def answer(
    state: OutlookState,
    mark: float,
    dates_ms: Sequence[int | None],
    share: float,
    rise_per_day: float,
    needed_per_day: float,
) -> tuple[str, ...]:
    """Why this state, and what would have to be true for the mark to be reached."""
    chance = f"{share:.0%} of the simulated paths reach the mark in the horizon"
    trend = f"The sustained trend is {amount(rise_per_day, mark)} a day"
    needed = f"it would take {amount(needed_per_day, mark)} a day to be at the mark at its end"
    if state is OutlookState.IN_HORIZON:
        early, likely, late = dates_ms
        range_text = f"half of them by {_time(likely or 0)}"
        if early is not None:
            range_text += f", one in ten by {_time(early)}"
        if late is not None:
            range_text += f", nine in ten by {_time(late)}"
        return (f"In the horizon: {chance}, {range_text}.", f"{trend}.")
    if state is OutlookState.NOT_GROWING:
        return (f"Not growing: {chance}, and no upward trend is seen.", f"{trend}; {needed}.")
    return (f"Beyond the horizon: {chance}.", f"{trend}; {needed}.")


def amount(value: float, mark: float | None) -> str:
    """A value as a share of the mark, which needs no unit; the bare number where there is none.

    >>> amount(0.9, 90.0), amount(12.5, None)
    ('1 % of the mark', '12.5')
    """
    return f"{value / mark * 100:.3g} % of the mark" if mark else f"{value:.4g}"


def _kind(grid: Grid) -> str:
    if grid.step_ms <= DAY_MS:
        return "hourly values" if grid.step_ms == HOUR_MS else "daily values"
    return f"values (one in {grid.step_ms / DAY_MS:.3g} days)"


def _time(time_ms: int) -> str:
    return f"{_EPOCH + timedelta(milliseconds=time_ms):%Y-%m-%d %H:%M} UTC"


def _duration(duration_ms: int) -> str:
    if duration_ms < 2 * DAY_MS:
        hours = -(-duration_ms // HOUR_MS)
        return f"{hours} hour" if hours == 1 else f"{hours} hours"
    return f"{-(-duration_ms // DAY_MS)} days"
