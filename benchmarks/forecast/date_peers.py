"""When the peers say that a mark is crossed: on daily peaks, each by the quantiles of its interval.

statsforecast lives in an environment of its own (`peer_cache`). What it said once of the same
values is kept in `benchmarks/.cache`, by their content.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from benchmarks.forecast.peer_cache import python
from benchmarks.forecast.peers import Dates, predict_linear

Float64s = npt.NDArray[np.float64]

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "benchmarks" / ".cache"
MODELS = ("AutoETS", "AutoARIMA", "DOT", "Holt", "drift")
LINES = (7, 30)
_BATCH = 400


def daily_peaks(known: Float64s, per_day: int) -> Float64s:
    """The highest value of each day, days counted from the end."""
    days = known.size // per_day
    return np.asarray(known[known.size - days * per_day :].reshape(days, per_day).max(axis=1))


def dates(quantiles: Float64s, mark: float) -> Dates:
    """P10, P50 and P90 in days from the quantiles [3, days] of each day, lowest first.

    The mark is crossed with 10 % when the upper quantile reaches it, with 90 % when the lower does.
    """
    over = quantiles[::-1] >= mark
    early, likely, late = (float(row.argmax() + 1) if row.any() else None for row in over)
    return (early, likely, late)


def line_dates(known: Float64s, mark: float, per_day: int, window: int, days: int) -> Dates:
    """The one date at which predict_linear over `window` days reaches the mark, in days."""
    path = predict_linear(window * per_day)(known, days * per_day)
    over = np.flatnonzero(path >= mark)
    date = (over[0] + 1) / per_day if over.size else None
    return (date, date, date)


def statsforecast(name: str, peaks: Sequence[Float64s], days: int) -> list[Float64s]:
    """The 10 %, 50 % and 90 % quantiles [3, days] of each row of daily peaks."""
    files = [_file(name, row, days) for row in peaks]
    missing = {file: row for file, row in zip(files, peaks, strict=True) if not file.exists()}
    todo = list(missing.items())
    for first in range(0, len(todo), _BATCH):
        _compute(name, todo[first : first + _BATCH], days)
    return [np.load(file).astype(np.float64) for file in files]


def _file(name: str, row: Float64s, days: int) -> Path:
    key = hashlib.sha256(f"{name} {days} ".encode() + np.ascontiguousarray(row).tobytes())
    return CACHE / key.hexdigest()[:2] / f"{key.hexdigest()[2:34]}.npy"


def _compute(name: str, todo: Sequence[tuple[Path, Float64s]], days: int) -> None:
    asked: dict[str, Float64s | list[str] | int] = {"names": [name] * len(todo)}
    for at, (_, row) in enumerate(todo):
        asked |= {f"y{at}": row, f"h{at}": days}
    interpreter = python()
    if interpreter is None:
        sys.exit("no environment of the peers: run benchmarks/forecast/peer_environment.sh first")
    script = Path(__file__).with_name("statsforecast_paths.py")
    with tempfile.TemporaryDirectory() as folder:
        inside, outside = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(inside, **asked)  # type: ignore[arg-type]
        subprocess.run([interpreter, script, inside, outside], check=True)
        made = np.load(outside)
        for at, (file, _) in enumerate(todo):
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, made[f"p{at}"].astype(np.float32))
