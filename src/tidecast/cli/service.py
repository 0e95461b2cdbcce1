"""`tidecast service`: the services of the applied policy, their graph, and facts of what carries
them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidecast.cli.client import TidecastServer, server_options
from tidecast.cli.output import cell, format_option, print_rows, printable
from tidecast_collector.errors import InvalidInput

if TYPE_CHECKING:
    from tidecast.journeys.service_graph import Edge
    from tidecast.policy.model import Policy

API = "/api/tidecast/v1"
MAX_FILE_BYTES = 4 << 20
LIST_COLUMNS = ("name", "title", "parent", "owner", "serves", "rests_on")
KIND = click.option(
    "--format", "output_format", type=click.Choice(["table", "json"]), default="table"
)


@click.group()
def service() -> None:
    """Services, what they rest on, and facts of configuration items.

    \b
    Examples:
      tidecast service list
      tidecast service graph shop
      tidecast service facts facts.yaml
    """


@service.command("list")
@format_option
@server_options
def list_services(output_format: str, server: TidecastServer) -> None:
    """The services of the applied policy.

    \b
    Example:
      tidecast service list
    """
    from tidecast_analytics.structure import component_names

    policy, _ = _known(server)
    rows = [
        {
            "name": name,
            "title": each.title,
            "parent": each.parent,
            "owner": each.owner,
            "serves": each.serves,
            "rests_on": ", ".join(
                dict.fromkeys(component_names(each.rests_on)) if each.rests_on else ()
            ),
        }
        for name, each in policy.services.items()
    ]
    print_rows(rows, LIST_COLUMNS, output_format)


@service.command()
@click.argument("name")
@KIND
@server_options
def show(name: str, output_format: str, server: TidecastServer) -> None:
    """One service or configuration item: what the policy and the known facts say of it.

    \b
    Examples:
      tidecast service show shop
      tidecast service show web-1 --format json
    """
    from tidecast.journeys.describe_service import describe

    policy, edges = _known(server)
    facts = server.get_json(f"{API}/facts", [("ci", name)])["facts"]
    about = describe(policy, name)
    if not about and not facts and not any(name in (e.above, e.below) for e in edges):
        raise InvalidInput(f"nothing is known of {name!r}: see `tidecast service list`")
    if output_format == "json":
        click.echo(json.dumps({"name": name, "policy": about, "facts": facts}, indent=2))
        return
    click.echo(printable(name))
    for heading, lines in about.items():
        for number, line in enumerate(lines):
            click.echo(printable(f"  {heading + ':' if not number else '':<18} {line}"))
    for fact in facts:
        told = f"{fact['source']}, {fact['confidence']:.0%} sure, since {fact['from']}"
        click.echo(printable(f"  {fact['attribute']}: {fact['value']}  ({told})"))


@service.command()
@click.argument("name")
@KIND
@server_options
def graph(name: str, output_format: str, server: TidecastServer) -> None:
    """What a service rests on, what rests on it, and what takes it down alone.

    Relations of the policy and those that sources have told stand side by side.

    \b
    Examples:
      tidecast service graph shop
      tidecast service graph shop --format json
    """
    from dataclasses import asdict

    from tidecast.journeys.service_graph import (
        drawn,
        failure_sets,
        neighbours_above,
        resting_on,
    )
    from tidecast_analytics.structure import TooComplex

    policy, edges = _known(server)
    above = resting_on(neighbours_above(edges), name)
    try:
        cuts = [sorted(cut) for cut in failure_sets(policy, edges, name)]
    except TooComplex as error:
        raise InvalidInput(f"{name} is too complex for its points of failure: {error}") from error
    if output_format == "json":
        near = [asdict(e) for e in edges if name in (e.above, e.below)]
        told = {"name": name, "relations": near, "resting_on_it": above, "takes_it_down": cuts}
        click.echo(json.dumps(told, indent=2))
        return
    click.echo("\n".join(printable(line) for line in drawn(policy, edges, name)))
    click.echo()
    alone = ", ".join(cut[0] for cut in cuts if len(cut) == 1)
    pairs = "; ".join(" with ".join(cut) for cut in cuts if len(cut) == 2)
    click.echo(printable(f"rests on it: {cell(', '.join(above))}"))
    click.echo(printable(f"takes it down alone: {cell(alone)}"))
    click.echo(printable(f"two that take it down together: {cell(pairs)}"))


@service.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@server_options
def facts(file: Path, server: TidecastServer) -> None:
    """Send the facts and relations in a YAML FILE.

    A source's relations are told whole: what it does not name any more has ended.

    \b
    Example:
      tidecast service facts facts.yaml
    """
    from tidecast.journeys.configuration_items import read_facts_file

    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise InvalidInput(f"{file}: larger than {MAX_FILE_BYTES} bytes; split it")
        text = file.read_text("utf-8")
    except OSError as error:
        raise InvalidInput(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file}: not UTF-8: {error}") from error
    done = server.post_json(f"{API}/facts", read_facts_file(text, str(file)))
    click.echo(f"{done['facts']} facts are new, {done['relations']} relations began or ended")


def _known(server: TidecastServer) -> tuple[Policy, list[Edge]]:
    from tidecast.journeys.service_graph import Edge, edges
    from tidecast.policy.reading import read_policy

    policy = read_policy(server.get_json(f"{API}/policy")["files"])
    told = [
        Edge(r["subject"], r["object"], r["kind"], r["source"], r["confidence"])
        for r in server.get_json(f"{API}/relations")["relations"]
    ]
    return policy, edges(policy, told)
