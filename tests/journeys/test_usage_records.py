"""Usage records as series: written, read back, and joined over their sources."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.journeys.support import H0, HOUR_MS, series, store

from tidecast.journeys.usage_records import (
    ResourceKey,
    UsageRecords,
    hour_end,
    key_of,
    read_usage,
    to_batch,
)
from tidecast.samples.batch import STALE_NAN
from tidecast.samples.matchers import Matcher, MatchOp
from tidecast.samples.memory import MemorySamples

KEY = ResourceKey("web-1", "filesystem", "/var")
NONE = np.array([np.nan, np.nan])


def records(*values: float, source: str = "", first: int = H0, limit: float = 10) -> UsageRecords:
    """Hourly records of KEY with these values for every statistic."""
    column = np.array(values, dtype=np.float64)
    hours = first + HOUR_MS * np.arange(len(values), dtype=np.int64)
    full = np.full(len(values), limit)
    return UsageRecords(KEY, hours, column, column, column, full, full * 0.9, source)


def written(*parts: UsageRecords) -> MemorySamples:
    samples = MemorySamples()
    for part in parts:
        samples.append(to_batch([part]))
    return samples


@pytest.mark.parametrize(
    ("at", "end"),
    [(0, 0), (1, HOUR_MS), (HOUR_MS, HOUR_MS), (HOUR_MS + 1, 2 * HOUR_MS), (-1, 0)],
)
def test_an_hour_is_named_by_its_end(at: int, end: int) -> None:
    assert hour_end(at) == end


def test_a_key_is_written_as_people_say_it_and_found_in_labels() -> None:
    assert str(KEY) == "web-1:filesystem:/var"
    assert str(ResourceKey("web-1", "memory")) == "web-1:memory"
    for labels in to_batch([records(1)]).labels:
        assert key_of(labels) == KEY


def test_names_and_labels_are_those_of_the_contract() -> None:
    told = {tuple(dict(labels).items()) for labels in to_batch([records(1, source="sar")]).labels}
    about = (("instance", "web-1"), ("item", "/var"), ("resource", "filesystem"))
    assert told == {
        (("__name__", "tidecast_limit"), *about, ("source", "sar")),
        (("__name__", "tidecast_mark"), *about, ("source", "sar")),
        *(
            (("__name__", "tidecast_usage"), *about, ("source", "sar"), ("stat", stat))
            for stat in ("mean", "p95", "max")
        ),
    }


def test_what_was_written_is_read_back() -> None:
    history = read_usage(written(records(1, 2, 3)), H0, H0 + 5 * HOUR_MS)[KEY]
    times, values = history.of("p95")
    assert times.tolist() == [H0, H0 + HOUR_MS, H0 + 2 * HOUR_MS]
    assert values.tolist() == [1, 2, 3]
    assert (history.limit, history.mark, history.sources) == (10, 9, {""})


def test_values_that_are_absent_or_not_finite_are_not_written() -> None:
    each = records(1, np.nan, np.inf, STALE_NAN, 5)
    _, values = read_usage(written(each), 0, 2**60)[KEY].of("max")
    assert values.tolist() == [1, 5]


def test_a_statistic_that_was_not_recorded_falls_back_to_the_mean() -> None:
    only_mean = UsageRecords(
        KEY, np.array([H0, H0 + HOUR_MS]), np.array([1.0, 2.0]), NONE, NONE, NONE, NONE, "csv"
    )
    history = read_usage(written(only_mean), 0, 2**60)[KEY]
    assert history.of("max")[1].tolist() == [1, 2]
    assert (history.limit, history.mark) == (None, None)
    assert len(read_usage(written(), 0, 2**60)) == 0


@pytest.mark.parametrize("measured_first", [True, False])
def test_where_an_import_tells_of_the_same_hour_the_measurement_wins(measured_first: bool) -> None:
    # sar:      1 2 3 4 . .
    # measured: . . 30 40 50 60
    sar = records(1, 2, 3, 4, source="sar")
    measured = records(30, 40, 50, 60, first=H0 + 2 * HOUR_MS, limit=20)
    parts = (measured, sar) if measured_first else (sar, measured)
    history = read_usage(written(*parts), 0, 2**60)[KEY]
    times, values = history.of("max")
    assert values.tolist() == [1, 2, 30, 40, 50, 60]
    assert np.diff(times).tolist() == [HOUR_MS] * 5
    assert history.sources == {"", "sar"}
    assert history.limit == 20, "the newest limit, whoever told it"


def test_three_sources_join_and_the_measurement_still_wins() -> None:
    samples = written(
        records(1, 1, 1, 1, source="csv"), records(2, 2, source="sar"), records(9, first=H0)
    )
    _, values = read_usage(samples, 0, 2**60)[KEY].of("mean")
    assert values[0] == 9
    assert values[1] in (1, 2)
    assert values[2:].tolist() == [1, 1]


def test_reading_is_narrowed_by_matchers_and_by_time() -> None:
    other = ResourceKey("web-2", "memory", "")
    samples = written(records(1, 2, 3))
    samples.append(to_batch([UsageRecords(other, *_columns(records(5)))]))
    narrow = (Matcher("instance", MatchOp.EQUAL, "web-2"),)
    assert list(read_usage(samples, 0, 2**60, narrow)) == [other]
    only = read_usage(samples, H0 + HOUR_MS, H0 + HOUR_MS)
    assert list(only) == [KEY]
    assert only[KEY].of("max")[1].tolist() == [2]


def test_a_limit_without_usage_makes_no_resource() -> None:
    samples = store(series("tidecast_limit", [(H0, 1.0)], resource="filesystem"))
    assert read_usage(samples, 0, 2**60) == {}


def _columns(each: UsageRecords) -> tuple[np.ndarray, ...]:
    return (each.hours_ms, each.mean, each.p95, each.max, each.limit, each.mark)


@given(
    st.dictionaries(st.integers(0, 30), st.floats(-1e12, 1e12), min_size=1),
    st.dictionaries(st.integers(0, 30), st.floats(-1e12, 1e12), min_size=1),
)
def test_the_join_is_a_dictionary_update(
    imported: dict[int, float], measured: dict[int, float]
) -> None:
    samples = MemorySamples()
    for values, source in ((imported, "sar"), (measured, "")):
        hours = np.array(sorted(values), dtype=np.int64)
        column = np.array([values[hour] for hour in hours.tolist()])
        none = np.full(len(hours), np.nan)
        each = UsageRecords(KEY, hours * HOUR_MS, column, none, none, none, none, source)
        samples.append(to_batch([each]))
    times, values = read_usage(samples, 0, 2**60)[KEY].of("mean")
    expected = imported | measured
    assert dict(zip((times // HOUR_MS).tolist(), values.tolist(), strict=True)) == expected
    assert (np.diff(times) > 0).all()
