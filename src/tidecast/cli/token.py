"""`tidecast token`: the file of hashed tokens that a server is started with."""

from __future__ import annotations

from pathlib import Path

import click

from tidecast.cli.client import explain_errors
from tidecast.cli.output import print_rows

file_option = click.option(
    "--token-file",
    "path",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file that the server is started with; made where it does not exist.",
)


@click.group()
def token() -> None:
    """Tokens for agents, Prometheus, Grafana and people.

    The file holds only hashes, and a running server reads it again when it changes.

    \b
    Examples:
      tidecast token create web-3 --scope ingest --token-file tokens.yaml > web-3.token
      tidecast token list --token-file tokens.yaml
    """


@token.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(["ingest", "read", "operate"]),
    help="What it may do; may be given several times.",
)
@file_option
@explain_errors
def create(name: str, scopes: tuple[str, ...], path: Path) -> None:
    """Make a token called NAME and print it, this once.

    \b
    Example:
      tidecast token create grafana --scope read --token-file tokens.yaml
    """
    from tidecast.policy.tokens import Scope, create_token

    click.echo(create_token(path, name, map(Scope, scopes)))


@token.command("list")
@file_option
@explain_errors
def list_tokens(path: Path) -> None:
    """Names and scopes of the tokens.

    \b
    Example:
      tidecast token list --token-file tokens.yaml
    """
    from tidecast.policy.tokens import TokenFile

    rows = [
        {"name": t.name, "scopes": ",".join(sorted(t.scopes))} for t in TokenFile.load(path).tokens
    ]
    print_rows(rows, ["name", "scopes"], "table")


@token.command()
@click.argument("name")
@file_option
@explain_errors
def remove(name: str, path: Path) -> None:
    """Forget the token called NAME; a running server refuses it at once.

    \b
    Example:
      tidecast token remove web-3 --token-file tokens.yaml
    """
    from tidecast.policy.tokens import remove_token

    remove_token(path, name)
