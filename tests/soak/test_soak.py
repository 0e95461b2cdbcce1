"""A twentieth of `make soak`: the same plans, the first of each kind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = ("kill", "power", "damage", "damage-elsewhere", "mutate")


def test_a_twentieth_of_the_soak_test_finds_nothing(tmp_path: Path) -> None:
    # In a process of its own: it forks, and its children replace how files are written.
    parts = [argument for part in PARTS for argument in ("--part", part)]
    output = tmp_path / "soak.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--scale", "0.05", *parts, "--output", output],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        check=False,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(output.read_text())
    assert result["findings"] == []
    assert result["parts"]["kill"]["killed"] >= 10
    assert result["parts"]["damage"]["plans"] == 10
