"""Writing segment files; what stands in them is told in `segment`."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tidecast.samples.batch import Float64s, Int64s, SampleBatch
from tidecast.samples.codec import compress
from tidecast.samples.durable import sync_directory
from tidecast.samples.label_table import align_sections, encode_label_table, padding
from tidecast.samples.segment import FOOTER, MAGIC, SegmentMeta
from tidecast.samples.value_codec import encode_many, encode_timestamps
from tidecast_collector.labels import Labels

_PACKED_SHARE = 25
"""An index that is more than this part of the blobs, as in short windows, is compressed."""
_MOST_PACKED_BYTES = 4 << 20
"""Unpacked it takes memory."""


class SegmentWriter:
    """Writes one segment, series after series in `series_order`; a context manager.

    The file appears under its name, durably, with `finish`; left without it, nothing remains.
    """

    def __init__(self, path: Path, fields: int = 1, times: int = 1) -> None:
        self._path = path
        self._shape = fields, times
        self._temporary = path.with_name(path.name + ".tmp")
        self._file: BinaryIO = self._temporary.open("wb")
        self._file.write(MAGIC)
        self._at = len(MAGIC)
        self._begins: list[int] = []
        self._labels: list[Labels] = []
        self._series: list[list[int]] = []
        self._column_of: dict[bytes, int] = {}
        self._column_blobs: list[bytes] = []
        self._columns: list[tuple[int, int, int, int, int]] = []
        self.samples = 0

    def __enter__(self) -> SegmentWriter:
        return self

    def __exit__(self, *failure: object) -> None:
        try:
            self._file.close()
        finally:
            self._temporary.unlink(missing_ok=True)

    def add_batch(self, batch: SampleBatch) -> None:
        """Adds series with their samples, each at least one, ascending."""
        self.add_values(batch.labels, self._columns_of(batch), batch.values, batch.offsets)

    def add_values(
        self, labels: Sequence[Labels], columns: Sequence[int], values: Float64s, offsets: Int64s
    ) -> None:
        """Adds series with the numbers of their columns; each has its values by the offsets."""
        for own, column, blob in zip(labels, columns, encode_many(values, offsets), strict=True):
            self.add_blobs(own, [column], [blob])

    def add_blobs(self, labels: Labels, columns: Sequence[int], blobs: Sequence[bytes]) -> None:
        """Adds a series of so many times and encoded fields as the segment is made for."""
        self._labels.append(labels)
        row = list(columns)
        for blob in blobs:
            row += (len(blob), zlib.crc32(blob))
        self._series.append(row)
        self._begins.append(self._at)
        for blob in blobs:
            self._write(blob)
        self.samples += self._columns[columns[0]][2]

    def column(self, timestamps: Int64s) -> int:
        """The number of the column with these timestamps, which is written once."""
        # The digest stands for the column, so that long windows need not be kept in memory.
        key = hashlib.blake2b(timestamps.tobytes(), digest_size=16).digest()
        number = self._column_of.get(key)
        if number is None:
            number = self._column_of[key] = len(self._columns)
            blob = encode_timestamps(timestamps)
            self._column_blobs.append(blob)
            first, last = int(timestamps[0]), int(timestamps[-1])
            self._columns.append((len(blob), zlib.crc32(blob), len(timestamps), first, last))
        return number

    def _columns_of(self, batch: SampleBatch) -> list[int]:
        """The column of each series; a look at few of its times finds one to compare it with."""
        times, offsets = batch.timestamps, batch.offsets
        lows, highs = offsets[:-1], offsets[1:]
        raw = np.ascontiguousarray(times).tobytes()
        known: dict[tuple[int, int, int, int], tuple[bytes, int]] = {}
        columns = []
        for low, high, first, middle, last in zip(
            lows.tolist(),
            highs.tolist(),
            times[lows].tolist(),
            times[(lows + highs) // 2].tolist(),
            times[highs - 1].tolist(),
            strict=True,
        ):
            look, own = (high - low, first, middle, last), raw[8 * low : 8 * high]
            found = known.get(look)
            if found is None or found[0] != own:
                found = known[look] = own, self.column(times[low:high])
            columns.append(found[1])
        return columns

    def finish(self, meta: SegmentMeta) -> None:
        """Makes the file whole and durable; its first and last times and count are filled in."""
        begins = []
        for blob in self._column_blobs:
            begins.append(self._at)
            self._write(blob)
        columns = np.column_stack([begins, self._columns]).astype("<i8")
        filled = asdict(meta) | {
            "first_ms": int(columns[:, 4].min()),
            "last_ms": int(columns[:, 5].max()),
            "samples": self.samples,
            "fields": self._shape[0],
            "times": self._shape[1],
        }
        series = np.array(self._series, dtype="<u4")
        index = align_sections(
            [
                encode_label_table(self._labels),
                np.array(self._begins, dtype="<u8").tobytes(),
                np.ascontiguousarray(series.T).tobytes(),
                np.ascontiguousarray(columns.T).tobytes(),
            ]
        )
        if len(index) <= _MOST_PACKED_BYTES and len(index) * _PACKED_SHARE > self._at:
            index, filled["packed"] = compress(index), True
        self._write(padding(self._at))
        about = json.dumps(filled, separators=(",", ":")).encode()
        footer = FOOTER.pack(len(index), zlib.crc32(index), len(about), zlib.crc32(about))
        self._file.write(index + about + footer + struct.pack("<I", zlib.crc32(footer)) + MAGIC)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.replace(self._path)
        sync_directory(self._path.parent)

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._at += len(data)
