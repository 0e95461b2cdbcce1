"""`tidecast availability`: how available services and hosts were, and words on it."""

from __future__ import annotations

import getpass
import json
from typing import Any
from urllib.parse import urlencode

import click

from tidecast.cli.client import TidecastServer, server_options
from tidecast.cli.output import cell, format_option, print_rows, printable, table
from tidecast.cli.parameters import MOMENT
from tidecast_reports.availability import downtime, percent

PREFIX = "/api/tidecast/v1"
SUMMARY = ("name", "availability", "lowest", "highest", "down", "unknown", "breaks", "modelled")
PARTS = ("service", "component", "lost", "gain", "with_a_second", "costs")
CAUSES = ("service", "components", "together", "predicted", "index")


class ShowsByDefault(click.Group):
    """A group whose first word, where it is no command, is what `show` is asked for."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["show", *args]
        return super().parse_args(ctx, args)


def _period_options(command: Any) -> Any:
    for option in (
        click.option("--known-on", type=MOMENT, help="As it was known on that time."),
        click.option(
            "--time-zone", default="UTC", show_default=True, help="Whose month it is, by IANA name."
        ),
        click.option("--end", type=MOMENT, help="Until when (now)."),
        click.option("--start", type=MOMENT, help="From when (30 days before the end)."),
        click.option("--month", metavar="YYYY-MM", help="A whole calendar month."),
    ):
        command = option(command)
    return command


@click.group(cls=ShowsByDefault)
def availability() -> None:
    """How available services and hosts were, and why.

    \b
    Examples:
      tidecast availability                          every service, the last 30 days
      tidecast availability shop --month 2026-10     one service with its outages
      tidecast availability web-1 --start 2026-10-05T00:00Z
      tidecast availability shop --month 2026-10 --known-on 2026-11-01T00:00Z
      tidecast availability mark web-1 --maintenance 2026-10-05T22:00Z 2026-10-06T01:00Z \\
          --reason "new disks"
      tidecast availability plan                     what a second part would bring
    """


@availability.command()
@click.argument("name", metavar="[SERVICE|HOST]", default="")
@_period_options
@format_option
@server_options
def show(name: str, output_format: str, server: TidecastServer, **period: str | None) -> None:
    """The availability of a service or a host (or other component), or of every service.

    \b
    Examples:
      tidecast availability shop --month 2026-10
      tidecast availability show --format csv
    """
    query = {**({"component": name} if name else {}), **_given(period)}
    found = server.get_json(f"{PREFIX}/availability?{urlencode(query)}")
    if output_format == "json":
        click.echo(json.dumps(found, indent=2))
    elif not name:
        print_rows([_row(each) for each in found["services"]], SUMMARY, output_format)
    elif output_format == "csv":
        print_rows([_row(found), *map(_row, found["components"])], SUMMARY, "csv")
    else:
        _tell(found)


@availability.command()
@click.argument("component")
@click.option("--maintenance", "kind", flag_value="maintenance", help="It was worked on.")
@click.option("--exclude", "kind", flag_value="exclusion", help="It does not count, by agreement.")
@click.option("--up", "kind", flag_value="up", help="Whatever was observed, it was up.")
@click.option("--down", "kind", flag_value="down", help="Whatever was observed, it was down.")
@click.option("--note", "kind", flag_value="annotation", help="Only a note.")
@click.argument("start", type=MOMENT)
@click.argument("end", type=MOMENT)
@click.option("--reason", required=True, help="Why; it is shown with every report.")
@click.option("--by", default=getpass.getuser, show_default="you", help="Who says so.")
@server_options
def mark(
    component: str,
    kind: str | None,
    start: str,
    end: str,
    reason: str,
    by: str,
    server: TidecastServer,
) -> None:
    """Say what a time of a service or component really was; observations stay as they are.

    \b
    Examples:
      tidecast availability mark web-1 --maintenance 2026-10-05T22:00Z 2026-10-06T01:00Z \\
          --reason "new disks"
      tidecast availability mark shop --exclude 2026-10-07T08:00Z 2026-10-07T09:00Z \\
          --reason "the customer's own network was down"
    """
    if kind is None:
        raise click.UsageError("say what it was: --maintenance, --exclude, --up, --down or --note")
    state = {"state": kind} if kind in ("up", "down") else {}
    word = {"component": component, "kind": "reclassification" if state else kind, **state}
    word |= {"start": start, "end": end, "reason": reason, "author": by}
    kept = server.post_json(f"{PREFIX}/classifications", word)
    what = f"{kept['kind']} {kept['state'] or ''}".strip()
    click.echo(f"{kept['id']}: {what} of {component} from {kept['start']} to {kept['end']}")


@availability.command()
@click.argument("number", type=click.IntRange(min=1))
@click.option("--by", default=getpass.getuser, show_default="you", help="Who says so.")
@server_options
def withdraw(number: int, by: str, server: TidecastServer) -> None:
    """Take back what was said of a time; reports as known before that keep it.

    \b
    Example:
      tidecast availability withdraw 12
    """
    gone = server.post_json(f"{PREFIX}/classifications/{number}/withdraw", {"by": by})
    click.echo(f"{number}: no longer {gone['kind']} of {printable(gone['component'])}")


@availability.command()
@click.argument("service", default="")
@_period_options
@format_option
@server_options
def plan(service: str, output_format: str, server: TidecastServer, **period: str | None) -> None:
    """What cost services most of their availability, and what a second part would bring.

    \b
    Examples:
      tidecast availability plan --month 2026-10
      tidecast availability plan shop --format json
    """
    query = {**({"service": service} if service else {}), **_given(period)}
    found = server.get_json(f"{PREFIX}/availability/plan?{urlencode(query)}")
    if output_format == "json":
        click.echo(json.dumps(found, indent=2))
        return
    parts = [
        {
            "service": part["service"],
            "component": part["component"],
            "lost": downtime(part["lost_seconds"]),
            "gain": downtime(part["gain_seconds"]),
            "with_a_second": percent(part["availability_with_option"]),
            "costs": "; ".join(part["costs"]),
        }
        for part in found["parts"]
    ]
    print_rows(parts, PARTS, output_format)
    causes = [
        {
            "service": cause["service"],
            "components": " ".join(cause["components"]),
            "together": downtime(cause["joint_seconds"]),
            "predicted": downtime(cause["predicted_seconds"]),
            "index": None if cause["index"] is None else f"{cause['index']:.3g}",
        }
        for cause in found["common_causes"]
    ]
    if causes and output_format == "table":
        click.echo("\nredundant parts that were down together\n")
        print_rows(causes, CAUSES, "table")


def _given(period: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in period.items() if value is not None}


def _row(each: dict[str, Any]) -> dict[str, object]:
    return {
        "name": each["name"],
        "availability": percent(each["availability"]),
        "lowest": percent(each["availability_lowest"]),
        "highest": percent(each["availability_highest"]),
        "down": downtime(each["down_seconds"]),
        "unknown": downtime(each["unknown_seconds"]),
        "breaks": each["breaks"],
        "modelled": percent(each.get("modelled_availability")),
    }


def _tell(found: dict[str, Any]) -> None:
    known = f", as known on {found['known_on']}" if found["known_on"] else ""
    click.echo(f"{printable(found['title'])}, {found['start']} to {found['until']}{known}")
    click.echo(printable(found["sentence"]) + "\n")
    rows = [
        ("agreed service time", downtime(found["agreed_seconds"])),
        ("downtime", downtime(found["down_seconds"])),
        ("unknown", downtime(found["unknown_seconds"])),
        ("availability", percent(found["availability"])),
        ("lowest, highest", f"{percent(found['availability_lowest'])}, "
         f"{percent(found['availability_highest'])}"),
        ("modelled from parts", percent(found["modelled_availability"])),
        ("MTBF", downtime(found["mtbf_seconds"])),
        (
            f"MTBF, {found['mtbf_confidence']:.0%} bounds",
            f"{downtime(found['mtbf_lowest_seconds'])} to "
            f"{downtime(found['mtbf_highest_seconds'], 'no upper end')}",
        ),
        ("MTRS", downtime(found["mtrs_seconds"])),
        ("MTBSI", downtime(found["mtbsi_seconds"])),
        ("single points of failure", ", ".join(found["single_points_of_failure"])),
    ]  # fmt: skip
    click.echo(table([[label, cell(value)] for label, value in rows], ("figure", "value")) + "\n")
    outages = [{**each, "counted": downtime(each["counted_seconds"])} for each in found["outages"]]
    for heading, columns, items in (
        ("outages", ("start", "end", "counted"), outages),
        ("components", SUMMARY[:-1], [_row(each) for each in found["components"]]),
        ("words", ("id", "component", "kind", "state", "start", "end", "author", "reason"),
         found["words"]),
    ):  # fmt: skip
        if items:
            click.echo(f"{heading}\n")
            print_rows(items, columns, "table")
            click.echo()
