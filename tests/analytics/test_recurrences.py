"""Recurrence rules: the occurrences of a span are those of all, whatever came before."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given
from hypothesis import strategies as st

from tidecast_analytics.recurrences import checked_rule, starts_between

UTC = ZoneInfo("UTC")
day = datetime.fromisoformat
PARTS = {
    "HOURLY": ["", ";BYMINUTE=10,50", ";BYDAY=FR;BYMINUTE=0,30;BYSETPOS=1"],
    "DAILY": ["", ";BYDAY=MO,TH", ";BYHOUR=6,18;BYSETPOS=-1", ";BYMONTH=2,7"],
    "WEEKLY": [
        "",
        ";BYDAY=SU",
        ";BYDAY=MO,WE,SU;WKST=SU",
        ";BYDAY=MO,WE,FR;BYSETPOS=1",
        ";BYDAY=TU,SA;BYSETPOS=-1",
    ],
    "MONTHLY": ["", ";BYDAY=-1FR", ";BYMONTHDAY=-1,1"],
}


@given(
    st.sampled_from([f"FREQ={freq}{more}" for freq, each in PARTS.items() for more in each]),
    st.integers(1, 5),
    st.sampled_from(["", ";COUNT=40", ";UNTIL=20260901T000000"]),
    st.datetimes(day("2026-01-01"), day("2026-12-31")),
    st.integers(0, 200),
    st.integers(0, 60),
)
def test_a_span_has_the_occurrences_of_all(
    rule: str, interval: int, ends: str, first: datetime, later: int, days: int
) -> None:
    first = first.replace(microsecond=0)
    after = first + timedelta(days=later)
    span = (after, after + timedelta(days=days))
    whole = f"{rule};INTERVAL={interval}{ends}"
    of_all = rrulestr(whole, dtstart=first).between(*span, inc=True)
    assert list(starts_between(whole, first, UTC, span)) == of_all


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("FREQ=OFTEN", "is no recurrence rule"),
        ("DAILY", "is no recurrence rule"),
        ("FREQ=DAILY\nRRULE:FREQ=WEEKLY", "it is several lines"),
        ("FREQ=DAILY;INTERVAL=-1", "at least 1"),
        ("FREQ=DAILY;COUNT=0", "at least 1"),
        ("FREQ=SECONDLY;COUNT=1000000", "counted further"),
        ("FREQ=DAILY;BYMONTH=4;BYMONTHDAY=31", "never falls due"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused(rule: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        checked_rule(rule, day("2026-01-01"))


def test_a_rule_that_is_over_before_it_begins_is_no_fault() -> None:
    over = "FREQ=DAILY;UNTIL=20250101T000000Z"
    assert checked_rule(over, day("2026-01-01")) == over
    span = (day("2026-01-01"), day("2027-01-01"))
    assert list(starts_between(over, day("2026-01-01"), UTC, span)) == []
