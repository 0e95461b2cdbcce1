"""`tidecast assess`: where we are, where it goes, what is missing, and what to do next."""

from __future__ import annotations

import json

import click

from tidecast.cli.client import TidecastServer, server_options
from tidecast.cli.output import printable

PARTS = {
    "here_and_now": "Here and now",
    "future": "Future",
    "gap": "Gap",
    "roadmap": "Roadmap",
}


@click.command()
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text")
@click.option("--lines", default=20, show_default=True, help="At most so many of each part.")
@server_options
def assess(output_format: str, lines: int, server: TidecastServer) -> None:
    """Here and now, future, gap and roadmap, from what the server has found out.

    Needs no policy; with one it also tells what in it is not measured, owned or kept.

    \b
    Examples:
      tidecast assess
      tidecast assess --format json
    """
    found = server.get_json("/api/tidecast/v1/assess")
    if output_format == "json":
        click.echo(json.dumps(found, indent=2))
        return
    for part, title in PARTS.items():
        click.echo(f"{title}\n{'-' * len(title)}")
        for each in found[part][:lines]:
            place = f"  [{each['place']}]" if each["place"] else ""
            by = f"{each['by']}  " if each["by"] else ""
            click.echo(printable(f"{by}{each['what']}{place}"))
        left = len(found[part]) - lines
        if not found[part]:
            click.echo("nothing")
        elif left > 0:
            click.echo(f"... and {left} more: --lines or --format json")
        click.echo()
