"""An outage from the rule that sees it to the month that it changes, across a kill -9."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.records.conftest import BOTH
from tests.scenario.driver import Server, eventually, now_ms, run_command, series

from tidecast.journeys.applied_policy import PolicyInForce
from tidecast.records import Records

PREFIX = "/api/tidecast/v1"
POLICY = """
services:
  shop: {title: The shop, rests_on: [shop-web]}
"""
RULES = """
groups:
  - name: probes
    interval: 1s
    rules:
      - alert: ShopAway
        expr: probe_success == 0
        labels: {severity: critical, component: shop-web, component_state: down}
"""
HOUR = 3_600_000
JSON = {"Content-Type": "application/json"}

pytestmark = pytest.mark.scenario


@pytest.fixture(params=BOTH)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Server:
    """A server that follows the policy; it is not started yet."""
    url, options = f"sqlite:///{tmp_path / 'data' / 'records.sqlite3'}", []
    (tmp_path / "data").mkdir()
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_url")
        options = [f"--database-url={url}"]
    with Records.open(url) as records:
        PolicyInForce(records).apply({"policy.yaml": POLICY}, "ann", "first", now_ms())
    rules = tmp_path / "rules.yml"
    rules.write_text(RULES)
    return Server(tmp_path, f"--rules-file={rules}", *options)


def probe(server: Server, value: float) -> None:
    """The probe says whether it reached the shop."""
    server.write((series("probe_success"), [(now_ms(), value)]))


def post(server: Server, path: str, body: object) -> dict[str, Any]:
    status, answer = server.request("POST", PREFIX + path, json.dumps(body).encode(), JSON)
    assert status == 200, answer
    found: dict[str, Any] = json.loads(answer)
    return found


def said(server: Server) -> list[str]:
    """What the rule has said of the shop's web server, in order."""
    found = server.json(f"{PREFIX}/observations?component=shop-web")["observations"]
    return [one["state"] for one in found if one["source"].startswith("rule:probes/ShopAway")]


def availability(server: Server, start: int, **query: object) -> dict[str, Any]:
    asked = urlencode({"service": "shop", "start": start, "end": now_ms(), **query})
    found: dict[str, Any] = server.json(f"{PREFIX}/availability?{asked}")
    return found


def keep_saying(server: Server, value: float, until: Callable[[], bool]) -> None:
    def once() -> bool:
        probe(server, value)
        return until()

    eventually(once)


def test_an_outage_is_kept_and_judged_by_what_is_said_of_it(server: Server) -> None:
    began = now_ms() - HOUR
    with server:
        up = {"component": "shop-web", "state": "up", "from": began, "known_at": began}
        post(server, "/observations", {"observations": [{**up, "source": "check"}]})
        keep_saying(server, 0, lambda: said(server) == ["down"])
        server.kill()
        server.start()
        assert said(server) == ["down"]
        keep_saying(server, 1, lambda: said(server)[-1] == "up")
        assert said(server) in (["down", "up"], ["down", "unknown", "up"])

        before = availability(server, began)
        assert before["breaks"] == 1
        assert before["availability"] < 1
        assert before["single_points_of_failure"] == ["shop-web"]
        known_ms = now_ms()
        outage = before["outages"][0]
        told = run_command(
            "availability", "mark", "shop", "--maintenance", outage["start"],
            now_text(), "--reason", "new disks", "--by", "ann", f"--server={server.url}",
        )  # fmt: skip
        number = int(told.partition(":")[0])
        after = availability(server, began)
        assert after["availability"] == 1
        assert [word["reason"] for word in after["words"]] == ["new disks"]
        assert availability(server, began, known_on=known_ms)["down_seconds"] == pytest.approx(
            before["down_seconds"]
        )
        run_command("availability", "withdraw", str(number), f"--server={server.url}")
        assert availability(server, began)["breaks"] == 1
        shown = run_command("availability", "shop", f"--server={server.url}")
        assert "The shop" in shown
        assert server.request("GET", "/services/shop")[0] == 200
        assert server.request("GET", "/services")[0] == 200
        host = eventually(lambda: host_states(server))
        assert host == ["up"]


def host_states(server: Server) -> list[str]:
    """What silence says of the host that sent the probes, without any configuration."""
    found = server.json(f"{PREFIX}/observations?component=web-1")["observations"]
    return [one["state"] for one in found if one["source"] == "silence"]


def now_text() -> str:
    """A moment after everything so far, in ISO 8601."""
    return (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
