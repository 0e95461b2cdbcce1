"""Network traffic, from /proc/net/dev."""

from __future__ import annotations

from tidecast_collector.model import COUNTER, Family, Sample
from tidecast_collector.sources.reading import Root

_COLUMNS = (
    *(
        f"receive_{what}"
        for what in ("bytes", "packets", "errs", "drop", "fifo", "frame", "compressed", "multicast")
    ),
    *(
        f"transmit_{what}"
        for what in ("bytes", "packets", "errs", "drop", "fifo", "colls", "carrier", "compressed")
    ),
)


def netdev(root: Root) -> list[Family]:
    """Bytes, packets, errors and drops of each interface but loopback."""
    samples: list[list[Sample]] = [[] for _ in _COLUMNS]
    unhandled: list[Sample] = []
    for line in root.lines("proc/net/dev")[2:]:
        device, _, values = line.partition(":")
        device = device.strip()
        if device == "lo":
            continue
        tags = (("device", device),)
        for found, value in zip(samples, values.split(), strict=True):
            found.append((tags, float(value)))
        nohandler = root.value_if_there(f"sys/class/net/{device}/statistics/rx_nohandler")
        if nohandler is not None:
            unhandled.append((tags, float(nohandler)))
    columns = zip((*_COLUMNS, "receive_nohandler"), (*samples, unhandled), strict=True)
    return [
        Family(f"node_network_{name}_total", COUNTER, f"Network statistic {name}.", found)
        for name, found in columns
    ]
