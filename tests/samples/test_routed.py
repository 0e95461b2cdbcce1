"""Tidecast's own records and all other series, in stores of their own."""

import pytest

from tidecast.samples.memory import MemorySamples
from tidecast.samples.protocol import LimitExceeded, MetricMetadata, SelectLimits
from tidecast.samples.routed import RoutedSamples, is_own

from .support import ALL_TIME, batch_of, content, everything, labels_of, matcher

USAGE = labels_of("tidecast_usage", host="a")
AGENT = labels_of("tidecast_agent_spool_bytes", host="a")
UP = labels_of("up", host="a")


class Unasked(MemorySamples):
    """A store that must not be asked to select."""

    def select(self, *arguments):
        raise AssertionError(arguments)


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("tidecast_usage", True),
        ("tidecast_agents", True),
        ("tidecast_agent_spool_bytes", False),
        ("tidecast", False),
        ("up", False),
        ("", False),
    ],
)
def test_is_own(name, own):
    assert is_own(name) is own


def test_each_series_lands_where_it_belongs():
    own, raw = MemorySamples(), MemorySamples()
    routed = RoutedSamples(own, raw)
    batch = batch_of(
        (USAGE, [1, 2], [1, 2]), (UP, [1], [3]), (AGENT, [1, 2], [4, 5]), (("x",), [], [])
    )
    report = routed.append(
        batch_of((USAGE, [1, 2], [1, 2]), (UP, [1], [3]), (AGENT, [1, 2], [4, 5]), ((), [1], [1]))
    )
    assert (report.appended, [r.labels for r in report.rejected]) == (5, [()])
    assert everything(own) == content(batch_of((USAGE, [1, 2], [1, 2])))
    assert everything(raw) == content(batch_of((UP, [1], [3]), (AGENT, [1, 2], [4, 5])))
    assert everything(routed) == everything(own) | everything(raw)
    assert list(routed.select([], *ALL_TIME).labels) == [AGENT, USAGE, UP]
    assert len(batch) == 4


def test_a_selection_that_fixes_the_name_asks_one_store():
    raw_only = RoutedSamples(Unasked(), MemorySamples())
    raw_only.append(batch_of((UP, [1], [1])))
    assert len(raw_only.select([matcher("__name__", "=", "up")], *ALL_TIME)) == 1
    own_only = RoutedSamples(MemorySamples(), Unasked())
    own_only.append(batch_of((USAGE, [1], [1])))
    assert len(own_only.select([matcher("__name__", "=", "tidecast_usage")], *ALL_TIME)) == 1


def test_limits_hold_for_both_together():
    routed = RoutedSamples(MemorySamples(), MemorySamples())
    routed.append(batch_of((USAGE, [1, 2], [1, 2]), (UP, [1, 2], [3, 4])))
    assert len(routed.select([], *ALL_TIME, SelectLimits(series=2, samples=4))) == 2
    with pytest.raises(LimitExceeded):
        routed.select([], *ALL_TIME, SelectLimits(series=1))
    with pytest.raises(LimitExceeded):
        routed.select([], *ALL_TIME, SelectLimits(samples=3))


def test_metadata_lies_beside_its_samples():
    own, raw = MemorySamples(), MemorySamples()
    routed = RoutedSamples(own, raw)
    routed.put_metadata(
        {"up": MetricMetadata("gauge", "u"), "tidecast_usage": MetricMetadata("gauge", "t")}
    )
    assert (list(own.metadata()), list(raw.metadata())) == (["tidecast_usage"], ["up"])
    assert sorted(routed.metadata()) == ["tidecast_usage", "up"]
