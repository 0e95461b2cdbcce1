"""Prometheus remote-write bodies as sample batches: version 1.0, and the door to both.

A body is compressed and holds, in version 1.0, the protobuf message `WriteRequest`:

    WriteRequest { repeated TimeSeries timeseries = 1; repeated MetricMetadata metadata = 3; }
    TimeSeries { repeated Label labels = 1; repeated Sample samples = 2;
                 repeated Exemplar exemplars = 3; repeated Histogram histograms = 4; }
    Label { string name = 1; string value = 2; }
    Sample { double value = 1; int64 timestamp = 2; }
    MetricMetadata { enum type = 1; string metric_family_name = 2;
                     string help = 4; string unit = 5; }
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tidecast.samples.batch import SampleBatch
from tidecast.samples.compression import UNPACK
from tidecast.samples.predicted_write import Predictor
from tidecast.samples.protobuf import LENGTH, VARINT, BodyTooLarge, Walker
from tidecast.samples.protocol import MetricMetadata
from tidecast.samples.remote_write_2 import decode_message_2
from tidecast.samples.usual_write import decode_usual, sample_values
from tidecast.samples.write_request import KNOWN_LABELS, Collector, WriteRequest, metric_type
from tidecast_collector.errors import InvalidInput

__all__ = ["BodyTooLarge", "WriteRequest", "decode_body", "decode_message", "decode_strictly"]

MAX_DECODED_BYTES = 32 << 20
VERSION_1, VERSION_2 = "prometheus.WriteRequest", "io.prometheus.write.v2.Request"
"""The messages, as the `proto` parameter of a Content-Type names them."""
_PREDICTOR = Predictor(KNOWN_LABELS.of)


def decode_body(
    body: bytes,
    max_bytes: int = MAX_DECODED_BYTES,
    *,
    encoding: str = "snappy",
    proto: str = VERSION_1,
) -> WriteRequest:
    """What a compressed body (snappy or zstd) of this message holds.

    Raises `BodyTooLarge` before unpacking more than `max_bytes`, and `InvalidInput` naming the
    byte where the body is not what it should be.
    """
    return DECODE[proto](UNPACK[encoding](body, max_bytes))


def decode_message(message: bytes) -> WriteRequest:
    """What an uncompressed `WriteRequest` holds; raises `InvalidInput` with the byte's offset."""
    batch = _PREDICTOR.read(message)
    if batch is None:
        batch = decode_quickly(message)
    return decode_strictly(message) if batch is None else WriteRequest(batch, {})


def decode_quickly(message: bytes) -> SampleBatch | None:
    """The samples of a message of the usual form, None for any other. Such a one is remembered."""
    usual = decode_usual(message)
    if usual is None:
        return None
    starts = usual.labels_start.tolist()
    chunks = [
        message[start:end] for start, end in zip(starts, usual.labels_end.tolist(), strict=True)
    ]
    try:
        labels = KNOWN_LABELS.of(chunks, starts.__getitem__)
    except InvalidInput:
        return None
    _PREDICTOR.learn(message, usual, labels)
    samples = sample_values(message, usual.ends, usual.whole, len(labels))
    return SampleBatch(labels, usual.offsets, *samples)


def decode_strictly(message: bytes) -> WriteRequest:
    """The same for a message of any form, with every byte looked at."""
    walker, found = Walker(message), Collector()
    for number, wire_type, start, end in walker.fields(0, len(message)):
        if number == 1:
            walker.expect(wire_type, LENGTH, start, "timeseries")
            _series(walker, found, start, end)
        elif number == 3:
            walker.expect(wire_type, LENGTH, start, "metadata")
            _metadata(walker, found, start, end)
    return found.request()


def _series(walker: Walker, found: Collector, start: int, end: int) -> None:
    labels: list[bytes] = []
    labels_at = at = start
    while at < end:
        number, wire_type, body, following = walker.field(at, end)
        if number in (1, 2, 3, 4):
            walker.expect(wire_type, LENGTH, at, "a field of a series")
        if number == 2:
            found.take_sample(walker.sample(body, following))
        elif number == 1:
            labels_at = labels_at if labels else at
            labels.append(walker.data[at:following])
        elif number == 3:
            found.exemplars += 1
        elif number == 4:
            found.histograms += 1
        at = following
    found.end_series(b"".join(labels), labels_at)


def _metadata(walker: Walker, found: Collector, start: int, end: int) -> None:
    kind = 0
    texts = {2: "", 4: "", 5: ""}
    for number, wire_type, body, following in walker.fields(start, end):
        if number == 1:
            walker.expect(wire_type, VARINT, body, "a metric's type")
            kind = walker.varint(body, end)[0]
        elif number in texts:
            walker.expect(wire_type, LENGTH, body, "a metric's metadata")
            texts[number] = walker.text(body, following)
    if texts[2]:
        found.metadata[texts[2]] = MetricMetadata(metric_type(kind), texts[4], texts[5])


DECODE: Mapping[str, Callable[[bytes], WriteRequest]] = {
    VERSION_1: decode_message,
    VERSION_2: decode_message_2,
}
"""How to read an uncompressed message, by its name."""
