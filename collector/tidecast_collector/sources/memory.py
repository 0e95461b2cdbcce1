"""Memory, in full, from /proc/meminfo."""

from __future__ import annotations

from tidecast_collector.model import Family, gauge
from tidecast_collector.sources.reading import Root


def memory(root: Root) -> list[Family]:
    """Every field of /proc/meminfo as `node_memory_<field>_bytes` (`HugePages_*` are counts)."""
    families = []
    for line in root.read("proc/meminfo").split(b"\n"):
        words = line.split()
        if len(words) < 2:
            continue
        field = words[0].rstrip(b":").replace(b"(", b"_").replace(b")", b"").decode()
        if len(words) == 3:
            name, value = f"node_memory_{field}_bytes", float(words[1]) * 1024
        else:
            name, value = f"node_memory_{field}", float(words[1])
        families.append(gauge(name, f"{field} of /proc/meminfo.", value))
    return families
