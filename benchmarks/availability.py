"""Availability reports and SLA statements of 1,000 services from 13 months of outages.

    PYTHONPATH=collector:analytics:alerts:reports:src python benchmarks/availability.py

Says the CPU seconds (one process, one core) for the dearest month and for all 13. The ledger is
written and read through the records' own doors, into SQLite in a temporary directory. With
`--output FILE` the figures are also written there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from tidecast.journeys.availability_report import answers, asked, availability_document, month_span
from tidecast.journeys.sla_documents import statement_document
from tidecast.journeys.sla_statements import statements
from tidecast.policy.model import Policy
from tidecast.policy.reading import read_policy
from tidecast.records import Records
from tidecast_analytics.timelines import ComponentState, Observation

PARTS = ("web", "db-1", "db-2")
OUTAGES_A_MONTH = 2
HOUR_MS = 3_600_000
MONTHS = [f"2025-{month:02}" for month in range(10, 13)] + [f"2026-{m:02}" for m in range(1, 11)]
UTC, BERLIN = ZoneInfo("UTC"), ZoneInfo("Europe/Berlin")


def policy_text(services: int) -> str:
    """Each service rests on a web server and two databases, in office hours."""
    lines = [
        'calendars: {office: {time_zone: Europe/Berlin, weekly: [{days: mon-fri, from: "07:00", '
        'to: "21:00"}]}}',
        "services:",
    ]
    for i in range(services):
        lines.append(
            f"  s{i}: {{rests_on: [s{i}-web, {{parallel: [s{i}-db-1, s{i}-db-2]}}], "
            "agreed_service_time: office}"
        )
    lines.append("slas:")
    for i in range(services):
        lines.append(
            f"  a{i}: {{service: s{i}, customer: c{i % 50}, target: 99.9 %, longest_outage: 2h, "
            "outages: [{longer_than: 15m, at_most: 2}], time_zone: Europe/Berlin, "
            "credits: [{below: 99.9 %, credit: 10 %}, {below: 99 %, credit: 25 %}], fee: 100, "
            "currency: EUR}"
        )
    return "\n".join(lines)


def report_seconds(policy: Policy, records: Records, month: str) -> float:
    """CPU seconds of the availability of every service in that month, as documents."""
    before = time.process_time()
    start_ms, end_ms = month_span(month, BERLIN)
    with records.reading() as unit:
        span = asked(start_ms, end_ms, None, end_ms)
        found = answers(policy, unit, span, policy.services)
    documents = [availability_document(policy, span, each) for each in found]
    assert len(documents) == len(policy.services)
    return time.process_time() - before


def statement_seconds(policy: Policy, records: Records, month: str) -> float:
    """CPU seconds of the statement of every agreement for that month, as documents."""
    before = time.process_time()
    with records.reading() as unit:
        _, end_ms = month_span(month, BERLIN)
        made = statements(policy, unit, policy.agreements, month, end_ms + 3_600_000)
        documents = [statement_document(each) for each in made]
    assert len(documents) == len(policy.agreements)
    return time.process_time() - before


def observations(services: int, seed: int) -> list[Observation]:
    """Each part breaks some times a month, each time for about an hour."""
    random = np.random.default_rng(seed)
    first, _ = month_span(MONTHS[0], UTC)
    _, last = month_span(MONTHS[-1], UTC)
    count = OUTAGES_A_MONTH * len(MONTHS)
    said = []
    for name in (f"s{i}-{part}" for i in range(services) for part in PARTS):
        said.append(Observation(name, ComponentState.UP, first, first, "check"))
        for start in np.sort(random.integers(first + 1, last, count)).tolist():
            end = start + int(random.exponential(HOUR_MS)) + 1
            said.append(Observation(name, ComponentState.DOWN, start, start, "check"))
            said.append(Observation(name, ComponentState.UP, end, end, "check"))
    return said


def main() -> None:
    """Prints the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    policy = read_policy({"policy.yaml": policy_text(given.services)})
    said = observations(given.services, given.seed)
    with (
        tempfile.TemporaryDirectory() as directory,
        Records.open(f"sqlite:///{Path(directory) / 'records.sqlite3'}") as records,
    ):
        began = time.process_time()
        for start in range(0, len(said), 10_000):
            with records.unit() as unit:
                unit.outages.observe(said[start : start + 10_000])
        wrote = time.process_time()
        reports = [report_seconds(policy, records, month) for month in MONTHS]
        stated = [statement_seconds(policy, records, month) for month in MONTHS]
    told = {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "services": given.services,
        "observations": len(said),
        "write_cpu_seconds": round(wrote - began, 1),
        "month_cpu_seconds": round(max(reports), 1),
        "all_13_months_cpu_seconds": round(sum(reports), 1),
        "statements_month_cpu_seconds": round(max(stated), 1),
        "statements_all_13_months_cpu_seconds": round(sum(stated), 1),
    }
    if given.output:
        given.output.write_text(json.dumps(told, indent=2) + "\n")
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
