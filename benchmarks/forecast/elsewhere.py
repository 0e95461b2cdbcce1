"""How good hourly forecasts are on series of your own, or with short histories of those at hand.

python benchmarks/forecast/elsewhere.py [FOLDER | --here even | --here odd | --made SEED]
    [--days 7 10 14 28 90 365] [--horizons 24 72 168] [--each 8]

FOLDER holds CSV files: a first column of times (ISO 8601, UTC where it says nothing, or seconds
since 1970) and a column for each series, of values an hour or less apart. Each file, or each
folder of files within it, is a set. --here takes the training parts of the real series at hand
whose names have even or odd hashes (the sealed fifth is in neither), --made the seeded characters.
At most --each windows of a series, from its beginning to its end, with each length of history.
Prints a line for each set and writes no file.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "analytics")]

from benchmarks.forecast import datasets, hours, made_hours  # noqa: E402

Float64s = npt.NDArray[np.float64]
Series = tuple[str, str, Float64s]

LEAST_STRIDE_HOURS = 3 * 24 + 5
"""Windows begin at least so far apart, and not always at the same hour."""
MADE_HOURS = 110 * 24


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("folder", nargs="?", type=Path)
    which.add_argument("--here", choices=("even", "odd"))
    which.add_argument("--made", type=int, metavar="SEED")
    parser.add_argument("--days", type=int, nargs="+", default=[7, 10, 14, 28, 90, 365])
    parser.add_argument("--horizons", type=int, nargs="+", default=list(hours.HORIZONS))
    parser.add_argument("--each", type=int, default=8, help="windows of a series at most")
    given = parser.parse_args()
    if given.folder is not None:
        series = list(of_folder(given.folder))
    elif given.here:
        series = list(at_hand(odd=given.here == "odd"))
    else:
        made = made_hours.made(14, MADE_HOURS, given.made)
        series = [(kind, name, values) for kind, of in made.items() for name, values in of]
    print("set, history, horizon: windows, ratio to the best of naive 24, 168 and DOT, coverages")
    for horizon in given.horizons:
        for days in given.days:
            for name, windows in rolling(series, horizon, days, given.each).items():
                told(name, horizon, days, windows)


def told(name: str, horizon: int, days: int, windows: hours.Windows) -> None:
    """Measure a set and print its line."""
    asked = argparse.Namespace(peers=["DOT"], seconds=600.0)
    found = hours.measure(name, horizon, windows, "anywhere", asked)
    peers = found["peers"]
    assert isinstance(peers, Mapping)
    judges = ", ".join(f"{peers[judge]:.2f}" for judge in hours.JUDGES if judge in peers)
    print(
        f"{name}, {days} d, {horizon} h: {len(windows)},"
        f" {found['to the best of naive 24, 168 and DOT']},"
        f" {found['coverage 80']}, {found['coverage 95']}"
        f" (ours {found['tidecast']}; {judges})",
        flush=True,
    )


def rolling(
    series: list[Series], horizon: int, days: int, each: int
) -> dict[str, list[datasets.Window]]:
    """Windows by set, up to `each` of a series, evenly from its beginning to its end."""
    windows: dict[str, list[datasets.Window]] = defaultdict(list)
    for group, name, values in series:
        known = 24 * days
        room = values.size - known - horizon
        if room >= 0:
            stride = max(LEAST_STRIDE_HOURS, -(-room // max(each - 1, 1)))
            for end in range(values.size - horizon, known - 1, -stride):
                hidden = values[end : end + horizon]
                windows[group].append(datasets.Window(name, values[end - known : end], hidden))
    return windows


def at_hand(*, odd: bool) -> Iterator[Series]:
    """The training parts of the real series, without the sealed fifth, one half of them."""
    for group, name, values in datasets.before_tests():
        half = hashlib.sha256(name.encode()).digest()[1] % 2
        if "min" not in group and not hours.sealed(name) and half == odd:
            yield group, name, values


def of_folder(folder: Path) -> Iterator[Series]:
    """The hourly series of all CSV files of a folder: their set, name and values."""
    files = sorted(folder.rglob("*.csv"))
    if not files:
        sys.exit(f"no CSV files in {folder}: each has a column of times, then one for each series")
    for file in files:
        group = file.stem if file.parent == folder else file.parent.name
        with file.open(newline="") as opened:
            head, *rows = csv.reader(opened)
        times_ms = np.array([_time_ms(file, line, row) for line, row in enumerate(rows, 2)])
        for column, name in enumerate(head[1:], 1):
            values = np.array(
                [_number(file, line, row[column]) for line, row in enumerate(rows, 2)]
            )
            yield group, f"{file.stem}:{name}", datasets.hourly(times_ms, values)


def _time_ms(file: Path, line: int, row: list[str]) -> int:
    try:
        if row[0].replace(".", "", 1).isdigit():
            return round(1000 * float(row[0]))
        time = datetime.fromisoformat(row[0])
    except (ValueError, IndexError):
        sys.exit(f"{file}, line {line}: no time in the first column of {row}")
    return round(1000 * (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())


def _number(file: Path, line: int, cell: str) -> float:
    try:
        return float(cell or "nan")
    except ValueError:
        sys.exit(f"{file}, line {line}: {cell!r} is no number")


if __name__ == "__main__":
    main()
