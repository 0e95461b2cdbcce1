"""What the commands say when the server is away or refuses."""

from __future__ import annotations

import pytest
from tests.scenario.driver import free_port

from tidecast.cli.client import TidecastServer
from tidecast.http_client import HttpClient, HttpError, Refused, read_token
from tidecast_collector.errors import TidecastError


def test_no_server_says_how_to_start_one(tidecast, tmp_path):
    url = f"http://127.0.0.1:{free_port()}"
    path = tmp_path / "a.csv"
    path.write_text("series,timestamp,value\na,2026-01-01,1\n")
    result = tidecast("csv", path, "--server", url)
    assert result.exit_code == 1
    assert f"no server at {url}: start one with `tidecast up`" in result.output


@pytest.mark.parametrize("given", [None, "wrong-secret"])
def test_a_missing_or_wrong_token_names_the_scope_and_never_the_token(
    server, tidecast, tmp_path, given
):
    server.token = "right"
    path = tmp_path / "a.csv"
    path.write_text("series,timestamp,value\na,2026-01-01,1\n")
    arguments = []
    if given:
        (tmp_path / "token").write_text(f"{given}\n")
        arguments = ["--token-file", tmp_path / "token"]
    result = tidecast("csv", path, *arguments)
    assert result.exit_code == 1
    assert "scope 'ingest'" in result.output
    assert "wrong-secret" not in result.output


def test_the_right_token_is_taken_from_the_environment(server, monkeypatch):
    server.token = "right"
    monkeypatch.setenv("TIDECAST_TOKEN", "right")
    token = read_token(None, "TIDECAST_TOKEN")
    with TidecastServer(server.url, token) as client:
        answer = client.get_json("/api/tidecast/v1/imports", [("key", "k")])
    assert answer == {"done": []}


def test_a_problem_is_told_in_the_servers_words(server):
    with HttpClient(server.url) as client, pytest.raises(Refused) as refused:
        client.get_json("/nowhere")
    assert "404: nothing at /nowhere" in str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["", "localhost:9090", "ftp://a", "http://", "http://a:99999", "http://u:p@a", "http://a?b"],
)
def test_what_is_no_base_url_is_refused_and_no_password_told(url):
    with pytest.raises(HttpError) as error:
        HttpClient(url)
    assert "u:p" not in str(error.value)


@pytest.mark.parametrize("content", ["", "\n", "two words", "umläut", "x" * 5000])
def test_a_file_without_a_token_is_refused(tmp_path, content):
    path = tmp_path / "token"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(TidecastError):
        read_token(path, None)


def test_a_missing_token_file_is_named(tmp_path):
    with pytest.raises(TidecastError, match="cannot read the token file"):
        read_token(tmp_path / "absent", None)
