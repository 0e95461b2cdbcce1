"""The log: one line for each event, whatever is in it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

from tests.scenario.driver import environment

from tidecast.logs import JsonLines, TextLines

SCRIPT = """
import logging
from tidecast.logs import LogSettings, log_settings, start_log
from tidecast.server.worker import Lane

def warn():
    logging.getLogger("job").warning("from the worker")

if __name__ == "__main__":
    start_log(LogSettings("warning", "json"))
    assert log_settings() == LogSettings("warning", "json")
    logging.getLogger("server").info("not told")
    lane = Lane("tests")
    lane.run(warn)
    lane.close()
"""


def record(message: str, *values: object, failed: bool = False) -> logging.LogRecord:
    trouble = None
    if failed:
        try:
            raise ValueError("no")
        except ValueError:
            trouble = sys.exc_info()
    made = logging.LogRecord("room", logging.WARNING, __file__, 1, message, values, trouble)
    made.created = 1_766_000_000.25  # 2025-12-17T19:33:20.250Z
    return made


def test_text_is_one_line_with_the_time_in_utc() -> None:
    line = TextLines().format(record("%s is\nforged", "this"))
    assert line == "2025-12-17T19:33:20.250Z WARNING room: this is\\nforged"


def test_text_shows_a_traceback_below() -> None:
    first, *rest = TextLines().format(record("failed", failed=True)).splitlines()
    assert first.endswith("room: failed")
    assert rest[0].startswith("Traceback") and rest[-1] == "ValueError: no"


def test_json_is_one_object_a_line() -> None:
    line = JsonLines().format(record('a "quoted"\nword', failed=True))
    assert "\n" not in line
    told = json.loads(line)
    assert told.pop("exception").endswith("ValueError: no")
    assert told == {
        "time": "2025-12-17T19:33:20.250Z",
        "level": "warning",
        "logger": "room",
        "message": 'a "quoted"\nword',
    }


def test_worker_processes_log_as_their_server_does(tmp_path) -> None:
    script = tmp_path / "server.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, script], env=environment(), capture_output=True, text=True, check=True
    )
    (line,) = done.stderr.splitlines()
    assert json.loads(line)["message"] == "from the worker"
