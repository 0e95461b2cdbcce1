"""`tidecast import csv`: what is read, how it is reduced, what is refused."""

from __future__ import annotations

import math
import random
import statistics
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.real_data import real_data

from tidecast.journeys.imports.csv_rows import (
    CsvLayout,
    InvalidCsv,
    SeriesName,
    parse_series_name,
    parse_step_ms,
    parse_timestamp_ms,
    read_values,
)
from tidecast.journeys.imports.csv_usage import csv_usage
from tidecast.journeys.imports.usage import HOUR_MS, last_of_hours, reduce_to_hours


def real(name: str) -> Path:
    """A file of the real data."""
    return real_data() / name


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_values_within_an_hour_become_its_mean_p95_and_maximum(server, tidecast, tmp_path):
    rows = ["series,timestamp,value"]
    # 00:05 ... 01:00, twelve values 1..12: one hour, stamped 01:00.
    rows += [
        f"web-1:load,2026-01-01T{m // 60:02}:{m % 60:02}:00Z,{m // 5}" for m in range(5, 61, 5)
    ]
    result = tidecast("csv", write(tmp_path / "a.csv", "\n".join(rows)))
    assert result.exit_code == 0, result.output
    # mean (1+...+12)/12 = 6.5; p95 at rank 0.95*11 = 10.45, so 11 + 0.45*(12-11) = 11.45
    stamp = parse_timestamp_ms("2026-01-01T01:00:00Z")
    [(mean, p95, high, limit, mark)] = [server.usage["csv:a.csv", "web-1", "load", ""][stamp]]
    assert (mean, round(p95, 9), high, limit, mark) == (6.5, 11.45, 12.0, None, None)
    assert len(server.usage["csv:a.csv", "web-1", "load", ""]) == 1
    assert server.units["load", ""] == "count"


def test_daily_values_stay_one_record_a_day_at_their_own_stamp(server, tidecast, tmp_path):
    text = "series,timestamp,value\nsales,2026-03-28,5\nsales,2026-03-29,6\nsales,2026-03-30,7\n"
    assert tidecast("csv", write(tmp_path / "d.csv", text)).exit_code == 0
    records = server.usage["csv:d.csv", "sales", "custom", ""]
    assert {time: values[0] for time, values in records.items()} == {
        parse_timestamp_ms(f"2026-03-{day}"): value for day, value in ((28, 5), (29, 6), (30, 7))
    }


def test_the_limit_column_is_the_mark_carried_forward(server, tidecast, tmp_path):
    text = (
        "series,timestamp,value,limit\n"
        "db-1:sessions:web,2026-01-01T01:00,1,\n"
        "db-1:sessions:web,2026-01-01T02:00,2,90\n"
        "db-1:sessions:web,2026-01-01T03:00,3,\n"
    )
    assert tidecast("csv", write(tmp_path / "m.csv", text)).exit_code == 0
    records = server.usage["csv:m.csv", "db-1", "sessions", "web"]
    assert [values[3:] for _, values in sorted(records.items())] == [
        (None, None),
        (None, 90.0),
        (None, 90.0),
    ]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("a,yesterday,1", "neither ISO 8601 nor epoch seconds"),
        ("a,2026-02-30,1", "neither ISO 8601"),
        ("a,1767225600000,1", "epoch times are in seconds"),
        ("a,-5,1", "not between 1970 and 2100"),
        ("a,nan,1", "is not a time"),
        ("a,2026-01-01,one", "value 'one' is not a finite number"),
        ("a,2026-01-01,inf", "not a finite number"),
        ("a,2026-01-01", "has 2 columns where the header has 3"),
        ("a,2026-01-01,1,000", "has 4 columns"),
        (":cpu,2026-01-01,1", "does not read instance[:resource[:item]]"),
        ("a::x,2026-01-01,1", "does not read instance[:resource[:item]]"),
        (",2026-01-01,1", "does not read instance"),
        ("x" * 2000 + ",2026-01-01,1", "longer than 1000 characters"),
        ('"a"b,2026-01-01,1', "expected after"),
    ],
)
def test_a_bad_row_is_located_and_nothing_is_imported(server, tidecast, tmp_path, row, why):
    path = write(tmp_path / "bad.csv", f"series,timestamp,value\ngood,2026-01-01,1\n{row}\n")
    result = tidecast("csv", path)
    assert result.exit_code == 1
    assert f"{path}:3: " in result.output
    assert why in result.output
    assert "nothing was imported" in result.output
    assert server.requests == []


def test_twenty_bad_rows_are_told_and_all_are_counted(tidecast, tmp_path):
    text = "series,timestamp,value\n" + "a,2026-01-01,x\n" * 25
    result = tidecast("csv", write(tmp_path / "bad.csv", text))
    assert result.output.count("is not a finite number") == 20
    assert "and 5 more\n25 bad rows among 25" in result.output


def test_bytes_that_are_not_utf8_are_located(tidecast, tmp_path):
    path = tmp_path / "latin.csv"
    path.write_bytes(b"series,timestamp,value\nK\xf6ln,2026-01-01,1\n")
    result = tidecast("csv", path)
    assert result.exit_code == 1
    assert f"{path}:2: " in result.output
    assert "not UTF-8" in result.output


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no header"),
        ("time,value\n1,2\n", "no column 'timestamp' among 'time', 'value'"),
        ("timestamp,value\n1,2\n", "name the file's one series with --series"),
        ("series,timestamp,value\n", "holds no values"),
        ("series,timestamp,value\na,2026-01-01,\n", "holds no values"),
        ("x" * (1 << 20), "no CSV file"),
    ],
)
def test_a_file_of_another_shape_is_refused_with_what_to_do(tidecast, tmp_path, text, why):
    result = tidecast("csv", write(tmp_path / "x.csv", text))
    assert result.exit_code == 1
    assert why in result.output


def test_empty_values_are_gaps_and_counted(server, tidecast, tmp_path):
    text = "Series,TimeStamp,Value\na,2026-01-01T01:00,1\na,2026-01-01T02:00,\n\na,10800,3\n"
    result = tidecast("csv", write(tmp_path / "g.csv", "\ufeff" + text))
    assert result.exit_code == 0, result.output
    assert "1 empty rows left out" in result.output
    assert len(server.usage["csv:g.csv", "a", "custom", ""]) == 2


def test_an_import_broken_off_resumes_and_a_repeated_one_changes_nothing(
    server, tidecast, tmp_path
):
    # 30,000 hourly records need four values each: three requests of at most 50,000 values.
    rows = "\n".join(f"a,{hour * 3600},{hour}" for hour in range(1, 30_001))
    path = write(tmp_path / "long.csv", "series,timestamp,value\n" + rows)
    server.fail_after = 3
    broken = tidecast("csv", path)
    assert broken.exit_code == 1
    assert "the disk is full" in broken.output
    assert 0 < len(server.usage["csv:long.csv", "a", "custom", ""]) < 30_000

    server.fail_after = None
    resumed = tidecast("csv", path)
    assert "resumed: 1 of 3 parts were there" in resumed.output
    assert len(server.usage["csv:long.csv", "a", "custom", ""]) == 30_000
    assert max(size for _, _, size in server.requests) < 8 << 20

    before = len(server.requests)
    again = tidecast("csv", path)
    assert "nothing new" in again.output
    assert [method for method, _, _ in server.requests[before:]] == ["GET"]


@pytest.mark.parametrize(
    ("name", "arguments", "records"),
    [
        ("growth/growth.csv", [], None),
        ("nab/realAWSCloudwatch/ec2_cpu_utilization_24ae8d.csv", ["--series", "ec2:cpu"], 337),
        # 744 hours, five of them without a value in the file itself are looked up below.
        ("service-metrics/application-crash-rate-1/app1-04.csv", ["--series", "app1"], None),
        ("fleet/azure_agg_cpu.csv", ["--series", "azure:cpu", "--value-column", "avg cpu"], None),
        (
            "fleet/google2019_300s_month.csv",
            [
                *("--series", "google:cpu", "--value-column", "avg_cpu", "--mark", "0.8"),
                *("--start", "2019-05-01T00:05", "--step", "5m"),
            ],
            None,
        ),
    ],
)
def test_the_real_data_is_read_as_it_stands(server, tidecast, name, arguments, records):
    path = real(name)
    result = tidecast("csv", path, *arguments)
    assert result.exit_code == 0, result.output
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    read = sum(len(series) for series in server.usage.values())
    assert 0 < read <= len(lines)
    if records is not None:
        assert read == records


def test_every_value_of_the_growth_curves_arrives_as_it_is(server, tidecast):
    path = real("growth/growth.csv")
    assert tidecast("csv", path, "--source", "growth").exit_code == 0
    expected = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    assert sum(map(len, server.usage.values())) == len(expected)
    for name, day, value in random.Random(1).sample(expected, 500):
        records = server.usage["growth", name, "custom", ""]
        assert records[parse_timestamp_ms(day)][:3] == (float(value),) * 3


def test_reduced_google_trace_equals_a_plain_mean_of_each_hour(server, tidecast):
    path = real("fleet/google2019_300s_month.csv")
    arguments = ["--series", "g", "--value-column", "avg_mem", "--start", "300", "--step", "5m"]
    assert tidecast("csv", path, *arguments).exit_code == 0
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    first_hour = [float(line.split(",")[1]) for line in lines[:12]]
    records = server.usage["csv:google2019_300s_month.csv", "g", "custom", ""]
    mean, _, high, _, _ = records[HOUR_MS]
    assert mean == pytest.approx(statistics.fmean(first_hour), rel=1e-12)
    assert high == max(first_hour)


@given(
    st.lists(
        st.tuples(st.integers(0, 20 * HOUR_MS), st.floats(-1e12, 1e12)), min_size=1, max_size=200
    )
)
def test_each_hour_is_reduced_as_by_hand(points):
    times = np.array([time for time, _ in points], dtype=np.int64)
    values = np.array([value for _, value in points])
    reduced = reduce_to_hours(times, values)
    hours = sorted({math.ceil(time / HOUR_MS) * HOUR_MS for time, _ in points})
    assert reduced.hours_ms.tolist() == hours
    for i, hour in enumerate(hours):
        within = values[(times > hour - HOUR_MS) & (times <= hour)]
        assert reduced.mean[i] == pytest.approx(within.mean(), rel=1e-9, abs=1e-3)
        assert reduced.max[i] == within.max()
        assert reduced.p95[i] == pytest.approx(np.quantile(within, 0.95), rel=1e-9, abs=1e-3)


def test_the_newest_known_value_holds_at_each_hour():
    times = np.array([10, 20, 30], dtype=np.int64)
    values = np.array([math.nan, 5.0, math.nan])
    held = last_of_hours(times, values, np.array([10, 20, 40], dtype=np.int64))
    assert np.isnan(held[0])
    assert held[1:].tolist() == [5.0, 5.0]


@given(st.text(), st.text(), st.text())
def test_a_series_name_reads_back_or_is_refused(instance, resource, item):
    try:
        name = parse_series_name(f"{instance}:{resource}:{item}")
    except ValueError:
        return
    assert name.instance
    assert name.resource


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("web-3", SeriesName("web-3", "custom", "")),
        ("web-3:cpu", SeriesName("web-3", "cpu", "")),
        ("web-3:filesystem:/mnt/a:b", SeriesName("web-3", "filesystem", "/mnt/a:b")),
        (" web-3 : cpu : ", SeriesName("web-3", "cpu", "")),
    ],
)
def test_a_series_name_says_instance_resource_and_item(text, name):
    assert parse_series_name(text) == name


@given(st.integers(0, 4_102_444_799_999))
def test_iso_and_epoch_times_agree(time_ms):
    iso = np.datetime_as_string(np.datetime64(time_ms, "ms"))
    assert parse_timestamp_ms(iso) == parse_timestamp_ms(f"{iso}Z") == time_ms
    assert parse_timestamp_ms(f"{time_ms // 1000}.{time_ms % 1000:03}") == time_ms


@given(st.lists(st.text(max_size=30), max_size=20))
def test_hostile_text_is_read_or_refused_with_a_line(lines):
    try:
        rows = read_values(["series,timestamp,value\n", *lines], "f.csv", CsvLayout())
    except InvalidCsv as error:
        assert "f.csv" in str(error)
    else:
        assert sum(len(each.usage.hours_ms) for each in csv_usage(rows)) > 0


@pytest.mark.parametrize("text", ["", "5", "0s", "-1h", "1w", "1.5h", "5 m"])
def test_an_unclear_step_is_refused(text):
    with pytest.raises(ValueError, match="is not a step"):
        parse_step_ms(text)


def test_start_and_step_go_together(tidecast, tmp_path):
    result = tidecast("csv", write(tmp_path / "x.csv", "value\n1\n"), "--start", "0")
    assert result.exit_code == 2
    assert "--start and --step go together" in result.output


def test_a_mark_is_a_finite_number(tidecast, tmp_path):
    result = tidecast("csv", write(tmp_path / "x.csv", "value\n1\n"), "--mark", "nan")
    assert result.exit_code == 2
    assert "--mark nan is not a finite number" in result.output


NOON = "2026-01-01T12:00:00Z"


def imported(tidecast, tmp_path, text: str, *options: str):
    """What importing a file of this text printed."""
    result = tidecast("csv", write(tmp_path / "u.csv", text), *options)
    assert result.exit_code == 0, result.output
    return result


def test_a_filesystem_in_percent_becomes_a_ratio_of_the_whole(server, tidecast, tmp_path):
    text = (
        "series,timestamp,value,limit\n"
        f"db-1:filesystem:/srv,{NOON},61.5,90\n"
        f"db-1:filesystem:/boot,{NOON},0.9,90\n"
    )
    told = imported(tidecast, tmp_path, text)
    for item, ratio in (("/srv", 0.615), ("/boot", 0.009)):
        [(mean, _, _, limit, mark)] = server.usage["csv:u.csv", "db-1", "filesystem", item].values()
        assert (round(mean, 9), limit, round(mark, 9)) == (ratio, 1.0, 0.9)
        assert server.units["filesystem", item] == "ratio"
    assert "values of at most 0.9, and limits of at most 90, are no bytes" in told.output


@pytest.mark.parametrize(
    ("series", "value", "limit", "unit", "kept", "mark"),
    [
        ("h:memory", "0.61", "0.9", "ratio", 0.61, 0.9),
        ("h:memory", "61", "0.9", "ratio", 0.61, 0.9),
        ("h:cpu", "61", "80", "ratio", 0.61, 0.8),
        ("h:cpu", "0.61", "0.8", "ratio", 0.61, 0.8),
        ("h:memory", "6100000000", "9000000000", "bytes", 6.1e9, 9e9),
        ("h:memory", "610", "900", "count", 610, 900),
        ("h:inodes:/", "61", "90", "ratio", 0.61, 0.9),
        ("h:inodes:/", "61", "", "count", 61, None),
        ("h:load", "3", "8", "count", 3, 8),
        ("h:network:eth0", "50", "", "bytes_per_second", 50, None),
        ("sales", "61", "90", "count", 61, 90),
        ("cpu_percent", "61", "90", "ratio", 0.61, 0.9),
        ("h:used_gb", "61", "90", "bytes", 61e9, 90e9),
        ("h:swap", "0", "", "bytes", 0, None),
    ],
)
def test_the_unit_is_what_values_and_names_tell(
    server, tidecast, tmp_path, series, value, limit, unit, kept, mark
):
    imported(tidecast, tmp_path, f"series,timestamp,value,limit\n{series},{NOON},{value},{limit}\n")
    [(key, records)] = server.usage.items()
    [(mean, _, _, _, marked)] = records.values()
    assert (mean, marked) == (pytest.approx(kept), mark if mark is None else pytest.approx(mark))
    assert server.units[key[2:]] == unit


def test_a_header_or_an_option_says_the_unit(server, tidecast, tmp_path):
    text = f"series,timestamp,used (%)\nshop,{NOON},61\n"
    imported(tidecast, tmp_path, text, "--value-column", "used (%)")
    text = f"series,timestamp,value\nh:memory,{NOON},61\nh:filesystem:/,{NOON},4\n"
    told = imported(tidecast, tmp_path, text, "--unit", "GB")
    units = {resource: unit for (resource, _), unit in server.units.items()}
    assert units == {"custom": "ratio", "memory": "bytes", "filesystem": "bytes"}
    [record] = server.usage["csv:u.csv", "h", "memory", ""].values()
    assert record[0] == 61e9 and "Taken for" not in told.output
