"""Random expressions over ugly data, asked of our store and of a real Prometheus."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.promql.differential import differences
from tests.promql.real_prometheus import PROGRAM, running
from tests.promql.ugly_fleet import engine_of_late_writes, ugly_expressions, ugly_fleet
from tests.soak.finding import Tally

EXPRESSIONS_A_PLAN = 200


def run(tally: Tally, plans: range, directory: Path) -> None:
    """Each plan is a fleet and expressions of its own."""
    if not Path(PROGRAM).exists():
        tally.not_run.append(f"compare: there is no {PROGRAM}")
        return
    for number in plans:
        home = directory / str(number)
        home.mkdir()
        with tally.plan(number, "exception"):
            _compare(tally, number, home)
        shutil.rmtree(home, ignore_errors=True)


def _compare(tally: Tally, number: int, home: Path) -> None:
    engine = engine_of_late_writes(number, home / "store")
    with running(home) as server:
        server.write(ugly_fleet(number))
        for query in ugly_expressions(number, EXPRESSIONS_A_PLAN):
            tally.counts["expressions"] += 1
            tally.found(number, query, differences(server, engine, query))
