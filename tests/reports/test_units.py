"""Numbers and times read as people say them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast_reports.units import (
    clock_duration,
    date,
    date_range,
    duration,
    moment_from,
    quantity,
    share,
    timestamp,
)

DAY_MS = 86_400_000
FEB_18_2027 = 1_802_908_800_000


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "bytes", "0 B"),
        (1023, "bytes", "1023 B"),
        (1024, "bytes", "1 KiB"),
        (1_048_575, "bytes", "1 MiB"),  # 1023.999 KiB rounds up to the next unit
        (1.5 * 2**30, "bytes", "1.5 GiB"),
        (-(2**20), "bytes", "-1 MiB"),
        (125_000_000, "bytes_per_second", "119 MiB/s"),  # 125e6 / 2^20 = 119.2
        (0.9, "ratio", "90 %"),
        (0.8731, "ratio", "87.3 %"),
        (1.2, "ratio", "120 %"),
        (0.00468, "ratio", "0.47 %"),
        (0.000001, "ratio", "0 %"),
        (3_276_800, "count", "3.28 M"),
        (999.96, "count", "1 k"),
        (8.25, "seconds", "8.25 s"),
        (12, "requests_per_second", "12 requests per second"),
        (math.nan, "bytes", "unknown"),
        (math.inf, "ratio", "unknown"),
    ],
)
def test_a_quantity_has_its_unit(value: float, unit: str, text: str) -> None:
    assert quantity(value, unit) == text


@given(
    st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["bytes", "count", "ratio"])
)
def test_no_quantity_needs_an_exponent_below_the_largest_unit(value: float, unit: str) -> None:
    text = quantity(value, unit)
    assert "e" not in text.lower().replace("eib", "")
    assert "  " not in text


def test_a_share_is_of_the_limit_where_there_is_one() -> None:
    assert share(45.0, 50.0, "bytes") == "90 %"
    assert share(45.0, 0.0, "count") == "45"
    assert share(0.5, None, "ratio") == "50 %"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (30, "less than a minute"),
        (60, "1 minute"),
        (5400, "90 minutes"),
        (2 * 3600, "2 hours"),
        (46 * 3600, "46 hours"),
        (47.9 * 3600, "2 days"),
        (2 * 86_400, "2 days"),
        (13 * 86_400, "13 days"),
        (21 * 86_400, "3 weeks"),
        (90 * 86_400, "3 months"),
        (3 * 365 * 86_400, "3 years"),
    ],
)
def test_a_duration_is_told_in_the_unit_people_would_use(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_hours_and_minutes() -> None:
    assert clock_duration(9600) == "2:40"
    assert clock_duration(59 * 60 + 45) == "1:00"
    assert clock_duration(-5) == "0:00"


def test_a_moment_is_before_or_after_now() -> None:
    assert moment_from(21 * DAY_MS, 0) == "in 3 weeks"
    assert moment_from(0, 300_000) == "5 minutes ago"


def test_a_date_shows_its_year_only_where_it_could_be_mistaken() -> None:
    assert date(FEB_18_2027, FEB_18_2027 - 270 * DAY_MS) == "18 Feb"
    assert date(FEB_18_2027, FEB_18_2027 - 271 * DAY_MS) == "18 Feb 2027"
    assert timestamp(FEB_18_2027 + 3_600_000) == "18 Feb 2027 01:00 UTC"


def test_a_range_of_dates() -> None:
    p10, p90 = FEB_18_2027 - 15 * DAY_MS, FEB_18_2027 + 19 * DAY_MS
    assert date_range(p10, p90, p10) == "between 3 Feb and 9 Mar (P10–P90)"
    assert date_range(p10, p10 + 1000, p10) == "on 3 Feb (P10–P90)"
    assert date_range(p10, None, p10) == "from 3 Feb on (P10)"
    assert date_range(None, None, p10) == ""
