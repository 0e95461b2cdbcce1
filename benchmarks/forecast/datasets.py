"""The real series the forecasts are measured on, and how they are cut into known and hidden.

Every set has a validation part, on which things are chosen, and a test part: the hold-out of M4,
and windows that end in the last fifth of any other series.
"""

from __future__ import annotations

import csv
import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tidecast_analytics.series import HOUR_MS, filled, regular

Float64s = npt.NDArray[np.float64]

ROOT = Path(__file__).resolve().parents[2]
M4_HORIZON = 48
GROWTH_SEEN, GROWTH_HIDDEN, GROWTH_STRIDE = 460, 180, 120
_TEST_SHARE = 0.2
_FIVE_MINUTES_MS = 300_000
_LEAST_HOURS = 7 * 24
_KNOWN_DAYS = (3, 5, 7, 10, 14, 21, 28, 42, 84)


@dataclass(frozen=True, slots=True)
class Window:
    """What was `known` of a series, and what followed."""

    series: str
    known: Float64s
    hidden: Float64s


def folder() -> Path:
    """The folder of real data: TIDECAST_DATA, or ../shared/data beside the project or above it.

    Ends the program with a message where there is none.
    """
    given = os.environ.get("TIDECAST_DATA")
    beside = [parent / "shared" / "data" for parent in (ROOT.parent, ROOT.parent.parent)]
    places = [Path(given)] if given else beside
    for place in places:
        if place.is_dir():
            return place
    looked = ", ".join(map(str, places))
    sys.exit(f"no real data in {looked}: set TIDECAST_DATA to the folder that holds m4/, growth/")


def m4(test: bool) -> list[Window]:
    """M4 hourly: the hold-out, or for validation the 48 hours before it."""
    train, after = _m4_rows("Hourly-train.csv"), _m4_rows("Hourly-test.csv")
    if test:
        return [Window(name, known, after[name]) for name, known in train.items()]
    return [Window(n, known[:-M4_HORIZON], known[-M4_HORIZON:]) for n, known in train.items()]


def m4_naive2() -> dict[str, Float64s]:
    """The official forecasts of Naive2 for the hold-out."""
    return _m4_rows("hourly-submission-Naive2.csv")


def _m4_rows(name: str) -> dict[str, Float64s]:
    with (folder() / "m4" / name).open(newline="") as file:
        lines = list(csv.reader(file))[1:]
    return {line[0]: np.array([float(cell) for cell in line[1:] if cell]) for line in lines}


def growth(test: bool) -> list[Window]:
    """Daily storage growth: 460 days known, 180 hidden, a window every 120 days."""
    series: dict[str, list[float]] = defaultdict(list)
    with (folder() / "growth" / "growth.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            series[row["series"]].append(float(row["value"]))
    windows = []
    for name, listed in series.items():
        values = np.array(listed)
        sealed = values.size - int(_TEST_SHARE * values.size)
        for end in range(GROWTH_SEEN, values.size - GROWTH_HIDDEN + 1, GROWTH_STRIDE):
            if (end + GROWTH_HIDDEN > sealed) == test:
                window = values[end - GROWTH_SEEN : end + GROWTH_HIDDEN]
                windows.append(Window(name, window[:GROWTH_SEEN], window[GROWTH_SEEN:]))
    return windows


def utilization(test: bool, horizon: int) -> dict[str, list[Window]]:
    """Hourly utilization by set: windows of `horizon` hours, up to six a series, holes filled."""
    windows: dict[str, list[Window]] = defaultdict(list)
    for group, name, values in _hourly_series():
        sealed = values.size - int(_TEST_SHARE * values.size)
        last = values.size if test else sealed
        ends = range(last - horizon, _LEAST_HOURS - 1, -horizon)
        for end in list(ends)[:6]:
            if not test or end + horizon > sealed:
                hidden = values[end : end + horizon]
                windows[group].append(Window(name, values[:end], hidden))
    return windows


def anywhere(horizon: int, each: int = 6) -> dict[str, list[Window]]:
    """Seeded windows that end anywhere before the test parts, three days to twelve weeks known.

    Values of every 5, 10, 15 and 30 minutes stand for hours too, as sets of their own: what they do
    in so many steps is real, though their day has another length.
    """
    random = np.random.default_rng(horizon)
    windows: dict[str, list[Window]] = defaultdict(list)
    for group, name, values in before_tests():
        for days in random.choice(_KNOWN_DAYS, each):
            first = 24 * int(days)
            if first + horizon <= values.size:
                end = int(random.integers(first, values.size - horizon + 1))
                known = values[end - first : end]
                windows[group].append(Window(name, known, values[end : end + horizon]))
    return windows


def before_tests() -> Iterator[tuple[str, str, Float64s]]:
    """The training parts of all series: set, name and hourly values."""
    for name, values in _m4_rows("Hourly-train.csv").items():
        yield "m4", name, values
    for group, name, values in _hourly_series():
        yield group, name, values[: values.size - int(_TEST_SHARE * values.size)]
    for path in sorted((folder() / "nab" / "realAWSCloudwatch").glob("*.csv")):
        times_ms, values = _read(path, "timestamp", "value")
        seen = values[np.argsort(times_ms)]
        seen = seen[np.isfinite(seen)]
        known = seen[: seen.size - int(_TEST_SHARE * seen.size)]
        for steps in (1, 2, 3, 6):
            whole = known[: known.size // steps * steps].reshape(-1, steps)
            yield f"nab by {5 * steps} min", path.stem, whole.mean(axis=1)


def _hourly_series() -> Iterator[tuple[str, str, Float64s]]:
    data = folder()
    for path in sorted((data / "service-metrics").rglob("*.csv")):
        yield "service-metrics", path.stem, hourly(*_read(path, "TimeStamp", "Value"))
    for path in sorted((data / "nab" / "realAWSCloudwatch").glob("*.csv")):
        yield "nab", path.stem, hourly(*_read(path, "timestamp", "value"))
    for path in sorted((data / "fleet").glob("*.csv")):
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        for column in rows[0]:
            if column != "timestamp":
                values = np.array([float(row[column]) for row in rows])
                times = _FIVE_MINUTES_MS * np.arange(values.size, dtype=np.int64)
                yield "fleet", f"{path.stem}:{column}", hourly(times, values)


def hourly(times_ms: npt.NDArray[np.int64], values: Float64s) -> Float64s:
    """Means of the hours, holes filled; ValueError for a series that is not hourly or finer."""
    grid = regular(times_ms, values)
    if grid.step_ms != HOUR_MS:
        raise ValueError(f"a series at steps of {grid.step_ms} ms is not hourly")
    return filled(grid)


def _read(path: Path, time: str, value: str) -> tuple[npt.NDArray[np.int64], Float64s]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    times = [
        round(datetime.fromisoformat(row[time]).replace(tzinfo=UTC).timestamp()) for row in rows
    ]
    return 1000 * np.array(times), np.array([float(row[value] or "nan") for row in rows])
