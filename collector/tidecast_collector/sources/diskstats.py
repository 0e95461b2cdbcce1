"""Disk I/O, from /proc/diskstats."""

from __future__ import annotations

import re

from tidecast_collector.model import COUNTER, GAUGE, Family, Sample
from tidecast_collector.sources.reading import Root

_PARTS_OF_OTHERS = re.compile(r"^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$")
_SECTOR_BYTES = 512.0
_MILLI = 1e-3

# In the order of the columns (Documentation/admin-guide/iostats.rst in the kernel).
_COLUMNS = (
    ("reads_completed_total", COUNTER, 1.0, "Reads completed."),
    ("reads_merged_total", COUNTER, 1.0, "Reads merged."),
    ("read_bytes_total", COUNTER, _SECTOR_BYTES, "Bytes read."),
    ("read_time_seconds_total", COUNTER, _MILLI, "Seconds spent by all reads."),
    ("writes_completed_total", COUNTER, 1.0, "Writes completed."),
    ("writes_merged_total", COUNTER, 1.0, "Writes merged."),
    ("written_bytes_total", COUNTER, _SECTOR_BYTES, "Bytes written."),
    ("write_time_seconds_total", COUNTER, _MILLI, "Seconds spent by all writes."),
    ("io_now", GAUGE, 1.0, "I/Os in progress."),
    ("io_time_seconds_total", COUNTER, _MILLI, "Seconds spent doing I/Os."),
    (
        "io_time_weighted_seconds_total",
        COUNTER,
        _MILLI,
        "Seconds spent doing I/Os, times I/Os in progress.",
    ),
    ("discards_completed_total", COUNTER, 1.0, "Discards completed."),
    ("discards_merged_total", COUNTER, 1.0, "Discards merged."),
    ("discarded_sectors_total", COUNTER, 1.0, "Sectors discarded."),
    ("discard_time_seconds_total", COUNTER, _MILLI, "Seconds spent by all discards."),
    ("flush_requests_total", COUNTER, 1.0, "Flush requests completed."),
    ("flush_requests_time_seconds_total", COUNTER, _MILLI, "Seconds spent by all flushes."),
)


def diskstats(root: Root) -> list[Family]:
    """Reads, writes, discards and flushes of each whole disk; partitions are left out."""
    samples: list[list[Sample]] = [[] for _ in _COLUMNS]
    for line in root.lines("proc/diskstats"):
        _, _, device, *values = line.split()
        if _PARTS_OF_OTHERS.match(device):
            continue
        tags = (("device", device),)
        for column, value, found in zip(_COLUMNS, values, samples, strict=False):
            scale = column[2]
            found.append((tags, int(value) / 1000 if scale == _MILLI else int(value) * scale))
    return [
        Family(f"node_disk_{name}", kind, text, found)
        for (name, kind, _, text), found in zip(_COLUMNS, samples, strict=True)
        if found
    ]
