"""What the server says of itself on /metrics, by prometheus-client."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

import tidecast_collector
from tidecast.journeys.ingest import IngestReport
from tidecast.journeys.own_series import HELP
from tidecast.samples.batch import SampleBatch
from tidecast.samples.write_request import WriteRequest
from tidecast_collector.errors import TidecastError
from tidecast_collector.labels import NAME

log = logging.getLogger(__name__)

TOLD = "tidecast_own_series_told"


class ServerMetrics:
    """The server's counters, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        build = Gauge(
            "tidecast_build_info",
            "The version that runs here; always 1.",
            ["version"],
            registry=self.registry,
        )
        build.labels(tidecast_collector.__version__).set(1)
        self._count_ingest()
        self._count_queries_and_tasks()

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"tidecast_{name}", meaning, labels, registry=self.registry)

    def _count_ingest(self) -> None:
        self._samples = self._counter("ingested_samples", "Samples kept by remote-write.")
        self._duplicates = self._counter(
            "ingest_duplicate_samples", "Samples that were here already."
        )
        self._rejected = self._counter("ingest_rejected_series", "Series refused by validation.")
        self._over_limit = self._counter(
            "ingest_series_over_limit",
            "New series refused because as many as may be were active.",
        )
        self._refused_writes = self._counter(
            "ingest_refused_writes",
            "Writes of which nothing or not all was kept, by the status they were answered.",
            "status",
        )
        self._own = self._counter("ingest_own_series_dropped", "Series of our own that came back.")
        skipped = self._counter("ingest_skipped", "Parts of a write that are not kept.", "kind")
        self._exemplars, self._histograms = skipped.labels("exemplar"), skipped.labels("histogram")

    def _count_queries_and_tasks(self) -> None:
        self._queries = self._counter(
            "queries",
            "Queries of the HTTP API by where they were answered, or refused for want of a turn.",
            "where",
        )
        self._task_failures = self._counter(
            "task_failures", "Background tasks that ended with an error.", "task"
        )
        self._task_seconds = self._counter(
            "task_seconds", "Time spent in background tasks.", "task"
        )

    def count_write(self, decoded: WriteRequest, report: IngestReport) -> None:
        """Counts one remote-write."""
        appended = report.appended
        for counted, amount in (
            (self._samples, appended.appended),
            (self._duplicates, appended.duplicates),
            (self._rejected, len(appended.rejected)),
            (self._over_limit, appended.over_limit),
            (self._own, report.own_series_dropped),
            (self._exemplars, decoded.exemplars),
            (self._histograms, decoded.histograms),
        ):
            if amount:
                counted.inc(amount)

    def count_refused_write(self, status: int) -> None:
        """Counts a remote-write that was answered so."""
        self._refused_writes.labels(str(status)).inc()

    def count_query(self, where: str) -> None:
        """Counts one query of the HTTP API: answered in the server, in the worker, or refused."""
        self._queries.labels(where).inc()

    def count_task(self, task: str, seconds: float, failed: bool) -> None:
        """Counts one run of a background task."""
        self._task_seconds.labels(task).inc(seconds)
        if failed:
            self._task_failures.labels(task).inc()

    def show(self, own_series: Callable[[], SampleBatch]) -> None:
        """Also exposes these series (forecasts, headroom, incidents) at each scrape."""
        self.registry.register(OwnSeries(own_series))


class OwnSeries(Collector):
    """Our own newest series as metric families."""

    def __init__(self, read: Callable[[], SampleBatch]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """One family for each name: a summary where quantiles are told, else a gauge.

        Where the records are away only that is told: the server's own health is needed then.
        """
        families: dict[str, Metric] = {}
        readable = True
        try:
            for labels, _, values in self._read():
                named = dict(labels)
                name = named.pop(NAME)
                kind = "summary" if "quantile" in named else "gauge"
                # A series that nobody has described is better than no metrics at all.
                family = families.setdefault(name, Metric(name, HELP.get(name, ""), kind))
                family.add_sample(name, named, float(values[-1]))
        except TidecastError as error:
            log.warning("/metrics lacks what the server knows: %s", error)
            families, readable = {}, False
        told = Metric(TOLD, "1 where the series below could be read, else 0.", "gauge")
        told.add_sample(TOLD, {}, float(readable))
        return [told, *families.values()]
