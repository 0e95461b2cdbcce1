"""What the server tests say over HTTP, and how they read the answer."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Mapping
from typing import Any

from tests.scenario.driver import PATIENCE_SECONDS, Server

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}


def api(server: Server, path: str, method: str = "GET", **parameters: object) -> tuple[int, Any]:
    """Status and JSON of a Prometheus API call; `match` stands for match[]."""
    pairs = [("match[]" if name == "match" else name, value) for name, value in parameters.items()]
    query = urllib.parse.urlencode(pairs, doseq=True)
    if method == "POST":
        status, body = server.request("POST", f"/api/v1/{path}", query.encode(), FORM)
    else:
        status, body = server.request("GET", f"/api/v1/{path}?{query}")
    return status, json.loads(body)


def send(
    server: Server, method: str, path: str, document: object, headers: Mapping[str, str] = {}
) -> tuple[int, Any]:
    """Status and JSON of a call of our own API; bytes are sent as they are."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    status, answer = server.request(method, f"/api/tidecast/v1{path}", body, {**JSON, **headers})
    return status, json.loads(answer)


def raw(
    server: Server, method: str, path: str, headers: Mapping[str, str] = {}, body: bytes = b""
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (names in lower case) and body, with exactly these headers."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_SECONDS)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        answer = connection.getresponse()
        told = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, told, answer.read()
    finally:
        connection.close()
