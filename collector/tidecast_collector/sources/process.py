"""What the agent itself costs, under the names every Prometheus client uses."""

from __future__ import annotations

import os
import resource

from tidecast_collector.model import Family, counter, gauge
from tidecast_collector.sources.reading import Root

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def process(root: Root) -> list[Family]:
    """CPU time, memory and open files of this process (of the real /proc, whatever the root)."""
    own = Root()
    # The name in parentheses may hold anything; the fields after it begin with the third.
    fields = own.read("proc/self/stat").rpartition(b")")[2].split()
    user, system, virtual, resident = (int(fields[i]) for i in (11, 12, 20, 21))
    max_fds = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    max_virtual = resource.getrlimit(resource.RLIMIT_AS)[0]
    open_fds = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    return [
        counter(
            "process_cpu_seconds_total",
            "CPU time of this process.",
            (user + system) / _TICKS_PER_SECOND,
        ),
        gauge("process_virtual_memory_bytes", "Virtual memory of this process.", float(virtual)),
        gauge(
            "process_virtual_memory_max_bytes",
            "The most virtual memory it may have, -1 without limit.",
            float(max_virtual),
        ),
        gauge(
            "process_resident_memory_bytes",
            "Resident memory of this process.",
            float(resident * _PAGE_BYTES),
        ),
        gauge("process_open_fds", "Open file descriptors.", float(open_fds)),
        gauge("process_max_fds", "The most open file descriptors.", float(max_fds)),
    ]
