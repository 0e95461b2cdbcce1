"""kill -9 while units are being committed: what is there afterwards is whole units."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tidecast.records import Records

WRITER = """
import sys
from tidecast.records import Records
from tidecast_alerts.model import Incident, IncidentState, TimelineEntry

records = Records.open(sys.argv[1])
number = 0
while True:
    with records.unit() as unit:
        incident = unit.alerting.add_incident(Incident(
            0, f"cause {number}", "t", "warning", 3, "h", "r", "i", IncidentState.OPEN, number))
        for step in range(20):
            unit.alerting.add_entry(TimelineEntry(incident.id, step, "step", str(number)))
        unit.settings.put("last", number)
    print(number, flush=True)
    number += 1
"""


def test_a_killed_writer_leaves_whole_units(sqlite_url):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, sqlite_url],
        env={**os.environ, "PYTHONPATH": ":".join(p for p in sys.path if p)},
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
    )
    with writer:
        acknowledged = [int(writer.stdout.readline()) for _ in range(25)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout]
    assert writer.returncode == -signal.SIGKILL
    with Records.open(sqlite_url) as records, records.reading() as unit:
        incidents = unit.alerting.incidents(limit=100_000)
        # The unit in flight may have been committed before its acknowledgement was printed.
        assert len(incidents) - len(acknowledged) in (0, 1)
        assert unit.settings.get("last") == len(incidents) - 1
        for number, incident in enumerate(reversed(incidents)):
            assert incident.cause == f"cause {number}"
            entries = unit.alerting.timeline(incident.id)
            assert [entry.at_ms for entry in entries] == list(range(20))
            assert {entry.text for entry in entries} == {str(number)}
