"""The forecasts of resources' pasts made again and scored, beside naive ones and Holt-Winters."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from importlib.util import find_spec
from typing import Any

from tidecast.journeys.usage_records import ResourceKey
from tidecast.promql.parser import selectors
from tidecast.samples.matchers import Matcher
from tidecast_analytics.backtesting import MethodScore, backtest
from tidecast_analytics.changes import Change
from tidecast_analytics.outlook import History
from tidecast_analytics.rivals import RIVALS
from tidecast_collector.errors import InvalidInput

_LABELS = ("instance", "resource", "item")


def matchers_of(selector: str) -> tuple[Matcher, ...]:
    """The matchers of a PromQL selector on instance, resource and item, e.g. {resource="cpu"}.

    Raises `InvalidInput` for anything else.
    """
    if not selector:
        return ()
    found = selectors(selector)
    if len(found) != 1 or str(found[0].name or "") not in ("", "tidecast_usage"):
        raise InvalidInput(f'{selector[:200]!r} is no single selector such as {{resource="cpu"}}')
    strange = [m.name for m in found[0].matchers if m.name not in _LABELS]
    if strange:
        raise InvalidInput(
            f"resources are selected by {', '.join(_LABELS)}, not by {', '.join(strange)}"
        )
    return found[0].matchers


def selected(keys: Collection[ResourceKey], matchers: Sequence[Matcher]) -> list[ResourceKey]:
    """The keys that every matcher lets through, in order."""
    return sorted(
        key for key in keys if all(m.matches(key.labels()[m.name]) for m in matchers)
    )  # fmt: skip


def backtest_here(
    histories: Sequence[History],
    changes: Sequence[Sequence[Change]],
    horizon_ms: int,
    origins: int,
) -> list[list[MethodScore]]:
    """The scores of each history, with its `changes`, by method; without Holt-Winters where
    statsmodels is missing."""
    rivals = dict(RIVALS)
    if find_spec("statsmodels") is None:
        del rivals["holt-winters"]
    return backtest(histories, horizon_ms, origins, rivals, changes)


def score_row(series: str, score: MethodScore) -> dict[str, Any]:
    """One line of the table."""
    alarms = {str(verdict): count for verdict, count in score.alarms.items()}
    return {
        "series": series,
        "method": score.method,
        "origins": score.origins,
        "values": score.values,
        "mae": score.mae,
        "mase": score.mase,
        "pinball": score.pinball,
        "coverage80": score.coverage80,
        "coverage95": score.coverage95,
        "dates": score.dates,
        "date_pinball_days": score.dates_pinball_days,
        "date_error_days": score.date_error_days,
        **{f"alarms_{v}": alarms.get(v, 0) for v in ("right", "wrong", "missed")},
    }
