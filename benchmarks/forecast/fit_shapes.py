"""Learn how much each daily shape counts: writes `shapeweights.json` of the analytics package.

python benchmarks/forecast/fit_shapes.py [--leave-out FAMILIES]

Made resources with seeds of their own, cut to many lengths, are asked for their marks; the weights
minimise the continuous ranked probability score of the crossing dates (the sum over the days of
the squared difference between P(crossed) and what came), each family counting the same, with a
ridge on what a shape is worth. --leave-out writes nothing: it learns on all families but every
third one, and prints how those left out do.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "analytics")]

from benchmarks.forecast import crossings, families  # noqa: E402

from tidecast_analytics import runningmax  # noqa: E402
from tidecast_analytics.cases import prepared  # noqa: E402
from tidecast_analytics.dailypeaks import sustained_peaks  # noqa: E402
from tidecast_analytics.outlook import History  # noqa: E402
from tidecast_analytics.series import DAY_MS  # noqa: E402

Float32s = npt.NDArray[np.float32]

SEED, EACH, DAYS = 101, 60, 90
TABLE = ROOT / "analytics" / "tidecast_analytics" / "shapeweights.json"
_STEPS, _RATE, _RIDGE = 300, 0.05, 0.008
_FIRST_COST = (2.0, 2.0, 1.0, 0.0, 0.0)
_DRAWN_TO_FIRST = 0.001


@dataclass(frozen=True, slots=True)
class Lessons:
    """Cases in arrays: P(crossed) by each shape [cases, shapes, days], what came [cases, days],
    and what the weights may depend on; shapes that do not speak are not `there`."""

    names: list[str]
    group: npt.NDArray[np.str_]
    due: Float32s
    chance: Float32s
    came: Float32s
    scores: Float32s
    context: Float32s
    there: npt.NDArray[np.bool_]


def cases() -> list[crossings.Case]:
    """Made resources, cut to 14 to 150 days."""
    made = families.made(EACH, SEED) + families.more_made(EACH, SEED)
    random = np.random.default_rng(SEED)
    found = []
    for case in crossings.family_cases(made):
        days = round(float(np.exp(random.uniform(np.log(14), np.log(200)))))
        known = case.known[-days * case.per_day :]
        found.append(
            crossings.Case(case.group, known, case.per_day, case.mark, case.days, case.truth)
        )
    return found


def lessons(asked: list[crossings.Case]) -> Lessons:
    """What each shape says of each case."""
    by_length: dict[int, list[tuple[crossings.Case, np.ndarray, float]]] = {}
    for case in asked:
        step = DAY_MS // case.per_day
        times = step * np.arange(case.known.size, dtype=np.int64)
        modelled = prepared([History(times, case.known, case.mark)])[0]
        peaks = sustained_peaks(modelled.inner[None, :], case.per_day)
        if peaks.shape[1] >= runningmax.LEAST_DAYS:
            by_length.setdefault(peaks.shape[1], []).append(
                (case, peaks[0], modelled.scale.inner(case.mark))
            )
    rows, names = [], set()
    for some in by_length.values():
        found = runningmax.evidence(np.stack([peaks for _, peaks, _ in some]), DAYS)
        marks = np.array([mark for _, _, mark in some])
        chance = [
            runningmax.share_at_or_above(*one, marks)
            for one in zip(found.highest, found.size, found.law, strict=True)
        ]
        names |= set(found.names)
        rows += [
            (case, found, row, np.stack([one[row] for one in chance]))
            for row, (case, _, _) in enumerate(some)
        ]
    return _packed(sorted(names), rows)


def _packed(names: list[str], rows: list[tuple]) -> Lessons:
    ahead = rows[0][1].ahead
    shape = (len(rows), len(names))
    chance = np.zeros((*shape, ahead.size), np.float32)
    score = np.zeros((*shape, len(_FIRST_COST)), np.float32)
    there = np.zeros(shape, np.bool_)
    for at, (_, found, row, said) in enumerate(rows):
        place = [names.index(name) for name in found.names]
        chance[at, place], score[at, place] = said, found.scores[:, row]
        there[at, place] = True
    due = np.array([np.inf if c.truth is None else c.truth for c, _, _, _ in rows], np.float32)
    return Lessons(
        names,
        np.array([case.group for case, _, _, _ in rows]),
        due,
        chance * np.sqrt(np.diff(ahead, prepend=0)).astype(np.float32),
        (ahead >= due[:, None]) * np.sqrt(np.diff(ahead, prepend=0)).astype(np.float32),
        score,
        np.stack([found.context[row] for _, found, row, _ in rows]).astype(np.float32),
        there,
    )


def fit(known: Lessons, use: npt.NDArray[np.bool_]) -> tuple[np.ndarray, np.ndarray]:
    """What scores cost and what shapes are worth, by gradient descent (Adam) on the cases used."""
    counts = {group: int((known.group[use] == group).sum()) for group in set(known.group[use])}
    share = np.array([1 / counts[group] for group in known.group[use]]) / len(counts)
    first = np.array(_FIRST_COST, np.float32)
    terms = [first.copy(), np.zeros((len(known.names), known.context.shape[1]), np.float32)]
    mean, power = ([np.zeros_like(term) for term in terms] for _ in range(2))
    chance, came = known.chance[use], known.came[use]
    scores_, context, there = known.scores[use], known.context[use], known.there[use]
    for step in range(1, _STEPS + 1):
        weights = _softmax(context, scores_, there, terms)
        off = 2 * (np.einsum("nk,nkh->nh", weights, chance) - came) * share[:, None]
        pull = np.einsum("nh,nkh->nk", off, chance)
        pull = weights * (pull - (weights * pull).sum(axis=1, keepdims=True))
        slopes = [
            -np.einsum("nk,nkf->f", pull, scores_) + 2 * _DRAWN_TO_FIRST * (terms[0] - first),
            pull.T @ context + 2 * _RIDGE * terms[1],
        ]
        for which, slope in enumerate(slopes):
            mean[which] = 0.9 * mean[which] + 0.1 * slope
            power[which] = 0.99 * power[which] + 0.01 * slope**2
            size = np.sqrt(power[which] / (1 - 0.99**step)) + 1e-8
            terms[which] = terms[which] - _RATE * mean[which] / (1 - 0.9**step) / size
        terms[0] = np.maximum(terms[0], 0)
    return terms[0], terms[1]


def _softmax(context: Float32s, score: Float32s, there: np.ndarray, terms: list) -> np.ndarray:
    logits = np.where(there, context @ terms[1].T - score @ terms[0], -1e9)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def score(known: Lessons, use: np.ndarray, terms: tuple[np.ndarray, np.ndarray]) -> float:
    """The mean ranked probability score of the cases used, in days."""
    weights = _softmax(known.context[use], known.scores[use], known.there[use], list(terms))
    off = np.einsum("nk,nkh->nh", weights, known.chance[use]) - known.came[use]
    return float((off**2).sum(axis=1).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--leave-out", action="store_true", help="how families not learned on do")
    leave_out = parser.parse_args().leave_out
    known = lessons(cases())
    everything = np.ones(known.due.size, np.bool_)
    print(f"{known.due.size} cases, {len(known.names)} shapes")
    if leave_out:
        plain = (np.array(_FIRST_COST), np.zeros((len(known.names), known.context.shape[1])))
        groups = sorted(set(known.group))
        for third in range(3):
            out = np.isin(known.group, groups[third::3])
            terms, all_in = fit(known, ~out), score(known, out, plain)
            print(f"left out {third}: learned {score(known, out, terms):.3f}, plain {all_in:.3f}")
        return
    cost, worth = fit(known, everything)
    print(f"score {score(known, everything, (cost, worth)):.3f} days")
    table = {
        "cost": [round(float(one), 3) for one in cost],
        "worth": {
            name: [round(float(one), 3) for one in row]
            for name, row in zip(known.names, worth, strict=True)
        },
    }
    TABLE.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
