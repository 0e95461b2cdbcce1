"""The CSV holds what the report holds, whatever the names, and no spreadsheet evaluates it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidecast_reports.capacity import CapacityReport, ResourceOutlook
from tidecast_reports.csv import COLUMNS, capacity_csv, safe_cell

Vary = Callable[..., ResourceOutlook]
NOW_MS = 1_798_761_600_000
HOSTILE = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_one_ranked_row_for_each_resource(report: CapacityReport) -> None:
    first, second = rows(capacity_csv(report))
    assert (first["rank"], first["host"], second["rank"], second["host"]) == (
        "1", "web-3", "2", "db-1",
    )  # fmt: skip
    assert first["p50"] == "2027-02-18T00:00:00Z"
    assert second["p50"] == ""
    assert float(first["mark"]) == 45 * 2**30
    assert first["state"] == "in_horizon"


def test_lines_end_as_rfc_4180_says(report: CapacityReport) -> None:
    text = capacity_csv(report)
    assert text.startswith(",".join(COLUMNS) + "\r\n")
    assert text.count("\r\n") == text.count("\n") == 3


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(host=HOSTILE, item=HOSTILE, reason=HOSTILE)
def test_hostile_names_come_back_whole(outlook: Vary, host: str, item: str, reason: str) -> None:
    row = outlook(host=host, item=item, reasons=(reason,))
    (read,) = rows(capacity_csv(CapacityReport("x", NOW_MS, 90, (row,))))
    assert read["host"] == safe_cell(host)
    assert read["item"] == safe_cell(item)
    assert read["reasons"] == safe_cell(reason)
    assert not read["host"].startswith(("=", "+", "-", "@", "\t", "\r"))


def test_negative_numbers_stay_numbers(outlook: Vary) -> None:
    (read,) = rows(capacity_csv(CapacityReport("x", NOW_MS, 90, (outlook(usage=-1.5),))))
    assert read["usage"] == "-1.5"
