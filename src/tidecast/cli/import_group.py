"""`tidecast import`: the ways in which history comes in, each loaded when it is asked for."""

from __future__ import annotations

import importlib

import click

SUBCOMMANDS = {
    "csv": "tidecast.cli.import_csv:import_csv",
    "prometheus": "tidecast.cli.import_prometheus:import_prometheus",
    "sar": "tidecast.cli.import_sar:import_sar",
}


class _ImportGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SUBCOMMANDS:
            return None
        module, _, name = SUBCOMMANDS[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command


@click.group(name="import", cls=_ImportGroup)
def import_group() -> None:
    """Bring in history: from a CSV file, a Prometheus or sysstat's files.

    Every import can be broken off and run again: what is already there is not sent twice, and what
    is sent twice changes nothing.

    \b
    Examples:
      tidecast import prometheus http://prometheus:9090 --days 90
      tidecast import csv storage.csv
      tidecast import sar /var/log/sysstat
    """
