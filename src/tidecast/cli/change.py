"""`tidecast change`: what people did, or plan to do, that may move a level for good."""

from __future__ import annotations

import getpass

import click

from tidecast.cli.client import TidecastServer, server_options
from tidecast.cli.output import format_option, print_rows, printable
from tidecast.cli.parameters import MOMENT

API = "/api/tidecast/v1/changes"
COLUMNS = (
    "id", "state", "at", "title", "by", "host", "resource", "item", "expected", "expected_limit",
)  # fmt: skip


@click.group()
def change() -> None:
    """Changes that were made or are planned: forecasts do not take their steps for growth.

    \b
    Examples:
      tidecast change record "logs moved to their own volume" --host web-3 --item /var
      tidecast change record "campaign" --host "web-*" --at 2026-12-01T08:00Z --expected +100%
      tidecast change record "a disk" --host db-1 --at 2026-12-01 --expected-limit +1TB
      tidecast change list
      tidecast change withdraw 12
    """


@change.command()
@click.argument("title")
@click.option("--host", required=True, help="Of which host; a pattern such as 'web-*'.")
@click.option("--resource", default="*", help="Only this kind of resource, as filesystem.")
@click.option("--item", default="*", help="Only this one of them, as /var.")
@click.option("--at", type=MOMENT, help="When it was, or is to be, made (now).")
@click.option("--known", type=MOMENT, help="Since when it was known (now).")
@click.option(
    "--expected", metavar="AMOUNT", help="What it will do to the usage: +20%, -5%, +500GB, +300."
)
@click.option(
    "--expected-limit", metavar="AMOUNT", help="What it will do to what there is: +1TB, +50%."
)
@click.option("--by", default=getpass.getuser, show_default="you", help="Who makes it.")
@server_options
def record(
    title: str,
    host: str,
    resource: str,
    item: str,
    by: str,
    server: TidecastServer,
    **given: str | None,
) -> None:
    """Record a change, made or planned; what it concerns is forecast again.

    By how much it moved a level is seen in the history and never has to be told. What one to come
    is expected to do is counted on until it shows. `tidecast backtest` lets forecasts of the past
    know a change only from --known on.

    \b
    Examples:
      tidecast change record "logs moved to their own volume" --host web-3 --item /var
      tidecast change record "campaign" --host "web-*" --at 2026-12-01T08:00Z --expected +100%
      tidecast change record "a disk" --host db-1 --at 2026-12-01 --expected-limit +1TB
    """
    body = {"title": title, "host": host, "resource": resource, "item": item, "by": by}
    kept = server.post_json(API, {**body, **{name: text for name, text in given.items() if text}})
    click.echo(printable(f"{kept['id']}: {kept['state']} at {kept['at']}: {kept['title']}"))


@change.command("list")
@click.option("--since", type=MOMENT, help="Those that happen from then on.")
@format_option
@server_options
def list_changes(since: str | None, output_format: str, server: TidecastServer) -> None:
    """The recorded changes, the newest first.

    \b
    Example:
      tidecast change list --since 2026-11-01
    """
    asked = [("since", since)] if since else []
    print_rows(server.get_json(API, asked)["changes"], COLUMNS, output_format)


@change.command()
@click.argument("number", type=click.IntRange(min=1))
@click.option("--by", default=getpass.getuser, show_default="you", help="Who says so.")
@server_options
def withdraw(number: int, by: str, server: TidecastServer) -> None:
    """Say that a change was not, or will not be, made.

    \b
    Example:
      tidecast change withdraw 12
    """
    kept = server.post_json(f"{API}/{number}/withdraw", {"by": by})
    click.echo(printable(f"{kept['id']}: withdrawn: {kept['title']}"))
