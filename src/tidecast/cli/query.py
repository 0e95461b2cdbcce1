"""`tidecast query`: PromQL from the shell."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from tidecast.cli.client import TidecastServer, server_options
from tidecast.cli.output import format_option, print_rows


@click.command()
@click.argument("expression")
@click.option("--time", "at", metavar="TIME", help="When (RFC 3339 or Unix seconds); else now.")
@format_option
@server_options
def query(expression: str, at: str | None, output_format: str, server: TidecastServer) -> None:
    """Evaluate a PromQL EXPRESSION at one time.

    \b
    Examples:
      tidecast query 'tidecast_usage{resource="filesystem"}'
      tidecast query 'rate(node_cpu_seconds_total[5m])' --time 2027-01-31T12:00:00Z --format json
    """
    form = [("query", expression), *([("time", at)] if at else [])]
    answer = server.post_form("/api/v1/query", form)
    for note in (*answer.get("warnings", ()), *answer.get("infos", ())):
        click.echo(note, err=True)
    print_rows(_rows(answer["data"]), ["series", "time", "value"], output_format)


def _rows(data: dict[str, Any]) -> list[dict[str, object]]:
    if data["resultType"] in ("scalar", "string"):
        return [_row("", *data["result"])]
    return [
        _row(series_name(element["metric"]), *point)
        for element in data["result"]
        for point in element.get("values", [element.get("value")])
    ]


def _row(series: str, at_seconds: float, value: str) -> dict[str, object]:
    return {"series": series, "time": _time(at_seconds), "value": value}


def _time(at_seconds: float) -> str:
    try:
        moment = datetime.fromtimestamp(at_seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return str(at_seconds)  # beyond the years 1 to 9999
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def series_name(metric: dict[str, str]) -> str:
    """The series as PromQL writes it."""
    labels = ",".join(f'{k}="{v}"' for k, v in sorted(metric.items()) if k != "__name__")
    return metric.get("__name__", "") + f"{{{labels}}}"
