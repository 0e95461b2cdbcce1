"""`tidecast incident`: what is wrong, since when, and who is on it."""

from __future__ import annotations

import getpass
from typing import Any

import click

from tidecast.cli.client import TidecastServer, server_options
from tidecast.cli.output import cell, format_option, print_rows, printable, table

COLUMNS = ("name", "priority", "state", "host", "resource", "item", "opened", "resolved", "title")


class IncidentNumber(click.ParamType[int]):
    """An incident as people write it: 12 or INC-12."""

    name = "incident"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        digits = str(value).upper().removeprefix("INC-")
        if not digits.isascii() or not digits.isdigit():
            self.fail(f"{value!r} is not an incident such as 12 or INC-12", param, ctx)
        return int(digits)


@click.group()
def incident() -> None:
    """List, show, acknowledge and resolve incidents.

    \b
    Examples:
      tidecast incident list
      tidecast incident show INC-12
      tidecast incident ack 12 --comment "growing the volume"
    """


@incident.command("list")
@click.option("--all", "everything", is_flag=True, help="Resolved ones too.")
@format_option
@server_options
def list_incidents(everything: bool, output_format: str, server: TidecastServer) -> None:
    """Incidents that are not resolved, the newest first.

    \b
    Examples:
      tidecast incident list
      tidecast incident list --all --format csv
    """
    query = "" if everything else "?state=open&state=acknowledged"
    found = server.get_json(f"/api/tidecast/v1/incidents{query}")["incidents"]
    print_rows(found, COLUMNS, output_format)


@incident.command()
@click.argument("number", type=IncidentNumber())
@click.option("--format", "output_format", type=click.Choice(["table", "json"]), default="table")
@server_options
def show(number: int, output_format: str, server: TidecastServer) -> None:
    """One incident with its signals and its timeline.

    \b
    Example:
      tidecast incident show INC-12
    """
    _print(server.get_json(f"/api/tidecast/v1/incidents/{number}"), output_format)


def _acting(name: str, path: str, purpose: str) -> None:
    example = f"tidecast incident {name} INC-12 --comment 'grew the volume'"

    @incident.command(name, help=f"{purpose}\n\n\b\nExample:\n  {example}")
    @click.argument("number", type=IncidentNumber())
    @click.option("--by", default=getpass.getuser, show_default="you", help="Who says so.")
    @click.option("--comment", default="", help="What to write into the timeline.")
    @server_options
    def act(number: int, by: str, comment: str, server: TidecastServer) -> None:
        url = f"/api/tidecast/v1/incidents/{number}/{path}"
        _print(server.post_json(url, {"by": by, "comment": comment}), "table")


_acting("ack", "acknowledge", "Say that somebody is on it.")
_acting("resolve", "resolve", "Say that it is over.")


def _print(view: dict[str, Any], output_format: str) -> None:
    if output_format == "json":
        print_rows([view], (), "json")
        return
    click.echo(
        f"{view['name']}  P{view['priority']}  {view['state']}  {printable(view['title'])}\n"
    )
    for heading, columns, rows in _parts(view):
        click.echo(table(rows, columns) + "\n" if rows else f"no {heading}\n")


def _parts(view: dict[str, Any]) -> list[tuple[str, tuple[str, ...], list[list[str]]]]:
    def cells(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> list[list[str]]:
        return [[cell(row[name]) for name in columns] for row in rows]

    signals, entries = ("state", "source", "value", "summary"), ("at", "kind", "text", "actor")
    return [
        ("signals", signals, cells(view["signals"], signals)),
        ("timeline", entries, cells(view["timeline"], entries)),
    ]
