"""Load averages, from /proc/loadavg."""

from __future__ import annotations

from tidecast_collector.model import Family, gauge
from tidecast_collector.sources.reading import Root


def load(root: Root) -> list[Family]:
    """The load averages over 1, 5 and 15 minutes."""
    values = root.read_value("proc/loadavg").split()
    return [
        gauge(f"node_load{minutes}", f"Load average over {minutes} min.", float(values[i]))
        for i, minutes in enumerate((1, 5, 15))
    ]
