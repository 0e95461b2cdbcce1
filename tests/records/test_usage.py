"""The watermark and the dirty hours of the usage records."""

from __future__ import annotations

import pytest

from tidecast.records import UnstorableValue

HOUR = 3_600_000


def test_the_watermark_moves(records):
    with records.unit() as unit:
        assert unit.usage.watermark_ms() is None
        unit.usage.set_watermark(5 * HOUR)
        unit.usage.set_watermark(3 * HOUR)
    with records.reading() as unit:
        assert unit.usage.watermark_ms() == 3 * HOUR


def test_dirty_hours_are_noted_once_and_taken_oldest_first(records):
    with records.unit() as unit:
        unit.usage.mark_dirty([3 * HOUR, -HOUR, 3 * HOUR])
        unit.usage.mark_dirty(h for h in (HOUR, 3 * HOUR))
        assert unit.usage.dirty_hours(2) == [-HOUR, HOUR]
        assert unit.usage.dirty_hours(10) == [-HOUR, HOUR, 3 * HOUR]
        unit.usage.clear_dirty([-HOUR, HOUR, 7 * HOUR])
        assert unit.usage.dirty_hours(10) == [3 * HOUR]


def test_an_hour_dirtied_while_it_is_computed_stays_dirty(records):
    with records.unit() as unit:
        unit.usage.mark_dirty([HOUR, 2 * HOUR])
    with records.unit() as unit:
        taken = unit.usage.dirty_hours(10)
    with records.unit() as unit:
        unit.usage.mark_dirty([HOUR])
    with records.unit() as unit:
        unit.usage.clear_dirty(taken)
        assert unit.usage.dirty_hours(10) == [HOUR]
        unit.usage.clear_dirty([HOUR])
        assert unit.usage.dirty_hours(10) == []


def test_taken_hours_that_were_never_computed_are_taken_again(records):
    with records.unit() as unit:
        unit.usage.mark_dirty([HOUR])
    for _ in range(2):
        with records.unit() as unit:
            assert unit.usage.dirty_hours(10) == [HOUR]


def test_years_of_hours_at_once(records):
    hours = [h * HOUR for h in range(12_000)]
    with records.unit() as unit:
        unit.usage.mark_dirty(hours)
        assert unit.usage.dirty_hours(100_000) == hours
        unit.usage.clear_dirty(hours)
        assert unit.usage.dirty_hours(1) == []


@pytest.mark.parametrize("ms", [1, HOUR - 1, 1 << 63])
def test_only_the_end_of_an_hour_is_an_hour(records, ms):
    with records.unit() as unit:
        with pytest.raises(UnstorableValue):
            unit.usage.mark_dirty([HOUR, ms])
        with pytest.raises(UnstorableValue):
            unit.usage.set_watermark(ms)
        assert unit.usage.dirty_hours(10) == []
