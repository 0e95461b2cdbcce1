"""`tidecast slo`: service level objectives, from files to budgets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidecast.cli.client import explain_errors
from tidecast.cli.files import write_text

if TYPE_CHECKING:
    from tidecast.promql.alerting import AlertingPromQL

WINDOWS = ("google", "sloth", "pyrra")
files_argument = click.argument(
    "paths", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True)
)
windows_option = click.option(
    "--windows",
    type=click.Choice(WINDOWS),
    help="Burn-rate windows; else each SLO's annotation tidecast-burn-windows, else google.",
)


@click.group()
def slo() -> None:
    """Service level objectives (OpenSLO v1, Sloth): check, alert, measure.

    \b
    Examples:
      tidecast slo check policy/
      tidecast slo rules slo.yaml --output slo.rules.yml --tests slo.test.yml
      tidecast slo list
    """


@slo.command()
@files_argument
@windows_option
@explain_errors
def check(paths: Sequence[Path], windows: str | None) -> None:
    """Check SLO files, or policy directories, in PATHS; needs no server.

    Every fault is told with its file, line and column, and the exit code is 1 then; what is valid
    but doubtful (an alert that can never fire) is told as a warning.

    \b
    Example:
      tidecast slo check checkout.yaml policy/
    """
    from tidecast.journeys.slo_documents import check_queries, levels_in

    levels = levels_in(paths)
    for doubt in check_queries(levels, _promql(), windows or ""):
        click.echo(f"warning: {doubt}", err=True)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(levels.kinds.items()))
    click.echo(f"{len(levels.slos)} SLOs; documents: {kinds or 'none'}")


@slo.command()
@files_argument
@windows_option
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    default=Path("-"),
    help="Where to write the rules; - prints them.",
)
@click.option(
    "--tests",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write unit tests for promtool there, beside the rules.",
)
@explain_errors
def rules(paths: Sequence[Path], windows: str | None, output: Path, tests: Path | None) -> None:
    """Write burn-rate alerts of the SLOs in PATHS as a Prometheus rule file; needs no server.

    \b
    Example:
      tidecast slo rules slo.yaml --output slo.rules.yml --tests slo.test.yml
      promtool check rules slo.rules.yml && promtool test rules slo.test.yml
    """
    from tidecast.journeys.slo_documents import check_queries, levels_in
    from tidecast_alerts.slo.burn_rules import rule_file
    from tidecast_alerts.slo.rule_tests import rule_tests

    if tests and str(output) == "-":
        raise click.UsageError("--tests needs --output: the tests name the file of the rules")
    levels, chosen = levels_in(paths), windows or ""
    for doubt in check_queries(levels, _promql(), chosen):
        click.echo(f"warning: {doubt}", err=True)
    slos = levels.slos.values()
    write_text(output, rule_file(slos, chosen))
    if tests:
        write_text(tests, rule_tests(slos, output.name, chosen))


def _promql() -> AlertingPromQL:
    from tidecast.promql.alerting import AlertingPromQL
    from tidecast.promql.engine import Engine
    from tidecast.samples.memory import MemorySamples

    return AlertingPromQL(Engine(MemorySamples()))
