"""What runs behind the requests: tasks, the worker, what is due, and webhooks out."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prometheus_client import generate_latest
from tests.scenario.driver import PATIENCE_SECONDS, webhook_sink

from tidecast.server.metrics import ServerMetrics
from tidecast.server.notify import Webhooks, post_webhook, receivers_by_name
from tidecast.server.tasks import Tasks
from tidecast.server.upkeep import Due
from tidecast_alerts.notifications import DeliveryFailed

# --- forecasts that are due ---


def test_nothing_is_due_until_something_happened() -> None:
    due = Due()
    assert not due
    assert due.take(10**9, wait=False) == (False, False)


def test_what_is_due_waits_until_its_causes_stop_coming() -> None:
    due = Due()
    due.note(0, everything=False)
    due.note(2_000, everything=True)
    assert due
    assert due.take(2_000 + Due.QUIET_MS - 1, wait=False) == (False, False)
    assert due.take(2_000 + Due.QUIET_MS, wait=True) == (False, False), "late hours are waited for"
    assert due.take(2_000 + Due.QUIET_MS, wait=False) == (True, True)
    assert not due
    due.note(10_000, everything=False)
    assert due.take(20_000, wait=False) == (True, False), "`everything` was for the last time"


def test_patience_has_an_end() -> None:
    due = Due()
    for at in range(0, Due.PATIENCE_MS, 1000):
        due.note(at, everything=False)
        assert due.take(at, wait=True) == (False, False)
    assert due.take(Due.PATIENCE_MS, wait=True) == (True, False)


# --- tasks ---


def test_a_task_that_fails_is_counted_and_goes_on() -> None:
    metrics, runs, enough = ServerMetrics(), [0], threading.Event()

    def run() -> None:
        runs[0] += 1
        if runs[0] == 3:
            enough.set()
        if runs[0] < 3:
            raise RuntimeError("once more")

    tasks = Tasks(metrics)
    tasks.every(0.01, "shaky", run)
    assert enough.wait(PATIENCE_SECONDS)
    tasks.stop()
    text = generate_latest(metrics.registry).decode()
    assert 'tidecast_task_failures_total{task="shaky"} 2.0' in text
    ended = runs[0]
    assert ended >= 3
    assert not [t for t in threading.enumerate() if t.name == "task-shaky"]


# --- webhooks ---


def test_a_receiver_that_does_not_speak_http_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"what?\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(DeliveryFailed, match=r"127\.0\.0\.1 does not speak HTTP"):
            post_webhook(f"http://127.0.0.1:{listening.getsockname()[1]}/", "{}")
        thread.join()


class Answering(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status = int(self.path.strip("/").partition("?")[0])
        self.send_response(status)
        if status == 307:
            self.send_header("Location", "/200")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_notification_is_posted_as_json() -> None:
    with webhook_sink() as sink:
        post_webhook(sink.url, '{"version": "4", "text": "ü"}')
    assert sink.received == [{"version": "4", "text": "ü"}]


@pytest.mark.parametrize("status", [307, 400, 404, 500])
def test_whatever_is_not_2xx_is_a_failure_that_keeps_the_urls_secret(
    receiver: str, status: int
) -> None:
    with pytest.raises(DeliveryFailed, match=rf"127\.0\.0\.1 answered {status}$") as failed:
        post_webhook(f"{receiver}/{status}?token=secret", "{}")
    assert "secret" not in str(failed.value)
    post_webhook(f"{receiver}/202", "{}")


def test_receivers_go_by_names_that_do_not_tell_their_secret() -> None:
    with webhook_sink() as sink:
        named = receivers_by_name([sink.url, f"{sink.url}/other"])
        assert list(named) == ["127.0.0.1", "127.0.0.1-2"]
        Webhooks(named).send("127.0.0.1-2", "{}")
        assert sink.received == [{}]
    with pytest.raises(DeliveryFailed, match="no receiver is named 'gone' any more"):
        Webhooks(named).send("gone", "{}")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:1/secret", "127.0.0.1 cannot be reached"),
        ("file:///etc/passwd", "neither http nor https"),
        ("nonsense", "neither http nor https"),
        ("http://127.0.0.1:99999/secret", "cannot"),
        ("http://[::1/secret", "cannot"),
        ("http:///secret", "cannot"),
        ("http://h ost/secret", "cannot"),
    ],
)
def test_a_receiver_that_cannot_be_reached_is_a_failure(url: str, why: str) -> None:
    with pytest.raises(DeliveryFailed, match=why) as failed:
        post_webhook(url, "{}")
    assert "secret" not in str(failed.value)
