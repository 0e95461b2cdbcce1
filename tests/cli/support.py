"""Commands as a shell runs them, and a server that answers them what the test says."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from click.testing import CliRunner, Result
from tests.scenario.driver import PATIENCE_SECONDS, environment

from tidecast.cli.main import main


def run(*arguments: str, **env: str) -> Result:
    """The command's end, inside this process."""
    return CliRunner().invoke(main, list(arguments), env={"TIDECAST_TOKEN": "", **env})


def shell(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The command's end, as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "tidecast", *arguments],
        env=environment(**{"TIDECAST_TOKEN": "", **env}),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


@dataclass
class Fake:
    """A server that answers by path, and remembers what it was asked."""

    answers: dict[str, Any]
    url: str = ""
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)


@contextmanager
def answering(answers: dict[str, Any]) -> Iterator[Fake]:
    """Runs such a server on loopback; an unknown path is answered with a 404 problem."""
    fake = Fake(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fake.asked.append((self.command, self.path, body))
            found = fake.answers.get(self.path.partition("?")[0])
            status = 404 if found is None else 200
            answer = {"title": "Not Found", "detail": "no such thing"} if found is None else found
            sent = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
