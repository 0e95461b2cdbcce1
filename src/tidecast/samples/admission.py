"""What of a batch is taken: series that keep the rules, samples young enough."""

from __future__ import annotations

import numpy as np

from tidecast.samples.batch import Int64s, SampleBatch
from tidecast.samples.head import Head
from tidecast.samples.protocol import RejectedSeries
from tidecast.samples.validation import MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS, why_refused
from tidecast_collector.errors import InvalidInput

MAX_BATCH_SAMPLES = 8_000_000


def admit(
    batch: SampleBatch, known: Head, oldest_ms: int
) -> tuple[SampleBatch, tuple[RejectedSeries, ...]]:
    """The part of the batch to write, and the series left out with the reason.

    A series in `known` has passed before. Of a series that reaches back behind `oldest_ms` the
    younger samples are taken. Raises `InvalidInput` for a batch too large to be one write.
    """
    if len(batch.timestamps) > MAX_BATCH_SAMPLES:
        raise InvalidInput(
            f"a batch of {len(batch.timestamps)} samples: write at most {MAX_BATCH_SAMPLES} at once"
        )
    reasons: dict[int, str] = {}
    for i, labels in enumerate(batch.labels):
        reason = None if labels in known else why_refused(labels)
        if reason:
            reasons[i] = reason
    keep = batch.timestamps >= oldest_ms
    strange = (batch.timestamps < MIN_TIMESTAMP_MS) | (batch.timestamps > MAX_TIMESTAMP_MS)
    if keep.all() and not strange.any() and not reasons:
        return batch, ()
    total = np.diff(batch.offsets)
    _note(
        reasons, _per_series(strange, batch.offsets) > 0, "a timestamp outside the years 1 to 9999"
    )
    kept = _per_series(keep, batch.offsets)
    _note(
        reasons, (kept == 0) & (total > 0), "all its samples are older than the out-of-order window"
    )
    return _without(batch, reasons, keep), tuple(
        RejectedSeries(batch.labels[i], reasons[i]) for i in sorted(reasons)
    )


def _note(reasons: dict[int, str], which: np.ndarray, reason: str) -> None:
    for i in np.flatnonzero(which).tolist():
        reasons.setdefault(i, reason)


def _per_series(flags: np.ndarray, offsets: Int64s) -> Int64s:
    """How many samples of each series are flagged."""
    running = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(flags, dtype=np.int64)])
    counts: Int64s = np.diff(running[offsets])
    return counts


def _without(batch: SampleBatch, rejected: dict[int, str], keep: np.ndarray) -> SampleBatch:
    series = np.ones(len(batch), dtype=np.bool_)
    series[list(rejected)] = False
    keep = keep & np.repeat(series, np.diff(batch.offsets))
    counts = _per_series(keep, batch.offsets)[series]
    return SampleBatch(
        [labels for i, labels in enumerate(batch.labels) if i not in rejected],
        np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)]),
        batch.timestamps[keep],
        batch.values[keep],
    )
