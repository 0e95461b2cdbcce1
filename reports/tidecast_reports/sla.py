"""SLA statements as CSV, a row each, and as a self-contained HTML page."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment

from tidecast_reports.availability import downtime, percent
from tidecast_reports.csv import safe_cell
from tidecast_reports.environment import make_environment
from tidecast_reports.html import report_style

FIGURES = (
    *("start", "end", "complete", "known_on", "agreed_seconds", "excluded_seconds"),
    *("counted_seconds", "down_seconds", "unknown_seconds", "availability"),
    *("availability_lowest", "availability_highest", "breaks", "longest_outage_seconds"),
    *("verdict", "credit", "credit_amount", "sha256"),
)
PROMISES = ("name", "customer", "service", "target", "currency")


def sla_csv(statements: Sequence[Mapping[str, Any]]) -> str:
    """Statement documents with a header row (RFC 4180); no cell is a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow((*PROMISES, *FIGURES))
    for each in statements:
        cells = [each["agreement"][key] for key in PROMISES] + [each[key] for key in FIGURES]
        writer.writerow([safe_cell("" if cell is None else str(cell)) for cell in cells])
    return text.getvalue()


def sla_text(statements: Sequence[Mapping[str, Any]]) -> str:
    """Statement documents for a terminal, one after the other; "" for none."""
    return "\n".join(_lines(each) for each in statements)


def _lines(statement: Mapping[str, Any]) -> str:
    agreement = statement["agreement"]
    open_end = "" if statement["complete"] else f", not over: until {statement['measured_until']}"
    lines = [
        f"{agreement['name']}: {agreement['service']} for {agreement['customer']}",
        f"{statement['start']} to {statement['end']}{open_end}, "
        f"as known on {statement['known_on']}",
        statement["sentence"],
    ]
    for each in statement["outage_counts"]:
        limit = f"longer than {downtime(each['longer_than_seconds'])}"
        told = f"{each['found']}, at most {each['at_most']} agreed: {each['verdict']}"
        lines.append(f"  outages {limit}: {told}")
    if agreement["longest_outage_seconds"] is not None:
        longest = downtime(statement["longest_outage_seconds"])
        agreed = downtime(agreement["longest_outage_seconds"])
        lines.append(
            f"  longest outage: {longest}, {agreed} agreed: {statement['longest_verdict']}"
        )
    for each in statement["outages"]:
        lines.append(
            f"  down {each['start']} to {each['end']}: {downtime(each['counted_seconds'])}"
        )
    for each in statement["words"]:
        span = f"{each['start']} to {each['end']}"
        lines.append(f"  said of {each['component']}, {span}: {each['kind']}, {each['reason']}")
    credit = f"{statement['credit_amount']:.2f} {agreement['currency']}".strip()
    lines.append(f"  credit: {percent(statement['credit'])} of the fee, {credit}")
    lines.append(f"  {statement['sha256']}")
    return "\n".join("".join(c if c.isprintable() else " " for c in each) for each in lines) + "\n"


def sla_html(statements: Sequence[Mapping[str, Any]]) -> str:
    """Statement documents, one after the other."""
    page = _environment().get_template("sla.html")
    return page.render(statements=statements, style=report_style())


@cache
def _environment() -> Environment:
    environment = make_environment()
    environment.filters |= {"percent": percent, "downtime": downtime}
    return environment
