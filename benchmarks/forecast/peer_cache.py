"""The peers' forecasts, made in their own environment once and kept by the content they saw.

The environment is the folder that TIDECAST_PEERS names, or `peers` beside the project or above it;
`peer_environment.sh` makes one. Kept forecasts lie in `benchmarks/.cache`, out of version control.
"""

from __future__ import annotations

import hashlib
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "benchmarks" / ".cache" / "hours"
_PROGRAM = Path(__file__).with_name("peer_process.py")
# A peer is given so long for one series (wall time); then it did not finish.
_SECONDS_EACH: Mapping[str, float] = {"AutoARIMA": 60.0, "Prophet": 60.0}
_SECONDS = 30.0


def python() -> Path | None:
    """The interpreter of the peers' environment, or None where there is none."""
    given = os.environ.get("TIDECAST_PEERS")
    beside = [parent / "peers" for parent in (ROOT.parent, ROOT.parent.parent)]
    for place in [Path(given)] if given else beside:
        if (place / "bin" / "python").exists():
            return place / "bin" / "python"
    return None


def forecasts(
    method: str, known: Sequence[Float64s], horizon: int, season: int, seconds: float
) -> list[Float64s | None]:
    """What `method` says of each history: [5, horizon], mean, lo80, hi80, lo95, hi95.

    None where it failed, took too long, or was not begun within `seconds` in all; what was made
    in an earlier run is there at once.
    """
    KEPT.mkdir(parents=True, exist_ok=True)
    keys = [_key(method, values, horizon, season) for values in known]
    missing = [which for which, key in enumerate(keys) if not _file(key).exists()]
    interpreter = python()
    if interpreter is None and missing:
        sys.exit("no environment of the peers: run benchmarks/forecast/peer_environment.sh first")
    end = time.monotonic() + seconds
    while missing and interpreter is not None and time.monotonic() < end:
        late = _run(interpreter, method, keys, known, missing, (horizon, season), end)
        if late is not None and time.monotonic() < end:
            np.save(_file(keys[late]), np.empty((0, 0)))
        missing = [which for which in missing if not _file(keys[which]).exists()]
    return [_read(_file(key), horizon) for key in keys]


def _key(method: str, values: Float64s, horizon: int, season: int) -> str:
    content = hashlib.sha256(f"{method} {horizon} {season} ".encode())
    content.update(np.ascontiguousarray(values, dtype=np.float64).tobytes())
    return content.hexdigest()[:32]


def _file(key: str) -> Path:
    return KEPT / f"{key}.npy"


def _read(file: Path, horizon: int) -> Float64s | None:
    if not file.exists():
        return None
    made = np.load(file)
    whole = made.shape == (5, horizon) and bool(np.isfinite(made[0]).all())
    return np.asarray(made, dtype=np.float64) if whole else None


def _run(
    interpreter: Path,
    method: str,
    keys: Sequence[str],
    known: Sequence[Float64s],
    missing: Sequence[int],
    shape: tuple[int, int],
    end: float,
) -> int | None:
    """Run the peer over what is missing; the one that took too long, or None."""
    horizon, season = shape
    with tempfile.TemporaryDirectory() as folder:
        jobs = Path(folder) / "jobs.npz"
        rows = {str(at): known[which] for at, which in enumerate(missing)}
        names = np.array([keys[which] for which in missing])
        np.savez(jobs, horizon=horizon, season=season, keys=names, allow_pickle=False, **rows)
        command = [str(interpreter), str(_PROGRAM), method, str(jobs), str(KEPT)]
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        ) as process:
            begun = _watched(process, _SECONDS_EACH.get(method, _SECONDS), end)
            late = missing[begun] if process.poll() is None and begun is not None else None
            process.kill()
    return late


def _watched(process: subprocess.Popen[str], seconds_each: float, end: float) -> int | None:
    """Wait until the process is done, or one job takes longer than it may: the newest begun."""
    begun: int | None = None
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select(min(seconds_each, max(end - time.monotonic(), 0.0))):
            line = process.stdout.readline()
            if not line:
                process.wait()
                break
            begun = int(line)
    return begun
