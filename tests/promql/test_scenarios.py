"""The scenario files beside this test hold, with their hand calculations."""

from __future__ import annotations

from pathlib import Path

import pytest

from .promqltest import run_script

FILES = sorted((Path(__file__).parent / "scenarios").glob("*.test"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    outcome = run_script(path)
    assert not outcome.failures, "\n".join(outcome.failures)
    assert outcome.passed > 0
