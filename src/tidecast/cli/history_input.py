"""The options of the commands that take histories from a CSV file in place of a server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

input_option = click.option(
    "--input",
    "source",
    metavar="IN.csv",
    help="Histories as series,timestamp,value[,limit]: needs no server; - reads standard input. "
    "Timestamps are ISO 8601 (UTC without a zone) or epoch seconds. The latest limit of a series "
    "is its mark.",
)

_events_file = click.option(
    "--events-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Planned events and changes that the forecasts of --input are to know (YAML); forecasts "
    "of the past know a change once they could.",
)


def planned_input_options(command: Command) -> Command:
    """Adds --input, as `source`, and --events-file."""
    return input_option(_events_file(command))


def check_planned(source: str | None, events_file: Path | None) -> None:
    """Refuses plans for histories that a server has."""
    if source is None and events_file is not None:
        raise click.UsageError("--events-file goes with --input; a server has its own")


def check_horizon(horizon_ms: int) -> None:
    """Refuses a horizon beyond what is forecast."""
    from tidecast_analytics.forecasting import MAX_HORIZON_MS

    if horizon_ms > MAX_HORIZON_MS:
        raise click.BadParameter("the longest horizon is two years", param_hint="--horizon")
