"""The colours of texts stand out from their grounds as WCAG 2.2 AA asks: 4.5 to 1."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

SHEET = (files("tidecast_reports") / "static" / "base.css").read_text(encoding="utf-8")
LIGHT, DARK = re.findall(r":root \{(.*?)\n *\}", SHEET, re.DOTALL)
PAIRS = (
    ("--ink", "--paper"),
    ("--ink", "--surface"),
    ("--soft", "--paper"),
    ("--soft", "--surface"),
    ("--soft", "--grey-wash"),
    ("--tide-ink", "--paper"),
    ("--tide-ink", "--tide-wash"),
    ("--surface", "--tide-ink"),
    ("--mark", "--paper"),
    ("--mark", "--red-wash"),
    ("--ink", "--red-wash"),
    ("--amber", "--amber-wash"),
    ("--green", "--paper"),
    ("--green", "--green-wash"),
)


def luminance(colour: str) -> float:
    """WCAG's relative luminance of #rrggbb."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("pair", PAIRS, ids=" on ".join)
def test_text_stands_out(scheme: str, pair: tuple[str, str]) -> None:
    colours = dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6});", scheme))
    lighter, darker = sorted((luminance(colours[name]) for name in pair), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_black_on_white_is_21_to_1() -> None:
    assert (luminance("#ffffff") + 0.05) / (luminance("#000000") + 0.05) == pytest.approx(21)
