"""The scenario files beside this test hold, with their hand calculations."""

from __future__ import annotations

from pathlib import Path

import pytest

from .promqltest import run_file

FILES = sorted((Path(__file__).parent / "scenarios").glob("*.test"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    assert run_file(path) > 0
