"""Runs scripts of Prometheus' test language, such as a copy of the upstream cases.

    python tests/promql/run_upstream.py DIRECTORY-OR-FILE...
    python tests/promql/run_upstream.py --own-server DIRECTORY     a tidecast server for each clear
    python tests/promql/run_upstream.py --server URL FILE          one environment, a fresh server

Prints passed, failed and skipped (native histograms) for each file; exits 1 if any case failed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), *(str(ROOT / room) for room in ("src", "collector", "alerts"))]

from tests.promql.backends import Http, InProcess, OwnServer  # noqa: E402
from tests.promql.promqltest import run_script  # noqa: E402


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--server", help="URL of a server to load by remote-write and to ask.")
@click.option("--own-server", is_flag=True, help="Start tidecast servers and ask them.")
@click.option("-v", "--verbose", is_flag=True, help="Print each failure and what was skipped.")
def main(paths: tuple[Path, ...], server: str | None, own_server: bool, verbose: bool) -> None:
    """Runs the scripts (*.test) of these files and directories."""
    files = [
        file
        for path in paths
        for file in (sorted(path.glob("*.test")) if path.is_dir() else [path])
    ]
    own = OwnServer() if own_server else None
    backend = own or (Http(server) if server else InProcess())
    totals = [0, 0, 0]
    try:
        for file in files:
            outcome = run_script(file, backend)
            counts = outcome.passed, len(outcome.failures), len(outcome.skipped)
            totals = [total + count for total, count in zip(totals, counts, strict=True)]
            click.echo(_line(outcome.name, counts))
            for text in (*outcome.failures, *outcome.skipped) if verbose else ():
                click.echo(f"  {text}")
    finally:
        if own is not None:
            own.close()
    click.echo(_line("total", tuple(totals)))
    sys.exit(1 if totals[1] else 0)


def _line(name: str, counts: tuple[int, ...]) -> str:
    return f"{name:32} passed {counts[0]:5}  failed {counts[1]:5}  skipped {counts[2]:5}"


if __name__ == "__main__":
    main()
