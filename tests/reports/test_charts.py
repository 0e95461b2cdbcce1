"""Drawings: valid XML, true to the data, readable by those who cannot see them."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast_reports.axes import time_ticks, value_ticks
from tidecast_reports.capacity import Band, ResourceOutlook
from tidecast_reports.svg import fan_chart
from tidecast_reports.thinning import thin_band, thin_history

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
NOW_MS = 1_798_761_600_000
SVG = "{http://www.w3.org/2000/svg}"
Vary = Callable[..., ResourceOutlook]


def drawn(outlook: ResourceOutlook) -> ElementTree.Element:
    return ElementTree.fromstring(fan_chart(outlook, NOW_MS, 90, identifier="c1"))


def by_class(chart: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [element for element in chart.iter() if element.get("class") == name]


def test_it_says_in_words_what_it_shows(outlook: Vary) -> None:
    chart = drawn(outlook())
    assert chart.get("role") == "img"
    assert chart.get("aria-labelledby") == "c1-t c1-d"
    assert chart.findtext(f"{SVG}title", "").startswith("/var on web-3 reaches 90 %")
    assert "with 80 % probability" in chart.findtext(f"{SVG}desc", "")


def test_it_holds_history_forecast_bands_mark_and_median(outlook: Vary) -> None:
    chart = drawn(outlook())
    for name in ("history", "mean", "band80", "band95", "mark", "span", "median"):
        assert len(by_class(chart, name)) == 1, name


def test_the_median_stands_where_its_day_is(outlook: Vary) -> None:
    # Shown are 30 days of history less an hour and 90 days ahead; day 48 is 78 of 120 days in.
    (dot,) = by_class(drawn(outlook()), "median")
    assert float(dot.get("cx", "").rstrip("%")) == pytest.approx(78 / 120 * 100, abs=0.1)
    (mark,) = by_class(drawn(outlook()), "mark")
    assert dot.get("cy") == mark.get("y1")


def test_without_history_there_is_nothing_to_draw(outlook: Vary) -> None:
    empty = outlook(history_ms=np.array([], dtype=np.int64), history=np.array([]), band=None)
    assert fan_chart(empty, NOW_MS, 90, identifier="c") == ""
    one = outlook(history=np.append(np.full(719, np.nan), 1.0))
    assert fan_chart(one, NOW_MS, 90, identifier="c") == ""
    hollow = outlook(history=np.full(720, np.nan))
    assert fan_chart(hollow, NOW_MS, 90, identifier="c") == ""


def test_without_forecast_or_mark_the_history_is_drawn(outlook: Vary) -> None:
    chart = drawn(outlook(band=None, mark=None, p10_ms=None, p50_ms=None, p90_ms=None))
    assert by_class(chart, "history")
    assert not by_class(chart, "mark")
    assert not by_class(chart, "mean")


@given(host=st.text(st.characters(codec="utf-8", categories=["L", "P", "S"]), max_size=15))
def test_hostile_names_stay_text(host: str) -> None:
    hours = np.arange(48, dtype=np.int64) * HOUR_MS
    row = ResourceOutlook(
        host, "custom", "</title><script>", "bytes", "max", "", 1.0, None, 2.0, "not_growing",
        None, None, None, (), "", "", None, hours, np.ones(48), None,
    )  # fmt: skip
    chart = drawn(row)
    assert not list(chart.iter("script"))
    assert host in chart.findtext(f"{SVG}title", "")


def test_a_drawing_is_small_however_long_the_history(outlook: Vary) -> None:
    hours = np.arange(10 * 365 * 24, dtype=np.int64)
    values = np.abs(np.sin(hours / 24)) * 40 * 2.0**30
    text = fan_chart(
        outlook(history_ms=NOW_MS - hours[::-1] * HOUR_MS, history=values), NOW_MS, 90,
        identifier="c",
    )  # fmt: skip
    assert len(text) < 16_000


def test_no_style_attribute_that_a_content_security_policy_would_drop(outlook: Vary) -> None:
    assert not re.search(r"\sstyle=|<style", fan_chart(outlook(), NOW_MS, 90, identifier="c"))


@given(
    st.lists(st.floats(-1e9, 1e9) | st.just(np.nan), max_size=300),
    st.integers(2, 50),
)
def test_thinning_keeps_the_peaks(values: list[float], points: int) -> None:
    times_ms = np.arange(len(values), dtype=np.int64)
    kept_ms, kept = thin_history(times_ms, np.array(values, dtype=float), points)
    finite = [value for value in values if value == value]
    assert kept_ms.size <= max(points, 2)
    assert (np.diff(kept_ms) > 0).all()
    if finite:
        assert kept.max() == max(finite)
        assert kept.min() == min(finite)


def test_a_thinned_band_is_as_wide_as_the_widest_step(outlook: Vary) -> None:
    band = outlook().band
    assert band is not None
    thin = thin_band(band, 90)
    assert thin.times_ms.size == 90
    assert thin.hi95.max() == band.hi95.max()
    assert thin.mean[0] == pytest.approx(band.mean[:24].mean())  # 2160 hours in 90 steps: a day
    assert thin_band(band, 5000) is band


def test_a_band_of_uneven_steps_is_thinned_by_time(outlook: Vary) -> None:
    band = outlook().band
    assert band is not None
    hours = np.arange(2160)
    kept = (hours < 7 * 24) | (hours % 24 == 0)  # a week by hours, then by days
    uneven = Band(*(getattr(band, name)[kept] for name in Band.__slots__))
    thin = thin_band(uneven, 90)
    days = np.diff(thin.times_ms) / DAY_MS
    assert days.max() <= 2
    assert days.min() >= 0.5


@given(st.floats(1e-6, 1e18), st.sampled_from([2, 10]))
def test_value_ticks_are_even_and_within(top: float, base: int) -> None:
    ticks = value_ticks(top, 4, base)
    assert ticks[0] == 0
    assert 2 <= len(ticks) <= 6
    assert ticks[-1] <= top * (1 + 1e-6)
    assert np.allclose(np.diff(ticks), ticks[1])


@pytest.mark.parametrize("top", [0.0, -1.0, float("nan"), float("inf")])
def test_without_a_top_there_is_one_tick(top: float) -> None:
    assert value_ticks(top) == [0.0]


@given(st.integers(0, 2_000_000_000_000), st.integers(1, 40 * 365 * DAY_MS))
def test_time_ticks_are_few_and_within(first_ms: int, span_ms: int) -> None:
    ticks = time_ticks(first_ms, first_ms + span_ms)
    assert len(ticks) <= 6
    assert all(first_ms <= at_ms <= first_ms + span_ms for at_ms, _ in ticks)


def test_no_time_no_ticks() -> None:
    assert time_ticks(5, 5) == []
