"""`tidecast forecast --input`: files in, files out, errors located."""

import csv
import io
import math
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import click
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from tidecast.cli import forecast_csv
from tidecast.cli.forecast import forecast
from tidecast.cli.forecast_csv import read_histories
from tidecast.cli.parameters import DURATION
from tidecast_collector.errors import InvalidInput

START = datetime(2026, 1, 1, tzinfo=UTC)


def iso(step, hours=1):
    return (START + timedelta(hours=step * hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


def disk(steps=240, mark=90, name="web-3:/var"):
    """A disk at 50 that fills by 0.05 an hour."""
    return [f"{name},{iso(i)},{50 + 0.05 * i},{mark}" for i in range(steps)]


def run(tmp_path, lines, *options, header="series,timestamp,value,limit"):
    source = tmp_path / "in.csv"
    source.write_text("\n".join([header, *lines]) + "\n")
    output, summary = tmp_path / "out.csv", tmp_path / "summary.csv"
    arguments = ["--input", str(source), "--output", str(output), "--summary", str(summary)]
    result = CliRunner().invoke(forecast, [*arguments, *options])
    return result, output, summary


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_bands_by_the_hour_and_dates_for_a_filling_disk(tmp_path):
    result, output, summary = run(tmp_path, disk(), "--horizon", "60d")
    assert result.exit_code == 0, result.output
    bands = rows(output)
    assert list(bands[0]) == ["series", "timestamp", "mean", "lo80", "hi80", "lo95", "hi95"]
    assert len(bands) == 60 * 24
    assert (bands[0]["series"], bands[0]["timestamp"]) == ("web-3:/var", iso(240))
    for row in bands:
        assert (
            float(row["lo95"])
            <= float(row["lo80"])
            <= float(row["mean"])
            <= float(row["hi80"])
            <= float(row["hi95"])
        )
    (row,) = rows(summary)
    assert list(row) == ["series", "state", "p10", "p50", "p90", "method"]
    assert row["state"] == "in_horizon"
    # 50 + 0.05 i reaches 90 at i = 800: 2026-02-03 08:00.
    likely = datetime.fromisoformat(row["p50"]).replace(tzinfo=UTC)
    assert len(row["p50"]) == len("2026-02-03")
    assert abs(likely - (START + timedelta(hours=800))) < timedelta(days=2)
    assert row["p10"] <= row["p50"] <= row["p90"]


def test_daily_input_gives_daily_steps(tmp_path):
    lines = [f"d,{(START + timedelta(days=i)).date()},{i},200" for i in range(100)]
    result, output, summary = run(tmp_path, lines)
    assert result.exit_code == 0, result.output
    bands = rows(output)
    assert [bands[0]["timestamp"], bands[1]["timestamp"]] == [
        "2026-04-11T00:00:00Z",
        "2026-04-12T00:00:00Z",
    ]
    assert len(bands) == 90
    assert rows(summary)[0]["state"] == "beyond_horizon"


def test_zones_epochs_order_and_sampling_are_all_read(tmp_path):
    utc = START.timestamp()
    local = START.astimezone(tz=None).isoformat()
    lines = [f"a,{iso(0)},1", f"a,{local},2", f"b,{utc},1", f"b,{utc + 7200},3", "b,,"]
    histories = read_histories(
        io.StringIO("series,timestamp,value\n" + "\n".join(lines[:4]) + "\n"), "x"
    )
    assert histories["a"].times_ms.tolist() == [START.timestamp() * 1000] * 2
    assert np.diff(histories["b"].times_ms).tolist() == [7_200_000]
    naive = read_histories(io.StringIO("value,timestamp,series\n7,2026-01-01 00:00,a\n"), "x")["a"]
    assert naive.times_ms.tolist() == [START.timestamp() * 1000]

    shuffled = disk(48 * 12)
    np.random.default_rng(0).shuffle(shuffled)
    result, output, _ = run(tmp_path, shuffled, "--horizon", "12h")
    assert result.exit_code == 0, result.output
    assert len(rows(output)) == 12


def test_the_last_limit_given_is_the_mark_and_without_one_there_is_no_row(tmp_path):
    lines = disk(100, mark=1000) + [f"plain,{iso(i)},{i % 5}," for i in range(100)]
    lines.append(f"web-3:/var,{iso(100)},55,40")
    lines.append(f"web-3:/var,{iso(101)},55,")
    result, output, summary = run(tmp_path, lines, "--horizon", "2d")
    assert result.exit_code == 0, result.output
    (row,) = rows(summary)
    assert (row["series"], row["state"]) == ("web-3:/var", "over_now")
    assert row["p50"] == iso(101)[:10]
    assert {band["series"] for band in rows(output)} == {"web-3:/var", "plain"}


def test_short_series_say_not_enough_and_names_are_kept_as_they_are(tmp_path):
    lines = [f'"a ""b"", c",{iso(i)},1,5' for i in range(5)] + [f"one,{iso(0)},1,5"]
    result, output, summary = run(tmp_path, lines)
    assert result.exit_code == 0, result.output
    assert [(row["series"], row["state"], row["p50"]) for row in rows(summary)] == [
        ('a "b", c', "not_enough_data", ""),
        ("one", "not_enough_data", ""),
    ]
    assert {row["series"] for row in rows(output)} == {'a "b", c'}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,2026-01-01,abc,", "value 'abc' is not a number"),
        ("a,2026-01-01,inf,", "value 'inf' is not a number"),
        ("a,2026-01-01,1_0,", "value '1_0' is not a number"),
        ("a,2026-01-01,1e999,", "value '1e999' is not a number"),
        ("a,2026-01-01,1,much", "limit 'much' is not a number"),
        ("a,yesterday,1,", "timestamp 'yesterday' is neither ISO 8601 nor epoch seconds"),
        ("a,2026-02-30,1,", "timestamp '2026-02-30' is neither ISO 8601 nor epoch seconds"),
        ("a,1767225600000,1,", "outside the years 1900 to 2199; an epoch is counted in seconds"),
        (" ,2026-01-01,1,", "the series has no name"),
        ("a,2026-01-01", "2 fields where the header has 4"),
    ],
)
def test_a_bad_row_is_located_and_nothing_is_written(tmp_path, line, message):
    result, _, _ = run(tmp_path, ["good,2026-01-01,1,", line])
    assert result.exit_code == 1
    assert f"{tmp_path / 'in.csv'}:3: " in result.stderr
    assert message in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv"]


def test_all_bad_rows_are_listed_up_to_twenty(tmp_path):
    result, _, _ = run(tmp_path, [f"a,{iso(0)},bad,"] * 3)
    assert len(result.stderr.splitlines()) == 3
    result, _, _ = run(tmp_path, [f"a,{iso(0)},bad,"] * 50)
    lines = result.stderr.splitlines()
    assert len(lines) == 21
    assert lines[-1].endswith("reading stopped after 20 bad rows")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x:1: the header lacks series, timestamp, value"),
        ("series,time,value\n", "x:1: the header lacks timestamp"),
        ("series,timestamp,value,value\n", "x:1: the header names value more than once"),
        ("series,timestamp,value\n", "x: no rows below the header"),
        ('series,timestamp,value\na,"2026', "x:2: unexpected end of data"),
    ],
)
def test_files_that_are_not_histories(text, message):
    with pytest.raises(InvalidInput, match=message):
        read_histories(io.StringIO(text), "x")


def test_a_file_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(forecast_csv, "MAX_ROWS", 3)
    text = "series,timestamp,value\n" + "a,0,1\n" * 3
    with pytest.raises(InvalidInput, match="more than 3 lines"):
        forecast_csv.read_histories(io.StringIO(text), "x")


def test_empty_values_and_nan_are_gaps():
    text = "series,timestamp,value\na,0,1\na,3600,\na,7200,NaN\na,10800,4\n\n"
    values = read_histories(io.StringIO(text), "x")["a"].values
    assert np.isnan(values).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    "options",
    [
        ["--horizon", "soon"],
        ["--horizon", "0d"],
        ["--horizon", "9y"],
        ["--summary", "-", "--output", "-"],
    ],
)
def test_usage_errors_exit_2(tmp_path, options):
    source = tmp_path / "in.csv"
    source.write_text("series,timestamp,value\n")
    assert CliRunner().invoke(forecast, ["--input", str(source), *options]).exit_code == 2
    assert CliRunner().invoke(forecast, []).exit_code == 2


def test_the_input_is_never_overwritten_and_a_missing_file_is_named(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("series,timestamp,value\na,0,1\n")
    again = CliRunner().invoke(forecast, ["--input", str(source), "--output", str(source)])
    assert again.exit_code == 2
    missing = CliRunner().invoke(forecast, ["--input", str(tmp_path / "no.csv")])
    assert missing.exit_code == 1
    assert "no.csv: No such file" in missing.stderr


def test_a_pipe_is_written_to_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with os.fdopen(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)) as reader:
        result, _, summary = run(tmp_path, disk(), "--horizon", "24h", "--output", str(pipe))
        assert result.exit_code == 0, result.output
        assert len(reader.read().splitlines()) == 1 + 24
    assert pipe.is_fifo()
    assert len(rows(summary)) == 1


def test_what_is_wrong_is_told_first(tmp_path):
    hours = range(300)
    counter = [f"counter,{iso(i)},{(i % 290) * 1e6},1e12" for i in hours]
    with_a_gap = [f"gap,{iso(i)},{i % 7},90" for i in hours if not 100 < i < 160]
    result, _, summary = run(tmp_path, [*disk(), *counter, *with_a_gap], "--horizon", "24h")
    assert result.exit_code == 0
    first, second = result.stderr.splitlines()
    assert first.startswith("counter: warning: counter reset: It only rises, and fell to")
    assert second.startswith("gap: warning: gap: 19.7% of it is missing; the longest gap lasts 2 d")
    assert len(rows(summary)) == 3
    many = [f"{i},{iso(hour)},{hour % 7 * (hour != 30)},1e-9" for i in range(25) for hour in hours]
    told = run(tmp_path, many, "--horizon", "24h")[0].stderr.splitlines()
    assert len(told) == 21
    assert told[-1].endswith("more; see --explain")


CELLS = st.one_of(
    st.floats(width=64).map(repr),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(["", "nan", "0", "-0", "1e308", "-1e308", "5e-324", "x", '"']),
)
MOMENTS = st.one_of(
    st.integers(0, 400).map(iso),
    st.integers(0, 60).map(lambda day: iso(day, 24)),
    st.integers(0, 4_000_000).map(lambda second: str(1_767_225_600 + second)),
    st.sampled_from(["2026-03-29T02:30:00+01:00", "2026-10-25T02:30", "0001-01-01", "1e300"]),
)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from(["a", "b:cpu", "c:d:/e"]), MOMENTS, CELLS, CELLS), max_size=80
    ),
    explain=st.booleans(),
)
def test_any_file_is_forecast_or_refused_by_line(rows, explain):
    lines = "\n".join(["series,timestamp,value,limit", *map(",".join, rows)])
    more = ["--explain"] if explain else ["--summary", os.devnull]
    result = CliRunner().invoke(forecast, ["--input", "-", "--horizon", "30h", *more], input=lines)
    if result.exit_code:
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("standard input")
    elif not explain:
        for _, _, mean, lo80, hi80, lo95, hi95 in list(csv.reader(io.StringIO(result.stdout)))[1:]:
            assert math.isfinite(float(mean))
            assert float(lo95) <= float(lo80) <= float(hi80) <= float(hi95)


def test_latin_1_is_refused_by_name(tmp_path):
    source = tmp_path / "in.csv"
    source.write_bytes(b"series,timestamp,value\nM\xfcnchen,0,1\n")
    result = CliRunner().invoke(forecast, ["--input", str(source)])
    assert (result.exit_code, "not UTF-8" in result.stderr) == (1, True)


def test_standard_input_and_output():
    text = "\n".join(["series,timestamp,value,limit", *disk(60)]) + "\n"
    result = CliRunner().invoke(forecast, ["--input", "-", "--horizon", "5h"], input=text)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "series,timestamp,mean,lo80,hi80,lo95,hi95"
    assert len(result.stdout.splitlines()) == 6


@pytest.mark.parametrize(
    ("text", "hours"), [("90d", 2160), ("12h", 12), ("2w", 336), ("1d12h", 36), ("1y", 8760)]
)
def test_durations(text, hours):
    milliseconds = DURATION.convert(text, None, None)
    assert milliseconds == hours * 3_600_000
    assert DURATION.convert(milliseconds, None, None) == milliseconds


@pytest.mark.parametrize("text", ["", "d", "5", "-3d", "3 d", "٣d", "1.5d", "3M"])
def test_what_is_no_duration(text):
    with pytest.raises(click.BadParameter, match="not a duration"):
        DURATION.convert(text, None, None)


def test_help_has_examples_and_imports_no_numpy():
    code = (
        "import sys; from tidecast.cli.forecast import forecast\n"
        "forecast.main(['--help'], standalone_mode=False)\n"
        "assert 'numpy' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=_paths(), check=False
    )
    assert done.returncode == 0, done.stderr
    assert "tidecast forecast --input disks.csv --horizon 90d" in done.stdout


def _paths():
    return {"PYTHONPATH": ":".join(path for path in sys.path if path)}
