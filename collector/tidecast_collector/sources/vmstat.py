"""Paging and the out-of-memory killer, from /proc/vmstat."""

from __future__ import annotations

import re

from tidecast_collector.model import UNTYPED, Family
from tidecast_collector.sources.reading import Root

_WANTED = re.compile(rb"^(oom_kill|pgpg\w*|pswp\w*|pg\w*fault\w*) (\d+)$", re.MULTILINE)


def vmstat(root: Root) -> list[Family]:
    """Page-ins and -outs, swapping, page faults and kills, as `node_vmstat_<field>`."""
    return [
        Family(
            f"node_vmstat_{field.decode()}",
            UNTYPED,
            f"{field.decode()} of /proc/vmstat.",
            (((), float(value)),),
        )
        for field, value in _WANTED.findall(root.read("proc/vmstat"))
    ]
