"""`tidecast slo`: service level objectives, from files to budgets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import click

from tidecast.cli.client import TidecastServer, explain_errors, server_options
from tidecast.cli.evidence import NOT_ASKED, asked_doubts, prometheus_options
from tidecast.cli.files import write_text
from tidecast.cli.output import format_option, print_rows, printable
from tidecast_reports.availability import downtime

if TYPE_CHECKING:
    from tidecast.promql.alerting import AlertingPromQL

CANDIDATE = ("target", "met", "allows_in_30_days", "")
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
@prometheus_options
@explain_errors
def check(
    paths: Sequence[Path],
    windows: str | None,
    prometheus_url: str | None,
    prometheus_token_file: Path | None,
) -> None:
    """Check SLO files, or policy directories, in PATHS; needs no server.

    Every fault is told with its file, line and column, and the exit code is 1 then; what is valid
    but doubtful (an alert that can never fire) is told as a warning. With --prometheus also what
    nothing measures there, and what has too few events.

    \b
    Examples:
      tidecast slo check checkout.yaml policy/
      tidecast slo check policy/ --prometheus http://127.0.0.1:9090
    """
    from tidecast.journeys.slo_documents import check_queries, levels_in

    levels, chosen = levels_in(paths), windows or ""
    doubts = [*check_queries(levels, _promql(), chosen)]
    slos = list(levels.slos.values())
    if prometheus_url:
        doubts += asked_doubts(prometheus_url, prometheus_token_file, slos, chosen)
    for doubt in doubts:
        click.echo(f"warning: {doubt}", err=True)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(levels.kinds.items()))
    click.echo(f"{len(slos)} SLOs; documents: {kinds or 'none'}")
    if slos and not prometheus_url:
        click.echo(NOT_ASKED)


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


@slo.command(name="list")
@format_option
@server_options
def show_list(output_format: str, server: TidecastServer) -> None:
    """The SLOs of the applied policy with what is left of their budgets, the least left first.

    \b
    Example:
      tidecast slo list
    """
    rows = [
        {
            "name": each["name"],
            "objective": objective["objective"],
            "service": each["service"],
            "target": _percent(objective["target"]),
            "level": _percent(objective.get("level")),
            "budget_left": _percent(objective.get("budget_remaining")),
            "burns": " ".join(
                f"{window}:{rate:.4g}"
                for window, rate in (objective.get("burn_rates") or {}).items()
                if rate is not None
            ),
            "says": objective["sentence"],
        }
        for each in _ask(server, "")["slos"]
        for objective in each["objectives"]
    ]
    columns = ("name", "objective", "service", "target", "level", "budget_left", "burns", "says")
    print_rows(rows, columns, output_format)


@slo.command()
@click.argument("name")
@click.option("--at", metavar="TIME", help="The period at that time, as in 2026-10-01T00:00Z.")
@click.option("--known-on", metavar="TIME", help="With exclusions as they were known then.")
@server_options
def show(name: str, at: str | None, known_on: str | None, server: TidecastServer) -> None:
    """One SLO, measured now: numerator, denominator, window, exclusions and PromQL, as JSON.

    \b
    Example:
      tidecast slo show checkout-availability
    """
    given = {"at": at, "known_on": known_on}
    query = urlencode({key: text for key, text in given.items() if text})
    _print(_ask(server, f"/{quote(name, safe='')}?{query}"))


@slo.command()
@click.argument("name")
@click.option("--format", "output_format", type=click.Choice(["table", "json"]), default="table")
@server_options
def propose(name: str, output_format: str, server: TidecastServer) -> None:
    """What the last 13 months suggest as the target of the SLO, or of the service, NAME.

    Of a service it is the availability in its agreed service time, from the ledger of outages.
    Judged by whole months; with less than three of them by weeks, and then as a first guess. Beside
    each usual target stands what it allows within 30 days.

    \b
    Examples:
      tidecast slo propose checkout-availability
      tidecast slo propose shop --format json
    """
    found = _ask(server, f"/{quote(name, safe='')}/proposal")
    if output_format == "json":
        _print(found)
        return
    for each in found["objectives"]:
        named = f"{name} {each['objective']}".strip()
        judged = len(each["periods"])
        click.echo(printable(f"{named}: {each['sentence']}."))
        if judged:
            if each["target"] is not None:
                met = f"met in {each['target_met']} of {judged} {each['basis']}"
                click.echo(f"The target now is {_percent(each['target'])}: {met}.")
            click.echo()
            print_rows([_candidate(one, each) for one in each["candidates"]], CANDIDATE, "table")
        click.echo()


def _candidate(one: dict[str, Any], proposal: dict[str, Any]) -> dict[str, str]:
    events, seconds = one["allowed_events_in_30_days"], one["allowed_seconds_in_30_days"]
    return {
        "target": _percent(one["target"]),
        "met": f"{one['met']} of {len(proposal['periods'])} {proposal['basis']}",
        "allows_in_30_days": f"{events:,.0f} bad events"
        if events is not None
        else downtime(seconds),
        "": "<- proposed" if one["target"] == proposal["proposed"] else " ",
    }


def _ask(server: TidecastServer, path: str) -> Any:
    return server.get_json(f"/api/tidecast/v1/slos{path}")


def _print(document: object) -> None:
    click.echo(json.dumps(document, indent=2))


def _percent(ratio: float | None) -> str:
    return "-" if ratio is None else f"{round(ratio * 100, 9):.7g} %"


def _promql() -> AlertingPromQL:
    from tidecast.promql.alerting import AlertingPromQL
    from tidecast.promql.engine import Engine
    from tidecast.samples.memory import MemorySamples

    return AlertingPromQL(Engine(MemorySamples()))
