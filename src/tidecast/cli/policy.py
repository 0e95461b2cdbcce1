"""`tidecast policy`: check, compare, apply, export and explain the policy files."""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import click

from tidecast.cli.client import TidecastServer, explain_errors, server_options
from tidecast.cli.evidence import NOT_ASKED, asked_doubts, prometheus_options
from tidecast.cli.files import write_text
from tidecast.cli.output import format_option, print_rows, printable
from tidecast_collector.errors import TidecastError

if TYPE_CHECKING:
    from tidecast.policy.model import Policy

PATH = "/api/tidecast/v1/policy"
DIRECTORY = click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
PLAN_COLUMNS = ("action", "kind", "name", "parts", "place")


@click.group()
def policy() -> None:
    """Check, compare, apply and explain a directory of policy files.

    \b
    Examples:
      tidecast policy check policy/
      tidecast policy diff policy/
      tidecast policy apply policy/ --comment "the new SLA with the bank"
      tidecast policy why filesystem:web-3:/var
    """


@policy.command()
@DIRECTORY
@click.option("--strict", is_flag=True, help="Warnings are faults too: exit code 1.")
@prometheus_options
@format_option
@explain_errors
def check(
    directory: Path,
    strict: bool,
    prometheus_url: str | None,
    prometheus_token_file: Path | None,
    output_format: str,
) -> None:
    """Check the files in DIRECTORY; needs no server.

    Every fault with file, line and column, and exit code 1 if there is one. Warnings tell of
    requirements that nothing measures, of thresholds that nothing asks for and of promises that
    cannot be kept; with --prometheus also of SLOs without samples or with too few events there.

    \b
    Examples:
      tidecast policy check policy/
      tidecast policy check policy/ --prometheus http://127.0.0.1:9797
      tidecast policy check policy/ --strict --format json
    """
    from tidecast.clock import SystemClock
    from tidecast.journeys.lint_policy import lint
    from tidecast.journeys.slo_documents import levels_of
    from tidecast.policy.resources import load_resources

    found, count = _read(directory)
    defaults = load_resources(_promql().check)
    concerns = lint(found, SystemClock().today(), defaults.keys())
    rows = [{"place": str(each.place), "warning": each.what} for each in concerns]
    slos = list(levels_of(found).slos.values())
    if prometheus_url:
        doubts = asked_doubts(prometheus_url, prometheus_token_file, slos)
        rows += [{"place": each.where, "warning": each.message} for each in doubts]
    if output_format != "table":
        print_rows(rows, ("place", "warning"), output_format)
    else:
        for row in rows:
            click.echo(printable(f"{row['place']}: warning: {row['warning']}"))
        click.echo(f"{directory}: {count} files, {_holds(found)}, {len(rows)} warnings")
        if slos and not prometheus_url:
            click.echo(NOT_ASKED)
    if strict and rows:
        raise click.exceptions.Exit(1)


@policy.command()
@DIRECTORY
@format_option
@server_options
def diff(directory: Path, output_format: str, server: TidecastServer) -> None:
    """What `apply` would change on the server: added, changed and removed things by name.

    \b
    Examples:
      tidecast policy diff policy/
      tidecast policy diff policy/ --format json
    """
    plan = server.put_json(f"{PATH}?dry_run=true", {"files": dict(_files(directory))})
    _print_plan(plan, output_format, "would change")


@policy.command()
@DIRECTORY
@click.option("--by", default=getpass.getuser, show_default="you", help="Who applies it.")
@click.option("--comment", default="", help="Why; it is kept with the version.")
@format_option
@server_options
def apply(
    directory: Path, by: str, comment: str, output_format: str, server: TidecastServer
) -> None:
    """Put the files in DIRECTORY in force: all of them, or none where one is wrong.

    \b
    Examples:
      tidecast policy apply policy/
      tidecast policy apply policy/ --by ann --comment "the new SLA with the bank"
    """
    body = {"files": dict(_files(directory)), "by": by, "comment": comment}
    plan = server.put_json(PATH, body)
    _print_plan(plan, output_format, "changed")
    if output_format == "table":
        click.echo(f"version {plan['version']} of the policy is in force")


@policy.command()
@click.argument("target", type=click.Path(path_type=Path))
@server_options
def export(target: Path, server: TidecastServer) -> None:
    """Write the policy in force as files below TARGET, or as JSON to standard output for `-`.

    Files that are there already and not part of the policy stay.

    \b
    Examples:
      tidecast policy export policy/
      tidecast policy export - > policy.json
    """
    files = server.get_json(PATH)["files"]
    if str(target) == "-":
        click.echo(json.dumps({"files": files}, indent=2))
        return
    for name, text in files.items():
        path = target / _safe(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TidecastError(f"cannot write {path}: {error.strerror}") from error
        write_text(path, text)
    click.echo(f"{target}: {len(files)} files")


@policy.command("versions")
@format_option
@server_options
def show_versions(output_format: str, server: TidecastServer) -> None:
    """Who applied what and when, the newest first.

    \b
    Example:
      tidecast policy versions
    """
    found = server.get_json(f"{PATH}/versions")["versions"]
    print_rows(found, ("version", "applied", "author", "comment"), output_format)


@policy.command()
@format_option
@server_options
def requirements(output_format: str, server: TidecastServer) -> None:
    """What is asked for, and whether it was met: by people's word, else by measurement.

    Judged is the newest whole review period (a month, unless the requirement says otherwise) by the
    SLAs, SLOs, marks, contracts and recovery times that serve it.

    \b
    Examples:
      tidecast policy requirements
      tidecast policy requirements --format json
    """
    found = server.get_json("/api/tidecast/v1/requirements")["requirements"]
    columns = ("name", "kind", "state", "decided_by", "measured", "start", "end", "owner")
    print_rows(found, columns, output_format)
    if output_format == "table":
        for each in found:
            click.echo()
            click.echo(printable(f"{each['name']}: {each['title']}: {each['sentence']}"))
            for one in each["evidence"]:
                told = f"{one['what']}: {one['verdict'] or 'not judged'}: {one['words']}"
                click.echo(printable(f"  {told}  [{one['place']}]"))


@policy.command()
@click.argument("threshold")
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Read this directory instead of asking a server.",
)
@click.option("--format", "output_format", type=click.Choice(["table", "json"]), default="table")
@server_options
def why(threshold: str, directory: Path | None, output_format: str, server: TidecastServer) -> None:
    """Who asked for a THRESHOLD: the chain up to the business requirement.

    A THRESHOLD is a resource (filesystem:web-3:/var), or the name of an SLO, an SLA, an alert, a
    calendar, a service or a requirement. Requirements count as met or missed as a server has
    measured them.

    \b
    Examples:
      tidecast policy why filesystem:web-3:/var
      tidecast policy why gold
      tidecast policy why CheckoutSlow --dir policy/ --format json
    """
    from dataclasses import asdict

    from tidecast.journeys.explain_policy import why as chains_of
    from tidecast.journeys.explain_policy import with_states
    from tidecast.journeys.policy_checks import resource_definitions
    from tidecast.policy.reading import read_policy
    from tidecast.policy.resources import load_resources

    promql = _promql()
    if directory is not None:
        found, _ = _read(directory)
    else:
        found = with_states(read_policy(server.get_json(PATH)["files"]), _states(server))
    known = {**load_resources(promql.check), **resource_definitions(found, promql)}
    chains = chains_of(found, known, threshold)
    if output_format == "json":
        print_rows([asdict(each) for each in chains], (), "json")
        return
    for chain in chains:
        for depth, step in enumerate(chain.steps):
            about = ", ".join(filter(None, (step.state, step.owner and f"owner {step.owner}")))
            arrow = f"{'   ' * (depth - 1)}-> " if depth else ""
            told = f"{step.what}{f' ({about})' if about else ''}  [{step.place}]"
            click.echo(printable(f"{arrow}{told}"))
        if chain.lacking:
            click.echo(printable(chain.lacking))
        click.echo()


@policy.command()
def schema() -> None:
    """Print the JSON Schema of policy files, for editors.

    \b
    Example:
      tidecast policy schema > policy.schema.json
    """
    from tidecast.policy.schema import policy_schema

    click.echo(json.dumps(policy_schema(), indent=2))


def _states(server: TidecastServer) -> dict[str, str]:
    """What each requirement counts as, by people's word or by measurement."""
    found = server.get_json("/api/tidecast/v1/requirements")["requirements"]
    return {each["name"]: each["state"] for each in found}


def _files(directory: Path) -> Mapping[str, str]:
    from tidecast.policy.reading import read_directory

    return read_directory(directory)


def _read(directory: Path) -> tuple[Policy, int]:
    """The policy in the directory, checked as a server checks it, and how many files it has.

    Complaints name the files as seen from here.
    """
    from tidecast.journeys.policy_checks import checks_of
    from tidecast.policy.reading import read_policy

    files = {str(directory / name): text for name, text in _files(directory).items()}
    found = read_policy(files)
    for follows in checks_of(_promql()):
        follows(found)
    return found, len(files)


def _promql() -> Any:
    from tidecast.promql.alerting import AlertingPromQL
    from tidecast.promql.engine import Engine
    from tidecast.samples.memory import MemorySamples

    return AlertingPromQL(Engine(MemorySamples()))


def _holds(found: Policy) -> str:
    kinds = ("services", "requirements", "agreements", "marks", "calendars", "documents")
    return ", ".join(f"{len(getattr(found, kind))} {kind}" for kind in kinds)


def _print_plan(plan: dict[str, Any], output_format: str, verb: str) -> None:
    rows = [{**each, "parts": ", ".join(each["parts"])} for each in plan["differences"]]
    if output_format != "table":
        print_rows(rows, PLAN_COLUMNS, output_format)
        return
    for warning in plan["warnings"]:
        click.echo(printable(f"{warning['place']}: warning: {warning['what']}"), err=True)
    if not rows:
        click.echo("no difference")
        return
    print_rows(rows, PLAN_COLUMNS, "table")
    click.echo(f"\n{len(rows)} things {verb}")


def _safe(name: str) -> Path:
    """The path below a directory; raises for one that leads out of it."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts:
        raise TidecastError(f"the server names a file {name!r}, which is outside the directory")
    return Path(*pure.parts)
