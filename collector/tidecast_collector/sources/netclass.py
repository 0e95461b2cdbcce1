"""State of the network interfaces, from /sys/class/net."""

from __future__ import annotations

import os

from tidecast_collector.model import COUNTER, GAUGE, Family, Sample
from tidecast_collector.sources.reading import Root

_BYTES_PER_MEGABIT = 1_000_000 / 8

_ATTRIBUTES = (
    ("carrier", "carrier", GAUGE, 1.0, "Whether the interface has a carrier."),
    ("carrier_changes", "carrier_changes_total", COUNTER, 1.0, "Changes of the carrier."),
    ("mtu", "mtu_bytes", GAUGE, 1.0, "Largest packet of the interface."),
    (
        "speed",
        "speed_bytes",
        GAUGE,
        _BYTES_PER_MEGABIT,
        "Speed in bytes a second, -125000 unknown.",
    ),
    ("tx_queue_len", "transmit_queue_length", GAUGE, 1.0, "Length of the transmit queue."),
)


def netclass(root: Root) -> list[Family]:
    """Each interface's carrier, MTU, speed, queue length, and whether it is up."""
    samples: list[list[Sample]] = [[] for _ in _ATTRIBUTES]
    up: list[Sample] = []
    for device in sorted(os.listdir(root.at("sys/class/net"))):  # noqa: PTH208
        state = root.value_if_there(f"sys/class/net/{device}/operstate")
        if state is None:
            continue  # a plain file such as bonding_masters, or an interface just removed
        tags = (("device", device),)
        up.append((tags, 1.0 if state.strip() == b"up" else 0.0))
        for (attribute, _, _, scale, _), found in zip(_ATTRIBUTES, samples, strict=True):
            value = root.value_if_there(f"sys/class/net/{device}/{attribute}")
            if value is not None:
                found.append((tags, int(value) * scale))
    return [
        Family("node_network_up", GAUGE, "Value is 1 if operstate is 'up', 0 otherwise.", up),
        *(
            Family(f"node_network_{name}", kind, text, found)
            for (_, name, kind, _, text), found in zip(_ATTRIBUTES, samples, strict=True)
        ),
    ]
