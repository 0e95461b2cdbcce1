"""A capacity report as one self-contained HTML file: style and charts inside, no script."""

from __future__ import annotations

from collections import Counter
from functools import cache
from importlib.resources import files

from jinja2 import Environment
from markupsafe import Markup

from tidecast_reports.capacity import CapacityReport
from tidecast_reports.environment import make_environment
from tidecast_reports.ranking import rank
from tidecast_reports.sentences import STATE_NAMES


def capacity_html(report: CapacityReport) -> str:
    """The whole report, what runs out first in front, readable in any browser or mail program."""
    ranked = rank(report.outlooks, report.made_ms)
    counts = Counter(outlook.state for outlook in ranked)
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            ranked=ranked,
            counts=[(state, counts[state]) for state in STATE_NAMES if counts[state]],
            style=report_style(),
        )
    )


@cache
def _environment() -> Environment:
    return make_environment()


@cache
def report_style() -> Markup:
    """The style sheet that reports carry inside."""
    sheet = files("tidecast_reports") / "static" / "base.css"
    return Markup(sheet.read_text(encoding="utf-8"))  # noqa: S704 - our own file
