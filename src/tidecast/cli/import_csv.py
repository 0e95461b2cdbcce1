"""`tidecast import csv`."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from tidecast.cli.client import TidecastServer, server_options
from tidecast.cli.output import printable
from tidecast.cli.send_history import SentUsage, send_usage
from tidecast.journeys.imports.csv_rows import (
    CsvLayout,
    CsvValues,
    bounded_lines,
    parse_step_ms,
    parse_timestamp_ms,
    read_values,
)
from tidecast.journeys.imports.csv_usage import csv_usage
from tidecast.journeys.imports.usage import UsageSeries
from tidecast_collector.errors import TidecastError

MOST_TOLD = 20


@click.command(name="csv")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--source", help="What the records' source is called.  [default: csv:FILE]")
@click.option(
    "--unit",
    help="The values' unit, as percent, GB or orders.  [default: as header, names and values tell]",
)
@click.option("--mark", type=float, help="The mark of every series, instead of the limit column.")
@click.option("--series", help="The series, where the file has no such column.")
@click.option(
    "--timestamp-column",
    default="timestamp",
    show_default=True,
    metavar="NAME",
    help="The column with the times.",
)
@click.option(
    "--value-column",
    default="value",
    show_default=True,
    metavar="NAME",
    help="The column with the values.",
)
@click.option("--start", help="The first row's time, where the file has no timestamps.")
@click.option("--step", help="The time from row to row, e.g. 300s, 5m, 1h or 1d.")
@server_options
def import_csv(
    server: TidecastServer,
    file: Path,
    source: str | None,
    unit: str | None,
    mark: float | None,
    **layout: Any,
) -> None:
    """Bring in a CSV file of usage: series,timestamp,value[,limit].

    A series reads instance[:resource[:item]], e.g. web-3:filesystem:/var; a plain name is a
    resource of its own, 'custom'. Timestamps are ISO 8601 (UTC where none is said) or epoch
    seconds. The limit is the mark. Values finer than hourly become hourly records; daily ones stay
    daily. Every row is checked before anything is sent. Percent become ratios, and what unit was
    inferred is told.

    \b
    Examples:
      tidecast import csv storage.csv
      tidecast import csv disks.csv --unit percent
      tidecast import csv cpu.csv --series db-1:cpu --value-column avg_cpu --mark 0.8
      tidecast import csv trace.csv --series fleet:cpu --start 2026-01-01 --step 5m
    """
    shape = _layout(**layout)
    if mark is not None and not math.isfinite(mark):
        raise click.UsageError(f"--mark {mark} is not a finite number")
    try:
        rows = _read(file, shape)
    except OSError as error:
        raise TidecastError(f"cannot read {file}: {error.strerror}") from error
    series = list(csv_usage(rows, unit, mark, shape.value_column))
    name = source or f"csv:{file.name}"
    result = send_usage(server, name, series)
    records = sum(len(each.usage.hours_ms) for each in series)
    click.echo(
        f"imported {len(rows.values):,} values of {len(series):,} series as {records:,} records"
        f" from {name}{_remarks(rows, result)}"
    )
    for line in _inferred(series):
        click.echo(line, err=True)


def _inferred(series: Sequence[UsageSeries]) -> Iterator[str]:
    """What units were inferred, once for each kind of resource."""
    told = {(each.resource, each.unit): each for each in series[::-1] if each.unit_inferred}
    for each in list(told.values())[::-1][:MOST_TOLD]:
        name = ":".join(filter(None, (each.instance, each.resource, each.item)))
        yield printable(f"{name}: {each.unit_inferred} See --unit.")


def _layout(
    series: str | None,
    timestamp_column: str,
    value_column: str,
    start: str | None,
    step: str | None,
) -> CsvLayout:
    if (start is None) != (step is None):
        raise click.UsageError("--start and --step go together")
    if start is not None and series is None:
        raise click.UsageError("--start and --step date one series; name it with --series")
    try:
        return CsvLayout(
            timestamp_column,
            value_column,
            series,
            None if start is None else parse_timestamp_ms(start),
            None if step is None else parse_step_ms(step),
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _read(file: Path, layout: CsvLayout) -> CsvValues:
    # Bytes that are not UTF-8 pass as surrogates, so that the row they stand in can be named.
    with (
        file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as text,
        click.progressbar(length=file.stat().st_size, label=f"reading {file.name}") as bar,
    ):
        return read_values(
            bounded_lines(text, str(file)),
            str(file),
            layout,
            lambda _: bar.update(os.lseek(text.fileno(), 0, os.SEEK_CUR) - bar.pos),
        )


def _remarks(rows: CsvValues, result: SentUsage) -> str:
    remarks = []
    if rows.empty_rows:
        remarks.append(f"{rows.empty_rows:,} empty rows left out")
    if result.skipped and not result.sent:
        remarks.append("nothing new: all of it was imported before")
    elif result.skipped:
        remarks.append(
            f"resumed: {result.skipped} of {result.sent + result.skipped} parts were there"
        )
    return f" ({'; '.join(remarks)})" if remarks else ""
