"""A million active series at 15 s for three hours, within 8 GiB for all of Tidecast's processes.

python benchmarks/store/million.py [--series N] [--hours H] [--memory-gib G]

Bodies of 2,000 series with one sample each are sent as fast as they are taken, so that three hours
pass in a part of that time. It ends by itself: when all is sent and found again after a kill -9, or
with a message as soon as the memory is exceeded. The result goes to
benchmarks/results/store-million.json, of a smaller run to the screen alone.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cramjam
import numpy as np
from data import CONNECTIONS, LIVE_HOSTS, SCRAPE_MS, SERIES_PER_HOST, live_template
from run import HEADERS, ROOT, machine
from servers import Tidecast

A_MILLION = 1_000_000
HOURS = 3.0
MEMORY_GIB = 8.0
_HOUR_MS = 3_600_000
_SERIES_A_BODY = LIVE_HOSTS * SERIES_PER_HOST


@dataclass(slots=True)
class Run:
    """What is to be sent, and what became of it."""

    bodies: int
    ticks: int
    start_ms: int
    failure: str = ""

    @property
    def samples(self) -> int:
        """How many samples that is."""
        return self.bodies * self.ticks * _SERIES_A_BODY


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=A_MILLION)
    parser.add_argument("--hours", type=float, default=HOURS)
    parser.add_argument("--memory-gib", type=float, default=MEMORY_GIB)
    arguments = parser.parse_args()
    ticks = int(arguments.hours * _HOUR_MS / SCRAPE_MS)
    start_ms = int(time.time() * 1000) - ticks * SCRAPE_MS
    run = Run(arguments.series // _SERIES_A_BODY, ticks, start_ms)
    with tempfile.TemporaryDirectory(prefix="tidecast-million-") as folder:
        figures = measure(run, Path(folder, "data"), arguments.memory_gib)
    result = {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        **machine(),
        "data": {"series": run.bodies * _SERIES_A_BODY, "hours": arguments.hours},
        "memory_limit_gib": arguments.memory_gib,
        "figures": figures,
    }
    print(json.dumps(result, indent=2))
    if run.failure:
        print(f"it failed: {run.failure}", file=sys.stderr)
        return 1
    if (arguments.series, arguments.hours) == (A_MILLION, HOURS):
        file = ROOT / "benchmarks" / "results" / "store-million.json"
        file.write_text(json.dumps(result, indent=2) + "\n")
        print(f"written to {file}")
    return 0


def measure(run: Run, directory: Path, memory_gib: float) -> dict[str, float]:
    """The figures of one run."""
    directory.mkdir()
    figures: dict[str, float] = {}
    with Tidecast(directory) as server:
        began, before = time.monotonic(), server.cpu_seconds()
        send(run, server, memory_gib)
        figures["samples"] = run.samples
        figures["seconds"] = round(time.monotonic() - began, 1)
        taken = server.cpu_seconds() - before
        figures["cpu_seconds_per_million"] = round(taken / run.samples * 1e6, 3)
        figures["peak_mb"] = server.peak_mb()
        if run.failure:
            return figures
        server.kill()
    with Tidecast(directory) as server:
        figures["reopen_seconds"] = server.ready_seconds
        end_ms = run.start_ms + run.ticks * SCRAPE_MS
        held = server.count(["node_load1"], end_ms, run.ticks * SCRAPE_MS // 1000 + 60)
        figures["lost_of_one_metric_samples"] = run.samples // SERIES_PER_HOST - held
        server.settle()
        figures["bytes_per_sample"] = round(server.bytes_per_sample(run.samples), 3)
        figures["peak_mb_after_reopening"] = server.peak_mb()
    return figures


def send(run: Run, server: Tidecast, memory_gib: float) -> None:
    """Sends everything, each series over one connection; stops where something fails."""
    threads = [
        threading.Thread(target=_send_some, args=(run, server, connection))
        for connection in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        memory_mb = server.memory_mb()
        if memory_mb > memory_gib * 1024:
            run.failure = run.failure or f"{memory_mb:.0f} MB are more than {memory_gib} GiB"
        time.sleep(1)


def _send_some(run: Run, server: Tidecast, number: int) -> None:
    templates = [
        live_template(body * LIVE_HOSTS) for body in range(number, run.bodies, CONNECTIONS)
    ]
    random = np.random.default_rng(number)
    connection = server.connect()
    for tick in range(run.ticks):
        for template in templates:
            values = np.rint(
                template.base + tick * template.step + random.random(len(template.base))
            )
            body = template.filled(run.start_ms + tick * SCRAPE_MS, values)
            packed = bytes(cramjam.snappy.compress_raw(body))
            connection.request("POST", server.write_path, packed, HEADERS)
            answer = connection.getresponse()
            said = answer.read()
            if answer.status // 100 != 2:
                run.failure = run.failure or f"{answer.status} {said[:200]!r}"
            if run.failure:
                return
    connection.close()


if __name__ == "__main__":
    sys.exit(main())
