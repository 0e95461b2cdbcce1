"""Packets as the CPUs took them from the network, from /proc/net/softnet_stat."""

from __future__ import annotations

from tidecast_collector.model import COUNTER, Family
from tidecast_collector.sources.reading import Root

_COLUMNS = (
    (0, "processed", "Packets processed."),
    (1, "dropped", "Packets dropped."),
    (2, "times_squeezed", "Times that processing packets ran out of quota."),
    (9, "received_rps", "Times the CPU was woken to process packets."),
    (10, "flow_limit_count", "Times the flow limit was reached."),
)


def softnet(root: Root) -> list[Family]:
    """Packets processed and dropped by each CPU."""
    rows = [line.split() for line in root.lines("proc/net/softnet_stat")]
    return [
        Family(
            f"node_softnet_{name}_total",
            COUNTER,
            text,
            [
                ((("cpu", str(number)),), float(int(row[column], 16)))
                for number, row in enumerate(rows)
                if column < len(row)
            ],
        )
        for column, name, text in _COLUMNS
    ]
