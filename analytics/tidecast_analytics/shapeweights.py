"""How much each shape counts for a series: learned on made resources, by `fit_shapes.py`.

Weights are a softmax: what a shape is worth in such a context, less what its back-test errors
(relative to the best shape's) cost it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]


@lru_cache(maxsize=1)
def _learned() -> tuple[Float64s, Mapping[str, Float64s]]:
    """What each kind of score costs, and the worth of each shape by trait of the context."""
    text = resources.files("tidecast_analytics").joinpath("shapeweights.json").read_text()
    table = json.loads(text)
    worth = {name: np.array(row, dtype=np.float64) for name, row in table["worth"].items()}
    return np.array(table["cost"], dtype=np.float64), worth


def weights(names: Sequence[str], scores: Float64s, context: Float64s) -> Float64s:
    """The weights [shapes, series] of the named shapes, summing to one over the shapes.

    `scores` [shapes, series, kinds of score], 0 for the best; `context` [series, traits].
    """
    cost, worth = _learned()
    logits = np.stack([worth[name] for name in names]) @ context.T - scores @ cost
    shares = np.exp(logits - logits.max(axis=0))
    return np.asarray(shares / shares.sum(axis=0))
