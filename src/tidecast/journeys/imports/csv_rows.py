"""`series,timestamp,value[,limit]` read into arrays, with every bad row located."""

from __future__ import annotations

import csv
import math
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, TextIO

import numpy as np

from tidecast.journeys.imports.usage import CUSTOM
from tidecast.samples.batch import Float64s, Int64s
from tidecast_collector.errors import InvalidInput

if TYPE_CHECKING:
    from _csv import Reader as CsvReader

MAX_ROWS = 20_000_000
MAX_SERIES = 100_000
MAX_LINE_CHARACTERS = 1 << 20
MAX_NAME_CHARACTERS = 1000
MAX_BAD_ROWS_TOLD = 20
LATEST_MS = 4_102_444_800_000
"""1 January 2100: beyond it a time is taken for one in another unit than seconds."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class InvalidCsv(InvalidInput):
    """A CSV file that cannot be imported; the message locates every fault."""


@dataclass(frozen=True, slots=True)
class CsvLayout:
    """Which columns hold what. Names are compared without regard to case.

    `series` names the one series of a file without a series column; `start_ms` and `step_ms` date
    the rows of a file without timestamps.
    """

    timestamp_column: str = "timestamp"
    value_column: str = "value"
    series: str | None = None
    start_ms: int | None = None
    step_ms: int | None = None


@dataclass(frozen=True, slots=True, order=True)
class SeriesName:
    """What a CSV series name `instance[:resource[:item]]` reads as; the item may hold colons."""

    instance: str
    resource: str = CUSTOM
    item: str = ""


@dataclass(frozen=True, slots=True)
class CsvValues:
    """The rows of a file: row i is of series `names[series[i]]`; `limits` is NaN where empty."""

    names: Sequence[SeriesName]
    series: Int64s
    timestamps_ms: Int64s
    values: Float64s
    limits: Float64s
    empty_rows: int


def parse_series_name(text: str) -> SeriesName:
    """The series of that name; raises ValueError saying what is wrong.

    >>> parse_series_name("web-3:filesystem:/mnt/a:b")
    SeriesName(instance='web-3', resource='filesystem', item='/mnt/a:b')
    >>> parse_series_name("sales")
    SeriesName(instance='sales', resource='custom', item='')
    """
    if len(text) > MAX_NAME_CHARACTERS:
        raise ValueError(f"the series name is longer than {MAX_NAME_CHARACTERS} characters")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError(f"the series name {text!r} is not UTF-8")
    instance, *rest = (part.strip() for part in text.split(":", 2))
    if not instance or (rest and not rest[0]):
        raise ValueError(f"series {text!r} does not read instance[:resource[:item]]")
    return SeriesName(instance, *rest)


@lru_cache(maxsize=1 << 16)
def parse_timestamp_ms(text: str) -> int:
    """Milliseconds UTC of ISO 8601 (naive = UTC) or epoch seconds; raises ValueError.

    >>> parse_timestamp_ms("1970-01-02"), parse_timestamp_ms("86400.5")
    (86400000, 86400500)
    >>> parse_timestamp_ms("2026-03-01T02:00:00+02:00") == parse_timestamp_ms("2026-03-01 00:00Z")
    True
    """
    try:
        seconds = float(text)
    except ValueError:
        time_ms = _iso_ms(text.strip())
    else:
        if not math.isfinite(seconds):
            raise ValueError(f"timestamp {text!r} is not a time")
        time_ms = round(seconds * 1000)
    if not 0 <= time_ms < LATEST_MS:
        raise ValueError(
            f"timestamp {text!r} is not between 1970 and 2100 (epoch times are in seconds)"
        )
    return time_ms


def _iso_ms(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(
            f"timestamp {text!r} is neither ISO 8601 nor epoch seconds: {error}"
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - EPOCH) // timedelta(milliseconds=1)


def parse_step_ms(text: str) -> int:
    """Milliseconds of a step such as 300s, 5m, 1h or 1d; raises ValueError."""
    match = re.fullmatch(r"([1-9][0-9]{0,8})(s|m|h|d)", text.strip())
    if not match:
        raise ValueError(f"{text!r} is not a step such as 300s, 5m, 1h or 1d")
    return int(match[1]) * {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}[match[2]]


def bounded_lines(file: TextIO, filename: str) -> Iterator[str]:
    """The lines of the file; one too long to be a row of a CSV file raises `InvalidCsv`."""
    for number, line in enumerate(iter(lambda: file.readline(MAX_LINE_CHARACTERS), ""), 1):
        if len(line) == MAX_LINE_CHARACTERS and not line.endswith("\n"):
            raise InvalidCsv(
                f"{filename}:{number}: longer than {MAX_LINE_CHARACTERS} characters: no CSV file"
            )
        yield line


@dataclass(frozen=True, slots=True)
class _Columns:
    timestamp: int | None
    value: int
    series: int | None
    limit: int | None


def _columns(header: Sequence[str], layout: CsvLayout, filename: str) -> _Columns:
    places = {name.strip().lower(): i for i, name in reversed(list(enumerate(header)))}

    def place(name: str, remedy: str) -> int:
        if name.strip().lower() not in places:
            raise InvalidCsv(
                f"{filename}:1: no column {name!r} among {', '.join(map(repr, header))}; {remedy}"
            )
        return places[name.strip().lower()]

    if layout.start_ms is None:
        timestamp = place(
            layout.timestamp_column,
            "name it with --timestamp-column, or date the rows with --start and --step",
        )
    value = place(layout.value_column, "name it with --value-column")
    if layout.series is None:
        series = place("series", "name the file's one series with --series")
    elif "series" in places:
        raise InvalidCsv(f"{filename}:1: has a column 'series'; leave --series out")
    return _Columns(
        timestamp if layout.start_ms is None else None,
        value,
        series if layout.series is None else None,
        places.get("limit"),
    )


@dataclass(slots=True)
class _Reader:
    """Collects the rows of one file, and what is wrong with them."""

    columns: _Columns
    layout: CsvLayout
    width: int
    known: dict[str, int] = field(default_factory=dict)
    ids: dict[SeriesName, int] = field(default_factory=dict)
    series: array[int] = field(default_factory=lambda: array("q"))
    times: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))
    limits: array[float] = field(default_factory=lambda: array("d"))
    empty_rows: int = 0
    row: int = 0

    def add(self, row: Sequence[str]) -> None:
        """Takes one row; raises ValueError if it is bad."""
        if len(row) != self.width:
            raise ValueError(f"has {len(row)} columns where the header has {self.width}")
        columns = self.columns
        name = row[columns.series] if columns.series is not None else self.layout.series or ""
        series = self.known.get(name)
        if series is None:
            series = self._identify(name)
        if columns.timestamp is not None:
            time_ms = parse_timestamp_ms(row[columns.timestamp])
        else:
            time_ms = (self.layout.start_ms or 0) + self.row * (self.layout.step_ms or 0)
        self.row += 1
        text = row[columns.value]
        limit_text = row[columns.limit] if columns.limit is not None else ""
        limit = _number(limit_text, "limit") if limit_text.strip() else math.nan
        if not text.strip() and math.isnan(limit):
            self.empty_rows += 1
            return
        value = _number(text, "value") if text.strip() else math.nan
        self.series.append(series)
        self.times.append(time_ms)
        self.values.append(value)
        self.limits.append(limit)

    def _identify(self, name: str) -> int:
        parsed = parse_series_name(name)
        if len(self.ids) >= MAX_SERIES and parsed not in self.ids:
            raise ValueError(f"more than {MAX_SERIES} series; split the file")
        self.known[name] = self.ids.setdefault(parsed, len(self.ids))
        return self.known[name]


def _number(text: str, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{what} {text!r} is not a finite number")
    return number


def read_values(
    lines: Iterable[str],
    filename: str,
    layout: CsvLayout,
    told: Callable[[int], None] = lambda rows: None,
) -> CsvValues:
    """All rows of the file; `told` hears the number of rows read, now and then.

    A row whose value is empty is a gap, and counted. Raises `InvalidCsv`, with the first twenty bad
    rows as `FILE:LINE: why` and their number, if any row is bad.
    """
    rows = csv.reader(lines, strict=True)
    header = _header(rows, filename)
    reader = _Reader(_columns(header, layout, filename), layout, len(header))
    bad = _BadRows(filename)
    count = 0
    for row in _rows(rows, bad):
        count += 1
        try:
            reader.add(row)
        except ValueError as error:
            bad.add(rows.line_num, error)
        if count % 65_536 == 0:
            told(count)
            if count > MAX_ROWS:
                raise InvalidCsv(f"{filename}: more than {MAX_ROWS} rows; split the file")
    told(count)
    bad.raise_if_any(count)
    if not reader.values:
        raise InvalidCsv(f"{filename}: holds no values")
    return CsvValues(
        list(reader.ids),
        np.frombuffer(reader.series, dtype=np.int64),
        np.frombuffer(reader.times, dtype=np.int64),
        np.frombuffer(reader.values, dtype=np.float64),
        np.frombuffer(reader.limits, dtype=np.float64),
        reader.empty_rows,
    )


def _header(rows: CsvReader, filename: str) -> list[str]:
    try:
        header = next(rows, None)
    except csv.Error as error:
        raise InvalidCsv(f"{filename}:1: {error}") from error
    if not header:
        raise InvalidCsv(f"{filename}:1: no header; expected series,timestamp,value[,limit]")
    return header


def _rows(rows: CsvReader, bad: _BadRows) -> Iterator[list[str]]:
    """The rows that are not blank, up to where quoting goes wrong."""
    try:
        yield from filter(None, rows)
    except csv.Error as error:
        bad.add(rows.line_num, error)


@dataclass(slots=True)
class _BadRows:
    filename: str
    told: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, line: int, error: Exception) -> None:
        self.count += 1
        if self.count <= MAX_BAD_ROWS_TOLD:
            self.told.append(f"{self.filename}:{line}: {error}")

    def raise_if_any(self, rows: int) -> None:
        if self.count:
            untold = self.count - len(self.told)
            more = [f"and {untold} more"] if untold else []
            total = f"{self.count} bad rows among {rows}; nothing was imported"
            raise InvalidCsv("\n".join([*self.told, *more, total]))
