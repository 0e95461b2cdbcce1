"""How long a newcomer waits: fresh clone, empty home, `make run`, first answer; `make test`.

python benchmarks/first_run.py [--test]    writes benchmarks/results/first-run.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = "http://127.0.0.1:9797"
LIMIT_SECONDS = 600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--test", action="store_true", help="time `make test` as well")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tidecast-first-run-") as folder:
        clone, home = Path(folder, "clone"), Path(folder, "home")
        home.mkdir()
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        environment = {**os.environ, "HOME": str(home)}
        environment.pop("XDG_STATE_HOME", None)
        environment.setdefault("TIDECAST_DATA", str(ROOT.parent / "shared" / "data"))
        figures = time_run(clone, environment)
        if arguments.test:
            figures["make_test_seconds"] = timed(["make", "test"], clone, environment)
    result = {"measured": datetime.now(UTC).isoformat(timespec="seconds"), **machine(), **figures}
    file = ROOT / "benchmarks" / "results" / "first-run.json"
    file.write_text(json.dumps(result, indent=2) + "\n")
    print(file.read_text())


def time_run(clone: Path, environment: dict[str, str]) -> dict[str, float]:
    """Seconds until the server listens and until the page names this machine's own resources."""
    began = time.monotonic()
    running = subprocess.Popen(["make", "run"], cwd=clone, env=environment, start_new_session=True)
    try:
        installed = until(lambda: bool(fetch("/-/ready")), began)
        answered = until(lambda: b"filesystem" in fetch("/api/tidecast/v1/capacity"), began)
        page = fetch("/")
        assert platform.node().encode() in page, "the page does not name this machine"
    finally:
        os.killpg(running.pid, signal.SIGTERM)
        running.wait(60)
    return {
        "server_ready_seconds": round(installed, 1),
        "first_answer_seconds": round(answered, 1),
        "first_answer_after_installation_seconds": round(answered - installed, 1),
    }


def fetch(path: str) -> bytes:
    """The body at this path; empty while nobody answers."""
    try:
        with urllib.request.urlopen(PAGE + path, timeout=5) as answer:
            body: bytes = answer.read()
            return body
    except OSError:
        return b""


def until(done: Callable[[], bool], began: float) -> float:
    """Seconds since `began` at which it was done."""
    while not done():
        if time.monotonic() - began > LIMIT_SECONDS:
            sys.exit(f"nothing after {LIMIT_SECONDS} s")
        time.sleep(0.1)
    return time.monotonic() - began


def timed(command: list[str], clone: Path, environment: dict[str, str]) -> float:
    """Seconds that the command took; it must succeed."""
    began = time.monotonic()
    subprocess.run(command, cwd=clone, env=environment, check=True)
    return round(time.monotonic() - began, 1)


def machine() -> dict[str, object]:
    """What it was measured on, and of what."""
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return {
        "commit": commit.stdout.strip(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()
