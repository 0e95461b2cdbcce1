"""Rows for people, programs and spreadsheets; files written whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast.cli.files import write_text
from tidecast.cli.output import cell, print_rows, printable, table
from tidecast_collector.errors import TidecastError

ROWS = [
    {"host": "web-1", "used": None, "p50": "2027-01-01", "more": [1]},
    {"host": "db", "used": "45 %", "p50": "", "more": []},
]


def test_a_table_is_as_wide_as_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(ROWS, ["host", "used", "p50"], "table")
    assert capsys.readouterr().out == (
        "HOST   USED  P50\nweb-1  -     2027-01-01\ndb     45 %  -\n"
    )
    print_rows([], ["host", "not_here"], "table")
    assert capsys.readouterr().out == "HOST  NOT HERE\n"


def test_json_has_the_rows_whole(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(ROWS, ["host"], "json")
    assert json.loads(capsys.readouterr().out) == ROWS
    print_rows([], ["host"], "json")
    assert json.loads(capsys.readouterr().out) == []


def test_csv_has_the_columns_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(ROWS, ["host", "used", "nothing"], "csv")
    assert capsys.readouterr().out == "host,used,nothing\nweb-1,,\ndb,45 %,\n"


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\tx", "-", "+"])
def test_a_spreadsheet_runs_no_formula(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([{"host": text}], ["host"], "csv")
    ((found,),) = list(csv.reader(io.StringIO(capsys.readouterr().out, newline="")))[1:]
    assert found == f"'{text}"


@given(st.text())
def test_any_text_is_one_cell_of_one_row(text: str) -> None:
    out = io.StringIO(newline="")
    with redirect_stdout(out):
        print_rows([{"host": text, "end": 1}], ["host", "end"], "csv")
    rows = list(csv.reader(io.StringIO(out.getvalue(), newline="")))
    assert len(rows) == 2
    plain = text.replace("\r", "\\r")
    assert rows[1][0] in (plain, f"'{plain}")


@pytest.mark.parametrize("number", ["-5", "-0.25", "+Inf", "-Inf", "-1e-9", "1.5", "NaN"])
def test_numbers_stay_numbers(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([{"value": number}], ["value"], "csv")
    assert capsys.readouterr().out == f"value\n{number}\n"


@given(st.text())
def test_nothing_that_steers_a_terminal_reaches_it(text: str) -> None:
    assert printable(text).isprintable()
    lines = table([[cell(text)]], ["host"]).split("\n")
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)


def test_what_is_printable_stays() -> None:
    assert printable("Ü 90 % ✓") == "Ü 90 % ✓"
    assert printable("\x1b[31mred\n") == "\\x1b[31mred\\n"


def test_a_file_is_replaced_at_once(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    write_text(path, "new\r\n")
    assert path.read_bytes() == b"new\r\n"
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_file_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(TidecastError, match=r"cannot write .*nowhere.*No such file"):
        write_text(tmp_path / "nowhere" / "x", "text")
    (tmp_path / "folder").mkdir()
    with pytest.raises(TidecastError, match=r"cannot write .*folder"):
        write_text(tmp_path / "folder", "text")
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]


def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with os.fdopen(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)) as reader:
        write_text(pipe, "text\r\n")
        assert reader.read() == "text\n"
    assert pipe.is_fifo()


def test_a_dash_is_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    write_text(Path("-"), "text")
    assert capsys.readouterr().out == "text"
