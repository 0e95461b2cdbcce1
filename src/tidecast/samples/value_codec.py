"""Timestamps and values of many series as compact bytes, bit-exact both ways.

What can be told of all series at once is computed at once; only pcodec itself is called for each.
Nothing here checks for damage: whoever stores these bytes keeps a CRC beside them and checks it
before decoding, and knows how many samples there are.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from tidecast.samples.batch import Float64s, Int64s
from tidecast.samples.pages import (
    DECODED_AT_ONCE,
    MOST_ORDERS,
    PAGE_NUMBERS,
    TIME_LEVEL,
    decode_pages,
    decompressor,
    encode_pages,
    read_integers,
)

_CONSTANT, _DECIMAL, _EXCEPTIONS, _FLOATS, _BITS = range(5)
_COUNT = struct.Struct("<I")
_BITS_OF = struct.Struct("<Q")

_MAX_DECIMALS = 12
_POWERS = [10.0**decimals for decimals in range(_MAX_DECIMALS + 1)]
_AS_THEY_ARE = -1
_EXACT_INTEGER = float(2**53)
_PROBES = 8
_PROBES_EXACT = 6
_STRETCHES = 32
_MOMENT_BITS = 64
_ADDING_ERROR = 1e-13
_EXCEPTION_SHARE = 16
"""One value in so many may be stored apart (staleness markers, mostly) and decimals still pay."""

Bools = npt.NDArray[np.bool_]


def encode_timestamps(timestamps: Int64s) -> bytes:
    """The timestamps (int64, ascending, at least one) as bytes; each page's first stands apart."""
    firsts = timestamps[PAGE_NUMBERS::PAGE_NUMBERS].astype("<i8").tobytes()
    return firsts + encode_pages(np.ascontiguousarray(timestamps), level=TIME_LEVEL)


def decode_timestamps(data: bytes, count: int) -> Int64s:
    """What `encode_timestamps` was given, so many."""
    at = 8 * ((count - 1) // PAGE_NUMBERS)
    return decode_pages(data, at, count, slice(0, count), np.int64)


def decode_times_within(data: bytes, count: int, start_ms: int, end_ms: int) -> tuple[int, Int64s]:
    """The timestamps in [start, end], and how many are before them; no other page is decoded."""
    others = (count - 1) // PAGE_NUMBERS
    firsts = np.frombuffer(data, dtype="<i8", count=others)
    page = int(np.searchsorted(firsts, start_ms, side="right"))
    behind = int(np.searchsorted(firsts, end_ms, side="right")) + 1
    begin, end = page * PAGE_NUMBERS, min(behind * PAGE_NUMBERS, count)
    if begin >= end:
        return begin, np.empty(0, dtype=np.int64)
    times = decode_pages(data, 8 * others, count, slice(begin, end), np.int64)
    low, high = np.searchsorted(times, [start_ms, end_ms + 1]).tolist()
    return begin + low, times[low:high]


def encode_values(values: Float64s) -> bytes:
    """The values (float64, at least one) of one series as bytes; every bit of a NaN is kept."""
    return encode_many(values, np.array([0, len(values)], dtype=np.int64))[0]


def encode_many(values: Float64s, offsets: Int64s) -> list[bytes]:
    """The values of each series as bytes: series `i` owns `values[offsets[i]:offsets[i + 1]]`.

    Each has at least one. A leading byte names the form: one repeated value, decimals as integers
    (with a few exceptions stored apart), floats, or plain bits.
    """
    values = np.ascontiguousarray(values)
    blobs = [b""] * (len(offsets) - 1)
    if not blobs:
        return blobs
    bits, starts = values.view(np.uint64), offsets[:-1]
    changes = np.zeros(len(bits), dtype=np.bool_)
    np.not_equal(bits[1:], bits[:-1], out=changes[1:])
    changes[starts] = False
    varies = np.logical_or.reduceat(changes, starts)
    for i in np.flatnonzero(~varies).tolist():
        blobs[i] = bytes([_CONSTANT]) + bits[starts[i]].tobytes()
    some = _Some(np.flatnonzero(varies), values, offsets)
    decimals = _fewest_decimals(some)
    for i, blob in _encode_decimals(some, decimals):
        blobs[i] = blob
    for i in some.series.tolist():
        if not blobs[i]:
            blobs[i] = _encode_floats(values[offsets[i] : offsets[i + 1]])
    return blobs


def decode_values(data: bytes, count: int, wanted: slice | None = None) -> Float64s:
    """Of the `count` values that were encoded those of the slice (all, where there is none)."""
    form, wanted = data[0], wanted or slice(0, count)
    if form == _DECIMAL:
        whole = decode_pages(data, 2, count, wanted, np.int64)
        return whole / 10.0 ** data[1] if data[1] else whole.astype(np.float64)
    if form == _CONSTANT:
        bits = np.frombuffer(data, dtype="<u8", count=1, offset=1)
        return np.repeat(bits, wanted.stop - wanted.start).view(np.float64)
    if form == _FLOATS:
        return decode_pages(data, 1, count, wanted, np.float64)
    if form == _BITS:
        return decode_pages(data, 1, count, wanted, np.uint64).view(np.float64)
    return _decode_exceptions(data, count, wanted)


class Reading:
    """Values of many series on their way to where they are to stand one behind the other.

    Most are decimals of as many digits: their integers are decoded in place, and divided together.
    """

    def __init__(self, size: int) -> None:
        self._places: Int64s = np.empty(size, dtype=np.int64)
        self._bits = self._places.view(np.uint64)
        self._decimals: defaultdict[int, list[slice]] = defaultdict(list)

    def put(self, place: int, values: Float64s) -> None:
        """Values that need no decoding, from that place on."""
        self._finished(slice(place, place + len(values)))[:] = values.view(np.uint64)

    def read(
        self,
        data: bytes | mmap.mmap,
        stretches: Iterable[tuple[int, int, int, int, int, int, int]],
    ) -> bool:
        """Decodes parts of blobs of the data; returns False where one of them is damaged.

        Each stretch is (where the blob begins, its length and CRC, how many values it has, the
        first of these that is wanted, how many are, their first place). This runs for every series
        that is read.
        """
        integers, crc32 = self._places, zlib.crc32
        scratch = np.empty(PAGE_NUMBERS, dtype=np.int64)
        for begin, length, crc, count, low, wanted, place in stretches:
            blob = data[begin : begin + length]
            if crc32(blob) != crc:
                return False
            where = slice(place, place + wanted)
            if blob[0] != _DECIMAL or count > PAGE_NUMBERS:
                self._read_other(blob, count, low, where)
                continue
            body = blob[4:]
            chunk, at = decompressor(blob[2:4]).chunk_decompressor(body, "i64")
            if wanted == count:
                chunk.read_page_into(body[at:], count, integers[where])
            else:
                high = low + wanted
                # No more is decoded than is wanted, but for the rest of what goes in one step.
                found = scratch[: min(-(-high // DECODED_AT_ONCE) * DECODED_AT_ONCE, count)]
                chunk.read_page_into(body[at:], count, found)
                integers[where] = found[low:high]
            self._decimals[blob[1]].append(where)
        return True

    def _read_other(self, blob: bytes, count: int, low: int, where: slice) -> None:
        if blob[0] == _DECIMAL:
            read_integers(blob, 2, count, low, self._places[where])
            self._decimals[blob[1]].append(where)
        elif blob[0] == _CONSTANT:
            self._finished(where)[:] = _BITS_OF.unpack_from(blob, 1)[0]
        else:
            wanted = slice(low, low + where.stop - where.start)
            self.put(where.start, decode_values(blob, count, wanted))

    def values(self) -> Float64s:
        """All of them; every place has been filled by now."""
        kinds = self._decimals
        if kinds.keys() <= {_AS_THEY_ARE}:
            return self._bits.view(np.float64)
        usual = max(kinds, key=lambda kind: len(kinds[kind]))
        if usual == _AS_THEY_ARE:
            values = self._bits.view(np.float64).copy()
        else:
            values = self._places / _POWERS[usual]
        for kind, stretches in kinds.items():
            for where in stretches if kind != usual else ():
                if kind == _AS_THEY_ARE:
                    values.view(np.uint64)[where] = self._bits[where]
                else:
                    np.divide(self._places[where], _POWERS[kind], values[where])
        return values

    def _finished(self, where: slice) -> npt.NDArray[np.uint64]:
        self._decimals[_AS_THEY_ARE].append(where)
        return self._bits[where]


def _decode_exceptions(data: bytes, count: int, wanted: slice) -> Float64s:
    (exceptions,) = _COUNT.unpack_from(data, 2)
    at = 2 + _COUNT.size
    places = np.frombuffer(data, dtype="<u4", count=exceptions, offset=at).astype(np.int64)
    bits = np.frombuffer(data, dtype="<u8", count=exceptions, offset=at + 4 * exceptions)
    whole = decode_pages(data, at + 12 * exceptions, count, wanted, np.int64)
    values: Float64s = whole / 10.0 ** data[1]
    inside = (places >= wanted.start) & (places < wanted.stop)
    values.view(np.uint64)[places[inside] - wanted.start] = bits[inside]
    return values


class _Some:
    """Some series of a batch: their numbers in it, and their values one behind the other."""

    def __init__(self, series: Int64s, values: Float64s, offsets: Int64s) -> None:
        self.series = series
        counts = np.diff(offsets)
        if len(series) < len(counts):
            chosen = np.zeros(len(counts), dtype=np.bool_)
            chosen[series] = True
            values = values[np.repeat(chosen, counts)]
            counts = counts[series]
        self.values, self.counts = values, counts
        self.starts: Int64s = np.cumsum(counts) - counts

    def only(self, chosen: Bools) -> _Some:
        """Those of the series that are flagged."""
        if chosen.all():
            return self
        offsets = np.append(self.starts, len(self.values))
        found = _Some(np.flatnonzero(chosen), self.values, offsets)
        found.series = self.series[chosen]
        return found


def _encode_floats(values: Float64s) -> bytes:
    bits = values.view(np.uint64)
    coded = encode_pages(values)
    read = decode_pages(coded, 0, len(values), slice(0, len(values)), np.float64)
    if np.array_equal(read.view(np.uint64), bits):
        return bytes([_FLOATS]) + coded
    return bytes([_BITS]) + encode_pages(bits)


def _encode_decimals(some: _Some, decimals: Int64s) -> Iterator[tuple[int, bytes]]:
    """The series that are decimals but for few values, by number."""
    open_ = np.ones(len(decimals), dtype=np.bool_)
    for count in range(_MAX_DECIMALS + 1):
        due = np.flatnonzero(open_ & (decimals <= count))
        if not len(due):
            continue
        flags = np.zeros(len(open_), dtype=np.bool_)
        flags[due] = True
        these = some.only(flags)
        with np.errstate(over="ignore", invalid="ignore"):
            integers, exact = _as_integers(these.values, count)
        wrong = np.zeros(len(due), dtype=np.int64)
        if not exact.all():
            wrong = np.add.reduceat(~exact, these.starts, dtype=np.int64)
        taken = wrong * _EXCEPTION_SHARE <= these.counts
        open_[due[taken]] = False
        for i in np.flatnonzero(taken & (wrong > 0)).tolist():
            part = slice(int(these.starts[i]), int(these.starts[i] + these.counts[i]))
            integers[part] = _filled(integers[part], exact[part])
        yield from _coded(these, integers, exact, count, np.flatnonzero(taken), wrong)


def _filled(integers: Int64s, exact: Bools) -> Int64s:
    # An exception takes its left neighbour's integer: so it costs the integers nothing.
    source = np.maximum.accumulate(np.where(exact, np.arange(len(exact)), -1))
    source[source < 0] = np.argmax(exact)
    return integers[source]


def _coded(
    these: _Some, integers: Int64s, exact: Bools, decimals: int, taken: Int64s, wrong: Int64s
) -> Iterator[tuple[int, bytes]]:
    plain = bytes([_DECIMAL, decimals])
    orders = _orders(integers, these.starts, these.counts)
    ends = these.starts + these.counts
    for number, low, high, order, exceptions in zip(
        these.series[taken].tolist(),
        these.starts[taken].tolist(),
        ends[taken].tolist(),
        orders[taken].tolist(),
        wrong[taken].tolist(),
        strict=True,
    ):
        head = plain
        if exceptions:
            places = np.flatnonzero(~exact[low:high])
            bits = these.values[low:high].view(np.uint64)[places]
            head = bytes([_EXCEPTIONS, decimals]) + _COUNT.pack(exceptions)
            head += places.astype("<u4").tobytes() + bits.tobytes()
        yield number, head + encode_pages(integers[low:high], order)


def _orders(integers: Int64s, starts: Int64s, counts: Int64s) -> Int64s:
    """How often the differences of each series are to be taken, by what that leaves of some."""
    share = np.arange(_STRETCHES) / _STRETCHES
    places = (share * np.maximum(counts - MOST_ORDERS + 1, 1)[:, None]).astype(np.int64)
    places += starts[:, None]
    last = (starts + counts - 1)[:, None]
    one, two, three = (integers[np.minimum(places + i, last)] for i in range(MOST_ORDERS))
    costs = np.empty((MOST_ORDERS, len(starts)))
    for order, left in enumerate((three, three - two, three - 2 * two + one)):
        middle = np.partition(left, _STRETCHES // 2, axis=1)[:, _STRETCHES // 2]
        size = np.log2(np.abs((left - middle[:, None]).astype(np.float64)) + 1).mean(axis=1)
        pages = -(-counts // PAGE_NUMBERS)
        costs[order] = size * counts + order * _MOMENT_BITS * pages
    orders: Int64s = costs.argmin(axis=0)
    return np.minimum(orders, counts - 1)


def _fewest_decimals(some: _Some) -> Int64s:
    """How many decimals most of some of the values need; more than can be where none suffice."""
    share = np.arange(_PROBES) / _PROBES
    places = some.starts[:, None] + (share * some.counts[:, None]).astype(np.int64)
    probes = some.values[places] if len(places) else np.empty((0, _PROBES))
    needed = np.full(len(probes), _MAX_DECIMALS + 1, dtype=np.int64)
    left = np.arange(len(probes))
    with np.errstate(over="ignore", invalid="ignore"):
        for decimals in range(_MAX_DECIMALS + 1):
            _, exact = _as_integers(probes[left], decimals)
            enough = exact.sum(axis=1) >= _PROBES_EXACT
            needed[left[enough]] = decimals
            left = left[~enough]
            if not len(left):
                break
    return needed


def _as_integers(values: Float64s, decimals: int) -> tuple[Int64s, Bools]:
    """The values times 10^decimals as integers, and which of them come back with the same bits."""
    if not decimals:
        whole = values.astype(np.int64)
        return whole, whole.astype(np.float64).view(np.uint64) == values.view(np.uint64)
    factor = 10.0**decimals
    scaled = np.rint(values * factor)
    scaled[~(np.abs(scaled) < _EXACT_INTEGER)] = 0.0
    integers = scaled.astype(np.int64)
    exact: Bools = (integers / factor).view(np.uint64) == values.view(np.uint64)
    return integers, exact


def as_decimals(sums: Float64s, addends: Float64s) -> Float64s:
    """Sums of decimals without the rounding errors of adding them: they are decimals themselves.

    `addends` are some of the values that were added, to tell how many decimals they have.
    """
    offsets = np.array([0, len(addends)], dtype=np.int64)
    decimals = int(_fewest_decimals(_Some(np.zeros(1, dtype=np.int64), addends, offsets))[0])
    if decimals > _MAX_DECIMALS:
        return sums
    factor = 10.0**decimals
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = np.rint(sums * factor) / factor
        near = np.abs(rounded - sums) <= _ADDING_ERROR * np.abs(sums)
    found: Float64s = np.where(near, rounded, sums)
    return found
