"""The HTML report is one file that needs nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

from tidecast_reports.capacity import CapacityReport
from tidecast_reports.html import capacity_html


class Tags(HTMLParser):
    """Collects tags, and checks that they close in order."""

    VOID = frozenset({"meta", "link", "img", "input", "br", "rect", "line", "circle"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_it_is_well_formed_and_self_contained(report: CapacityReport) -> None:
    text = capacity_html(report)
    tags = Tags(text)
    assert not tags.open
    assert tags.seen.count("svg") >= 4  # two charts, each with its curves inside
    assert not {"script", "link", "img"} & set(tags.seen)
    assert not re.findall(r"""(?:src|href)=["']?(?!#)[^"'>]+""", text)
    assert "url(" not in text


def test_what_runs_out_first_leads(report: CapacityReport) -> None:
    text = capacity_html(report).replace("\N{NO-BREAK SPACE}", " ")
    lead = text.split('class="lead">', 1)[1].split("</p>", 1)[0]
    assert lead == (
        "/var on web-3 reaches 90 % between 3 Feb and 9 Mar (P10–P90), most likely 18 Feb."
    )
    assert text.index("/var <span") < text.index("on db-1")


def test_generated_data_is_labelled(report: CapacityReport) -> None:
    assert "Generated data" not in capacity_html(report)
    assert "Generated data" in capacity_html(replace(report, generated=True))


def test_a_report_without_resources_says_so(report: CapacityReport) -> None:
    assert "No resource is known yet" in capacity_html(replace(report, outlooks=()))


def test_hostile_text_stays_text(report: CapacityReport) -> None:
    evil = replace(report.outlooks[0], host="<script>alert(1)</script>", reasons=("<b>x</b>",))
    text = capacity_html(replace(report, outlooks=(evil,), title="<i>"))
    assert "<script" not in text
    assert "<b>" not in text
    assert "&lt;script&gt;" in text
