"""Sends prepared history to our server chunk by chunk, so that it can be resumed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import click

from tidecast.cli.client import TidecastServer
from tidecast.http_client import HttpError
from tidecast.journeys.imports.usage import UsageSeries, usage_requests

USAGE_PATH = "/api/tidecast/v1/usage"
IMPORTS_PATH = "/api/tidecast/v1/imports"


class ImportProgress:
    """Which chunks of one import the server already has, by the import's key."""

    def __init__(self, server: TidecastServer, key: str, source: str) -> None:
        self._server, self._key, self._source = server, key, source
        answer = server.get_json(IMPORTS_PATH, [("key", key)])
        if not isinstance(answer, dict) or not isinstance(answer.get("done"), list):
            raise HttpError(f"{server.url}{IMPORTS_PATH} did not say which chunks are done")
        self._done = set(answer["done"])

    def is_done(self, chunk: str) -> bool:
        """Whether an earlier run has sent this chunk."""
        return chunk in self._done

    def mark_done(self, chunk: str) -> None:
        """Remembers, at the server, that this chunk was sent and stored."""
        entry = {"key": self._key, "source": self._source, "chunk": chunk}
        self._server.post_json(IMPORTS_PATH, entry)
        self._done.add(chunk)


@dataclass(frozen=True, slots=True)
class SentUsage:
    """What a transfer of usage records did: requests sent, and those that were there before."""

    sent: int
    skipped: int


def send_usage(server: TidecastServer, source: str, series: Sequence[UsageSeries]) -> SentUsage:
    """Sends the records; a request whose very content was sent by an earlier run is left out."""
    progress = ImportProgress(server, f"usage {source}", source)
    sent = skipped = 0
    records = sum(len(each.usage.hours_ms) for each in series)
    with click.progressbar(length=records, label=f"importing {source}") as bar:
        for request in usage_requests(source, series):
            chunk = hashlib.sha256(request.body).hexdigest()
            if progress.is_done(chunk):
                skipped += 1
            else:
                server.post_json(USAGE_PATH, request.body)
                progress.mark_done(chunk)
                sent += 1
            bar.update(request.records)
    return SentUsage(sent, skipped)
