"""`tidecast backtest`: the forecasts of the past made again, beside what others would have said."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from tidecast.cli.client import TidecastServer, server_options
from tidecast.cli.history_input import check_horizon, check_planned, planned_input_options
from tidecast.cli.output import format_option, print_rows, printable
from tidecast.cli.parameters import DURATION

Row = dict[str, Any]

COLUMNS = (
    "series", "method", "origins", "mae", "mase", "pinball", "coverage80", "coverage95",
    "date_pinball_days", "date_error_days", "alarms_right", "alarms_wrong", "alarms_missed",
)  # fmt: skip
SUMMED = "all series"
_AT_ONCE = 10
_MAX_ORIGINS = 52
_PATIENCE_SECONDS = 600.0


@click.command()
@click.argument("selector", default="")
@planned_input_options
@click.option(
    "--horizon",
    type=DURATION,
    default="14d",
    show_default=True,
    metavar="DURATION",
    help="How far each forecast of the past looks ahead: 12h, 14d, 90d.",
)
@click.option(
    "--origins",
    type=click.IntRange(1, _MAX_ORIGINS),
    default=3,
    show_default=True,
    help="At how many times of the past a forecast is made.",
)
@click.option("--each", is_flag=True, help="Also print every series, not only all together.")
@format_option
@server_options
def backtest(
    selector: str,
    source: str | None,
    events_file: Path | None,
    horizon: int,
    origins: int,
    each: bool,
    output_format: str,
    server: TidecastServer,
) -> None:
    """Make the forecasts of the past again and score them against what came.

    SELECTOR narrows to some resources, as {resource="filesystem"} or {instance=~"web-.*"}. At
    each of several times of the past every method sees only what came before.

    \b
    mase, pinball  errors in units of the in-sample error of the seasonal naive: less is better
    coverage80/95  shares of what came within the bands: 0.80 and 0.95 are right
    date_pinball   mean loss in days of P10, P50, P90 for the mark; date_error of P50 alone
    alarms         "full within 30 days": said rightly, said wrongly, missed

    \b
    Examples:
      tidecast backtest
      tidecast backtest '{resource="filesystem"}' --horizon 30d --origins 5 --each
      tidecast backtest --input disks.csv --horizon 7d --format csv
    """
    check_planned(source, events_file)
    if source is None:
        rows = _from_server(server, selector, horizon, origins)
    elif selector:
        raise click.UsageError("SELECTOR chooses resources of a server, not series of --input")
    else:
        rows = _from_file(source, events_file, horizon, origins)
    if not rows:
        raise click.ClickException(
            "nothing could be back-tested: a history must be longer than four days (four weeks of "
            "daily values) and the horizon; see --horizon"
        )
    together = _together(rows)
    shown = [*rows, *together] if each or output_format != "table" else together
    if output_format == "table":
        shown = [{name: _cell(row[name]) for name in COLUMNS} for row in shown]
    print_rows(shown, COLUMNS, output_format)
    count = len({row["series"] for row in rows})
    click.echo(f"{count} series, {horizon // 3_600_000} hours ahead", err=True)


def _from_server(
    server: TidecastServer, selector: str, horizon_ms: int, origins: int
) -> list[Row]:  # fmt: skip
    rows: list[Row] = []
    server.wait_up_to(_PATIENCE_SECONDS)

    def page(offset: int) -> Mapping[str, Any]:
        asked = [
            ("match", selector),
            ("horizon", f"{horizon_ms}ms"),
            ("origins", str(origins)),
            ("offset", str(offset)),
            ("limit", str(_AT_ONCE)),
        ]
        found: Mapping[str, Any] = server.get_json("/api/tidecast/v1/backtest", asked)
        rows.extend(found["scores"])
        return found

    total = page(0)["total"]
    if not total:
        raise click.ClickException(f"no resource matches {printable(selector) or 'at all'}")
    for offset in _with_progress(range(0, total, _AT_ONCE)):
        if offset:
            page(offset)
    return rows


def _from_file(source: str, events_file: Path | None, horizon_ms: int, origins: int) -> list[Row]:
    from tidecast.cli.planned_csv import read_planned
    from tidecast.journeys.backtest_fleet import backtest_here, score_row

    check_horizon(horizon_ms)
    planned = read_planned(source, events_file, horizon_ms, past=True)
    names = list(planned)
    rows: list[Row] = []
    for first in _with_progress(range(0, len(names), _AT_ONCE)):
        some = names[first : first + _AT_ONCE]
        histories, changes = zip(*(planned[name] for name in some), strict=True)
        scores = backtest_here(histories, changes, horizon_ms, origins)
        rows += [
            score_row(name, score)
            for name, methods in zip(some, scores, strict=True)
            for score in methods
        ]
    return rows


def _with_progress(firsts: Sequence[int]) -> Iterator[int]:
    hidden = not sys.stderr.isatty()
    with click.progressbar(firsts, label="Back-testing", file=sys.stderr, hidden=hidden) as shown:
        yield from shown


def _together(rows: Sequence[Row]) -> list[Row]:
    """All series as one, of each method; a series counts alike whatever its unit."""
    methods = dict.fromkeys(row["method"] for row in rows)
    return [_sum([row for row in rows if row["method"] == method]) for method in methods]


def _sum(rows: Sequence[Row]) -> Row:
    counted = ("origins", "values", "dates", "alarms_right", "alarms_wrong", "alarms_missed")
    return {
        "series": SUMMED,
        "method": rows[0]["method"],
        **{name: sum(row[name] for row in rows) for name in counted},
        "mae": None,
        **{name: _mean(rows, name, lambda row: 1) for name in ("mase", "pinball")},
        **{
            name: _mean(rows, name, lambda row: int(row["values"]))
            for name in ("coverage80", "coverage95")
        },
        "date_pinball_days": _mean(rows, "date_pinball_days", lambda row: int(row["dates"])),
        "date_error_days": _mean(rows, "date_error_days", lambda row: 1),
    }


def _mean(rows: Sequence[Row], name: str, weight: Callable[[Row], int]) -> float | None:
    told = [(row[name], weight(row)) for row in rows if row[name] is not None]
    total = sum(count for _, count in told)
    return sum(value * count for value, count in told) / total if total else None


def _cell(value: object) -> object:
    return f"{value:.3g}" if isinstance(value, float) else value
