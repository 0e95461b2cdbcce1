"""Learn how much each daily shape counts: writes `shapeweights.json` of the analytics package.

python benchmarks/forecast/fit_shapes.py [--leave-out]

Made resources with seeds of their own, cut to many lengths, are asked for their marks. What each
kind of back-test error costs in which context, what a shape is worth there, and how wide the laws
of the errors are, minimise the continuous ranked probability score of the crossing dates (the sum
over the days of the squared difference between P(crossed) and what came), each family counting
the same, with a ridge. --leave-out writes nothing: it learns on all families but every third one,
and prints how those left out do.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "analytics")]

from benchmarks.forecast import crossings, families  # noqa: E402
from benchmarks.forecast.plain_growth import KINDS, plain_growth  # noqa: E402

from tidecast_analytics import runningmax, shapeweights  # noqa: E402
from tidecast_analytics.cases import prepared  # noqa: E402
from tidecast_analytics.dailypeaks import sustained_peaks  # noqa: E402
from tidecast_analytics.outlook import History  # noqa: E402
from tidecast_analytics.series import DAY_MS  # noqa: E402

Float32s = npt.NDArray[np.float32]

SEED, EACH, DAYS = 102, 100, 90
SHORT_EACH = 40
TABLE = ROOT / "analytics" / "tidecast_analytics" / "shapeweights.json"
# Widths of the laws at which lessons are kept; between them what they say is interpolated.
WIDTHS = np.array((shapeweights.LEAST_WIDTH, 0.4, 0.63, 1.0, shapeweights.MOST_WIDTH))
_STEPS, _RATE, _FADING, _WIDTH_RATE = 400, 0.05, 0.7, 0.4
_FIRST_COST = (2.0, 2.0, 1.0, 0.0, 0.0)
# How strongly worths, costs (first their constant parts) and widths are drawn to where they begin.
_RIDGE, _DRAWN_CONSTANT, _DRAWN_COST, _DRAWN_WIDTH = 0.004, 0.001, 0.01, 0.02
_WIDTHS_EVERY = 8
# A kind of plain growth counts as so many of the families: in all more than half.
_PLAIN_COUNTS = 8.0


@dataclass(frozen=True, slots=True)
class Lessons:
    """Cases in arrays: P(crossed) by each shape [cases, widths, shapes, days], what came [cases,
    days], and what the weights may depend on; shapes that do not speak are not `there`."""

    names: list[str]
    group: npt.NDArray[np.str_]
    chance: npt.NDArray[np.float16]
    came: Float32s
    scores: Float32s
    context: Float32s
    there: npt.NDArray[np.bool_]


@dataclass(slots=True)
class Terms:
    """What is learned, as in `shapeweights.json`: cost [kinds of score, traits], worth [shapes,
    traits], and the logarithm of the width [traits]."""

    cost: Float32s
    worth: Float32s
    width: Float32s

    @classmethod
    def first(cls, shapes: int, traits: int) -> Terms:
        """Errors cost the same in every context, and nothing else counts."""
        cost = np.zeros((len(_FIRST_COST), traits), np.float32)
        cost[:, 0] = _FIRST_COST
        return cls(cost, np.zeros((shapes, traits), np.float32), np.zeros(traits, np.float32))


def cases() -> list[crossings.Case]:
    """Made resources and plain growth, cut to 14 to 200 days, and more of them to 14 to 40."""
    random = np.random.default_rng(SEED)
    found = []
    for each, seed, most in ((EACH, SEED, 200), (SHORT_EACH, SEED + 2, 40)):
        made = families.made(each, seed) + families.more_made(each, seed)
        made += plain_growth(each, seed + 3)
        for case in crossings.family_cases(made):
            days = round(float(np.exp(random.uniform(np.log(14), np.log(most)))))
            known = case.known[-days * case.per_day :]
            found.append(replace(case, known=known))
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
        chance = np.array(
            [
                [
                    runningmax.share_at_or_above(highest, width * size, law, marks)
                    for highest, size, law in zip(found.highest, found.size, found.law, strict=True)
                ]
                for width in WIDTHS
            ]
        )
        names |= set(found.names)
        rows += [(case, found, row, chance[:, :, row]) for row, (case, _, _) in enumerate(some)]
    return _packed(sorted(names), rows)


def _packed(names: list[str], rows: list[tuple]) -> Lessons:
    ahead = rows[0][1].ahead
    root = np.sqrt(np.diff(ahead, prepend=0)).astype(np.float32)
    chance = np.zeros((len(rows), WIDTHS.size, len(names), ahead.size), np.float16)
    score = np.zeros((len(rows), len(names), len(_FIRST_COST)), np.float32)
    there = np.zeros((len(rows), len(names)), np.bool_)
    for at, (_, found, row, said) in enumerate(rows):
        place = [names.index(name) for name in found.names]
        chance[at][:, place], score[at, place] = said * root, found.scores[:, row]
        there[at, place] = True
    due = np.array([np.inf if c.truth is None else c.truth for c, _, _, _ in rows], np.float32)
    return Lessons(
        names,
        np.array([case.group for case, _, _, _ in rows]),
        chance,
        (ahead >= due[:, None]) * root,
        score,
        np.stack([found.context[row] for _, found, row, _ in rows]).astype(np.float32),
        there,
    )


def fit(known: Lessons, use: npt.NDArray[np.bool_]) -> Terms:
    """What scores cost, what shapes are worth and how wide their laws are, by gradient descent
    (Adam) on the cases used."""
    counts = {group: int((known.group[use] == group).sum()) for group in set(known.group[use])}
    share = np.array([1 / counts[group] for group in known.group[use]])
    share[np.isin(known.group[use], list(KINDS))] *= _PLAIN_COUNTS
    share = (share / share.sum()).astype(np.float32)
    chance, came = known.chance[use], known.came[use]
    scores_, context, there = known.scores[use], known.context[use], known.there[use]
    first = Terms.first(len(known.names), context.shape[1])
    terms = Terms(first.cost.copy(), first.worth.copy(), first.width.copy())
    drawn = np.full(first.cost.shape, _DRAWN_COST, np.float32)
    drawn[:, 0] = _DRAWN_CONSTANT
    names = ("cost", "worth", "width")
    mean, power = ({name: 0.0 * getattr(terms, name) for name in names} for _ in range(2))
    for step in range(1, _STEPS + 1):
        if step % _WIDTHS_EVERY == 1:
            said, wider = _at_width(chance, _width(context, terms))
        weights = _softmax(context, scores_, there, terms)
        off = 2 * (_mixed(weights, said) - came) * share[:, None]
        pull = (said @ off[:, :, None])[:, :, 0]
        pull = weights * (pull - (weights * pull).sum(axis=1, keepdims=True))
        costs = np.einsum("nks,nf->sf", scores_ * pull[:, :, None], context, optimize=True)
        slopes = {
            "cost": 2 * drawn * (terms.cost - first.cost) - costs,
            "worth": pull.T @ context + 2 * _RIDGE * terms.worth,
            "width": (_mixed(weights, wider) * off).sum(axis=1) @ context
            + 2 * _DRAWN_WIDTH * terms.width,
        }
        rate = _RATE * (1 - _FADING * step / _STEPS)
        for name, slope in slopes.items():
            mean[name] = 0.9 * mean[name] + 0.1 * slope
            power[name] = 0.99 * power[name] + 0.01 * slope**2
            size = np.sqrt(power[name] / (1 - 0.99**step)) + 1e-8
            move = (_WIDTH_RATE if name == "width" else 1) * rate * mean[name] / size
            setattr(terms, name, getattr(terms, name) - move / (1 - 0.9**step))
    return terms


def _width(context: Float32s, terms: Terms) -> Float32s:
    """The logarithms of the widths, [cases]."""
    return np.log(shapeweights.bounded(np.exp(context @ terms.width), context))


def _at_width(chance: np.ndarray, width: Float32s) -> tuple[Float32s, Float32s]:
    """What the shapes say at a logarithm of the width for each case, and how that grows with it."""
    at = np.log(WIDTHS)
    width = np.clip(width, at[0], at[-1])
    below = np.clip(np.searchsorted(at, width) - 1, 0, at.size - 2)
    apart = at[below + 1] - at[below]
    part = ((width - at[below]) / apart).astype(np.float32)[:, None, None]
    row = np.arange(len(chance))
    low = chance[row, below].astype(np.float32)
    gained = chance[row, below + 1].astype(np.float32) - low
    return low + part * gained, gained / apart.astype(np.float32)[:, None, None]


def _mixed(weights: Float32s, said: Float32s) -> Float32s:
    return np.asarray((weights[:, None] @ said)[:, 0])


def _softmax(context: Float32s, score: Float32s, there: np.ndarray, terms: Terms) -> Float32s:
    cost = (score @ (context @ terms.cost.T)[:, :, None])[:, :, 0]
    logits = np.where(there, context @ terms.worth.T - cost, -1e9)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def score(known: Lessons, use: np.ndarray, terms: Terms) -> float:
    """The mean ranked probability score of the cases used, in days."""
    weights = _softmax(known.context[use], known.scores[use], known.there[use], terms)
    said, _ = _at_width(known.chance[use], _width(known.context[use], terms))
    return float(((_mixed(weights, said) - known.came[use]) ** 2).sum(axis=1).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--leave-out", action="store_true", help="how families not learned on do")
    leave_out = parser.parse_args().leave_out
    known = lessons(cases())
    everything = np.ones(known.group.size, np.bool_)
    print(f"{known.group.size} cases, {len(known.names)} shapes")
    if leave_out:
        plain = Terms.first(len(known.names), known.context.shape[1])
        groups = sorted(set(known.group) - set(KINDS))
        for third in range(3):
            out = np.isin(known.group, groups[third::3])
            terms, all_in = fit(known, ~out), score(known, out, plain)
            print(f"left out {third}: learned {score(known, out, terms):.3f}, plain {all_in:.3f}")
        return
    terms = fit(known, everything)
    print(f"score {score(known, everything, terms):.3f} days")
    table = {
        "cost": _rounded(terms.cost),
        "width": _rounded(terms.width[None])[0],
        "worth": dict(zip(known.names, _rounded(terms.worth), strict=True)),
    }
    TABLE.write_text(json.dumps(table, indent=1) + "\n")


def _rounded(rows: Float32s) -> list[list[float]]:
    return [[round(float(one), 3) for one in row] for row in rows]


if __name__ == "__main__":
    main()
