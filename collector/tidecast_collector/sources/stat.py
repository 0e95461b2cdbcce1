"""Counts the kernel keeps of itself, from /proc/stat."""

from __future__ import annotations

from tidecast_collector.model import COUNTER, GAUGE, Family, Sample
from tidecast_collector.sources.reading import Root

_FIELDS = {
    b"intr": ("node_intr_total", COUNTER, "Interrupts serviced."),
    b"ctxt": ("node_context_switches_total", COUNTER, "Context switches."),
    b"btime": ("node_boot_time_seconds", GAUGE, "When the host booted, in seconds since 1970."),
    b"processes": ("node_forks_total", COUNTER, "Forks."),
    b"procs_running": ("node_procs_running", GAUGE, "Processes in a runnable state."),
    b"procs_blocked": ("node_procs_blocked", GAUGE, "Processes that wait for I/O to complete."),
}


def stat(root: Root) -> list[Family]:
    """Interrupts, context switches, boot time, forks, running and blocked processes."""
    families = []
    for line in root.read("proc/stat").split(b"\n"):
        key, _, rest = line.partition(b" ")
        if key in _FIELDS:
            sample: Sample = ((), float(rest.split(None, 1)[0]))
            families.append(Family(*_FIELDS[key], (sample,)))
    return families
