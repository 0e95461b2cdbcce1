"""Forecasts of the peers, one after the other: runs in an environment of their own.

python peer_process.py METHOD JOBS.npz FOLDER

JOBS.npz holds `horizon`, `season` and the arrays `0`, `1`, ...; the name of each follows in
`keys`. Each forecast, [5, horizon]: mean, lo80, hi80, lo95, hi95, is written to FOLDER/KEY.npy as
soon as it is made; what cannot be forecast gives an empty array. The number of each job is
printed before it begins, so that whoever waits knows which one takes too long.
"""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path

import numpy as np

LEVELS = [80, 95]


def main() -> None:
    method, jobs, folder = sys.argv[1], np.load(sys.argv[2]), Path(sys.argv[3])
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    forecast = forecaster(method, int(jobs["season"]))
    for which, key in enumerate(jobs["keys"]):
        print(which, flush=True)
        try:
            made = forecast(jobs[str(which)], int(jobs["horizon"]))
        except Exception as error:  # noqa: BLE001 - a peer that fails has no forecast
            print(f"{method} on {key}: {error}", file=sys.stderr)
            made = np.empty((0, 0))
        with (folder / f"{key}.part").open("wb") as file:
            np.save(file, made)
        (folder / f"{key}.part").rename(folder / f"{key}.npy")


def forecaster(method: str, season: int):
    if method == "Prophet":
        return prophet
    from statsforecast import models  # noqa: PLC0415 - only this environment has it

    known = {
        "AutoETS": lambda: models.AutoETS(season_length=season),
        "AutoARIMA": lambda: models.AutoARIMA(season_length=season),
        "DOT": lambda: models.DynamicOptimizedTheta(season_length=season),
        "Holt": lambda: models.Holt(season_length=season),
        "MSTL": lambda: models.MSTL(season_length=[24, 168] if season == 24 else [season]),
    }

    def forecast(values: np.ndarray, horizon: int) -> np.ndarray:
        made = known[method]().forecast(y=values, h=horizon, level=LEVELS)
        return np.stack([made[name] for name in ("mean", "lo-80", "hi-80", "lo-95", "hi-95")])

    return forecast


def prophet(values: np.ndarray, horizon: int) -> np.ndarray:
    """Prophet at its defaults; its times are hours from a Monday on."""
    import pandas  # noqa: PLC0415 - only this environment has them
    from prophet import Prophet  # noqa: PLC0415

    times = pandas.date_range("2024-01-01", periods=values.size + horizon, freq="h")
    edges = []
    for level in LEVELS:
        model = Prophet(interval_width=level / 100, uncertainty_samples=300)
        model.fit(pandas.DataFrame({"ds": times[: values.size], "y": values}), seed=1)
        made = model.predict(pandas.DataFrame({"ds": times[values.size :]}))
        edges += [made["yhat_lower"].to_numpy(), made["yhat_upper"].to_numpy()]
    return np.stack([made["yhat"].to_numpy(), *edges])


if __name__ == "__main__":
    main()
