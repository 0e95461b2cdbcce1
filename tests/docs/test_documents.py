"""What the documents say exists, exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tidecast.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
PATH = re.compile(r"`((?:src|alerts|reports|analytics|collector|tests|grafana|deploy)/[^`\s*]*)`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_that_is_named_exists(document: Path) -> None:
    named = PATH.findall(document.read_text())
    assert not [path for path in named if not (ROOT / path).exists()]


def test_the_journey_of_a_sample_names_its_modules() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    assert len(PATH.findall(text)) > 20


def test_the_functions_to_read_first_are_where_the_journey_says() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    found = re.findall(r"^- `([\w.]+)` in `([^`]+)`", text, re.MULTILINE)
    assert len(found) == 5
    for name, path in found:
        assert f"def {name.rpartition('.')[2]}(" in (ROOT / path).read_text(), name


def test_every_command_is_named_for_people() -> None:
    text = "\n".join(path.read_text() for path in DOCUMENTS)
    unnamed = [name for name in COMMANDS if not re.search(rf"(tidecast[ -]|make ){name}\b", text)]
    assert not unnamed
