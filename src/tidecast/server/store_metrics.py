"""The health of the stores on /metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tidecast.samples.embedded import EmbeddedSamples

FAMILIES = {
    "head_series": ("tidecast_samples_head_series", "Series with samples not in segments yet."),
    "head_samples": ("tidecast_samples_head_samples", "Samples in memory and log alone."),
    "segments": ("tidecast_samples_segments", "Segment files."),
    "segment_samples": ("tidecast_samples_segment_samples", "Samples in segments."),
    "segment_bytes": ("tidecast_samples_segment_bytes", "Size of all segment files."),
    "tier_points": ("tidecast_samples_tier_points", "Points kept of samples, of all widths."),
    "tier_bytes": ("tidecast_samples_tier_bytes", "Size of all files with points."),
    "removed_bytes": (
        "tidecast_samples_removed_for_room_bytes",
        "Removed since the start because --max-disk was reached.",
    ),
    "set_aside": (
        "tidecast_samples_set_aside_segments",
        "Damaged segments taken out of service since the start; see tidecast verify-store.",
    ),
}
"""Metric name and help by the field of `StoreStats`."""


class StoreHealth(Collector):
    """What the embedded stores hold, and what of them is damaged, by store."""

    def __init__(self, stores: Mapping[str, EmbeddedSamples], max_disk_bytes: int) -> None:
        self._stores, self._max_disk_bytes = stores, max_disk_bytes

    def collect(self) -> Iterable[Metric]:
        """One gauge family for each figure."""
        stats = {name: store.stats() for name, store in self._stores.items()}
        for figure, (name, about) in FAMILIES.items():
            family = GaugeMetricFamily(name, about, labels=["store"])
            for store, now in stats.items():
                family.add_metric([store], float(getattr(now, figure)))
            yield family
        yield GaugeMetricFamily(
            "tidecast_samples_max_disk_bytes",
            "How much all samples may take, see --max-disk.",
            value=float(self._max_disk_bytes),
        )
        problems = GaugeMetricFamily(
            "tidecast_samples_problems",
            "Damage found since the start; the log names each.",
            labels=["store"],
        )
        for store, now in stats.items():
            problems.add_metric([store], float(len(now.problems)))
        yield problems
