"""Whether a server has what the SLOs measure by: their metrics, and enough events of them.

The server is any that answers PromQL. What it does not answer stays unknown, and is told so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from tidecast.promql.parser import selectors
from tidecast.promql.tree import VectorSelector
from tidecast_alerts.slo.burn_rules import alert_doubts, burn_alerts, minimum_events
from tidecast_alerts.slo.model import Doubt, Objective, RatioIndicator, ServiceLevelObjective
from tidecast_alerts.slo.queries import WINDOW, event_queries
from tidecast_alerts.slo.windows import promql_duration
from tidecast_analytics.error_budgets import BudgetingMethod
from tidecast_collector.errors import TidecastError
from tidecast_collector.labels import NAME

DAY_SECONDS = 86_400

Ask = Callable[[str], float | None]
"""The value of a query that gives one element; None where it gives none. Raises `TidecastError`."""


@dataclass(slots=True)
class _Evidence:
    """What a server said of the last day; each thing is asked once."""

    ask: Ask
    known: dict[str, float | None] = field(default_factory=dict)

    def value(self, query: str) -> float | None:
        if query not in self.known:
            self.known[query] = self.ask(query)
        return self.known[query]

    def there(self, selector: str) -> bool:
        return bool(self.value(f"count(last_over_time({selector}[1d]))"))


def evidence_doubts(
    slos: Iterable[ServiceLevelObjective], ask: Ask, chosen: str = ""
) -> list[Doubt]:
    """What the server's last day says against the SLOs, and what it cannot say.

    Metrics without a sample, or without a series that a query asks for; too few events for an alert
    or for the budget itself.
    """
    evidence = _Evidence(ask)
    found = []
    for slo in slos:
        for objective in slo.objectives:
            whose = f"{slo.name} {objective.name}".strip()
            for why in _absent(objective, evidence):
                found.append(Doubt(slo.where, f"{whose}: {why}"))
            for why in _too_few(slo, objective, evidence, chosen):
                found.append(Doubt(slo.where, f"{whose}: {why}"))
    return list(dict.fromkeys(found))


def _absent(objective: Objective, evidence: _Evidence) -> Iterator[str]:
    for query, may_be_absent in _queries(objective):
        for selector in selectors(WINDOW.sub("5m", query)):
            try:
                yield from _absence(selector, may_be_absent, evidence)
            except TidecastError as error:
                text = selector.without_modifiers()
                yield f"it cannot be known whether there are samples of {text}: {error}"


def _absence(selector: VectorSelector, may_be_absent: bool, evidence: _Evidence) -> Iterator[str]:
    text = selector.without_modifiers()
    if evidence.there(text):
        return
    names = [each.value for each in selector.all_matchers if each.name == NAME]
    if not names or not evidence.there(f'{{{NAME}="{names[0]}"}}'):
        yield f"no sample of {text} within the last day, nor of its metric: nothing measures it"
    elif may_be_absent:
        yield (
            f"no sample of {text} within the last day, but of its metric: nothing failed, or the "
            "labels are not those that failures have"
        )
    else:
        yield f"no sample of {text} within the last day, but of its metric: see to the labels"


def _queries(objective: Objective) -> Iterator[tuple[str, bool]]:
    """Each query, and whether it is well where it finds nothing."""
    indicator = objective.indicator
    if isinstance(indicator, RatioIndicator):
        yield indicator.total, False
        if indicator.good:
            yield indicator.good, False
        else:
            yield indicator.bad, True
    elif indicator is not None:
        yield indicator.query, False


def _too_few(
    slo: ServiceLevelObjective, objective: Objective, evidence: _Evidence, chosen: str
) -> Iterator[str]:
    indicator = objective.indicator
    if slo.method is not BudgetingMethod.OCCURRENCES or not isinstance(indicator, RatioIndicator):
        return
    try:
        events = evidence.value(event_queries(objective, indicator, DAY_SECONDS).total)
    except TidecastError as error:
        yield f"it cannot be known whether it has enough events: {error}"
        return
    if not events:
        yield "no event within the last day: it cannot be known whether there are enough"
        return
    rate = events / DAY_SECONDS
    always = alert_doubts(slo, objective, chosen)
    yield from (why for why in alert_doubts(slo, objective, chosen, rate) if why not in always)
    allowed = rate * slo.window.duration.seconds * (1 - objective.target_ratio)
    if allowed < 1:
        yield (
            f"about {rate * slo.window.duration.seconds:.3g} events in its period: its whole "
            f"budget is {allowed:.2g} of an event, so that the first bad one overspends it"
        )
    asked = minimum_events(slo)
    for alert in burn_alerts(slo, objective, chosen) if asked else ():
        seconds = max(alert.windows_seconds)
        if rate * seconds < asked:
            yield (
                f"its alert over {promql_duration(seconds)} waits for {asked:g} events, and there "
                f"are about {rate * seconds:.3g}"
            )
