"""The command line's root. A command's module is imported only when that command is asked for."""

from __future__ import annotations

import importlib

import click

import tidecast_collector

COMMANDS = {
    "up": ("tidecast.cli.up:up", "Agent, server and pages on this machine, by one command."),
    "server": ("tidecast.cli.server:server", "The server alone."),
    "agent": ("tidecast.cli.agent:agent", "The agent alone (the same as tidecast-agent)."),
    "import": ("tidecast.cli.import_group:import_group", "Bring in history."),
    "query": ("tidecast.cli.query:query", "Ask in PromQL."),
    "forecast": (
        "tidecast.cli.forecast:forecast",
        "Forecasts and their reasons, of a server or a CSV file.",
    ),
    "backtest": ("tidecast.cli.backtest:backtest", "Forecasts of the past against what came."),
    "anomalies": (
        "tidecast.cli.anomalies:anomalies",
        "What was strange: anomalies, shifts and leaks.",
    ),
    "change": (
        "tidecast.cli.change:change",
        "Record what was, or is to be, changed: no step of it is growth.",
    ),
    "capacity": ("tidecast.cli.capacity:capacity", "What runs out first, and when."),
    "incident": ("tidecast.cli.incident:incident", "List, show, acknowledge, resolve incidents."),
    "availability": (
        "tidecast.cli.availability:availability",
        "How available services and hosts were, and why.",
    ),
    "rules": ("tidecast.cli.rules:rules", "Check rule files."),
    "slo": ("tidecast.cli.slo:slo", "Check SLOs, write their alerts, list their budgets."),
    "policy": ("tidecast.cli.policy:policy", "Check, apply and explain the policy files."),
    "service": (
        "tidecast.cli.service:service",
        "Services, what they rest on, facts of what carries them.",
    ),
    "assess": (
        "tidecast.cli.assess:assess",
        "Where we are, where it goes, what is missing, what to do.",
    ),
    "report": ("tidecast.cli.report:report", "Documents for people."),
    "retire": ("tidecast.cli.retire:retire", "Say that a host or resource is gone for good."),
    "backup": ("tidecast.cli.backup:backup", "Save all that a running server holds."),
    "restore": ("tidecast.cli.backup:restore", "Put a backup into an empty data directory."),
    "verify-store": (
        "tidecast.cli.verify_store:verify_store",
        "Whether the samples in a data directory are whole.",
    ),
    "token": ("tidecast.cli.token:token", "Tokens for agents, Prometheus, Grafana and people."),
    "demo": ("tidecast.cli.demo:demo", "Try everything on a generated fleet."),
}


class LazyGroup(click.Group):
    """A group that knows its commands' names and purposes without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, purpose) for name, (_, purpose) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(tidecast_collector.__version__, prog_name="tidecast")
def main() -> None:
    """When will each resource reach its mark, how sure is it, and what to do.

    \b
    Examples:
      tidecast up                    everything on this machine, pages on http://127.0.0.1:9797
      tidecast demo                  the same on a generated fleet, to look around
      tidecast capacity list         what runs out first
      tidecast forecast --input usage.csv --summary -
    """
