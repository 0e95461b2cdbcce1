"""`tidecast forecast --input IN.csv --explain`: all that is behind each forecast of a file."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace

import click

from tidecast.cli.explanation import explanation_text
from tidecast.cli.file_units import file_units
from tidecast.cli.planned_csv import Planned
from tidecast.journeys.examine_usage import examine, strange_document
from tidecast.journeys.explain_forecast import Document, dissect, explanation
from tidecast.journeys.find_anomalies import CLEANED, EXPECTED_PER_WEEK
from tidecast.journeys.fleet_analysis import Analysis, Case, analyse
from tidecast.journeys.forecast_fleet import NO_MARK, basis_of
from tidecast.journeys.plans import key_of_series
from tidecast.records import PublishedForecast

MARK_SOURCE = "the file's newest limit"


def explain_histories(
    planned: Mapping[str, Planned], horizon_ms: int, *, as_json: bool
) -> None:  # fmt: skip
    """Prints the explanation of each series, as text or as one JSON list."""
    now_ms = int(time.time() * 1000)
    cases = [
        Case(each.history, unit, name, changes=each.changes, unit_inferred=inferred)
        for (name, each), (unit, inferred) in zip(planned.items(), file_units(planned), strict=True)
    ]
    analyses = analyse(cases, horizon_ms, now_ms)
    told = [
        _explained(name, case, analysis, now_ms, horizon_ms)
        for name, case, analysis in zip(planned, cases, analyses, strict=True)
    ]
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        click.echo("\n\n".join(map(explanation_text, told)))


def _explained(
    name: str, case: Case, analysis: Analysis, now_ms: int, horizon_ms: int
) -> Document:  # fmt: skip
    outlook, mark = analysis.outlook, case.history.mark
    source = "" if mark is None else MARK_SOURCE
    forecast = PublishedForecast(
        host="", resource="", item=name, unit=case.unit, statistic="mean", source="",
        published_ms=now_ms, horizon_ms=now_ms + horizon_ms,
        state=str(outlook.state or NO_MARK),
        p10_ms=outlook.p10_ms, p50_ms=outlook.p50_ms, p90_ms=outlook.p90_ms,
        mark=mark, usage=None, limit=case.history.limit, method=outlook.method,
        reasons=outlook.reasons, query="", times_ms=outlook.times_ms, mean=outlook.mean,
        lo80=outlook.lo80, hi80=outlook.hi80, lo95=outlook.lo95, hi95=outlook.hi95,
        basis=basis_of(case, analysis, source),
    )  # fmt: skip
    (strange,) = examine([(case.history.times_ms, case.history.values)], EXPECTED_PER_WEEK)
    if key_of_series(name).resource in CLEANED:
        strange = replace(strange, leak=None)
    told = strange_document(strange)
    return explanation(forecast, dissect(case.history), strange=told)
