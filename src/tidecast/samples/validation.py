"""Which series the store takes: any UTF-8 names, as Prometheus 3 does, within limits."""

from __future__ import annotations

from itertools import pairwise

from tidecast_collector.labels import NAME, Labels, label_value

MAX_LABELS = 64
MAX_NAME_BYTES = 1024
MAX_VALUE_BYTES = 4096

MIN_TIMESTAMP_MS = -62_135_596_800_000
MAX_TIMESTAMP_MS = 253_402_300_799_999
"""The years 1 to 9999, as far as dates can be written."""


def why_refused(labels: Labels) -> str | None:
    """The reason why a series of these labels is not taken, None where it is."""
    metric = label_value(labels, NAME)
    if not metric:
        return "it has no metric name"
    if len(labels) > MAX_LABELS:
        return f"{len(labels)} labels, at most {MAX_LABELS} are taken"
    names = [name for name, _ in labels]
    if any(a >= b for a, b in pairwise(names)):
        return "label names are not sorted, or one stands twice"
    for name, value in labels:
        reason = _why_pair_refused(name, value)
        if reason:
            return reason
    return None


def _why_pair_refused(name: str, value: str) -> str | None:
    if not name:
        return "a label has no name"
    if not value:
        return f"label {name[:80]!r} has no value"
    try:
        name_bytes, size = len(name.encode()), len(value.encode())
    except UnicodeEncodeError:
        return f"name or value of label {name[:80]!r} is not valid UTF-8"
    if name_bytes > MAX_NAME_BYTES:
        return f"label name {name[:80]!r}... is longer than {MAX_NAME_BYTES} bytes"
    limit = MAX_NAME_BYTES if name == NAME else MAX_VALUE_BYTES
    if size > limit:
        return f"the value of label {name[:80]!r} has {size} bytes, at most {limit} are taken"
    return None
