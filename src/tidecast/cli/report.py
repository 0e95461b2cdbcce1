"""`tidecast report`: documents for people."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

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


output_option = click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    default=Path("-"),
    help="Where to write it; - prints it.",
)


@report.command()
@click.option("--format", "kind", type=click.Choice(["html", "csv"]), default="html")
@output_option
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


@report.command()
@click.argument("agreement", default="")
@click.option("--month", metavar="YYYY-MM", help="A month of the period; the last one by default.")
@click.option(
    "--known-on", metavar="TIME", help="As known then, as in 2026-11-02T08:00Z; now by default."
)
@click.option("--customer", metavar="NAME", help="Of this customer alone.")
@click.option(
    "--format", "kind", type=click.Choice(["json", "text", "html", "csv"]), default="json"
)
@output_option
@server_options
def sla(
    agreement: str,
    month: str | None,
    known_on: str | None,
    customer: str | None,
    kind: str,
    output: Path,
    server: TidecastServer,
) -> None:
    """The statement of the SLA AGREEMENT, or of all SLAs, for one period.

    It says what was agreed and delivered, what was excluded and why, and what is given back. The
    same question, as known on the same day, gets the same figures with the same digest.

    \b
    Examples:
      tidecast report sla shop-gold --month 2026-10 --format text
      tidecast report sla shop-gold --month 2026-10 --known-on 2026-11-02T08:00Z --format html
      tidecast report sla --month 2026-10 --customer Retail --format csv --output retail.csv
    """
    given = {"name": agreement, "month": month, "known_on": known_on, "customer": customer}
    given["format"] = kind
    query = urlencode({name: text for name, text in given.items() if text})
    body = server.request("GET", f"/api/tidecast/v1/slas/statements?{query}")
    write_text(output, body.decode())
