"""One story from outside: a disk fills, the server is killed, people are told once, it is over."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import pytest
from tests.scenario.driver import (
    STALE_NAN,
    Server,
    Sink,
    eventually,
    now_ms,
    run_command,
    series,
    webhook_sink,
)

pytestmark = pytest.mark.scenario

RULES = """
groups:
  - name: story
    interval: 1s
    rules:
      - alert: DiskFull
        expr: >
          volume_avail_bytes / volume_size_bytes < 0.10
        for: 4s
        labels:
          severity: critical
          resource: filesystem
          item: '{{ $labels.mountpoint }}'
        annotations:
          summary: '{{ $labels.mountpoint }} has {{ $value | humanizePercentage }} free'
"""

# Names of which the default pack knows nothing: its rules would join in after half a minute.
SIZE = series("volume_size_bytes", mountpoint="/var", device="/dev/sda1")
AVAIL = series("volume_avail_bytes", mountpoint="/var", device="/dev/sda1")


class Host:
    """web-1, which pushes twice a second how much of /var is available."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.available: float | None = 50.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Host:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.5):
            at = now_ms()
            parts = [(SIZE, [(at, 100.0)])]
            if self.available is not None:
                parts.append((AVAIL, [(at, self.available)]))
            try:
                self.server.write(*parts)
            except (OSError, HTTPException):
                continue  # the server is dead just now; that is the story


@pytest.fixture
def sink() -> Iterator[Sink]:
    with webhook_sink() as sink:
        yield sink


@pytest.fixture
def server(tmp_path: Path, sink: Sink) -> Iterator[Server]:
    rules = tmp_path / "rules.yml"
    rules.write_text(RULES)
    with Server(tmp_path, f"--rules-file={rules}", f"--webhook-url={sink.url}") as server:
        yield server


def states(server: Server) -> list[str]:
    return [each["state"] for each in server.incidents()]


def alert_states(server: Server) -> list[str]:
    alerts = server.json("/api/v1/alerts")["data"]["alerts"]
    return [each["state"] for each in alerts if each["labels"]["alertname"] == "DiskFull"]


def test_a_breach_becomes_one_incident_through_two_kills_and_closes_on_proof(
    server: Server, sink: Sink
) -> None:
    with Host(server) as host:
        eventually(lambda: server.query("volume_avail_bytes"))
        host.available = 3.0
        eventually(lambda: alert_states(server), "the alert is pending")

        server.kill()  # between breach and opening
        server.start()
        eventually(lambda: states(server) == ["open"], "the incident is open")

        server.kill()  # after opening
        server.start()
        eventually(lambda: alert_states(server) == ["firing"])
        eventually(lambda: sink.received, "somebody was told")
        assert states(server) == ["open"]

        host.available = None  # the metric vanishes: silence is no proof
        server.write((AVAIL, [(now_ms(), STALE_NAN)]))
        eventually(lambda: not alert_states(server), "the alert is gone")
        (incident,) = server.incidents("open")
        eventually(
            lambda: signal_states(server, incident["id"]) == ["unknown"],
            "the signal is unknown",
        )
        assert states(server) == ["open"]

        host.available = 60.0
        eventually(lambda: states(server) == ["resolved"], "the incident is resolved")

    view = server.json(f"/api/tidecast/v1/incidents/{incident['id']}")
    assert (view["host"], view["resource"], view["item"]) == ("web-1", "filesystem", "/var")
    kinds = [entry["kind"] for entry in view["timeline"]]
    assert kinds[0] == "opened" and kinds[-1] == "resolved" and kinds.count("opened") == 1
    eventually(lambda: {"firing", "resolved"} <= {told["status"] for told in sink.received})
    assert len({told["groupKey"] for told in sink.received}) == 1
    assert all(told["version"] == "4" for told in sink.received)


def signal_states(server: Server, incident_id: int) -> list[str]:
    view = server.json(f"/api/tidecast/v1/incidents/{incident_id}")
    return [signal["state"] for signal in view["signals"]]


def test_somebody_acknowledges_and_resolves_and_it_stays_so(server: Server) -> None:
    with Host(server) as host:
        host.available = 3.0
        (incident,) = eventually(lambda: server.incidents("open"))
        number = str(incident["id"])
        url = f"--server={server.url}"
        said = run_command("incident", "ack", number, "--by=ann", "--comment=on it", url)
        assert "acknowledged" in said and "on it" in said
        run_command("incident", "resolve", f"INC-{number}", "--by=ann", url)
        (after,) = server.incidents()
        assert after["state"] == "resolved"
        eventually(lambda: alert_states(server) == ["firing"])
        assert states(server) == ["resolved"]  # it still fires, and ann knows
        assert "INC-" + number in run_command("incident", "list", "--all", url)
