"""State of the network interfaces, from /sys/class/net."""

from __future__ import annotations

import os

from tidecast_collector.model import GAUGE, Family, Sample
from tidecast_collector.sources.reading import Root

_BYTES_PER_MEGABIT = 1_000_000 / 8

# Reading a file of /sys costs 10 us, times the interfaces: only what dashboards and alerts need.
_ATTRIBUTES = (
    ("carrier", "carrier", 1.0, "Whether the interface has a carrier."),
    ("mtu", "mtu_bytes", 1.0, "Largest packet of the interface."),
    ("speed", "speed_bytes", _BYTES_PER_MEGABIT, "Speed in bytes a second, -125000 unknown."),
)


def netclass(root: Root) -> list[Family]:
    """Each interface's carrier, MTU and speed, and whether it is up."""
    samples: list[list[Sample]] = [[] for _ in _ATTRIBUTES]
    up: list[Sample] = []
    for device in sorted(os.listdir(root.at("sys/class/net"))):  # noqa: PTH208
        state = root.value_if_there(f"sys/class/net/{device}/operstate")
        if state is None:
            continue  # a plain file such as bonding_masters, or an interface just removed
        tags = (("device", device),)
        up.append((tags, 1.0 if state.strip() == b"up" else 0.0))
        for (attribute, _, scale, _), found in zip(_ATTRIBUTES, samples, strict=True):
            value = root.value_if_there(f"sys/class/net/{device}/{attribute}")
            if value is not None:
                found.append((tags, int(value) * scale))
    return [
        Family("node_network_up", GAUGE, "Value is 1 if operstate is 'up', 0 otherwise.", up),
        *(
            Family(f"node_network_{name}", GAUGE, text, found)
            for (_, name, _, text), found in zip(_ATTRIBUTES, samples, strict=True)
        ),
    ]
