"""Sockets in use, from /proc/net/sockstat and sockstat6."""

from __future__ import annotations

import os

from tidecast_collector.model import Family, gauge
from tidecast_collector.sources.reading import Root

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def sockstat(root: Root) -> list[Family]:
    """Sockets by protocol and state, as `node_sockstat_<protocol>_<state>`."""
    families = []
    text = root.read("proc/net/sockstat") + (root.read_if_there("proc/net/sockstat6") or b"")
    for line in text.decode().splitlines():
        protocol, _, rest = line.partition(":")
        words = rest.split()
        for state, value in zip(words[::2], words[1::2], strict=True):
            name = f"node_sockstat_{protocol}_{state}"
            families.append(gauge(name, f"{protocol} sockets, {state}.", float(value)))
            if state == "mem":
                families.append(
                    gauge(
                        f"{name}_bytes",
                        f"Memory of {protocol} sockets.",
                        float(value) * _PAGE_BYTES,
                    )
                )
    return families
