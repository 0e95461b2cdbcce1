"""Pressure stall information, from /proc/pressure."""

from __future__ import annotations

import re

from tidecast_collector.model import Family, counter
from tidecast_collector.sources.reading import Root

_TOTAL = re.compile(rb"^(some|full) .*total=(\d+)$", re.MULTILINE)
_WANTED = (
    ("cpu", b"some", "cpu_waiting", "Seconds that some task waited for a CPU."),
    ("io", b"some", "io_waiting", "Seconds that some task waited for I/O."),
    ("io", b"full", "io_stalled", "Seconds that all tasks waited for I/O."),
    ("memory", b"some", "memory_waiting", "Seconds that some task waited for memory."),
    ("memory", b"full", "memory_stalled", "Seconds that all tasks waited for memory."),
    ("irq", b"full", "irq_stalled", "Seconds that all tasks waited for interrupts."),
)


def pressure(root: Root) -> list[Family]:
    """Seconds tasks waited for CPU, I/O, memory and interrupts; nothing on kernels without PSI."""
    totals = {}
    for resource in ("cpu", "io", "memory", "irq"):
        data = root.read_if_there(f"proc/pressure/{resource}")
        for kind, microseconds in _TOTAL.findall(data or b""):
            totals[resource, kind] = int(microseconds) / 1e6
    return [
        counter(f"node_pressure_{name}_seconds_total", text, totals[resource, kind])
        for resource, kind, name, text in _WANTED
        if (resource, kind) in totals
    ]
