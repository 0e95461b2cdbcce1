"""`tidecast report`: documents for people."""

from __future__ import annotations

from pathlib import Path

import click

from tidecast.cli.client import TidecastServer, server_options
from tidecast.cli.files import write_text


@click.group()
def report() -> None:
    """Documents for people.

    \b
    Example:
      tidecast report capacity --output capacity.html
    """


@report.command()
@click.option("--format", "kind", type=click.Choice(["html", "csv"]), default="html")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    default=Path("-"),
    help="Where to write it; - prints it.",
)
@server_options
def capacity(kind: str, output: Path, server: TidecastServer) -> None:
    """The capacity report: what runs out first, when, how surely and why.

    \b
    Examples:
      tidecast report capacity --output capacity.html
      tidecast report capacity --format csv
    """
    body = server.request("GET", f"/api/tidecast/v1/reports/capacity?format={kind}")
    write_text(output, body.decode())
