"""A capacity report as CSV (RFC 4180): one row per resource, ranked, dates in ISO 8601."""

from __future__ import annotations

import csv
import io

from tidecast_reports.capacity import CapacityReport, ResourceOutlook
from tidecast_reports.ranking import rank
from tidecast_reports.units import iso

COLUMNS = (
    "rank",
    "host",
    "resource",
    "item",
    "state",
    "p10",
    "p50",
    "p90",
    "usage",
    "limit",
    "mark",
    "unit",
    "statistic",
    "full_in_seconds_p10",
    "full_in_seconds_p50",
    "full_in_seconds_p90",
    "method",
    "source",
    "reasons",
    "published",
    "generated",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def capacity_csv(report: CapacityReport) -> str:
    """The whole report with a header row; every line ends in CRLF.

    Text that a spreadsheet would take for a formula is preceded by an apostrophe (OWASP, "CSV
    injection").
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for place, outlook in enumerate(rank(report.outlooks, report.made_ms), start=1):
        writer.writerow([str(place), *_cells(outlook), "yes" if report.generated else "no"])
    return text.getvalue()


def safe_cell(text: str) -> str:
    """The text as a cell that no spreadsheet evaluates.

    >>> safe_cell("=HYPERLINK(1)"), safe_cell("/var")
    ("'=HYPERLINK(1)", '/var')
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def _cells(outlook: ResourceOutlook) -> list[str]:
    fast = outlook.full_in_seconds or (None, None, None)
    return [
        *(safe_cell(part) for part in (outlook.host, outlook.resource, outlook.item)),
        safe_cell(outlook.state),
        *(_date(at_ms) for at_ms in (outlook.p10_ms, outlook.p50_ms, outlook.p90_ms)),
        *(_number(value) for value in (outlook.usage, outlook.limit, outlook.mark)),
        safe_cell(outlook.unit),
        safe_cell(outlook.statistic),
        *(_number(value) for value in fast),
        safe_cell(outlook.method),
        safe_cell(outlook.source),
        safe_cell("; ".join(outlook.reasons)),
        _date(outlook.published_ms),
    ]


def _date(at_ms: int | None) -> str:
    return "" if at_ms is None else iso(at_ms)


def _number(value: float | None) -> str:
    return "" if value is None else repr(float(value)).removesuffix(".0")
