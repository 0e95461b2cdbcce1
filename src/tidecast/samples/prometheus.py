"""Samples in an engine that was there before us, over the Prometheus HTTP API.

Prometheus, VictoriaMetrics, Mimir, Thanos: written by remote-write, read by remote-read or range
selectors. How long it keeps them, and how durably, is its own affair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import numpy as np

from tidecast.http_client import AnswerTooLarge, HttpClient, HttpError, HttpPool, Refused
from tidecast.samples.batch import SampleBatch
from tidecast.samples.matchers import Matcher, Matchers, MatchOp
from tidecast.samples.metadata import MetadataFile
from tidecast.samples.prometheus_answers import (
    InvalidAnswer,
    answer_data,
    label_sets,
    metric_metadata,
    seconds_text,
    selector_text,
    texts,
)
from tidecast.samples.protocol import (
    AppendReport,
    LimitExceeded,
    MetricMetadata,
    RejectedSeries,
    Samples,
    SamplesUnavailable,
    SelectLimits,
)
from tidecast.samples.raw_reading import Way, find_way, is_victoria, read_raw
from tidecast.samples.remote_read import InvalidReadResponse
from tidecast.samples.validation import why_refused
from tidecast.samples.write_requests import MAX_SAMPLES_A_REQUEST, WRITE_HEADERS, write_requests
from tidecast_collector.errors import TidecastError
from tidecast_collector.labels import NAME, Labels

Found = TypeVar("Found")

READ_TIMEOUT_SECONDS = 125.0
"""For what is no query; a little more than one may usually take."""
WRITE_TIMEOUT_SECONDS = 30.0
SETTLE_SECONDS = 15.0
"""VictoriaMetrics shows what it has acknowledged after a second, new series of a selector that it
was asked for just before after ten. What has remote-read shows it at once."""
MAX_REQUESTS_AN_APPEND = 2000
"""How often an append may be halved until it is known what of it the engine refuses."""
_FIRST_MS, _LAST_MS = 1, 9_000_000_000_000
"""1970 to 2255: what every engine takes as a time (0 means "five minutes ago" to one)."""
_NAMED = Matcher(NAME, MatchOp.NOT_EQUAL, "")


class DeletionRefused(TidecastError):
    """The engine does not delete what it was asked to; the message says why."""


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """Where an engine is: `read_url` is the base of its API, `write_url` takes remote-write."""

    read_url: str
    write_url: str
    token: str | None = None


class PrometheusSamples(Samples):
    """The samples of one engine; safe to use from several threads.

    Metric metadata that comes in is kept in `metadata_file`, since remote-write does not keep it.
    Every call raises `SamplesUnavailable` where the engine does not answer as it should.
    """

    def __init__(self, address: EngineAddress, metadata_file: Path) -> None:
        self._read = HttpPool(address.read_url, address.token, READ_TIMEOUT_SECONDS)
        self._write = HttpPool(address.write_url, address.token, WRITE_TIMEOUT_SECONDS)
        self._metadata = MetadataFile(metadata_file)
        self._known_way: Way | None = None

    def close(self) -> None:
        """Closes the connections."""
        self._read.close()
        self._write.close()

    def append(self, batch: SampleBatch) -> AppendReport:
        """Writes the batch; returns once the engine has acknowledged it.

        What the engine refuses for good (400) is narrowed down by halves and named; the rest is
        kept. How many were there already the engine does not say.
        """
        reasons = {i: why for i, labels in enumerate(batch.labels) if (why := why_refused(labels))}
        refused = {batch.labels[i]: why for i, why in reasons.items()}
        appended = 0
        with self._write.client() as http, _explained():
            for piece in _pieces(SampleBatch.of(_without(batch, reasons)), MAX_SAMPLES_A_REQUEST):
                sending = _Sending(http)
                sending.send(piece)
                appended += len(piece.timestamps) - sending.refused_samples
                refused |= sending.refused
        rejected = tuple(RejectedSeries(labels, why) for labels, why in refused.items())
        return AppendReport(appended, 0, rejected)

    def select(
        self,
        matchers: Matchers,
        start_ms: int,
        end_ms: int,
        limits: SelectLimits = SelectLimits(),  # noqa: B008 (frozen)
    ) -> SampleBatch:
        """The matching series that have samples in [start, end], sorted by labels."""
        start_ms, end_ms = _bounded(start_ms, end_ms)
        with self._read.client() as http, _explained():
            read = read_raw(http, self._way(http), [_selecting(matchers)], start_ms, end_ms)
        batch = read.batch
        if len(batch) > limits.series or len(batch.timestamps) > limits.samples:
            raise LimitExceeded(
                f"the selection touches {len(batch)} series with {len(batch.timestamps)} samples, "
                f"at most {limits.series} with {limits.samples} are allowed: narrow it"
            )
        return SampleBatch.of(sorted(batch, key=lambda series: series[0]))

    def series(self, matchers: Sequence[Matchers], start_ms: int, end_ms: int) -> Sequence[Labels]:
        """Label sets that pass any of `matchers` and may have samples in [start, end], sorted."""
        if not matchers:
            return []
        form = [*_span(start_ms, end_ms), *_matches(matchers)]
        return sorted(set(self._data("/api/v1/series", form, label_sets)))

    def label_names(
        self, matchers: Sequence[Matchers], start_ms: int, end_ms: int
    ) -> Sequence[str]:
        """Names of the labels of those series (of all, where `matchers` is empty), sorted."""
        form = [*_span(start_ms, end_ms), *_matches(matchers)]
        return sorted(self._data("/api/v1/labels", form, texts))

    def label_values(
        self, name: str, matchers: Sequence[Matchers], start_ms: int, end_ms: int
    ) -> Sequence[str]:
        """Values of that label among those series, sorted."""
        query = [*_span(start_ms, end_ms), *_matches(matchers)]
        path = f"/api/v1/label/{quote(name, safe='')}/values"
        with self._read.client() as http, _explained():
            return sorted(texts(answer_data(http.get_json(path, query))))

    def delete(self, matchers: Matchers, start_ms: int, end_ms: int) -> int:
        """Forgets the matching samples in [start, end]; returns how many series it met.

        Raises `DeletionRefused` where the engine's admin API is off, or deletes whole series only.
        """
        found = len(self.series([matchers], start_ms, end_ms))
        whole = start_ms <= _FIRST_MS and end_ms >= _LAST_MS
        form = [] if whole else _span(start_ms, end_ms)
        path = "/api/v1/admin/tsdb/delete_series"
        with self._read.client() as http, _explained():
            if not whole and is_victoria(http):
                raise DeletionRefused(
                    "VictoriaMetrics deletes whole series only: delete without a time range"
                )
            try:
                http.send_form(path, [*form, *_matches([matchers])])
            except Refused as error:
                raise DeletionRefused(
                    f"the engine deletes nothing: {error} (Prometheus needs --web.enable-admin-api)"
                ) from error
        return found

    def settle_seconds(self) -> float:
        """After how long it shows for certain what it has acknowledged."""
        with self._read.client() as http, _explained():
            return 0.0 if self._way(http) is Way.REMOTE_READ else SETTLE_SECONDS

    def put_metadata(self, metadata: dict[str, MetricMetadata]) -> None:
        """Remembers what these metric names are."""
        self._metadata.put(metadata)

    def metadata(self) -> dict[str, MetricMetadata]:
        """What the engine knows of each metric name, and what came in through us."""
        return self._data("/api/v1/metadata", [], metric_metadata) | self._metadata.all()

    def ask(self, path: str, form: Sequence[tuple[str, str]], seconds: float) -> Any:
        """The whole JSON answer of the engine's API to this form, waited for so long.

        Raises `HttpError`.
        """
        with self._read.client() as http, http.patience(seconds):
            return http.post_form(path, form)

    def _data(
        self, path: str, form: Sequence[tuple[str, str]], read: Callable[[Any], Found]
    ) -> Found:
        with self._read.client() as http, _explained():
            # A POST carries selectors of any length; what has no parameters takes a GET only.
            return read(answer_data(http.post_form(path, form) if form else http.get_json(path)))

    def _way(self, http: HttpClient) -> Way:
        if self._known_way is None:
            self._known_way = find_way(http)
        return self._known_way


class _Sending:
    """One write on its way, and what of it the engine refused."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self._requests_left = MAX_REQUESTS_AN_APPEND
        self.refused: dict[Labels, str] = {}
        self.refused_samples = 0

    def send(self, batch: SampleBatch) -> None:
        """Sends it; where the engine refuses, its halves, down to the samples it means."""
        self._requests_left -= 1
        try:
            for request in write_requests(batch):
                self._http.request("POST", "", request, WRITE_HEADERS)
        except Refused as error:
            if error.status != 400:
                raise
            if len(batch.timestamps) > 1 and self._requests_left > 0:
                for half in _halves(batch):
                    self.send(half)
                return
            self.refused |= dict.fromkeys(batch.labels, str(error))
            self.refused_samples += len(batch.timestamps)


def _without(batch: SampleBatch, left_out: dict[int, str]) -> Iterator[Any]:
    return (part for i, part in enumerate(batch) if i not in left_out)


def _pieces(batch: SampleBatch, most: int) -> Iterator[SampleBatch]:
    """The batch in parts of at most that many samples, each one request."""
    if len(batch.timestamps) <= most:
        if len(batch.timestamps):
            yield batch
        return
    for half in _halves(batch):
        yield from _pieces(half, most)


def _halves(batch: SampleBatch) -> tuple[SampleBatch, SampleBatch]:
    """The batch in two: by series, or where there is only one by time."""
    parts = list(batch)
    if len(parts) > 1:
        middle = len(parts) // 2
        return SampleBatch.of(parts[:middle]), SampleBatch.of(parts[middle:])
    labels, times, values = parts[0]
    order = np.argsort(times, kind="stable")
    first, second = np.array_split(order, 2)
    return (
        SampleBatch.of([(labels, times[first], values[first])]),
        SampleBatch.of([(labels, times[second], values[second])]),
    )


def _bounded(start_ms: int, end_ms: int) -> tuple[int, int]:
    bound = partial(np.clip, a_min=_FIRST_MS, a_max=_LAST_MS)
    return int(bound(start_ms)), int(bound(end_ms))


def _span(start_ms: int, end_ms: int) -> list[tuple[str, str]]:
    start_ms, end_ms = _bounded(start_ms, end_ms)
    return [("start", seconds_text(start_ms)), ("end", seconds_text(end_ms))]


def _selecting(matchers: Matchers) -> Matchers:
    """The matchers with one that asks for a name, where none of them refuses the empty text.

    PromQL refuses a selector that every series could pass.
    """
    if any(not matcher.matches("") for matcher in matchers):
        return matchers
    return [*matchers, _NAMED]


def _matches(matchers: Sequence[Matchers]) -> list[tuple[str, str]]:
    return [("match[]", selector_text(_selecting(each))) for each in matchers]


@contextmanager
def _explained() -> Iterator[None]:
    """An engine that does not do as asked, in the words of this room."""
    try:
        yield
    except AnswerTooLarge as error:
        raise LimitExceeded(f"{error}: narrow the selection or its time range") from error
    except Refused as error:
        if error.status == 422:
            raise LimitExceeded(f"the engine refuses this selection: {error}") from error
        raise SamplesUnavailable(f"the samples engine refuses: {error}") from error
    except (HttpError, InvalidAnswer, InvalidReadResponse) as error:
        raise SamplesUnavailable(f"the samples engine: {error}") from error
