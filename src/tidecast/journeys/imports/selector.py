"""A series selector as `--match` takes it, read into matchers."""

from __future__ import annotations

from tidecast.promql.parser import parse
from tidecast.promql.tree import VectorSelector
from tidecast.samples.matchers import Matchers
from tidecast_collector.errors import InvalidInput


class InvalidSelector(InvalidInput):
    """An expression that is not just a series selector."""


def parse_selector(text: str) -> Matchers:
    """The matchers of this selector; raises `InvalidInput` saying what is wrong with it.

    >>> [str(each) for each in parse_selector('up{job="node"}')]
    ['__name__="up"', 'job="node"']
    """
    tree = parse(text)
    if not isinstance(tree, VectorSelector):
        raise InvalidSelector(f'{text!r} is not a selector such as up or {{job="node"}}')
    if tree.offset is not None or tree.at is not None:
        raise InvalidSelector(f"{text!r}: a selector for an import has neither offset nor @")
    return tree.all_matchers
