"""Ten thousand series of ninety days of hours, forecast over two processes.

python benchmarks/forecast/speed.py [--series 10000] [--processes 2] [--dates]

Values a week ahead with intervals, or with --dates the typed crossings of a mark over ninety days.
Says the wall time, the processor time of the workers, and the largest process; on a busy machine
the processor time is what counts. The figures go into benchmarks/results/forecast-hours.json.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

# Two workers are two threads: the libraries beneath must not start more.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "analytics")]

from tidecast_analytics.forecasting import forecast  # noqa: E402
from tidecast_analytics.outlook import History, Outlook  # noqa: E402
from tidecast_analytics.series import DAY_MS, HOUR_MS  # noqa: E402

CHUNK = 500
HOURS = 90 * 24


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--dates", action="store_true", help="typed crossings over 90 days")
    given = parser.parse_args()
    jobs = [(seed, given.dates) for seed in range(-(-given.series // CHUNK))]
    began = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(given.processes) as pool:
        pool.map(_ready, range(given.processes), chunksize=1)
        started = time.perf_counter()
        done = list(pool.imap_unordered(_forecast, jobs))
        wall = time.perf_counter() - started
    figures = {
        "series": CHUNK * len(jobs),
        "processes": given.processes,
        "wall seconds": round(wall, 2),
        "seconds to start the processes": round(started - began, 2),
        "CPU seconds": round(sum(cpu for cpu, _ in done), 2),
        "largest process, MB": round(max(peak for _, peak in done) / 1024, 1),
        "load of the machine": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(figures, indent=1))
    file = ROOT / "benchmarks" / "results" / "forecast-hours.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    results.setdefault("speed", {})["dates over 90 d" if given.dates else "168 h"] = figures
    file.write_text(json.dumps(results, indent=1) + "\n")


def _ready(_: int) -> None:
    """A first small forecast: imports and tables are there before the clock starts."""
    forecast(list(_made(0, 2)), HOUR_MS)


def _made(seed: int, count: int) -> Iterator[History]:
    """Trend, daily and weekly season, and noise, each different from series to series."""
    random = np.random.default_rng(seed)
    hours = np.arange(HOURS)
    times_ms = HOUR_MS * hours.astype(np.int64)
    day, week = np.sin(hours * 2 * np.pi / 24), hours // 24 % 7 < 5
    for _ in range(count):
        values = random.uniform(20, 60) + random.uniform(0, 0.02) * hours
        values += random.uniform(0, 8) * day + random.uniform(0, 6) * week
        values += random.normal(0, random.uniform(0.3, 3), HOURS)
        yield History(times_ms, values, 90.0)


def _forecast(job: tuple[int, bool]) -> tuple[float, int]:
    """CPU seconds for one chunk, and the largest this process has been, in KiB."""
    seed, dates = job
    histories = list(_made(seed, CHUNK))
    if not dates:
        histories = [History(h.times_ms, h.values) for h in histories]
    began = time.process_time()
    outlooks: list[Outlook] = forecast(histories, (90 * DAY_MS) if dates else 168 * HOUR_MS)
    seconds = time.process_time() - began
    if len(outlooks) != CHUNK:
        raise RuntimeError(f"{len(outlooks)} forecasts of {CHUNK} series")
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
