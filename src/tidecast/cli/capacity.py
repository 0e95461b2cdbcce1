"""`tidecast capacity`: what runs out first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from tidecast.cli.client import TidecastServer, server_options
from tidecast.cli.output import format_option, print_rows, printable
from tidecast_reports.units import share

COLUMNS = (
    "host", "resource", "item", "state", "p10", "p50", "p90", "used", "mark", "held", "method",
)  # fmt: skip


@click.group()
def capacity() -> None:
    """What runs out first, and when.

    \b
    Example:
      tidecast capacity list
    """


@capacity.command("list")
@click.option("--host", help="Only this host.")
@click.option("--resource", help="Only this kind of resource, e.g. filesystem.")
@format_option
@server_options
def list_resources(
    host: str | None, resource: str | None, output_format: str, server: TidecastServer
) -> None:
    """Every resource with its typed answer, the first to run out at the top.

    P10, P50 and P90 are the dates by which the mark is reached with that probability; held says
    how many of the last forecasts for it did.

    \b
    Examples:
      tidecast capacity list
      tidecast capacity list --resource filesystem --format csv
    """
    found = server.get_json("/api/tidecast/v1/capacity")["resources"]
    rows = [
        {**row, "held": _held(row.get("track"))}
        for row in found
        if host in (None, row["host"]) and resource in (None, row["resource"])
    ]
    if output_format != "table":
        print_rows(rows, COLUMNS, output_format)
        return
    print_rows([{**row, **_for_people(row)} for row in rows], COLUMNS, output_format)
    if rows:
        click.echo(f"\n{printable(rows[0]['sentence'])}")


def _for_people(row: Mapping[str, Any]) -> dict[str, str | None]:
    """The row's dates to the day, and its mark as its usage is shown."""
    days = {name: row[name] and row[name][:10] for name in ("p10", "p50", "p90")}
    mark = row["mark"]
    return {**days, "mark": None if mark is None else share(mark, row["limit"], row["unit"])}


def _held(track: dict[str, int] | None) -> str:
    return f"{track['held']} of {track['scored']}" if track else ""
