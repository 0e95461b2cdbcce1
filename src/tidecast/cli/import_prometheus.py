"""`tidecast import prometheus`: raw samples out of a Prometheus-compatible server."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import click

from tidecast.cli.client import TidecastServer, server_options
from tidecast.cli.send_history import ImportProgress
from tidecast.http_client import HttpClient, Refused, read_token
from tidecast.journeys.imports.csv_rows import parse_timestamp_ms
from tidecast.journeys.imports.prometheus import DAY_MS, Chunk, plan_chunks
from tidecast.journeys.imports.selector import parse_selector
from tidecast.samples.batch import SampleBatch
from tidecast.samples.matchers import Matcher, Matchers, MatchOp
from tidecast.samples.prometheus_answers import answer_data, seconds_text, selector_text
from tidecast.samples.raw_reading import find_way, read_raw
from tidecast.samples.remote_read import ReadSamples
from tidecast.samples.routed import is_own
from tidecast.samples.write_requests import WRITE_HEADERS, write_requests
from tidecast_collector.labels import NAME

EVERYTHING: Matchers = [Matcher(NAME, MatchOp.NOT_EQUAL, "")]

Fetch: TypeAlias = Callable[[Chunk], ReadSamples]


@dataclass(slots=True)
class ImportedSamples:
    """What an import from Prometheus did."""

    samples: int = 0
    series: set[int] = field(default_factory=set)
    histograms: int = 0
    ours: int = 0
    chunks: int = 0
    chunks_there: int = 0
    refused: list[str] = field(default_factory=list)
    """What the server said where it refused samples for good; it kept the rest."""

    def add(self, read: ReadSamples) -> None:
        """Counts what one chunk brought."""
        self.samples += len(read.batch.timestamps)
        self.series.update(map(hash, read.batch.labels))
        self.histograms += read.histograms


class PrometheusSource:
    """A server that answers as Prometheus does, and the series of it that are wanted."""

    def __init__(self, http: HttpClient, selectors: Sequence[Matchers]) -> None:
        self._http = http
        self._selectors = selectors
        self.ours = 0

    def series_counts(self, start_ms: int, end_ms: int) -> dict[str, int]:
        """How many series each wanted metric has in that time; our own are counted apart."""
        span = [("start", seconds_text(start_ms)), ("end", seconds_text(end_ms))]
        matches = [("match[]", selector_text(each)) for each in self._selectors]
        answer = self._http.get_json("/api/v1/label/__name__/values", [*span, *matches])
        counts: dict[str, int] = {}
        for name in answer_data(answer):
            chunk = Chunk((name,), start_ms, end_ms)
            narrowed = [
                ("match[]", selector_text(chunk.matchers(each))) for each in self._selectors
            ]
            found = len(answer_data(self._http.post_form("/api/v1/series", [*span, *narrowed])))
            if is_own(name):
                self.ours += found
            else:
                counts[name] = found
        return counts

    def fetcher(self) -> Fetch:
        """What reads a chunk, in the way this server offers."""
        way = find_way(self._http)

        def fetch(chunk: Chunk) -> ReadSamples:
            selectors = [chunk.matchers(each) for each in self._selectors]
            return read_raw(self._http, way, selectors, chunk.start_ms, chunk.end_ms)

        return fetch


def import_samples(
    server: TidecastServer, http: HttpClient, selectors: Sequence[Matchers], span: tuple[int, int]
) -> ImportedSamples:
    """Copies all raw samples in that span, a chunk at a time, into our server."""
    source = PrometheusSource(http, selectors)
    chunks = list(plan_chunks(source.series_counts(*span), *span))
    result = ImportedSamples(ours=source.ours, chunks=len(chunks))
    fetch = source.fetcher()
    key = " ".join(["prometheus", http.url, *sorted(map(selector_text, selectors))])
    progress = ImportProgress(server, key, f"prometheus:{http.url}")
    with click.progressbar(chunks, label=f"importing {http.url}") as bar:
        for chunk in bar:
            if progress.is_done(chunk.id):
                result.chunks_there += 1
                continue
            read = fetch(chunk)
            refused = _write(server, read.batch)
            result.refused += refused
            if not refused:
                progress.mark_done(chunk.id)
            result.add(read)
    return result


def _write(server: TidecastServer, batch: SampleBatch) -> list[str]:
    """Writes the batch; returns what the server said of samples that it will never take."""
    refused = []
    for request in write_requests(batch):
        try:
            server.request("POST", "/api/v1/write", request, WRITE_HEADERS)
        except Refused as error:
            # By remote-write, 400 is final for the samples it names: the others are to follow.
            if error.status != 400:
                raise
            refused.append(str(error))
    return refused


@click.command(name="prometheus")
@click.argument("url")
@click.option("--days", type=click.FloatRange(0, 36500, min_open=True), help="How far back.  [30]")
@click.option("--start", help="From when, ISO 8601 or epoch seconds; instead of --days.")
@click.option("--end", help="Until when.  [default: now]")
@click.option("--match", "matches", multiple=True, help="Only these series; may be repeated.")
@click.option(
    "--source-token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file with the bearer token for URL.",
)
@server_options
def import_prometheus(
    server: TidecastServer,
    url: str,
    days: float | None,
    start: str | None,
    end: str | None,
    matches: tuple[str, ...],
    source_token_file: Path | None,
) -> None:
    """Bring in raw samples from a Prometheus, VictoriaMetrics or the like.

    They are read by remote-read (staleness markers included) or, where that is missing, by range
    selectors. The metrics that a Tidecast server writes itself are left out.

    \b
    Examples:
      tidecast import prometheus http://prometheus:9090 --days 90
      tidecast import prometheus http://prometheus:9090 --match '{job="node"}'
    """
    span = _span(days, start, end, time.time_ns() // 1_000_000)
    selectors: list[Matchers] = [parse_selector(each) for each in matches]
    with HttpClient(url, read_token(source_token_file, None)) as http:
        result = import_samples(server, http, selectors or [EVERYTHING], span)
    click.echo(summary(result, span))
    if result.refused:
        raise click.ClickException(
            f"{len(result.refused)} requests were refused in part; the first: {result.refused[0]}"
        )


def _span(days: float | None, start: str | None, end: str | None, now_ms: int) -> tuple[int, int]:
    if days is not None and start is not None:
        raise click.UsageError("--days and --start exclude each other")
    try:
        end_ms = now_ms if end is None else parse_timestamp_ms(end)
        start_ms = (
            end_ms - round((days or 30) * DAY_MS) if start is None else parse_timestamp_ms(start)
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if start_ms > end_ms:
        raise click.UsageError("--start lies behind --end")
    return max(start_ms, 0), end_ms


def summary(result: ImportedSamples, span: tuple[int, int]) -> str:
    """One line that says what was imported, what was left out and why."""
    remarks = []
    if result.ours:
        remarks.append(f"{result.ours:,} tidecast_* series left out: the server writes its own")
    if result.histograms:
        remarks.append(f"{result.histograms:,} native histograms left out")
    if result.chunks_there:
        remarks.append(f"{result.chunks_there} of {result.chunks} parts were there from before")
    days = (span[1] - span[0]) / DAY_MS
    series = f"{len(result.series):,} series"
    verb = "sent" if result.refused else "imported"
    line = f"{verb} {_rounded(result.samples)} samples of {series}, {days:.3g} days"
    return "; ".join([line, *remarks])


def _rounded(count: int) -> str:
    return f"{count / 1e6:.1f} M" if count >= 1_000_000 else f"{count:,}"
