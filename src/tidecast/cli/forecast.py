"""`tidecast forecast`: what a server says of a resource and why, or forecasts of a CSV file."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from tidecast.cli.client import TidecastServer, server_options
from tidecast.cli.files import replaceable
from tidecast.cli.history_input import check_horizon, check_planned, planned_input_options
from tidecast.cli.parameters import DURATION
from tidecast_collector.errors import InvalidInput

if TYPE_CHECKING:
    from tidecast.cli.planned_csv import Planned

_SERIES_AT_ONCE = 512
_EPILOG = """\b
Examples:
  tidecast forecast web-3:filesystem:/var --explain
  tidecast forecast --again
  tidecast forecast --input disks.csv --explain
  tidecast forecast --input disks.csv --horizon 90d --output bands.csv --summary dates.csv
  tidecast forecast --input - --horizon 2w < disks.csv > bands.csv
  tidecast forecast --input disks.csv --events-file plans.yaml --summary dates.csv
\b
  disks.csv:  series,timestamp,value,limit
              web-3:/var,2026-01-01T00:00:00Z,61.2,90
              web-3:/var,2026-01-01T01:00:00Z,61.3,90
"""


@click.command(epilog=_EPILOG)
@click.argument("resource", default="")
@planned_input_options
@click.option(
    "--horizon",
    type=DURATION,
    default="90d",
    show_default=True,
    metavar="DURATION",
    help="How far to look ahead: 12h, 90d, 2w; at most two years.",
)
@click.option(
    "--output",
    default="-",
    show_default=True,
    metavar="OUT.csv",
    help="Where to write series,timestamp,mean,lo80,hi80,lo95,hi95; - is standard output.",
)
@click.option(
    "--summary",
    metavar="S.csv",
    help="Where to write series,state,p10,p50,p90,method for the series with a limit.",
)
@click.option(
    "--explain",
    is_flag=True,
    help="Tell all that is behind it: data, mark, members, trend and seasons, past forecasts.",
)
@click.option("--again", is_flag=True, help="Have the server make every forecast again now.")
@click.option("--json", "as_json", is_flag=True, help="Print RESOURCE or --explain as JSON.")
@server_options
@click.pass_context
def forecast(
    context: click.Context,
    /,
    resource: str,
    source: str | None,
    *,
    explain: bool,
    again: bool,
    as_json: bool,
    server: TidecastServer,
    **files: Any,
) -> None:
    """Say when RESOURCE (HOST:KIND[:ITEM]) of a server reaches its mark, or forecast a CSV file.

    With --input no server is needed: each series is forecast and its limit is its mark. Steps are
    hours, or days for daily input. Exits 1, with nothing written, where the input is wrong.
    """
    if sum(map(bool, (resource, source, again))) != 1:
        raise click.UsageError("give one of RESOURCE, --input and --again")
    check_planned(source, files["events_file"])
    if source is not None:
        _forecast_file(context, source, explain=explain, as_json=as_json, **files)
        return
    from tidecast.cli.forecast_server import run_forecasts, show_forecast

    if again:
        run_forecasts(server)
    else:
        show_forecast(server, resource, explain=explain, as_json=as_json)


def _forecast_file(
    context: click.Context,
    source: str,
    *,
    horizon: int,
    output: str,
    summary: str | None,
    events_file: Path | None,
    explain: bool,
    as_json: bool,
) -> None:
    from tidecast.cli.planned_csv import read_planned

    _check(source, horizon, output, summary)
    try:
        planned = read_planned(source, events_file, horizon)
        if explain:
            from tidecast.cli.explain_csv import explain_histories

            explain_histories(planned, horizon, as_json=as_json)
            return
        from tidecast.cli.cautions import cautions

        for line in cautions(planned):
            click.echo(line, err=True)
        _write(planned, horizon, output, summary)
    except InvalidInput as error:
        click.echo(str(error), err=True)
        context.exit(1)
    except OSError as error:
        click.echo(f"{error.filename or source}: {error.strerror}", err=True)
        context.exit(1)


def _check(source: str, horizon_ms: int, output: str, summary: str | None) -> None:
    check_horizon(horizon_ms)
    if summary is not None and _same(summary, output):
        raise click.UsageError("--output and --summary name the same file")
    for written in (output, summary):
        if written not in (None, "-") and _same(written, source):
            raise click.UsageError(f"{written} would overwrite the input")


def _same(one: str | None, other: str) -> bool:
    return one == other or (
        one is not None and "-" not in (one, other) and Path(one).resolve() == Path(other).resolve()
    )


def _write(
    planned: Mapping[str, Planned], horizon_ms: int, output: str, summary: str | None
) -> None:
    from tidecast.cli.forecast_csv import (
        BAND_HEADER,
        SUMMARY_HEADER,
        band_rows,
        summary_row,
    )
    from tidecast_analytics.forecasting import forecast as forecast_all

    names = list(planned)
    firsts = range(0, len(names), _SERIES_AT_ONCE)
    with (
        _replaced(output) as band_file,
        _replaced(summary) as summary_file,
        click.progressbar(
            firsts, label="Forecasting", file=sys.stderr, hidden=not sys.stderr.isatty()
        ) as slices,
    ):
        bands = csv.writer(band_file, lineterminator="\n")
        dates = csv.writer(summary_file, lineterminator="\n")
        bands.writerow(BAND_HEADER)
        dates.writerow(SUMMARY_HEADER)
        for first in slices:
            some = names[first : first + _SERIES_AT_ONCE]
            for name, outlook in zip(
                some,
                forecast_all([planned[name].history for name in some], horizon_ms),
                strict=True,
            ):
                bands.writerows(band_rows(name, outlook))
                row = summary_row(name, outlook)
                if row is not None:
                    dates.writerow(row)


@contextmanager
def _replaced(path: str | None) -> Iterator[TextIO]:
    """A file that takes the place of `path` when all went well; `-` is standard output.

    A device or a pipe is written to as it is; None is written nowhere.
    """
    if path == "-":
        yield sys.stdout
        sys.stdout.flush()
        return
    if path is None:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
            yield nowhere
        return
    target = Path(path)
    if not replaceable(target):
        with target.open("w", encoding="utf-8", newline="") as there:
            yield there
        return
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("x", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
