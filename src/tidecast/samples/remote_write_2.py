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

from tidecast.samples.protobuf import LENGTH, VARINT, BodyTooLarge, Walker
from tidecast.samples.protocol import MetricMetadata
from tidecast.samples.write_request import Collector, WriteRequest, metric_type
from tidecast_collector.labels import NAME

MAX_LABEL_BYTES = 256 << 20
"""Bytes of labels, written out, of one request: a symbol is short to refer to, however long."""
_MAX_REFS_BYTES = 1 << 16
_NAME = NAME.encode()


def decode_message_2(message: bytes) -> WriteRequest:
    """What an uncompressed 2.0 `Request` holds; raises `InvalidInput` with the byte's offset."""
    return _Decoder(message).request()


class _Decoder:
    def __init__(self, message: bytes) -> None:
        self._walker = Walker(message)
        self._found = Collector()
        self._symbols: list[bytes] = []
        self._places: list[int] = []
        self._label_fields: dict[tuple[int, int], bytes] = {}
        self._label_bytes = 0

    def request(self) -> WriteRequest:
        walker = self._walker
        series: list[tuple[int, int]] = []
        for number, wire_type, start, end in walker.fields(0, len(walker.data)):
            if number in (4, 5):
                walker.expect(wire_type, LENGTH, start, "symbols or timeseries")
            if number == 4:
                self._symbols.append(walker.data[start:end])
                self._places.append(start)
            elif number == 5:
                series.append((start, end))
        # Symbols may stand behind the series that refer to them.
        if self._symbols and self._symbols[0]:
            raise walker.refusal(self._places[0], "the first symbol is not empty")
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
        fields = [self._label_field(pair, refs_at) for pair in pairs]
        self._label_bytes += sum(map(len, fields))
        if self._label_bytes > MAX_LABEL_BYTES:
            raise BodyTooLarge(f"the labels have more than {MAX_LABEL_BYTES} bytes when spelt out")
        self._found.end_series(b"".join(fields), refs_at)
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
        if end - start > _MAX_REFS_BYTES:
            raise walker.refusal(start, f"more than {_MAX_REFS_BYTES} bytes of label references")
        packed = walker.data[start:end]
        if packed.isascii():
            return list(packed)
        refs, at = [], start
        while at < end:
            ref, at = walker.varint(at, end)
            refs.append(ref)
        return refs

    def _label_field(self, pair: tuple[int, int], at: int) -> bytes:
        """The label as version 1.0 spells it, which is how labels are remembered."""
        field = self._label_fields.get(pair)
        if field is None:
            content = b"".join(
                tag + _length(text) + text
                for tag, text in zip(
                    (b"\x0a", b"\x12"), (self._symbol(ref, at) for ref in pair), strict=True
                )
            )
            field = self._label_fields[pair] = b"\x0a" + _length(content) + content
        return field

    def _symbol(self, ref: int, at: int) -> bytes:
        if ref >= len(self._symbols):
            raise self._walker.refusal(
                at, f"symbol {ref} is referred to, there are {len(self._symbols)}"
            )
        return self._symbols[ref]

    def _text(self, ref: int, at: int) -> str:
        size = len(self._symbol(ref, at))
        place = self._places[ref]
        return self._walker.text(place, place + size)

    def _metadata(self, pairs: list[tuple[int, int]], start: int, end: int) -> None:
        walker = self._walker
        refs = {1: 0, 3: 0, 4: 0}
        for number, wire_type, body, following in walker.fields(start, end):
            if number in refs:
                walker.expect(wire_type, VARINT, body, "a metric's metadata")
                refs[number] = walker.varint(body, following)[0]
        names = [value for name, value in pairs if self._symbol(name, start) == _NAME]
        if any(refs.values()) and names:
            self._found.metadata[self._text(names[0], start)] = MetricMetadata(
                metric_type(refs[1]), self._text(refs[3], start), self._text(refs[4], start)
            )


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
