"""`tidecast anomalies`: what is strange in the usage of a fleet, or in a CSV file."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from tidecast.cli.client import TidecastServer, server_options
from tidecast.cli.history_input import input_option
from tidecast.cli.output import format_option, print_rows, printable
from tidecast.cli.parameters import DURATION
from tidecast.cli.query import series_name

if TYPE_CHECKING:
    from tidecast.journeys.examine_usage import Values

Row = dict[str, Any]

NAMES = ("host", "resource", "item")
ANOMALY = ("peak", "value", "usual", "once_in_weeks", "why", "first", "last")
SHIFT = ("at", "size")
LEAK = ("rate_per_day", "error_per_day", "days", "restarts")
PREFIX = "/api/tidecast/v1"
MINUTE_MS, FIVE_MINUTES_MS, DAY_MS = 60_000, 300_000, 86_400_000
MOST_POINTS = 11_000
_AT_ONCE = 128


@click.command()
@click.argument("selector", default="")
@input_option
@click.option(
    "--query",
    "expression",
    metavar="PROMQL",
    help="Score what the expression gave over --span at each --step.",
)
@click.option(
    "--step",
    type=DURATION,
    metavar="DURATION",
    help="Steps of --input (else hours) or --query (else 5m): whole times in a day.",
)
@click.option(
    "--span", type=DURATION, default="14d", show_default=True, help="How far --query looks back."
)
@click.option(
    "--expected-per-week",
    type=click.FloatRange(0, 5, min_open=True),
    default=1.0,
    show_default=True,
    help="How many false anomalies of each resource a week are put up with; at most 1 of a server.",
)
@click.option("--shifts", "wanted", flag_value="shifts", help="Print lasting shifts instead.")
@click.option("--leaks", "wanted", flag_value="leaks", help="Print slow leaks instead.")
@format_option
@server_options
def anomalies(
    selector: str,
    source: str | None,
    expression: str | None,
    expected_per_week: float,
    wanted: str | None,
    output_format: str,
    server: TidecastServer,
    **lengths: Any,
) -> None:
    """Tell what was strange when it came, by what came before it alone, the newest first.

    SELECTOR narrows to some resources, as {resource="cpu"} or {instance=~"web-.*"}. A server
    tells of the last four weeks. The first two days of a history are for learning.

    \b
    usual          the median of this hour on the days before
    once_in_weeks  in so many weeks ordinary usage looks as strange once
    --shifts       steps up after which a resource goes on as before, on another level
    --leaks        rises between restarts that reset them, each time at one rate

    \b
    Examples:
      tidecast anomalies
      tidecast anomalies '{resource="memory"}' --leaks
      tidecast anomalies --input usage.csv --expected-per-week 0.1 --format csv
      tidecast anomalies --query 'sum by (instance) (rate(node_cpu_seconds_total[5m]))'
    """
    kind = wanted or "anomalies"
    step: int | None = lengths["step"]
    _check(expected_per_week, step)
    if sum(map(bool, (selector, source, expression))) > 1:
        raise click.UsageError("give one of SELECTOR, --input and --query")
    names: tuple[str, ...] = ("series",)
    if source is not None:
        rows = _from_file(source, expected_per_week, kind, step)
    elif expression is not None:
        at = _points(server, expression, step or FIVE_MINUTES_MS, lengths["span"])
        rows = _rows(at, expected_per_week, kind, step or FIVE_MINUTES_MS)
    else:
        names = NAMES
        rows = _from_server(server, selector, expected_per_week, kind)
    columns = (*names, *{"anomalies": ANOMALY, "shifts": SHIFT, "leaks": LEAK}[kind])
    if output_format != "json":
        rows = [{name: _cell(row[name]) for name in columns} for row in rows]
    if rows or output_format != "table":
        print_rows(rows, columns, output_format)
    else:
        click.echo(f"no {kind}")


def _from_server(
    server: TidecastServer, selector: str, expected_per_week: float, kind: str
) -> list[Row]:
    if expected_per_week > 1:
        raise click.UsageError(
            "a server keeps the anomalies that are expected once a week or less often: "
            "give at most --expected-per-week 1, or --input"
        )
    score = min(-math.log10(expected_per_week), 6.0) + 0.0
    found = server.get_json(
        f"{PREFIX}/anomalies", [("match", selector), ("min_score", f"{score:.6f}")]
    )
    if not found["resources"]:
        raise click.ClickException(
            f"no resource matches {printable(selector) or 'at all'}, or none was looked at yet: "
            "that happens within a minute of its first usage records"
        )
    rows: list[Row] = found[kind]
    return rows


def _check(expected_per_week: float, step: int | None) -> None:
    if math.isnan(expected_per_week):
        raise click.BadParameter("give a number over 0", param_hint="--expected-per-week")
    if step is not None and (step < MINUTE_MS or DAY_MS % step):
        raise click.BadParameter(
            "a step is a minute or more and goes into a day without rest: 1m, 5m, 1h",
            param_hint="--step",
        )


def _points(server: TidecastServer, expression: str, step: int, span: int) -> dict[str, Values]:
    """What the expression gave at each step of the span, by series."""
    import numpy as np

    if span // step > MOST_POINTS:
        raise click.UsageError(
            f"--span over --step makes more than {MOST_POINTS} points: take longer steps"
        )
    end = int(time.time() * 1000) // step * step
    form = [
        ("query", expression),
        ("start", str((end - span) / 1000)),
        ("end", str(end / 1000)),
        ("step", str(step / 1000)),
    ]
    answer = server.post_form("/api/v1/query_range", form)
    columns = {
        series_name(each["metric"]): np.array(each["values"], dtype=np.float64)
        for each in answer["data"]["result"]
    }
    return {
        name: (np.round(column[:, 0] * 1000).astype(np.int64), column[:, 1])
        for name, column in columns.items()
    }


def _from_file(source: str, expected: float, kind: str, step: int | None) -> list[Row]:
    from tidecast.cli.forecast_csv import read_source

    histories = read_source(source)
    values = {name: (each.times_ms, each.values) for name, each in histories.items()}
    return _rows(values, expected, kind, step)


def _rows(values: Mapping[str, Values], expected: float, kind: str, step: int | None) -> list[Row]:
    from tidecast.journeys.examine_usage import (
        event_document,
        examine,
        leak_document,
        step_document,
    )

    names = list(values)
    rows: list[Row] = []
    for first in range(0, len(names), _AT_ONCE):
        some = names[first : first + _AT_ONCE]
        found = examine([values[name] for name in some], expected, step)
        for name, each in zip(some, found, strict=True):
            of = {"series": name}
            if kind == "anomalies":
                rows += [event_document(of, event) for event in each.events]
            elif kind == "shifts":
                rows += [step_document(of, shift) for shift in each.steps]
            elif each.leak is not None:
                rows.append(leak_document(of, each.leak))
    when = {"anomalies": "peak", "shifts": "at"}.get(kind)
    return sorted(rows, key=lambda row: str(row[when]), reverse=True) if when else rows


def _cell(value: object) -> object:
    """Restarts are counted; numbers are told to four digits."""
    if isinstance(value, list):
        return len(value)
    return f"{value:.4g}" if isinstance(value, float) else value
