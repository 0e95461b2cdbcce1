"""Availability of 1,000 services from 13 months of outages: CPU seconds for a month, and for all.

    PYTHONPATH=collector:analytics:alerts:reports:src python benchmarks/availability.py

The ledger is written and read through the records' own doors, into SQLite in a temporary directory.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from tidecast.journeys.availability_report import answers, asked, availability_document, month_span
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
    return "\n".join(lines)


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
        seconds = []
        for month in MONTHS:
            start_ms, end_ms = month_span(month, BERLIN)
            before = time.process_time()
            with records.reading() as unit:
                span = asked(start_ms, end_ms, None, end_ms)
                found = answers(policy, unit, span, policy.services)
            documents = [availability_document(policy, span, each) for each in found]
            assert len(documents) == given.services
            seconds.append(time.process_time() - before)
    told = {
        "services": given.services,
        "observations": len(said),
        "write_cpu_seconds": round(wrote - began, 1),
        "month_cpu_seconds": round(max(seconds), 1),
        "all_13_months_cpu_seconds": round(sum(seconds), 1),
    }
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
