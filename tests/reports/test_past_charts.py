"""Past forecasts drawn against what came, and a history's parts."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
from tests.reports.conftest import DAY_MS, GIB, HOUR_MS, NOW_MS

from tidecast_reports.capacity import Band, PastForecast, ResourceOutlook
from tidecast_reports.environment import make_environment
from tidecast_reports.parts_chart import parts_chart
from tidecast_reports.past_chart import MOST, past_chart

Vary = Callable[..., ResourceOutlook]


def past(days_ago: float, level: float = 39 * GIB) -> PastForecast:
    """A forecast of so many days ago for ninety days, always of this level."""
    made_ms = NOW_MS - round(days_ago * DAY_MS)
    times = made_ms + HOUR_MS * np.arange(1, 90 * 24 + 1, dtype=np.int64)
    mean = np.full(times.size, level)
    band = Band(times, mean, mean - GIB, mean + GIB, mean - 2 * GIB, mean + 2 * GIB)
    return PastForecast(made_ms, "not_growing", None, None, None, "m", band=band)


def test_past_forecasts_are_drawn_until_the_newest_value(outlook: Vary) -> None:
    svg = past_chart(outlook(), [past(7), past(20)], identifier="p")
    drawn = ElementTree.fromstring(svg)
    title = drawn.find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title.text == (
        "What came, and what was forecast on 12 Dec 2026, 25 Dec 2026 with its 80 % bands."
    )
    assert svg.count('class="band80"') == svg.count('class="mean"') == 2
    # The last point of a forecast stands where the history ends: near the right edge.
    places = [float(x) for x in re.findall(r'class="mean" d="[^"]*L([0-9.]+) [0-9.]+"', svg)]
    assert all(990 < place <= 1000 for place in places)
    assert len(places) == 2


def test_of_many_a_few_are_drawn_and_of_none_nothing(outlook: Vary) -> None:
    many = [past(days) for days in range(1, 29)]
    assert past_chart(outlook(), many, identifier="p").count('class="mean"') == MOST
    assert past_chart(outlook(), [], identifier="p") == ""
    assert past_chart(outlook(), [past(0.5)], identifier="p") == "", "less than a day"
    without = PastForecast(NOW_MS - DAY_MS, "over_now", None, None, None, "m")
    assert past_chart(outlook(), [without], identifier="p") == ""
    nothing = outlook(history_ms=np.empty(0, dtype=np.int64), history=np.empty(0))
    assert past_chart(nothing, [past(7)], identifier="p") == ""


def test_without_a_mark_there_is_no_line_for_it(outlook: Vary) -> None:
    assert 'class="mark"' in past_chart(outlook(), [past(7)], identifier="p")
    assert 'class="mark"' not in past_chart(outlook(mark=None), [past(7)], identifier="p")


def test_parts_stand_one_below_the_other() -> None:
    times = NOW_MS + HOUR_MS * np.arange(48)
    parts = {
        "times_ms": times.tolist(),
        "trend": np.linspace(1, 2, 48).tolist(),
        "season": np.sin(np.arange(48) / 24 * 2 * np.pi).tolist(),
        "rest": [0.0] * 48,
    }
    svg = parts_chart(parts, "ratio", identifier="q")
    texts = [each.text for each in ElementTree.fromstring(svg).iter() if each.tag.endswith("text")]
    assert texts[-3:] == ["trend: 100 % to 200 %", "season: -100 % to 100 %", "rest: 0 % to 0 %"]
    assert svg.count("<polyline") == 3


def test_templates_find_the_charts() -> None:
    assert {"past_chart", "parts_chart"} <= make_environment().globals.keys()
