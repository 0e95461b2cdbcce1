"""What runs out first stands first."""

from __future__ import annotations

import random
from collections.abc import Callable

from tidecast_reports.capacity import ResourceOutlook
from tidecast_reports.ranking import fullness, rank

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
NOW_MS = 1_798_761_600_000
Vary = Callable[..., ResourceOutlook]


def test_order_of_states_dates_and_fullness(outlook: Vary) -> None:
    none = {"p10_ms": None, "p50_ms": None, "p90_ms": None}
    expected = [
        outlook(host="1", state="over_now", usage=49.0, mark=45.0, **none),
        outlook(host="2", state="over_now", usage=46.0, mark=45.0, **none),
        outlook(host="3", p50_ms=NOW_MS + 10 * DAY_MS),
        outlook(host="4", p50_ms=NOW_MS + 20 * DAY_MS, p10_ms=NOW_MS + DAY_MS),
        outlook(host="5", p50_ms=NOW_MS + 20 * DAY_MS, p10_ms=NOW_MS + 2 * DAY_MS),
        outlook(host="6", state="beyond_horizon", p50_ms=None, p10_ms=NOW_MS + 80 * DAY_MS),
        outlook(host="7", state="beyond_horizon", usage=30.0, mark=45.0, **none),
        outlook(host="8", state="beyond_horizon", usage=20.0, mark=45.0, **none),
        outlook(host="9", state="not_enough_data", **none),
        outlook(host="a", state="not_growing", **none),
    ]
    shuffled = list(expected)
    random.Random(7).shuffle(shuffled)
    assert [row.host for row in rank(shuffled, NOW_MS)] == list("123456789a")


def test_what_is_full_in_hours_comes_before_what_reaches_its_mark_in_weeks(outlook: Vary) -> None:
    weeks = outlook(host="weeks", p50_ms=NOW_MS + 21 * DAY_MS)
    over = outlook(host="over", state="over_now", p10_ms=None, p50_ms=None)
    hours = outlook(
        host="hours", state="not_enough_data", p10_ms=None, p50_ms=None, p90_ms=None,
        full_in_seconds=(6600.0, 9600.0, 15_000.0),
    )  # fmt: skip
    assert [row.host for row in rank([weeks, hours, over], NOW_MS)] == ["over", "hours", "weeks"]


def test_equal_rows_stand_by_name(outlook: Vary) -> None:
    rows = [outlook(host=host, item=item) for host in "ba" for item in ("/z", "/y")]
    assert [(row.host, row.item) for row in rank(rows, NOW_MS)] == [
        ("a", "/y"), ("a", "/z"), ("b", "/y"), ("b", "/z"),
    ]  # fmt: skip


def test_fullness_is_usage_over_mark(outlook: Vary) -> None:
    assert fullness(outlook(usage=30.0, mark=40.0)) == 0.75
    assert fullness(outlook(usage=None)) == 0.0
    assert fullness(outlook(mark=None)) == 0.0


def test_the_running_hour_counts_where_peaks_kill(outlook: Vary) -> None:
    none = {"p10_ms": None, "p50_ms": None, "p90_ms": None, "state": "not_growing"}
    rows = [
        outlook(host="soon"),
        outlook(host="peak", provisional=46.0, mark=45.0, **none),
        outlook(host="percentile", provisional=46.0, mark=45.0, statistic="p95", **none),
    ]
    assert [row.host for row in rank(rows, NOW_MS)] == ["peak", "soon", "percentile"]
