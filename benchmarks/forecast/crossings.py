"""Dates at which marks are crossed: the cases that are asked for, and how good the answers are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from benchmarks.forecast import date_peers, scores
from benchmarks.forecast.datasets import Window
from benchmarks.forecast.families import Made
from benchmarks.forecast.peers import Dates

Float64s = npt.NDArray[np.float64]
Figures = dict[str, float]

FAMILY_DAYS, GROWTH_DAYS = 90, 180
# Marks of a growth window: what it would reach in so many days at the pace it had so far; so much
# above what it is; and what it did reach after so many days, where it grew until then.
_PACE_DAYS = (10, 20, 45, 90, 150)
_ABOVE = (1.02, 1.1, 1.25)
_REACHED_DAYS = (10, 25, 60, 120)
_ORDERS = 200


@dataclass(frozen=True, slots=True)
class Case:
    """One mark that is asked for: the day of its first crossing, None where there is none."""

    group: str
    known: Float64s
    per_day: int
    mark: float
    days: int
    truth: float | None


def family_cases(resources: Sequence[Made]) -> list[Case]:
    """A case for each made resource."""
    found = []
    for made in resources:
        run = 3 if made.per_day > 1 else 1
        step = scores.first_crossing(made.hidden, made.mark, run)
        truth = None if step is None else step / made.per_day
        found.append(Case(made.family, made.known, made.per_day, made.mark, FAMILY_DAYS, truth))
    return found


def growth_cases(windows: Sequence[Window]) -> list[Case]:
    """Near and far marks for each window that ever moved, in three groups by how they are set."""
    found = []
    for window in windows:
        known, span = window.known, float(np.ptp(window.known))
        if span <= 0:
            continue
        now = float(known[-1])
        marks = [("pace", now + span / known.size * days) for days in _PACE_DAYS]
        marks += [("share", now * above) for above in _ABOVE if now > 0]
        highest = np.maximum.accumulate(window.hidden)
        marks += [("reached", float(highest[day - 1])) for day in _REACHED_DAYS]
        for group, mark in marks:
            if mark > now:
                truth = scores.first_crossing(window.hidden, mark, 1)
                found.append(Case(group, known, 1, mark, GROWTH_DAYS, truth))
    return found


def all_but_order(windows: Sequence[Window]) -> list[Dates]:
    """What somebody says of `growth_cases` who knows every increment to come, but not their order.

    Nobody who sees the past alone can be expected to know as much.
    """
    random = np.random.default_rng(1)
    answers: list[Dates] = []
    for window in windows:
        increments = np.diff(window.hidden, prepend=window.known[-1])
        shuffled = random.permuted(np.tile(increments, (_ORDERS, 1)), axis=1)
        highest = np.maximum.accumulate(window.known[-1] + shuffled.cumsum(axis=1), axis=1)
        for case in growth_cases([window]):
            chance = (highest >= case.mark).mean(axis=0)
            early, likely, late = (
                float(np.argmax(chance >= level) + 1) if chance[-1] >= level else None
                for level in (0.1, 0.5, 0.9)
            )
            answers.append((early, likely, late))
    return answers


def figures(cases: Sequence[Case], said: Sequence[Dates]) -> Figures:
    """Pinball loss in days, the share of truths in P10..P90, and `full within 30 days`."""
    loss, held = [], []
    for case, (early, likely, late) in zip(cases, said, strict=True):
        days = case.days
        loss.append(scores.crossing_pinball(case.truth, (early, likely, late), days))
        truth = days if case.truth is None else min(case.truth, days)
        held.append((early or days) <= truth <= (late or days))
    crossed = np.array([case.truth is not None for case in cases])
    said30 = np.array([likely is not None and likely <= 30 for _, likely, _ in said])
    due = np.array([np.inf if case.truth is None else case.truth for case in cases])
    missed = (due <= 30) & ~said30
    return {
        "pinball days": round(float(np.mean(loss)), 3),
        "truth in P10..P90": round(float(np.mean(held)), 3),
        "truth in P10..P90, of crossed": round(
            float(np.sum(crossed & held) / max(crossed.sum(), 1)), 3
        ),
        "full in 30 said wrongly": round(float((said30 & (due > 45)).mean()), 4),
        "full in 30 missed": round(float(missed.sum() / max((due <= 30).sum(), 1)), 3),
        "due in 30": int((due <= 30).sum()),
        "cases": len(cases),
    }


def by_group(cases: Sequence[Case], said: Sequence[Dates]) -> dict[str, list[float]]:
    """Pinball loss, truth in P10..P90, `full within 30 days` wrong and missed, of each group."""
    kinds = (
        "pinball days",
        "truth in P10..P90",
        "full in 30 said wrongly",
        "full in 30 missed",
    )
    found = {}
    for group in dict.fromkeys(case.group for case in cases):
        some = [at for at, case in enumerate(cases) if case.group == group]
        scored = figures([cases[at] for at in some], [said[at] for at in some])
        found[group] = [scored[kind] for kind in kinds]
    return found


def peer_answers(name: str, cases: Sequence[Case]) -> list[Dates]:
    """What one of statsforecast's models says, on daily peaks."""
    days = cases[0].days
    peaks = [date_peers.daily_peaks(case.known, case.per_day) for case in cases]
    paths = date_peers.statsforecast(name, peaks, days)
    return [date_peers.dates(path, case.mark) for path, case in zip(paths, cases, strict=True)]


def line_answers(window: int) -> Callable[[Sequence[Case]], list[Dates]]:
    """What predict_linear over `window` days says."""

    def answers(cases: Sequence[Case]) -> list[Dates]:
        return [date_peers.line_dates(c.known, c.mark, c.per_day, window, c.days) for c in cases]

    return answers
