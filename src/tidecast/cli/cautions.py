"""What is wrong with the histories of a file, told before they are forecast."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from tidecast.cli.output import printable
from tidecast.cli.planned_csv import Planned
from tidecast_analytics.sanity import Severity, findings

MOST_TOLD = 20
MOST_EXAMINED = 1_000
"""To examine a history takes about half as long as to forecast it."""


def cautions(planned: Mapping[str, Planned]) -> Iterator[str]:
    """What is grave, series by series, in lines; the last one tells what is left out."""
    now_ms = int(time.time() * 1000)
    grave = [
        f"{name}: {each.severity}: {each.kind.replace('_', ' ')}: {each.what} {each.do}"
        for name, (history, _) in list(planned.items())[:MOST_EXAMINED]
        for each in findings(history, "", now_ms)
        if each.severity is not Severity.NOTE
    ]
    yield from map(printable, grave[:MOST_TOLD])
    if len(grave) > MOST_TOLD:
        yield f"... and {len(grave) - MOST_TOLD} more; see --explain"
    if len(planned) > MOST_EXAMINED:
        yield f"only the first {MOST_EXAMINED} series were examined for what is wrong with them"
