"""Remote-write 2.0 messages as sample batches.

    Request { repeated string symbols = 4; repeated TimeSeries timeseries = 5; }
    TimeSeries { repeated uint32 labels_refs = 1; repeated Sample samples = 2;
                 repeated Histogram histograms = 3; repeated Exemplar exemplars = 4;
                 Metadata metadata = 5; }
    Sample { double value = 1; int64 timestamp = 2; }
    Metadata { enum type = 1; uint32 help_ref = 3; uint32 unit_ref = 4; }

References count into the symbols, of which the first is empty; labels are pairs of them. Start
timestamps are not kept.
"""

from __future__ import annotations

import numpy as np

from tidecast.samples.batch import Int64s, SampleBatch
from tidecast.samples.known_symbols import KnownSymbols
from tidecast.samples.protobuf import LENGTH, VARINT, BodyTooLarge, Walker
from tidecast.samples.protocol import MetricMetadata
from tidecast.samples.usual_write import sample_values
from tidecast.samples.usual_write_2 import MAX_REFS_BYTES, UsualSeries2, decode_usual_2
from tidecast.samples.write_request import KNOWN_LABELS, Collector, WriteRequest, metric_type
from tidecast_collector.errors import InvalidInput
from tidecast_collector.labels import NAME

MAX_LABEL_BYTES = 256 << 20
"""Bytes of labels, written out, of one request: a symbol is short to refer to, however long."""
_NAME = NAME.encode()
_KNOWN_SYMBOLS = KnownSymbols(KNOWN_LABELS)

Pairs = list[tuple[int, int]]
"""Labels as pairs of references."""


def decode_message_2(message: bytes) -> WriteRequest:
    """What an uncompressed 2.0 `Request` holds; raises `InvalidInput` with the byte's offset."""
    quick = decode_quickly_2(message)
    return decode_strictly_2(message) if quick is None else quick


def decode_quickly_2(message: bytes) -> WriteRequest | None:
    """The same of a message of the usual form, None for any other."""
    usual = decode_usual_2(message)
    if usual is None:
        return None
    symbols = _Symbols(Walker(message))
    symbols.texts, symbols.places = usual.symbols, usual.symbols_start
    refs, offsets = usual.refs, usual.ref_offsets

    def spelt(i: int) -> bytes:
        own = refs[offsets[i] : offsets[i + 1]].tolist()
        return symbols.label_fields(list(zip(own[::2], own[1::2], strict=True)), 0)

    try:
        labels = _KNOWN_SYMBOLS.of(usual.symbols, refs, offsets, spelt)
        metadata = _usual_metadata(message, usual, symbols)
    except InvalidInput:
        return None
    if metadata is None:
        return None
    samples = sample_values(message, usual.ends, usual.whole, len(labels))
    return WriteRequest(SampleBatch(labels, usual.offsets, *samples), metadata)


def _usual_metadata(
    message: bytes, usual: UsualSeries2, symbols: _Symbols
) -> dict[str, MetricMetadata] | None:
    """What the series say of their metrics; None where it is not clear of which."""
    told = np.flatnonzero(usual.metadata_end > usual.metadata_start)
    if not len(told):
        return {}
    names = _metric_names(usual)
    if names is None:
        return None
    starts, ends = usual.metadata_start[told].tolist(), usual.metadata_end[told].tolist()
    # Most series of a metric say the same: one of those that do is read.
    places = {
        (name, message[start:end]): (start, end)
        for name, start, end in zip(names[told].tolist(), starts, ends, strict=True)
    }
    found: dict[str, MetricMetadata] = {}
    for (name, _), (start, end) in sorted(places.items(), key=lambda item: item[1]):
        about = symbols.metadata(start, end)
        if about is not None:
            found[symbols.text(name, start)] = about
    return found


def _metric_names(usual: UsualSeries2) -> Int64s | None:
    """The symbol of each series' metric name; None unless each has one."""
    name_refs = [i for i, text in enumerate(usual.symbols) if text == _NAME]
    named = np.zeros(len(usual.symbols), dtype=np.bool_)
    named[name_refs] = True
    pairs = np.flatnonzero(named[usual.refs[0::2]])
    owners = np.searchsorted(usual.ref_offsets, 2 * pairs, side="right") - 1
    if not np.array_equal(owners, np.arange(len(usual.ref_offsets) - 1)):
        return None
    values: Int64s = usual.refs[1::2][pairs]
    return values


def decode_strictly_2(message: bytes) -> WriteRequest:
    """The same of a message of any form, with every byte looked at."""
    return _Decoder(message).request()


class _Symbols:
    """The symbols of a message, and what is made of references to them."""

    def __init__(self, walker: Walker) -> None:
        self._walker = walker
        self.texts: list[bytes] = []
        self.places: list[int] = []
        self._label_fields: dict[tuple[int, int], bytes] = {}
        self._label_bytes = 0

    def label_fields(self, pairs: Pairs, at: int) -> bytes:
        """The labels as version 1.0 spells them, which is how labels are remembered."""
        fields = [self._label_field(pair, at) for pair in pairs]
        self._label_bytes += sum(map(len, fields))
        if self._label_bytes > MAX_LABEL_BYTES:
            raise BodyTooLarge(f"the labels have more than {MAX_LABEL_BYTES} bytes when spelt out")
        return b"".join(fields)

    def _label_field(self, pair: tuple[int, int], at: int) -> bytes:
        field = self._label_fields.get(pair)
        if field is None:
            content = b"".join(
                tag + _length(text) + text
                for tag, text in zip(
                    (b"\x0a", b"\x12"), (self.symbol(ref, at) for ref in pair), strict=True
                )
            )
            field = self._label_fields[pair] = b"\x0a" + _length(content) + content
        return field

    def symbol(self, ref: int, at: int) -> bytes:
        """The symbol of this number; `at` is where it is referred to."""
        if ref >= len(self.texts):
            raise self._walker.refusal(
                at, f"symbol {ref} is referred to, there are {len(self.texts)}"
            )
        return self.texts[ref]

    def text(self, ref: int, at: int) -> str:
        """The same as text."""
        size = len(self.symbol(ref, at))
        place = self.places[ref]
        return self._walker.text(place, place + size)

    def metadata(self, start: int, end: int) -> MetricMetadata | None:
        """What is said there of a metric, None where it is nothing."""
        walker = self._walker
        refs = {1: 0, 3: 0, 4: 0}
        for number, wire_type, body, following in walker.fields(start, end):
            if number in refs:
                walker.expect(wire_type, VARINT, body, "a metric's metadata")
                refs[number] = walker.varint(body, following)[0]
        if not any(refs.values()):
            return None
        return MetricMetadata(
            metric_type(refs[1]), self.text(refs[3], start), self.text(refs[4], start)
        )


class _Decoder:
    def __init__(self, message: bytes) -> None:
        self._walker = Walker(message)
        self._found = Collector()
        self._symbols = _Symbols(self._walker)

    def request(self) -> WriteRequest:
        walker, symbols = self._walker, self._symbols
        series: list[tuple[int, int]] = []
        for number, wire_type, start, end in walker.fields(0, len(walker.data)):
            if number in (4, 5):
                walker.expect(wire_type, LENGTH, start, "symbols or timeseries")
            if number == 4:
                symbols.texts.append(walker.data[start:end])
                symbols.places.append(start)
            elif number == 5:
                series.append((start, end))
        # Symbols may stand behind the series that refer to them.
        if symbols.texts and symbols.texts[0]:
            raise walker.refusal(symbols.places[0], "the first symbol is not empty")
        for start, end in series:
            self._series(start, end)
        return self._found.request()

    def _series(self, start: int, end: int) -> None:
        walker = self._walker
        refs: list[int] = []
        refs_at = start
        metadata: list[tuple[int, int]] = []
        for number, wire_type, body, following in walker.fields(start, end):
            if number == 1:
                refs_at = refs_at if refs else body
                refs += self._refs(wire_type, body, following)
            elif number in (2, 3, 4, 5):
                walker.expect(wire_type, LENGTH, body, "a field of a series")
                if number == 5:
                    metadata.append((body, following))
                else:
                    self._point(number, body, following)
        if len(refs) % 2:
            raise walker.refusal(refs_at, "a label name without a value")
        pairs = list(zip(refs[::2], refs[1::2], strict=True))
        self._found.end_series(self._symbols.label_fields(pairs, refs_at), refs_at)
        for place in metadata:
            self._metadata(pairs, *place)

    def _point(self, number: int, start: int, end: int) -> None:
        """Takes a sample; counts a native histogram or an exemplar."""
        if number == 2:
            self._found.take_sample(self._walker.sample(start, end))
        elif number == 3:
            self._found.histograms += 1
        else:
            self._found.exemplars += 1

    def _refs(self, wire_type: int, start: int, end: int) -> list[int]:
        """References packed into one field, or (as a reader must also take them) one alone."""
        walker = self._walker
        if wire_type == VARINT:
            return [walker.varint(start, end)[0]]
        walker.expect(wire_type, LENGTH, start, "label references")
        if end - start > MAX_REFS_BYTES:
            raise walker.refusal(start, f"more than {MAX_REFS_BYTES} bytes of label references")
        packed = walker.data[start:end]
        if packed.isascii():
            return list(packed)
        refs, at = [], start
        while at < end:
            ref, at = walker.varint(at, end)
            refs.append(ref)
        return refs

    def _metadata(self, pairs: Pairs, start: int, end: int) -> None:
        about = self._symbols.metadata(start, end)
        names = [value for name, value in pairs if self._symbols.symbol(name, start) == _NAME]
        if about is not None and names:
            self._found.metadata[self._symbols.text(names[0], start)] = about


def _length(content: bytes) -> bytes:
    """The length of the content as a varint."""
    size = len(content)
    if size < 0x80:
        return bytes((size,))
    out = bytearray()
    while size >= 0x80:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    return bytes(out)
