"""The histories of a CSV file with what a file of plans says of each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tidecast.cli.forecast_csv import read_source
from tidecast_analytics.outlook import History

if TYPE_CHECKING:
    from tidecast_analytics.changes import Change


class Planned(NamedTuple):
    """A history with its planned events, and the changes that concern it."""

    history: History
    changes: Sequence[Change] = ()


def read_planned(
    source: str, plans_file: Path | None, horizon_ms: int, *, past: bool = False
) -> dict[str, Planned]:
    """The histories of the file, by series, with the plans that concern them.

    Changes are those believed now; for forecasts of the `past` all of them, since each of these
    knows others. Raises `InvalidInput`.
    """
    histories = read_source(source)
    if plans_file is None:
        return {name: Planned(history) for name, history in histories.items()}
    # With them come calendars and the records: half a second that few need.
    from tidecast.journeys.plans import Plans, key_of_series
    from tidecast.policy.events import load_plans

    plans, now_ms = Plans(load_plans(plans_file)), int(time.time() * 1000)
    planned = {}
    for name, history in histories.items():
        key = key_of_series(name)
        planned[name] = Planned(
            *plans.known_to(key, history, horizon_ms)
            if past
            else plans.beside(key, history, now_ms, horizon_ms)
        )
    return planned
