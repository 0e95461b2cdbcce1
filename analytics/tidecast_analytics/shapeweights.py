"""How much each shape counts for a series, and how far its errors reach: learned on made
resources, by `fit_shapes.py`.

Weights are a softmax: what a shape is worth in such a context, less what its back-test errors
(relative to the best shape's) cost it there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]

LEAST_WIDTH, MOST_WIDTH = 0.25, 1.6
"""The law of the errors is never narrowed or widened by more."""

# The least width where the trait is 0; it grows by so much with it, up to that of walks.
_AT_ZERO, _WANDERING, _OF_WALKS = 1.15, 3.0, 1.5


@dataclass(frozen=True, slots=True)
class _Learned:
    """By trait of the context: what each kind of score `cost`s [kinds, traits], the logarithm of
    the `width` [traits] of the laws, and what each shape is `worth` [traits]."""

    cost: Float64s
    width: Float64s
    worth: Mapping[str, Float64s]


@lru_cache(maxsize=1)
def _learned() -> _Learned:
    text = resources.files("tidecast_analytics").joinpath("shapeweights.json").read_text()
    table = json.loads(text)
    worth = {name: np.array(row, dtype=np.float64) for name, row in table["worth"].items()}
    return _Learned(np.array(table["cost"]), np.array(table["width"]), worth)


def weights(names: Sequence[str], scores: Float64s, context: Float64s) -> Float64s:
    """The weights [shapes, series] of the named shapes, summing to one over the shapes.

    `scores` [shapes, series, kinds of score], 0 for the best; `context` [series, traits].
    """
    learned = _learned()
    worth = np.stack([learned.worth[name] for name in names]) @ context.T
    logits = worth - (scores * (context @ learned.cost.T)).sum(axis=2)
    shares = np.exp(logits - logits.max(axis=0))
    return np.asarray(shares / shares.sum(axis=0))


def widths(context: Float64s) -> Float64s:
    """By how much the law of the errors is narrowed or widened for each series, [series]."""
    return bounded(np.exp(context @ _learned().width), context)


def bounded(width: Float64s, context: Float64s) -> Float64s:
    """The widths within bounds: what wanders is not narrowed but widened, as a walk has no curve
    that its errors would stay near to (`context` ends with how far it wanders: 0 for a walk)."""
    least = np.clip(_AT_ZERO + _WANDERING * context[:, -1], LEAST_WIDTH, _OF_WALKS)
    return np.asarray(np.clip(width, least, MOST_WIDTH))
