"""`tidecast forecast` with a server: what it says of one resource, why, and a run of them all."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import click

from tidecast.cli.client import TidecastServer
from tidecast.cli.explanation import explanation_text
from tidecast.cli.output import printable

PREFIX = "/api/tidecast/v1"
_POLL_SECONDS = 0.5


def show_forecast(server: TidecastServer, resource: str, *, explain: bool, as_json: bool) -> None:
    """Prints the newest forecast of HOST:RESOURCE[:ITEM], in one sentence or with all behind it."""
    key = list(_key(server, resource).items())
    if explain:
        told = server.get_json(f"{PREFIX}/forecasts/explain", key)
        click.echo(json.dumps(told, indent=2) if as_json else explanation_text(told))
        return
    found = server.get_json(f"{PREFIX}/resource", key)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    dates = "  ".join(f"{q.upper()} {(found[q] or 'none')[:10]}" for q in ("p10", "p50", "p90"))
    click.echo(printable(f"{resource}  {found['state']}  {dates}"))
    for line in found["reasons"]:
        click.echo(f"  {printable(line)}")


def _key(server: TidecastServer, resource: str) -> dict[str, str]:
    """The key written HOST:RESOURCE[:ITEM]; a host may hold colons itself, so known ones win."""
    known = server.get_json(f"{PREFIX}/capacity")["resources"]
    for each in known:
        parts = {name: each[name] for name in ("host", "resource", "item")}
        if resource == ":".join(filter(None, parts.values())):
            return parts
    raise click.ClickException(
        f"no resource {printable(resource)} is known; see `tidecast capacity list`"
    )


def run_forecasts(server: TidecastServer) -> None:
    """Has every forecast made again and shows how far it is until it is done."""
    server.post_json(f"{PREFIX}/forecasts/run", {})
    hidden = not sys.stderr.isatty()
    bar: Any = click.progressbar(length=1, label="Forecasting", file=sys.stderr, hidden=hidden)
    with bar:
        while (told := server.get_json(f"{PREFIX}/forecasts/run"))["due"]:
            if told["running"] and told["total"]:
                bar.length = told["total"]
                bar.update(told["done"] - bar.pos)
            time.sleep(_POLL_SECONDS)
        bar.length = max(told["total"], 1)
        bar.update(bar.length - bar.pos)
    click.echo(f"{told['done']} series forecast in {told['seconds']:.1f} s")
