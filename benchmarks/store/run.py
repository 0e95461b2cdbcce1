"""Tidecast's store beside Prometheus and VictoriaMetrics: processor time, bytes, loss by a crash.

python benchmarks/store/run.py [--small] [--only NAME ...]    writes benchmarks/results/store.json

The full data set is 100 hosts of 100 series, a day of history and two live hours at 15 s; --small
is 40 hosts, six hours and one. Figures are processor seconds of the server's process: they hold on
a machine that does other things as well, wall times do not.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from data import (
    CONNECTIONS,
    METRICS,
    SCRAPE_MS,
    SERIES_PER_HOST,
    make_host,
    read_bodies,
    write_bodies,
)
from servers import SERVERS, Server

ROOT = Path(__file__).parents[2]
HOUR_SECONDS = 3600
REPEATED_SECONDS = 1.0
"""A query is repeated until it has taken so much processor time, so that it can be told."""
MOST_REPEATS = 50


@dataclass(frozen=True)
class Size:
    """How much is sent."""

    hosts: int
    history_hours: int
    live_hours: int


FULL, SMALL = Size(100, 24, 2), Size(40, 6, 1)


@dataclass(frozen=True)
class Bodies:
    """What is sent in one of the two patterns."""

    path: Path
    samples: int
    end_ms: int
    span_seconds: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="about two minutes")
    parser.add_argument("--only", nargs="+", choices=[each.name for each in SERVERS])
    arguments = parser.parse_args()
    size = SMALL if arguments.small else FULL
    chosen = [each for each in SERVERS if not arguments.only or each.name in arguments.only]
    assert SERIES_PER_HOST == 100
    with tempfile.TemporaryDirectory(prefix="tidecast-store-") as folder:
        history = make_bodies(Path(folder, "history"), size, live=False)
        live = make_bodies(Path(folder, "live"), size, live=True)
        figures = {each.name: measure(each, Path(folder), size, history, live) for each in chosen}
    result = {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        **machine(),
        "data": {**vars(size), "history_samples": history.samples, "live_samples": live.samples},
        "figures": figures,
        "ratios": ratios(figures),
    }
    print(table(figures))
    if not arguments.only:
        file = ROOT / "benchmarks" / "results" / "store.json"
        file.write_text(json.dumps(result, indent=2) + "\n")
        print(f"written to {file}")


def make_bodies(path: Path, size: Size, *, live: bool) -> Bodies:
    """The bodies of one pattern; history and the live hours both end now."""
    span = (size.live_hours if live else size.history_hours) * HOUR_SECONDS
    end_ms = int(time.time() * 1000)
    scrapes = span * 1000 // SCRAPE_MS
    hosts = [make_host(i, end_ms - span * 1000, scrapes) for i in range(size.hosts)]
    return Bodies(path, write_bodies(path, hosts, live=live), end_ms, span)


def measure(
    kind: type[Server], folder: Path, size: Size, history: Bodies, live: Bodies
) -> dict[str, float]:
    """The figures of one server."""
    print(f"{kind.name} ...", file=sys.stderr, flush=True)
    directory = folder / f"{kind.name}-history"
    directory.mkdir()
    with kind(directory) as server:
        figures = {"catch_up_cpu_seconds_per_million": send(server, history)}
        figures["bytes_per_sample"] = server.bytes_per_sample(history.samples)
        figures |= {"ingest_peak_mb": server.peak_mb()} | ask(server, size, history.end_ms)
        figures["peak_mb"] = server.peak_mb()
    directory = folder / f"{kind.name}-live"
    directory.mkdir()
    with kind(directory) as server:
        figures["live_cpu_seconds_per_million"] = send(server, live, settle=False)
        server.kill()
    with kind(directory) as server:
        figures["reopen_seconds"] = server.ready_seconds
        names = [metric.name for metric in METRICS]
        held = server.count(names, live.end_ms + SCRAPE_MS, live.span_seconds + HOUR_SECONDS)
        figures["lost_by_kill_samples"] = live.samples - held
    return {name: round(value, 4) for name, value in figures.items()}


def send(server: Server, bodies: Bodies, *, settle: bool = True) -> float:
    """Processor seconds a million samples, until the work that follows them is done as well."""
    # What starting takes is no part of it.
    server.rest()
    before = server.cpu_seconds()
    failures: list[str] = []

    def send_some(connection_number: int) -> None:
        connection = server.connect()
        for body in read_bodies(bodies.path, connection_number):
            connection.request("POST", server.write_path, body, HEADERS)
            answer = connection.getresponse()
            said = answer.read()
            if answer.status // 100 != 2:
                failures.append(f"{answer.status} {said[:200]!r}")
                break
        connection.close()

    threads = [threading.Thread(target=send_some, args=(i,)) for i in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    if settle:
        server.settle()
    return (server.cpu_seconds() - before) / bodies.samples * 1e6


HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


def ask(server: Server, size: Size, end_ms: int) -> dict[str, float]:
    """Processor milliseconds of each query, over all history."""
    hours, end = size.history_hours, end_ms / 1000
    instant = {"path": "query", "time": end}
    ranged = {"path": "query_range", "end": end, "step": 60}
    queries = {
        "one_series": {**ranged, "start": end - hours * 3600, "query": ONE_SERIES},
        "sum_of_rates": {
            **ranged,
            "start": end - min(hours, 6) * 3600,
            "query": "sum by (instance) (rate(node_cpu_seconds_total[5m]))",
        },
        "max_over_time": {**instant, "query": f"max_over_time(node_load1[{hours}h])"},
        "raw_export": {**instant, "query": f'{{__name__=~"node_load[15]"}}[{hours}h]'},
        "alert_rule": {**instant, "query": "rate(node_disk_io_time_seconds_total[5m]) > 0.9"},
        "quantile_over_time": {
            **instant,
            "query": f"quantile_over_time(0.95, node_load5[{hours}h])",
        },
    }
    return {f"{name}_cpu_ms": cpu_ms(server, query) for name, query in queries.items()}


ONE_SERIES = 'node_load1{instance="host-7:9100"}'


def cpu_ms(server: Server, query: dict[str, object]) -> float:
    """Processor milliseconds of the query once it is warm."""
    path = str(query["path"])
    parameters = {name: value for name, value in query.items() if name != "path"}
    assert (
        b'"values"' in (answer := server.query(path, **parameters))
        or b'"value"' in answer
        or ("> 0.9" in str(parameters["query"]))
    ), answer[:300]
    before = server.cpu_seconds()
    repeats = 0
    while repeats < MOST_REPEATS and server.cpu_seconds() - before < REPEATED_SECONDS:
        server.query(path, **parameters)
        repeats += 1
    return (server.cpu_seconds() - before) / repeats * 1000


def ratios(figures: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Ours by theirs: below 1 is better than the peer."""
    ours = figures.get("tidecast", {})
    return {
        peer: {
            name: round(ours[name] / value, 3) for name, value in theirs.items() if value and ours
        }
        for peer, theirs in figures.items()
        if peer != "tidecast"
    }


def table(figures: dict[str, dict[str, float]]) -> str:
    """The figures side by side, and ours by each peer's."""
    compared = ratios(figures)
    names = list(next(iter(figures.values())))
    heads = [*figures, *(f"/ {peer}" for peer in compared)]
    rows = [
        [name]
        + [f"{figures[server][name]:g}" for server in figures]
        + [f"{compared[peer].get(name, float('nan')):.2f}" for peer in compared]
        for name in names
    ]
    return "\n".join(
        f"{row[0]:36}" + "".join(f"{cell:>20}" for cell in row[1:]) for row in [["", *heads], *rows]
    )


def machine() -> dict[str, object]:
    """What it was measured on, and of what."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.strip()

    packages = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version}\n", "prometheus", "victoria-metrics"],
        check=True,
        capture_output=True,
        text=True,
    )
    return {
        "commit": git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain") else ""),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_average": [round(each, 2) for each in os.getloadavg()],
        "peers": packages.stdout.splitlines(),
    }


if __name__ == "__main__":
    main()
