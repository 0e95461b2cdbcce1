"""`tidecast retire`: a host or a resource that is gone for good."""

from __future__ import annotations

import getpass

import click

from tidecast.cli.client import TidecastServer, server_options


@click.command()
@click.argument("host")
@click.argument("resource", default="")
@click.argument("item", default="")
@click.option("--by", default=getpass.getuser, show_default="you", help="Who says so.")
@server_options
def retire(host: str, resource: str, item: str, by: str, server: TidecastServer) -> None:
    """Say that HOST, or only its RESOURCE (and ITEM), is gone for good.

    Its incidents close with that reason and it leaves the forecasts; its history stays. Should it
    be heard of again, it is back.

    \b
    Examples:
      tidecast retire web-3
      tidecast retire web-3 filesystem /mnt/old
    """
    body = {"host": host, "resource": resource, "item": item, "by": by}
    answer = server.post_json("/api/tidecast/v1/hosts/retire", body)
    click.echo(f"retired; incidents closed: {answer['incidents_closed']}")
