"""Immutable files with the samples of a stretch of time.

    magic "TCSEG" 0 0 3
    blobs of values, `fields` a series, in the order of (metric, labels)
    blobs of timestamps, one a column; series with the same timestamps share one
    index    label sets; for each series where its blobs begin, the `times` columns it uses, then
             length and CRC of each blob; place, length, CRC, count, first and last timestamp of
             each column: arrays that are used where they lie (compressed, where that pays)
    meta     JSON: `SegmentMeta`
    footer   index length u64, index CRC u32, meta length u32, meta CRC u32, CRC of these u32, magic

Every byte of the file is under a CRC or a magic. Raw samples have one field and one time; what
tiers have is in `points`.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from tidecast.samples.batch import Float64s, Int64s
from tidecast.samples.bounded_cache import BoundedCache
from tidecast.samples.codec import decompress
from tidecast.samples.durable import DamagedFile
from tidecast.samples.index import FixedIndex
from tidecast.samples.label_table import (
    LabelTable,
    aligned_sections,
    padding,
    read_array,
    read_label_table,
)
from tidecast.samples.merge import Run
from tidecast.samples.value_codec import (
    Reading,
    decode_times_within,
    decode_timestamps,
    decode_values,
)
from tidecast_collector.labels import NAME, Labels, label_value

MAGIC = b"TCSEG\x00\x00\x03"
FOOTER = struct.Struct("<QIII")
_FOOTER_SIZE = FOOTER.size + 4 + len(MAGIC)


@dataclass(frozen=True, slots=True)
class SegmentMeta:
    """What a segment is.

    `start_ms` (included) and `end_ms` (excluded) bound its window, `first_ms` and `last_ms` its
    samples. Where segments hold the same sample, the one of higher `priority` was written later.
    `deletions` is the number of the newest deletion already carried out in it; `replaces` names
    the files of which it is made. Each series has so many `fields` of values and `times` columns.
    Points of a tier have buckets of `width_ms`. A `packed` index is compressed.
    """

    start_ms: int
    end_ms: int
    priority: int
    first_ms: int = 0
    last_ms: int = 0
    samples: int = 0
    deletions: int = 0
    replaces: tuple[str, ...] = ()
    fields: int = 1
    times: int = 1
    width_ms: int = 0
    packed: bool = False

    @staticmethod
    def from_json(body: dict[str, Any]) -> SegmentMeta:
        """What `asdict` gave; fields that older files lack have their defaults."""
        return SegmentMeta(**(body | {"replaces": tuple(body["replaces"])}))

    def overlaps(self, start_ms: int, end_ms: int) -> bool:
        """Whether its first and last sample leave room for one in [start, end]."""
        return self.first_ms <= end_ms and self.last_ms >= start_ms


def series_order(labels: Labels) -> tuple[str, Labels]:
    """The key by which series stand in a segment: one metric is one stretch."""
    return label_value(labels, NAME), labels


def segment_name(start_ms: int, end_ms: int, number: int) -> str:
    """The name of a segment's file: its window can be told even when it is damaged."""
    return f"{start_ms}_{end_ms}_{number:012d}.seg"


def parse_segment_name(name: str) -> tuple[int, int, int]:
    """Start, end and number in a segment's file name; raises ValueError for any other."""
    start, end, number = name.split(".", 1)[0].split("_")
    return int(start), int(end), int(number)


@dataclass(frozen=True, slots=True)
class _Catalogue:
    """The index of a segment, whose arrays lie in the file itself.

    `begins` is where the blobs of each series begin; `column` is [times x series], `lengths` and
    `crcs` of these blobs are [fields x series]; `columns` are place, length, CRC, count, first and
    last timestamp of each column.
    """

    labels: LabelTable
    begins: npt.NDArray[np.uint64]
    column: npt.NDArray[np.uint32]
    lengths: npt.NDArray[np.uint32]
    crcs: npt.NDArray[np.uint32]
    columns: Int64s


_PLACE, _LENGTH, _CRC, _COUNT, _FIRST, _LAST = range(6)
_NO_VALUES: Float64s = np.empty(0, dtype=np.float64)
_numbers = count()
_HELD_TIMES_BYTES = 16 << 20
_LONGEST_HELD = 1 << 13
"""Of longer columns only what is asked for is decoded."""
_times: BoundedCache[tuple[int, int], Int64s] = BoundedCache(_HELD_TIMES_BYTES)
"""Columns by segment and number: all metrics of a host share them, so they are read again soon."""


class Segment:
    """A segment file, memory-mapped. Every reading raises `DamagedFile` where a CRC is wrong.

    Safe for several threads; the file may be removed while it is being read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = next(_numbers)
        """Tells it from all others that this process has opened."""
        with path.open("rb") as file:
            self.size_bytes = os.fstat(file.fileno()).st_size
            if self.size_bytes < len(MAGIC) + _FOOTER_SIZE:
                raise DamagedFile(path, f"too short ({self.size_bytes} bytes)")
            self._data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        footer = self._data[-_FOOTER_SIZE:]
        magic = self._data[: len(MAGIC)]
        if magic != MAGIC and magic[:-1] == MAGIC[:-1]:
            raise DamagedFile(path, f"of version {magic[-1]} of the format, which is not read here")
        if magic != MAGIC or footer[-len(MAGIC) :] != MAGIC:
            raise DamagedFile(path, "damaged magic")
        _check(path, "footer", footer[: FOOTER.size], struct.unpack_from("<I", footer, 20)[0])
        index_length, self._index_crc, meta_length, meta_crc = FOOTER.unpack_from(footer)
        meta_at = self.size_bytes - _FOOTER_SIZE - meta_length
        self._index = slice(meta_at - index_length, meta_at)
        about = self._data[meta_at : meta_at + meta_length]
        _check(path, "meta", about, meta_crc)
        self.meta = SegmentMeta.from_json(json.loads(about))

    def __reduce__(self) -> tuple[Callable[[Path], Segment], tuple[Path]]:
        return opened, (self.path,)

    @cached_property
    def _catalogue(self) -> _Catalogue:
        raw = memoryview(self._data)[self._index]
        _check(self.path, "index", raw, self._index_crc)
        if self.meta.packed:
            raw = memoryview(decompress(bytes(raw)))
        labels, begins, series, columns = aligned_sections(raw)
        times, fields = self.meta.times, self.meta.fields
        table = read_array(series, "<u4").reshape(times + 2 * fields, -1)
        places = read_array(columns, "<i8").reshape(6, -1)
        end = int(places[_PLACE, -1] + places[_LENGTH, -1])
        if self._data[end : self._index.start] != padding(end):
            raise DamagedFile(self.path, "the blobs do not fill the file")
        return _Catalogue(
            read_label_table(labels),
            read_array(begins, "<u8"),
            table[:times],
            table[times::2],
            table[times + 1 :: 2],
            places,
        )

    @cached_property
    def index(self) -> FixedIndex:
        """The label index of the segment's series."""
        return FixedIndex(self._catalogue.labels)

    def __len__(self) -> int:
        return len(self._catalogue.labels)

    @cached_property
    def _longest(self) -> int:
        return int(self._catalogue.columns[_COUNT].max(initial=0))

    def most_samples(self, series: Int64s) -> int:
        """So many samples the series have together at most."""
        return len(series) * self._longest

    def least_samples(self, series: Int64s, start_ms: int, end_ms: int) -> int:
        """So many samples the series have together in [start, end] at least."""
        columns = self._catalogue.columns[:, self._catalogue.column[0, series]]
        whole = (columns[_FIRST] >= start_ms) & (columns[_LAST] <= end_ms)
        return int(columns[_COUNT, whole].sum())

    def labels(self, series: Int64s) -> list[Labels]:
        """The labels of the series of these numbers."""
        return self._catalogue.labels.labels(series)

    def texts(self, series: Int64s, name: str | None) -> set[str]:
        """The label names among these series, or (of a name) the values of that label."""
        return self._catalogue.labels.texts(series, name)

    def overlapping(self, series: Int64s, start_ms: int, end_ms: int) -> Int64s:
        """Those of the series whose first and last sample leave room for one in [start, end]."""
        return series[self.overlap(series, start_ms, end_ms)]

    def overlap(self, series: Int64s, start_ms: int, end_ms: int) -> npt.NDArray[np.bool_]:
        """Which of the series that are."""
        catalogue = self._catalogue
        first_ms = catalogue.columns[_FIRST, catalogue.column[0, series]]
        last_ms = catalogue.columns[_LAST, catalogue.column[-1, series]]
        touched: npt.NDArray[np.bool_] = (first_ms <= end_ms) & (last_ms >= start_ms)
        return touched

    def span(self, series: int) -> tuple[int, int]:
        """The times of the first and the last sample of the series."""
        used = self._catalogue.column[:, series].tolist()
        columns = self._catalogue.columns
        return int(columns[_FIRST, used[0]]), int(columns[_LAST, used[-1]])

    def column(self, series: int, time: int = 0) -> int:
        """The number of the timestamp column that the series uses for that time of its points."""
        return int(self._catalogue.column[time, series])

    def columns(self, series: Int64s) -> Int64s:
        """The numbers of the timestamp columns of these series."""
        used: Int64s = self._catalogue.column[0, series].astype(np.int64)
        return used

    def timestamps(self, column: int) -> Int64s:
        """The timestamps of a column."""
        blob, count = self._times_blob(column)
        return decode_timestamps(blob, count)

    def times_within(self, columns: Int64s, start_ms: int, end_ms: int) -> list[tuple[int, Int64s]]:
        """The timestamps of each column in [start, end], and how many are before them."""
        firsts, lasts = self._catalogue.columns[_FIRST : _LAST + 1, columns]
        whole = (firsts >= start_ms) & (lasts <= end_ms)
        found = []
        for column, is_whole in zip(columns.tolist(), whole.tolist(), strict=True):
            times = self._held_times(column)
            if times is None:
                blob, count = self._times_blob(column)
                found.append(decode_times_within(blob, count, start_ms, end_ms))
            elif is_whole:
                found.append((0, times))
            else:
                low, high = times.searchsorted((start_ms, end_ms + 1)).tolist()
                found.append((low, times[low:high]))
        return found

    def _held_times(self, column: int) -> Int64s | None:
        """All timestamps of a column that is not long; None for any other."""
        times = _times.get((self.number, column))
        if times is None and self._catalogue.columns[_COUNT, column] <= _LONGEST_HELD:
            times = self.timestamps(column)
            _times.put((self.number, column), times, times.nbytes)
        return times

    def _times_blob(self, column: int) -> tuple[bytes, int]:
        place, length, crc, count = self._catalogue.columns[:_FIRST, column].tolist()
        blob = self._data[place : place + length]
        _check(self.path, "timestamps", blob, crc)
        return blob, count

    def run(self, series: int) -> Run:
        """The samples of a series."""
        return self.timestamps(self.column(series)), self.values(series)

    def count(self, series: int) -> int:
        """How many samples (or points) the series has."""
        return int(self._catalogue.columns[_COUNT, self._catalogue.column[0, series]])

    def values(self, series: int, wanted: slice | None = None, field: int = 0) -> Float64s:
        """The values of a field of a series beside the timestamps of its column, or some of them.

        None at all where the series has nothing for the field.
        """
        blob = self.blob(series, field)
        return decode_values(blob, self.count(series), wanted) if blob else _NO_VALUES

    def read_values(
        self, series: Int64s, lows: Int64s, counts: Int64s, into: Reading, places: Int64s
    ) -> None:
        """Puts so many values of each series, from the low on, into these places."""
        catalogue = self._catalogue
        columns = catalogue.column[0, series]
        stretches = zip(
            catalogue.begins[series].tolist(),
            catalogue.lengths[0, series].tolist(),
            catalogue.crcs[0, series].tolist(),
            catalogue.columns[_COUNT, columns].tolist(),
            lows.tolist(),
            counts.tolist(),
            places.tolist(),
            strict=True,
        )
        if not into.read(self._data, stretches):
            raise DamagedFile(self.path, "damaged values")

    def blob(self, series: int, field: int = 0) -> bytes:
        """The encoded values of one field of a series."""
        catalogue = self._catalogue
        lengths = catalogue.lengths[: field + 1, series].tolist()
        low = int(catalogue.begins[series]) + sum(lengths[:field])
        blob = self._data[low : low + lengths[field]]
        _check(self.path, "values", blob, int(catalogue.crcs[field, series]))
        return blob


_opened: WeakValueDictionary[Path, Segment] = WeakValueDictionary()


def opened(path: Path) -> Segment:
    """The segment of this file, the same again as long as anybody holds it."""
    segment = _opened.get(path)
    if segment is None:
        segment = _opened[path] = Segment(path)
    return segment


def order_of(segments: Sequence[Segment]) -> list[Segment]:
    """The segments from the oldest write to the newest."""
    return sorted(segments, key=lambda segment: (segment.meta.priority, segment.path.name))


def _check(path: Path, what: str, data: bytes | memoryview, crc: int) -> None:
    if zlib.crc32(data) != crc:
        raise DamagedFile(path, f"damaged {what}")
