"""Who gets in, asked of real servers; and what a start is refused for."""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.scenario.driver import (
    PATIENCE_SECONDS,
    Server,
    environment,
    eventually,
    free_port,
    run_command,
    start,
)
from tests.server.asking import JSON, raw

from tidecast.cli.main import main
from tidecast.policy.tokens import Scope, create_token

RETIRE = "/api/tidecast/v1/hosts/retire"


# --- on loopback ---


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:9797", 200),
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("[::1]:9797", 200),
        ("rebound.example", 403),
        ("127.0.0.1.example", 403),
        ("localhost@evil.example", 403),
        ("evil.example/localhost", 403),
        ("[::1", 403),
        ("[evil]", 403),
        ("10.0.0.1", 403),
        ("", 403),
    ],
)
def test_a_page_whose_name_was_rebound_to_us_reads_nothing(
    shared: Server, host: str, status: int
) -> None:
    told, headers, body = raw(shared, "GET", "/api/v1/labels", {"Host": host})
    assert told == status
    if status == 403:
        assert headers["content-type"] == "application/problem+json"
        assert "Host header" in json.loads(body)["detail"]


def test_health_is_open_to_everybody_who_asks(shared: Server) -> None:
    for path in ("/-/healthy", "/-/ready"):
        assert raw(shared, "GET", path, {"Host": "balancer.example"})[0] == 200


@pytest.mark.parametrize(
    ("origin", "refused"),
    [
        ("", False),
        ("http://{host}", False),
        ("http://evil.example", True),
        ("http://localhost:1", True),
        ("null", True),
        ("http://[::1", True),
        ("http://evil.example/{host}", True),
    ],
)
def test_a_page_of_another_site_changes_nothing(shared: Server, origin: str, refused: bool) -> None:
    host = f"127.0.0.1:{shared.port}"
    headers = {**JSON, "Host": host}
    if origin:
        headers["Origin"] = origin.replace("{host}", host)
    status, _, body = raw(shared, "POST", RETIRE, headers, b'{"host": "nobody"}')
    assert status == (403 if refused else 404)
    if refused:
        assert "may not change anything here" in json.loads(body)["detail"]
    assert raw(shared, "GET", "/api/v1/labels", headers)[0] == 200, "reading is no change"


def test_every_answer_tells_browsers_to_hold_back(shared: Server) -> None:
    for path in ("/", "/metrics", "/api/v1/labels", "/nothing"):
        _, headers, _ = raw(shared, "GET", path)
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
    _, headers, _ = raw(shared, "GET", "/api/v1/labels", {"Host": "evil.example"})
    assert headers["x-content-type-options"] == "nosniff"


# --- with tokens ---


class Guarded:
    """A server that asks for tokens, and one token for each scope."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "tokens"
        self.tokens = {scope: self.create(f"the-{scope}", scope) for scope in ("ingest", "read")}
        self.tokens["operate"] = self.create("boss", "operate")
        self.server = Server(directory, "--require-auth", f"--token-file={self.file}")

    def create(self, name: str, scope: str) -> str:
        made = run_command(
            "token", "create", name, "--scope", scope, "--token-file", str(self.file)
        )
        return made.strip()

    def status(self, method: str, path: str, token: str, body: bytes = b"") -> int:
        headers = {**JSON, **({"Authorization": token} if token else {})}
        return raw(self.server, method, path, headers, body)[0]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    made = Guarded(tmp_path_factory.mktemp("guarded"))
    with made.server:
        yield made


@pytest.mark.parametrize(
    ("method", "path", "body", "allowed"),
    [
        ("POST", "/api/v1/write", b"", {"ingest": 415}),
        ("POST", "/api/tidecast/v1/usage", b"{}", {"ingest": 400}),
        ("GET", "/api/v1/labels", b"", {"read": 200, "operate": 200}),
        ("GET", "/metrics", b"", {"read": 200, "operate": 200}),
        ("GET", "/", b"", {"read": 200, "operate": 200}),
        ("POST", "/api/v1/query", b"", {"read": 400, "operate": 400}),
        ("POST", RETIRE, b'{"host": "nobody"}', {"operate": 404}),
        ("PUT", "/api/tidecast/v1/settings/generated", b"{}", {"operate": 400}),
    ],
)
def test_each_scope_opens_its_doors_and_no_other(
    guarded: Guarded, method: str, path: str, body: bytes, allowed: dict[str, int]
) -> None:
    for scope, token in guarded.tokens.items():
        told = guarded.status(method, path, f"Bearer {token}", body)
        assert told == allowed.get(scope, 403), scope


def test_without_a_token_a_browser_is_asked_for_one(guarded: Guarded) -> None:
    for authorization in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Digest x"}):
        status, headers, body = raw(guarded.server, "GET", "/", authorization)
        assert status == 401
        assert headers["www-authenticate"].startswith("Basic realm=")
        assert b"nonsense" not in body
    assert raw(guarded.server, "GET", "/-/ready")[0] == 200


def test_a_token_is_taken_as_the_password_of_basic(guarded: Guarded) -> None:
    def basic(password: str) -> str:
        return "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()

    assert guarded.status("GET", "/api/v1/labels", basic(guarded.tokens["read"])) == 200
    assert guarded.status("GET", "/api/v1/labels", basic("wrong")) == 401
    assert guarded.status("GET", "/api/v1/labels", "Basic ///") == 401


def test_a_running_server_takes_up_changes_of_the_token_file(guarded: Guarded) -> None:
    late = f"Bearer {guarded.create('late', 'read')}"
    eventually(lambda: guarded.status("GET", "/api/v1/labels", late) == 200, "it is let in")
    run_command("token", "remove", "late", "--token-file", str(guarded.file))
    eventually(lambda: guarded.status("GET", "/api/v1/labels", late) == 401, "it is shut out")
    kept = guarded.file.read_text()
    guarded.file.write_text("what is this\n")
    assert guarded.server.process
    log = guarded.server.process
    eventually(lambda: "tokens:1" in log.output(), "the log says what is wrong with it")
    bearer = f"Bearer {guarded.tokens['read']}"
    assert guarded.status("GET", "/api/v1/labels", bearer) == 200, "the last good ones hold"
    guarded.file.write_text(kept)


# --- starting ---


def not_begun(*options: str) -> tuple[int, str]:
    """Exit code and message of a server that is refused before it opens anything."""
    done = CliRunner().invoke(main, ["server", *options])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.stderr


def refused(*options: str) -> tuple[int, str]:
    """Exit code and message of a server that does not start."""
    done = subprocess.run(
        [sys.executable, "-m", "tidecast", "server", *options],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    crt, key = folder / "server.crt", folder / "server.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", key, "-out", crt, "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return crt, key


def test_off_loopback_it_says_what_is_missing(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    tokens = tmp_path / "tokens"
    create_token(tokens, "a", [Scope.READ])
    data, listen = f"--data-dir={tmp_path / 'data'}", f"--listen=0.0.0.0:{free_port()}"
    code, why = not_begun(data, listen)
    assert code == 1
    assert "can be reached from other machines: give --token-file" in why
    code, why = not_begun(data, listen, f"--token-file={tokens}")
    assert code == 1
    assert "--insecure-http" in why
    only = f"--tls-cert-file={certificate[0]}"
    code, why = not_begun(data, listen, f"--token-file={tokens}", only)
    assert code == 1
    assert "go together" in why
    assert not (tmp_path / "data").exists(), "what was refused has touched nothing"


def test_what_cannot_be_used_is_named(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    crt, key = certificate
    (tmp_path / "file").write_text("")
    (tmp_path / "rules.yml").write_text("groups: [")
    (tmp_path / "r.yaml").write_text("resources:\n  x: 5\n")
    data = f"--data-dir={tmp_path / 'data'}"
    for options, why in [
        ((data, f"--token-file={tmp_path / 'none'}"), "none"),
        ((data, f"--tls-cert-file={crt}", f"--tls-key-file={tmp_path / 'none'}"), "No such file"),
        ((data, f"--tls-cert-file={key}", f"--tls-key-file={crt}"), "cannot be used"),
    ]:
        code, told = not_begun(*options, f"--listen=127.0.0.1:{free_port()}")
        assert code == 1, told
        assert why in told
    for options, why in [
        ((f"--data-dir={tmp_path / 'file' / 'data'}",), "Not a directory"),
        ((data, f"--rules-file={tmp_path / 'rules.yml'}"), "rules.yml"),
        ((data, f"--resources-file={tmp_path / 'none.yaml'}"), "none.yaml: cannot be read"),
        ((data, f"--resources-file={tmp_path / 'r.yaml'}"), "r.yaml:2:6: expected a mapping"),
        ((data, "--database-url=mysql://u:secret@h/d"), "SQLite or PostgreSQL"),
    ]:
        code, told = refused(*options, f"--listen=127.0.0.1:{free_port()}")
        assert code == 1, told
        assert why in told
        assert "secret" not in told


def test_an_address_that_is_none_is_a_fault_of_the_command_line(tmp_path: Path) -> None:
    code, why = not_begun(f"--data-dir={tmp_path}", "--listen=nonsense")
    assert code == 2
    assert "'nonsense' is not HOST:PORT" in why


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, why = refused(f"--data-dir={tmp_path / 'data'}", f"--listen=127.0.0.1:{port}")
    assert code == 1
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in why


def test_a_second_server_on_the_same_data_is_refused(shared: Server) -> None:
    data = f"--data-dir={shared.directory / 'data'}"
    code, why = refused(data, f"--listen=127.0.0.1:{free_port()}")
    assert code == 1
    assert str(shared.directory / "data") in why
    assert "another" in why
    assert shared.get("/-/ready")


def test_with_a_certificate_it_answers_https(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    crt, key = certificate
    port = free_port()
    process = start(
        tmp_path / "log", "tidecast", "server", f"--data-dir={tmp_path / 'data'}",
        f"--listen=127.0.0.1:{port}", f"--tls-cert-file={crt}", f"--tls-key-file={key}",
    )  # fmt: skip
    trusted = ssl.create_default_context(cafile=crt)

    def ready() -> bytes:
        try:
            with urllib.request.urlopen(
                f"https://127.0.0.1:{port}/-/ready", context=trusted
            ) as told:
                body: bytes = told.read()
                return body
        except OSError:
            return b""

    try:
        assert eventually(ready).startswith(b"Tidecast")
        listed = subprocess.run(
            [sys.executable, "-m", "tidecast", "capacity", "list", "--format=json",
             f"--server=https://localhost:{port}"],
            env={**environment(), "SSL_CERT_FILE": os.fspath(crt)},
            capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
        )  # fmt: skip
        assert (listed.returncode, json.loads(listed.stdout)) == (0, [])
    finally:
        process.stop()
