"""Runs in the peers' own environment: forecasts of statsforecast's models with 80 % intervals.

python statsforecast_paths.py IN.npz OUT.npz

IN holds `names` and for each i of them `y<i>` (the values) and `h<i>` (how many steps ahead); OUT
gets `p<i>`, [3, steps]: the 10 %, 50 % and 90 % quantiles of each step.
"""

from __future__ import annotations

import sys
import warnings

import numpy as np
from statsforecast.models import (
    AutoARIMA,
    AutoETS,
    DynamicOptimizedTheta,
    Holt,
    RandomWalkWithDrift,
)

MODELS = {
    "AutoETS": lambda: AutoETS(season_length=1),
    "AutoARIMA": lambda: AutoARIMA(season_length=1),
    "DOT": lambda: DynamicOptimizedTheta(season_length=1),
    "Holt": Holt,
    "drift": RandomWalkWithDrift,
}


def quantiles(name: str, values: np.ndarray, steps: int) -> np.ndarray:
    """The 10 %, 50 % and 90 % quantiles, [3, steps]; the last value where the model fails."""
    try:
        made = MODELS[name]().forecast(y=values, h=steps, level=[80])
    except (ValueError, IndexError, ZeroDivisionError, np.linalg.LinAlgError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return np.full((3, steps), values[-1])
    return np.stack([made["lo-80"], made["mean"], made["hi-80"]])


def main() -> None:
    asked = np.load(sys.argv[1])
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fits that did not converge: they count as they are
        for at, name in enumerate(asked["names"]):
            found[f"p{at}"] = quantiles(str(name), asked[f"y{at}"], int(asked[f"h{at}"]))
    np.savez(sys.argv[2], **found)


if __name__ == "__main__":
    main()
