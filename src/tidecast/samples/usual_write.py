"""The quick way through a remote-write message in the form that nearly all have.

Usual is: nothing but series; in each its labels, then its samples; each sample a value and a
timestamp of six bytes, or (a value of zero is left out) the timestamp alone. Only lengths are
followed one by one; that they led to samples is then checked for all at once. Whatever is not
exactly so is left to the strict decoder.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tidecast.samples.batch import Int64s, SampleBatch
from tidecast_collector.labels import Labels

_VALUE_AND_TIME, _TIME = 16, 7
_TIME_BYTES = 6
_PADDING = 16


def decode_usual(message: bytes, labels_of: Callable[[bytes, int], Labels]) -> SampleBatch | None:
    """The samples of a message of the usual form, None for any other.

    `labels_of` is given the bytes of a series' labels and where they stand.
    """
    data = message + bytes(_PADDING)
    size = len(message)
    labels: list[Labels] = []
    counts: list[int] = []
    samples: list[int] = []
    at = 0
    while at < size:
        bounds = _series_bounds(data, at, size)
        if bounds is None:
            return None
        at, end = bounds
        labels_end = _labels_end(data, at, end)
        if labels_end >= end:
            return None
        chunk = message[at:labels_end]
        before = len(samples)
        start, at = at, labels_end
        while at < end:
            samples.append(at)
            at += data[at + 1] + 2
        if at != end:
            return None
        labels.append(labels_of(chunk, start))
        counts.append(len(samples) - before)
    offsets = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    return _gather(data, labels, offsets, np.array(samples, dtype=np.int64))


def _series_bounds(data: bytes, at: int, size: int) -> tuple[int, int] | None:
    """Where the content of the series at this place begins and ends."""
    if data[at] != 0x0A:
        return None
    length = data[at + 1]
    start = at + 2
    shift = 7
    if length >= 0x80:
        length &= 0x7F
        while data[start] >= 0x80 and shift < 21:
            length |= (data[start] & 0x7F) << shift
            start += 1
            shift += 7
        length |= data[start] << shift
        start += 1
    end = start + length
    return (start, end) if end <= size else None


def _labels_end(data: bytes, at: int, end: int) -> int:
    """Where the labels that begin here end; at or behind `end` where that cannot be told."""
    while at < end and data[at] == 0x0A:
        length = data[at + 1]
        if length < 0x80:
            at += length + 2
        elif data[at + 2] < 0x80:
            at += (length & 0x7F | data[at + 2] << 7) + 3
        else:
            return end
    return at


def _gather(
    data: bytes, labels: list[Labels], offsets: Int64s, samples: Int64s
) -> SampleBatch | None:
    """The batch of the samples that begin at these places, None unless all are of usual form."""
    octets = np.frombuffer(data, dtype=np.uint8)
    length = octets[samples + 1].astype(np.int64)
    valued = length == _VALUE_AND_TIME
    time_at = samples + length + 2 - _TIME_BYTES
    usual = (
        (octets[samples] == 0x12)
        & (valued | (length == _TIME))
        & np.where(valued, octets[samples + 2] == 0x09, True)
        & (octets[np.where(valued | (length == _TIME), time_at - 1, 0)] == 0x10)
    )
    if not usual.all():
        return None
    time = octets[time_at[:, None] + np.arange(_TIME_BYTES)].astype(np.int64)
    if (time[:, :-1] < 0x80).any() or (time[:, -1] >= 0x80).any():
        return None
    timestamps: Int64s = ((time & 0x7F) << (7 * np.arange(_TIME_BYTES))).sum(axis=1)
    bits: npt.NDArray[np.uint8] = octets[samples[:, None] + 3 + np.arange(8)]
    bits[~valued] = 0
    return SampleBatch(labels, offsets, timestamps, bits.view("<f8").reshape(-1))
