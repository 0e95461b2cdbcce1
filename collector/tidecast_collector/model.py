"""What a source yields: metric families with their samples, under node_exporter's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from tidecast_collector.labels import NAME, Labels

Tags: TypeAlias = tuple[tuple[str, str], ...]
"""A sample's labels besides the metric's name, sorted by label name."""

Sample: TypeAlias = tuple[Tags, float]

COUNTER = "counter"
GAUGE = "gauge"
UNTYPED = "untyped"


# A NamedTuple, since the agent makes some two hundred of them each cycle and `dataclasses` alone
# would cost it 1.5 MB.
class Family(NamedTuple):
    """A metric: its name, its type (counter, gauge, untyped), what it means, and its samples."""

    name: str
    type: str
    help: str
    samples: Sequence[Sample]


def gauge(name: str, help_text: str, value: float) -> Family:
    """A gauge of one sample without labels."""
    return Family(name, GAUGE, help_text, (((), value),))


def counter(name: str, help_text: str, value: float) -> Family:
    """A counter of one sample without labels."""
    return Family(name, COUNTER, help_text, (((), value),))


def series_labels(name: str, tags: Tags, external: Tags) -> Labels:
    """The whole identity of a pushed series; the sample's own labels win over the external ones.

    >>> series_labels("node_load1", (), (("instance", "web-3"), ("job", "node")))
    (('__name__', 'node_load1'), ('instance', 'web-3'), ('job', 'node'))
    """
    pairs = dict(external)
    pairs.update(tags)
    pairs[NAME] = name
    return tuple(sorted(pair for pair in pairs.items() if pair[1]))
