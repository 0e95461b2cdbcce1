"""Histories of many resources read at once, and no more of them than a forecast needs."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection

from tidecast.journeys.usage_records import (
    LIMIT,
    MARK,
    USAGE,
    ResourceKey,
    UsageHistory,
    join_usage,
    key_of,
    named,
    read_usage,
)
from tidecast.samples.matchers import Matcher, MatchOp
from tidecast.samples.protocol import Samples
from tidecast_collector.labels import label_value

DAY_MS = 86_400_000


def read_histories(
    samples: Samples,
    keys: Collection[ResourceKey],
    statistic_of: Callable[[str], str],
    start_ms: int,
    end_ms: int,
    *,
    bounds: bool = True,
) -> dict[ResourceKey, UsageHistory]:
    """The usage in [start, end] of each of these resources that has any, in no order.

    Of each only the statistic that is forecast (`statistic_of` its kind) is read, and of limits
    and marks (`bounds`) only the newest days. Where that statistic was never recorded, all of
    them are.
    """
    wanted = set(keys)
    histories = _usage(samples, wanted, statistic_of, start_ms, end_ms)
    rest = wanted - histories.keys()
    if bounds:
        _add_bounds(samples, histories, start_ms, end_ms)
    if rest:
        read = read_usage(samples, start_ms, end_ms, (_one_of("instance", _hosts(rest)),))
        histories |= {key: history for key, history in read.items() if key in rest}
    return histories


def _usage(
    samples: Samples,
    keys: set[ResourceKey],
    statistic_of: Callable[[str], str],
    start_ms: int,
    end_ms: int,
) -> dict[ResourceKey, UsageHistory]:
    histories: dict[ResourceKey, UsageHistory] = {}
    by_statistic: dict[str, set[ResourceKey]] = defaultdict(set)
    for key in keys:
        by_statistic[statistic_of(key.resource)].add(key)
    for statistic, some in by_statistic.items():
        narrow = (
            Matcher("stat", MatchOp.EQUAL, statistic),
            *_narrow(some),
        )
        for labels, times, values in samples.select(named(USAGE, narrow), start_ms, end_ms):
            key = key_of(labels)
            if key in some:
                source = label_value(labels, "source")
                history = histories.setdefault(key, UsageHistory())
                join_usage(history, statistic, source, times, values)
    return histories


def _add_bounds(
    samples: Samples, histories: dict[ResourceKey, UsageHistory], start_ms: int, end_ms: int
) -> None:
    """Limits and marks: first of the last day of usage, then of all time for those without."""
    if not histories:
        return
    ends = [int(times[-1]) for h in histories.values() for times, _ in h.usage.values()]
    for attribute, name in (("limit", LIMIT), ("mark", MARK)):
        for since_ms in (max(start_ms, min(ends) - DAY_MS), start_ms):
            lacking = {k: h for k, h in histories.items() if getattr(h, attribute) is None}
            if lacking:
                _newest(samples, name, attribute, lacking, since_ms, end_ms)


def _newest(
    samples: Samples,
    name: str,
    attribute: str,
    histories: dict[ResourceKey, UsageHistory],
    start_ms: int,
    end_ms: int,
) -> None:
    newest: dict[ResourceKey, int] = {}
    narrow = _narrow(histories)
    for labels, times, values in samples.select(named(name, narrow), start_ms, end_ms):
        key = key_of(labels)
        if key in histories and times[-1] > newest.get(key, -1):
            newest[key] = int(times[-1])
            setattr(histories[key], attribute, float(values[-1]))


def _narrow(keys: Collection[ResourceKey]) -> tuple[Matcher, ...]:
    kinds = {key.resource for key in keys}
    return _one_of("instance", _hosts(keys)), _one_of("resource", kinds)


def _hosts(keys: Collection[ResourceKey]) -> set[str]:
    return {key.host for key in keys}


def _one_of(label: str, values: Collection[str]) -> Matcher:
    return Matcher(label, MatchOp.REGEX, "|".join(map(re.escape, sorted(values))))
