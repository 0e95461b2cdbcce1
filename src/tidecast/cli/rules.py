"""`tidecast rules`: rule files before they are put to work; needs no server."""

from __future__ import annotations

from pathlib import Path

import click

from tidecast.cli.client import explain_errors


@click.group()
def rules() -> None:
    """Check rule files.

    \b
    Example:
      tidecast rules check rules.yml
    """


@rules.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@explain_errors
def check(files: tuple[Path, ...]) -> None:
    """Check Prometheus rule FILES: every fault with its file and line; exit code 1 if there is one.

    \b
    Example:
      tidecast rules check rules.yml
    """
    from tidecast.journeys.alert_rules import read_rules
    from tidecast.promql.alerting import AlertingPromQL
    from tidecast.promql.engine import Engine
    from tidecast.samples.memory import MemorySamples
    from tidecast_alerts.rules import InvalidRule

    promql = AlertingPromQL(Engine(MemorySamples()))
    faults = []
    for path in files:
        try:
            loaded = read_rules(path, promql)
        except InvalidRule as error:
            faults.append(str(error))
            continue
        count = sum(len(group.rules) for group in loaded.groups)
        click.echo(f"{path}: {count} rules in {len(loaded.groups)} groups")
    if faults:
        raise InvalidRule("\n".join(faults))
