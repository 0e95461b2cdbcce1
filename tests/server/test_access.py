"""Who may do what, from the header to the refusal."""

from __future__ import annotations

import base64

import pytest

from tidecast.config import Address, InvalidSettings, ServerSettings, is_loopback
from tidecast.policy.tokens import Scope
from tidecast.server.access import presented_token, required_scope


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("::", False),
        ("localhost.evil.example", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_loopback_is_what_the_machine_alone_can_reach(name: str, expected: bool) -> None:
    assert is_loopback(name) is expected


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/api/v1/write", Scope.INGEST),
        ("POST", "/api/tidecast/v1/usage", Scope.INGEST),
        ("POST", "/api/tidecast/v1/observations", Scope.INGEST),
        ("GET", "/api/tidecast/v1/observations", Scope.READ),
        ("POST", "/api/tidecast/v1/classifications", Scope.OPERATE),
        ("GET", "/api/v1/query", Scope.READ),
        ("POST", "/api/v1/query_range", Scope.READ),
        ("POST", "/api/v1/label/job/values", Scope.READ),
        ("POST", "/api/v1/read", Scope.READ),
        ("GET", "/federate", Scope.READ),
        ("GET", "/api/tidecast/v1/backups/monday", Scope.OPERATE),
        ("POST", "/api/tidecast/v1/backups", Scope.OPERATE),
        ("GET", "/", Scope.READ),
        ("POST", "/incidents/3/resolve", Scope.OPERATE),
        ("PUT", "/api/tidecast/v1/settings/generated", Scope.OPERATE),
        ("DELETE", "/anything", Scope.OPERATE),
    ],
)
def test_each_request_needs_one_scope(method: str, path: str, scope: Scope) -> None:
    assert required_scope(method, path) is scope


def test_a_token_comes_as_bearer_or_as_the_password_of_basic() -> None:
    basic = base64.b64encode(b"anybody:tide_abc").decode()
    assert presented_token("Bearer tide_abc") == "tide_abc"
    assert presented_token(f"Basic {basic}") == "tide_abc"
    assert presented_token("Basic not-base64!") is None
    assert presented_token("Bearer ") is None
    assert presented_token("") is None


def settings(tmp_path, **given) -> ServerSettings:
    return ServerSettings(data_dir=tmp_path, listen=Address("0.0.0.0", 9797), **given)


def test_off_loopback_it_wants_a_token_file_and_tls(tmp_path) -> None:
    tokens, certificate = tmp_path / "tokens", tmp_path / "crt"
    with pytest.raises(InvalidSettings, match="--token-file"):
        settings(tmp_path).check_access(False)
    with pytest.raises(InvalidSettings, match="--tls-cert-file"):
        settings(tmp_path, token_file=tokens).check_access(False)
    with pytest.raises(InvalidSettings, match="go together"):
        settings(tmp_path, token_file=tokens, tls_cert_file=certificate).check_access(False)
    settings(tmp_path, token_file=tokens, insecure_http=True).check_access(False)
    settings(
        tmp_path, token_file=tokens, tls_cert_file=certificate, tls_key_file=certificate
    ).check_access(False)


def test_asking_for_tokens_on_loopback_needs_a_token_file(tmp_path) -> None:
    with pytest.raises(InvalidSettings, match="--require-auth needs --token-file"):
        settings(tmp_path, require_auth=True).check_access(True)
    settings(tmp_path).check_access(True)


@pytest.mark.parametrize("text", ["", "9797", ":9797", "host:", "host:http", "host:70000"])
def test_an_address_is_host_and_port(text: str) -> None:
    with pytest.raises(InvalidSettings):
        Address.parse(text)
