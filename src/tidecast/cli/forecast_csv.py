"""The CSV files of `tidecast forecast --input`: histories in, bands and typed answers out."""

from __future__ import annotations

import csv
import math
import re
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path
from typing import TextIO

import numpy as np

from tidecast_analytics.outlook import History, Outlook
from tidecast_collector.errors import InvalidInput

MAX_ROWS = 50_000_000
MAX_ERRORS = 20
"""So many bad rows are told of; reading stops at the last of them."""

BAND_HEADER = ("series", "timestamp", "mean", "lo80", "hi80", "lo95", "hi95")
SUMMARY_HEADER = ("series", "state", "p10", "p50", "p90", "method")

_REQUIRED = ("series", "timestamp", "value")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC).timestamp()
_LATEST = datetime(2200, 1, 1, tzinfo=UTC).timestamp()


class _BadCell(Exception):
    """What is wrong with one cell, to be told with its line."""


@dataclass(slots=True)
class _Column:
    times_ms: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))
    mark: float | None = None
    mark_ms: int = 0


def read_source(source: str) -> dict[str, History]:
    """The histories of the file, or of standard input for `-`; raises InvalidInput."""
    if source == "-":
        return read_histories(sys.stdin, "standard input")
    try:
        with Path(source).open(encoding="utf-8-sig", newline="") as lines:
            return read_histories(lines, source)
    except OSError as error:
        raise InvalidInput(f"{source}: {error.strerror}") from error


def read_histories(lines: TextIO, name: str) -> dict[str, History]:
    """The histories of a CSV `series,timestamp,value[,limit]`, by series in order of appearance.

    Timestamps are ISO 8601 (without a zone: UTC) or epoch seconds; an empty value or NaN is a
    gap. The limit with the latest timestamp is the mark of its series. Raises InvalidInput
    naming up to 20 bad lines as `name:line: what is wrong`.
    """
    columns: dict[str, _Column] = {}
    errors: list[str] = []
    reader = csv.reader(lines, strict=True)
    try:
        places = _header(reader, name)
        for row in reader:
            try:
                _take(row, places, columns)
            except _BadCell as error:
                errors.append(f"{name}:{reader.line_num}: {error}")
                if len(errors) == MAX_ERRORS:
                    errors.append(f"{name}: reading stopped after {MAX_ERRORS} bad rows")
                    break
            if reader.line_num > MAX_ROWS:
                raise InvalidInput(f"{name}: more than {MAX_ROWS} lines; split the file by series")
    except csv.Error as error:
        errors.append(f"{name}:{reader.line_num}: {error}")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{name}: not UTF-8 text ({error.reason}); convert it first") from error
    if errors:
        raise InvalidInput("\n".join(errors))
    if not columns:
        raise InvalidInput(f"{name}: no rows below the header; nothing to forecast")
    return {
        series: History(
            np.frombuffer(column.times_ms, dtype=np.int64),
            np.frombuffer(column.values, dtype=np.float64),
            column.mark,
        )
        for series, column in columns.items()
    }


def _header(reader: Iterator[list[str]], name: str) -> tuple[int, int, int, int | None, int]:
    """Where the columns series, timestamp, value and limit stand, and how many there are."""
    header = [cell.strip().lower() for cell in next(reader, [])]
    missing = [column for column in _REQUIRED if column not in header]
    if missing:
        raise InvalidInput(
            f"{name}:1: the header lacks {', '.join(missing)}; "
            f"needed is series,timestamp,value and optionally limit"
        )
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise InvalidInput(f"{name}:1: the header names {', '.join(twice)} more than once")
    series, timestamp, value = (header.index(column) for column in _REQUIRED)
    limit = header.index("limit") if "limit" in header else None
    return series, timestamp, value, limit, len(header)


def _take(
    row: list[str],
    places: tuple[int, int, int, int | None, int],
    columns: dict[str, _Column],
) -> None:
    series, timestamp, value, limit, count = places
    if not row:
        return
    if len(row) != count:
        raise _BadCell(f"{len(row)} fields where the header has {count}")
    name = row[series].strip()
    if not name:
        raise _BadCell("the series has no name")
    time_ms = _time_ms(row[timestamp].strip())
    number = _number(row[value].strip(), "value")
    mark = None if limit is None else _number(row[limit].strip(), "limit")
    column = columns.get(name)
    if column is None:
        column = columns[name] = _Column()
    column.times_ms.append(time_ms)
    column.values.append(math.nan if number is None else number)
    if mark is not None and (column.mark is None or time_ms >= column.mark_ms):
        column.mark, column.mark_ms = mark, time_ms


def _number(text: str, what: str) -> float | None:
    if not text or text.lower() == "nan":
        return None
    number = float(text) if _NUMBER.fullmatch(text) else math.inf
    if math.isinf(number):
        raise _BadCell(f"{what} {text[:80]!r} is not a number")
    return number


def _time_ms(text: str) -> int:
    try:
        seconds = float(text) if _NUMBER.fullmatch(text) else _iso_seconds(text)
    except ValueError:
        raise _BadCell(f"timestamp {text[:80]!r} is neither ISO 8601 nor epoch seconds") from None
    if not _EARLIEST <= seconds < _LATEST:
        raise _BadCell(
            f"timestamp {text[:80]!r} lies outside the years 1900 to 2199; "
            f"an epoch is counted in seconds"
        )
    return round(seconds * 1000)


def _iso_seconds(text: str) -> float:
    time = datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def band_rows(series: str, outlook: Outlook) -> Iterator[tuple[str, ...]]:
    """The rows of the forecast file for one series."""
    times = np.datetime_as_string(outlook.times_ms.astype("datetime64[ms]"), unit="s").tolist()
    bands = (outlook.mean, outlook.lo80, outlook.hi80, outlook.lo95, outlook.hi95)
    texts = [[f"{number:.10g}" for number in band.tolist()] for band in bands]
    return zip(repeat(series), (time + "Z" for time in times), *texts, strict=False)


def summary_row(series: str, outlook: Outlook) -> Sequence[str] | None:
    """The row of the summary file, or None for a series without a mark."""
    if outlook.state is None:
        return None
    dates = (outlook.p10_ms, outlook.p50_ms, outlook.p90_ms)
    return (series, outlook.state.value, *map(_date, dates), outlook.method)


def _date(time_ms: int | None) -> str:
    """The day in UTC, as an ISO date; empty where there is none."""
    return "" if time_ms is None else str(np.datetime64(time_ms, "ms").astype("datetime64[D]"))
