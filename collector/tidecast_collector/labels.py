"""Labels: what a series is called, as agent and server both write it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeAlias

Labels: TypeAlias = tuple[tuple[str, str], ...]
"""A series' identity: (name, value) pairs sorted by name, `__name__` among them, none empty."""

NAME = "__name__"
METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def make_labels(pairs: Mapping[str, str] | Iterable[tuple[str, str]]) -> Labels:
    """The canonical labels of these pairs: sorted, empty values left out.

    >>> make_labels({"__name__": "up", "job": "node", "zone": ""})
    (('__name__', 'up'), ('job', 'node'))
    """
    items = pairs.items() if isinstance(pairs, Mapping) else pairs
    return tuple(sorted((name, value) for name, value in items if value))


def label_value(labels: Labels, name: str) -> str:
    """The value of the label called `name`, or "" where the series lacks it."""
    for key, value in labels:
        if key == name:
            return value
    return ""


def host_of_instance(instance: str) -> str:
    """The host an `instance` stands for: the same without its port.

    >>> host_of_instance("web-3:9100"), host_of_instance("[::1]:9100"), host_of_instance("web-3")
    ('web-3', '[::1]', 'web-3')
    """
    host, colon, port = instance.rpartition(":")
    return (
        host if colon and port.isdigit() and (":" not in host or host.endswith("]")) else instance
    )
