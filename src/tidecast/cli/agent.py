"""`tidecast agent`: the agent, with its own options."""

from __future__ import annotations

import sys

import click


@click.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def agent(arguments: tuple[str, ...]) -> None:
    """The agent alone; its options are those of tidecast-agent."""
    from tidecast_collector.__main__ import main

    sys.exit(main(list(arguments)))
