"""What the documents say exists, exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tidecast.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for place in (".", "docs", "collector", "grafana", "benchmarks", "benchmarks/forecast")
    for path in (ROOT / place).glob("*.md")
)
FOLDERS = "src|alerts|reports|analytics|collector|tests|benchmarks|grafana|deploy|docs|examples"
PATH = re.compile(rf"`((?:{FOLDERS})/[^`\s*]*)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
MAKE = re.compile(r"^make ([a-z]+)|`make ([a-z]+)", re.MULTILINE)


def anchors(document: Path) -> set[str]:
    """What a link within the document may name, as the usual renderers make it of headings."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_that_is_named_exists(document: Path) -> None:
    named = PATH.findall(document.read_text())
    assert not [path for path in named if not (ROOT / path).exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in LINK.findall(document.read_text()):
        if not link.startswith("https://"):
            name, _, anchor = link.partition("#")
            target = document.parent / name if name else document
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def test_every_make_target_that_is_named_exists() -> None:
    there = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = "\n".join(path.read_text() for path in DOCUMENTS)
    assert {first or second for first, second in MAKE.findall(text)} <= there


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
