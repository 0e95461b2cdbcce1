"""The soak test: kills, power cuts, damage, a full disk and fuzzing, all from one seed.

python -m tests.soak                      everything, about half an hour
python -m tests.soak --scale 0.05         a twentieth of it
python -m tests.soak --part kill --plan 17    one plan alone, as a finding names it
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tests.soak import compare, damage, damaged_others, full_disk, fuzzing, kills, servers
from tests.soak.finding import Tally

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "benchmarks" / "results" / "soak.json"
IN_MEMORY = Path("/dev/shm")
DEFAULT_SEED = 20261122

Part = Callable[[Tally, range, Path], None]
PLANS: dict[str, tuple[int, Part]] = {
    "kill": (300, lambda tally, plans, home: kills.run(tally, plans, home, "kill")),
    "power": (200, lambda tally, plans, home: kills.run(tally, plans, home, "power")),
    "server": (40, servers.kill),
    "full-disk": (8, full_disk.run),
    "damage": (200, damage.run),
    "damage-elsewhere": (120, damaged_others.run),
    "compare": (20, compare.run),
    "mutate": (400, fuzzing.mutate),
}
"""How many plans each part has at scale 1, and what runs them."""
TIMED: dict[str, tuple[int, Callable[[Tally, int, Path], None]]] = {
    "fuzz": (600, fuzzing.guided),
}
"""The same for parts that have no plans but a time, in seconds."""
PARTS = (*PLANS, *TIMED)


def main() -> int:
    """Runs what was asked for; returns 1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="of all plans")
    parser.add_argument("--scale", type=float, default=1.0, help="share of all plans and times")
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--plan", type=int, help="only this plan of the part")
    parser.add_argument("--fuzz-seconds", type=int, help="at each target, whatever the scale")
    parser.add_argument("--output", type=Path, default=None, help="where the result is written")
    arguments = parser.parse_args()
    place = IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None
    tallies, machine = [], _machine()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tidecast-soak-", dir=place) as home:
        for name in arguments.part or PARTS:
            tallies.append(_run(name, arguments, Path(home) / name))
    findings = [finding for tally in tallies for finding in tally.findings]
    result = {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        **machine,
        "seed": arguments.seed,
        "scale": arguments.scale,
        "fuzz_seconds": arguments.fuzz_seconds,
        "seconds": round(time.monotonic() - started),
        "parts": {tally.part: dict(sorted(tally.counts.items())) for tally in tallies},
        "undetected": {
            name: {"count": count, "why": damage.UNSEEN[name]}
            for tally in tallies
            for name, count in sorted(tally.undetected.items())
        },
        "not_run": [reason for tally in tallies for reason in tally.not_run],
        "findings": findings,
    }
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{len(findings)} findings after {result['seconds']} s")
    return bool(findings)


def _run(name: str, arguments: argparse.Namespace, home: Path) -> Tally:
    tally = Tally(name, arguments.seed)
    started = time.monotonic()
    home.mkdir()
    if name in TIMED:
        usual, run_for = TIMED[name]
        seconds = arguments.fuzz_seconds or max(1, round(usual * arguments.scale))
        print(f"{name}: {seconds} s", flush=True)
        run_for(tally, seconds, home)
    else:
        count, run = PLANS[name]
        plans = range(max(1, round(count * arguments.scale)))
        if arguments.plan is not None:
            plans = range(arguments.plan, arguments.plan + 1)
        print(f"{name}: {len(plans)} plans", flush=True)
        tally.plans = tally.counts["plans"] = len(plans)
        run(tally, plans, home)
    tally.counts["seconds"] = round(time.monotonic() - started)
    print(f"{name}: {len(tally.findings)} findings, {tally.counts['seconds']} s", flush=True)
    return tally


def _machine() -> dict[str, object]:
    def git(*command: str) -> str:
        done = subprocess.run(
            ["git", *command], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    return {
        "commit": git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain") else ""),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    sys.exit(main())
