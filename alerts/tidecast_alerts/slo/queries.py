"""PromQL of indicators: error ratios over a window, and good and all events in it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tidecast_alerts.slo.model import (
    Indicator,
    Objective,
    Operator,
    RatioIndicator,
    RawIndicator,
    ThresholdIndicator,
)
from tidecast_alerts.slo.windows import promql_duration

WINDOW = re.compile(r"\{\{\s*\.?\s*window\s*\}\}", re.IGNORECASE)
RESOLUTION = "1m"
"""How often a query that is more than one selector is evaluated within a window."""
_RATE, _INCREASE = re.compile(r"\bi?rate\s*\("), re.compile(r"\bincrease\s*\(")
_STRING = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`"
_SELECTOR = re.compile(
    rf"(?:[a-zA-Z_:][a-zA-Z0-9_:]*\s*(?:\{{(?:{_STRING}|[^}}\"'`])*\}})?"
    rf"|\{{(?:{_STRING}|[^}}\"'`])*\}})",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class EventQueries:
    """PromQL of good and of all events within a window; all is "" where good is a ratio of one.

    Where good is made of `total` and of a `part` of it, which is `bad` or good, those two tell it
    as well: a part that is not there is 0.
    """

    good: str
    total: str
    part: str = ""
    bad: bool = False


def event_queries(objective: Objective, indicator: Indicator, seconds: int) -> EventQueries:
    """Good and all events in the last so many seconds, each one element without labels."""
    if isinstance(indicator, RatioIndicator):
        function = "increase" if indicator.counter else "sum_over_time"
        total = _events(indicator.total, function, seconds)
        # A counter that nobody has counted with yet is no series: 0 where there are events.
        if indicator.good:
            part = _events(indicator.good, function, seconds)
            return EventQueries(f"({part} or {total} * 0)", total, part)
        part = _events(indicator.bad, function, seconds)
        return EventQueries(f"{total} - ({part} or {total} * 0)", total, part, bad=True)
    return EventQueries(f"1 - ({error_ratio(objective, indicator, seconds)})", "")


def error_ratio(objective: Objective, indicator: Indicator, seconds: int) -> str:
    """The share of bad events, or of bad time, in the last so many seconds: one element."""
    if isinstance(indicator, RawIndicator):
        ratio = f"avg({_over(indicator.query, 'avg_over_time', seconds)})"
        return ratio if indicator.failures else f"1 - {ratio}"
    if isinstance(indicator, ThresholdIndicator):
        compare = (objective.operator or Operator.LTE).promql
        query = WINDOW.sub(promql_duration(min(seconds, 300)), indicator.query)
        good = f"({query}) {compare} bool {objective.value or 0.0:.15g}"
        return f"1 - avg(avg_over_time(({good})[{promql_duration(seconds)}:{RESOLUTION}]))"
    function = "increase" if indicator.counter else "sum_over_time"
    total = f"sum({_over(indicator.total, function, seconds)})"
    if indicator.good:
        part = f"sum({_over(indicator.good, function, seconds)})"
        return f"1 - ({part} or {total} * 0) / ({total} > 0)"
    part = f"sum({_over(indicator.bad, function, seconds)})"
    return f"({part} or {total} * 0) / ({total} > 0)"


def _events(query: str, function: str, seconds: int) -> str:
    """The events in a window, also where the query gives them per second, as Sloth's do."""
    sums = f"sum({_over(query, function, seconds)})"
    per_second = WINDOW.search(query) and _RATE.search(query) and not _INCREASE.search(query)
    return f"({sums} * {seconds})" if per_second else sums


def _over(query: str, function: str, seconds: int) -> str:
    """The query over a window: as it says itself, or by the function."""
    window = promql_duration(seconds)
    if WINDOW.search(query):
        return WINDOW.sub(window, query)
    if _SELECTOR.fullmatch(query.strip()):
        return f"{function}({query.strip()}[{window}])"
    return f"{function}(({query})[{window}:{RESOLUTION}])"
