"""What of a batch is taken: series that keep the rules, samples young enough."""

from __future__ import annotations

import numpy as np

from tidecast.samples.batch import SampleBatch
from tidecast.samples.catalogue import PerSeries, flagged_samples, part_of
from tidecast.samples.protocol import RejectedSeries
from tidecast.samples.validation import MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS, why_refused
from tidecast_collector.errors import InvalidInput

MAX_BATCH_SAMPLES = 8_000_000


def admit(
    batch: SampleBatch, refused: PerSeries, oldest_ms: int
) -> tuple[SampleBatch, tuple[RejectedSeries, ...]]:
    """The part of the batch to write, and the series left out with the reason.

    `refused` says (1 or 0) for which labels `why_refused` has a reason. Of a series that reaches
    back behind `oldest_ms` the younger samples are taken. Raises `InvalidInput` for a batch too
    large to be one write.
    """
    if len(batch.timestamps) > MAX_BATCH_SAMPLES:
        raise InvalidInput(
            f"a batch of {len(batch.timestamps)} samples: write at most {MAX_BATCH_SAMPLES} at once"
        )
    bad = refused.of(batch.labels).nonzero()[0]
    first = int(batch.timestamps.min(initial=MAX_TIMESTAMP_MS))
    last = int(batch.timestamps.max(initial=MIN_TIMESTAMP_MS))
    if not len(bad) and first >= max(oldest_ms, MIN_TIMESTAMP_MS) and last <= MAX_TIMESTAMP_MS:
        return batch, ()
    keep = batch.timestamps >= oldest_ms
    strange = (batch.timestamps < MIN_TIMESTAMP_MS) | (batch.timestamps > MAX_TIMESTAMP_MS)
    reasons = {i: why_refused(batch.labels[i]) or "" for i in bad.tolist()}
    total = np.diff(batch.offsets)
    _note(reasons, flagged_samples(batch, strange) > 0, "a timestamp outside the years 1 to 9999")
    kept = flagged_samples(batch, keep)
    _note(
        reasons, (kept == 0) & (total > 0), "all its samples are older than the out-of-order window"
    )
    taken = np.ones(len(batch), dtype=np.bool_)
    taken[list(reasons)] = False
    return part_of(batch, taken, keep), tuple(
        RejectedSeries(batch.labels[i], reasons[i]) for i in sorted(reasons)
    )


def _note(reasons: dict[int, str], which: np.ndarray, reason: str) -> None:
    for i in np.flatnonzero(which).tolist():
        reasons.setdefault(i, reason)
