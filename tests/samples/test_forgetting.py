"""What decoders remember between requests: bounded whatever comes, and never taken for another."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tidecast.samples import (
    known_labels,
    known_symbols,
    predicted_write,
    remote_write,
    remote_write_2,
)
from tidecast.samples.catalogue import CataloguedLabels, PerSeries, note_stored
from tidecast.samples.known_labels import KnownLabels
from tidecast.samples.known_symbols import KnownSymbols
from tidecast.samples.predicted_write import Predictor
from tidecast.samples.remote_write import decode_message, decode_strictly
from tidecast.samples.remote_write_2 import decode_message_2, decode_strictly_2
from tidecast_collector.errors import InvalidInput

from . import test_remote_write_2 as version_2
from .remote_write_messages import field, label, sample, series
from .support import labels_of

NOW_MS = 1_700_000_000_000
ONE = 0x3FF0000000000000
KIB = 1 << 10
STORED = [labels_of("stored", host=f"web-{i}") for i in range(20)]


class Clock:
    """Time that the tests let pass."""

    now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def known(monkeypatch, clock):
    """The decoders with memories of their own, and little room in each."""
    monkeypatch.setattr(known_labels, "GROWTH_BYTES", 100 * KIB)
    monkeypatch.setattr(known_labels, "MAX_GROWTH_BYTES", 1000 * KIB)
    known = KnownLabels(clock)
    monkeypatch.setattr(known_labels, "MAX_PASSING_BYTES", 100 * KIB)
    monkeypatch.setattr(known_symbols, "SPARE_BYTES", 50 * KIB)
    monkeypatch.setattr(known_symbols, "SPARE_REQUESTS_BYTES", 50 * KIB)
    monkeypatch.setattr(predicted_write, "SPARE_BYTES", 50 * KIB)
    monkeypatch.setattr("tidecast.samples.write_request.KNOWN_LABELS", known)
    monkeypatch.setattr("tidecast.samples.remote_write.KNOWN_LABELS", known)
    monkeypatch.setattr("tidecast.samples.remote_write._PREDICTOR", Predictor(known.of))
    monkeypatch.setattr(remote_write_2, "_KNOWN_SYMBOLS", KnownSymbols(known))
    return known


def message(label_sets):
    """A 1.0 message with a sample of each."""
    return b"".join(series(labels, [(NOW_MS, ONE)]) for labels in label_sets)


def message_2(label_sets):
    """The same in version 2.0."""
    symbols = version_2.Symbols()
    content = b"".join(version_2.series(symbols, labels, [(NOW_MS, ONE)]) for labels in label_sets)
    return symbols.encoded() + content


def hostile(number):
    """A message of either version, with labels that never came before, often broken."""
    rng = random.Random(number)
    fresh = [
        labels_of("x" * rng.randrange(1, 60), **{f"l{number}": f"{number} {i}\U0001f30a"})
        for i in range(rng.randrange(1, 20))
    ]
    kind = number % 5
    if kind == 0:
        return message(fresh), 1
    if kind == 1:
        return message_2(fresh), 2
    if kind == 2:  # Pairs that are fine in a series that is not.
        pairs = b"".join(label(name, value) for labels in fresh for name, value in labels)
        return field(1, pairs + field(1, b"\x0a\x05ab") + sample(NOW_MS, ONE)), 1
    if kind == 3:
        return message_2(fresh) + b"\x2a\x7f", 2
    return message(fresh) + message(fresh)[:-3], 1


def outcome(decode, data):
    """Labels, times and values, or the words of the refusal."""
    try:
        found = decode(data).batch
    except InvalidInput as error:
        return str(error)
    return list(found.labels), found.offsets.tolist(), found.timestamps.tolist()


def store(data, decode=decode_message):
    """What becomes of a message that is accepted; returns the labels."""
    labels = decode(data).batch.labels
    note_stored(labels, ())
    return labels


def test_what_hostile_senders_bring_is_forgotten_and_what_was_stored_is_not(known):
    kept = message(STORED)
    store(kept)
    for number in range(1500):
        data, version = hostile(number)
        quick, strict = (
            (decode_message, decode_strictly)
            if version == 1
            else (decode_message_2, decode_strictly_2)
        )
        assert outcome(quick, data) == outcome(strict, data)
        stored = known.catalogue.stored_bytes
        assert known.size_bytes <= stored + 300 * KIB
        assert remote_write_2._KNOWN_SYMBOLS.size_bytes <= 2 * stored + 150 * KIB
        assert remote_write._PREDICTOR.remembered_bytes <= stored + 50 * KIB
    before = len(known.catalogue.labels)
    assert list(store(kept)) == STORED
    assert len(known.catalogue.labels) == before
    assert before < 1500


def test_series_that_are_stored_no_more_are_forgotten_in_the_end(known, clock):
    used = []
    for hour in range(90):
        clock.now_s += 600
        store(message(STORED))
        store(message_2([labels_of("job", run=f"{hour}-{i}") for i in range(20)]), decode_message_2)
        used.append(known.size_bytes)
    assert max(used[30:]) <= max(used[:30]) < 300 * KIB
    assert len(known.catalogue.labels) < 900
    assert STORED[0] in known.catalogue.labels


def test_many_series_that_all_come_again_do_not_push_each_other_out(known, clock):
    scrape = [message(labels_of("m", host=f"{part}-{i}") for i in range(20)) for part in range(30)]
    catalogues = set()
    for _ in range(100):
        for part in scrape:
            store(part)
            catalogues.add(known.catalogue)
        clock.now_s += 60
    assert len(known.catalogue.labels) == 600
    assert known.size_bytes > 3 * 100 * KIB
    assert len(catalogues) <= 3


def test_series_that_never_come_again_have_a_limit_within_minutes(known):
    for number in range(200):
        store(message([labels_of("job", run=f"{number}-{i}") for i in range(20)]))
        assert known.size_bytes < 2200 * KIB


def test_refused_series_are_not_taken_for_stored(known):
    labels = decode_message(message(STORED)).batch.labels
    assert known.catalogue.stored_bytes == 0
    note_stored(labels, set(STORED[5:]))
    part = known.catalogue.stored_bytes
    assert 0 < part < known.size_bytes / 3
    note_stored(labels[:5], ())
    assert known.catalogue.stored_bytes == part
    note_stored(labels, ())
    assert known.catalogue.stored_bytes == known.catalogue.size_bytes


def test_what_is_known_by_number_does_not_hold_a_forgotten_catalogue(known):
    asked = PerSeries(len)
    labels = decode_message(message(STORED)).batch.labels
    assert isinstance(labels, CataloguedLabels)
    assert np.array_equal(asked.of(labels), [2] * 20)
    again, _ = labels.catalogue.carried(lately=False)
    assert len(again.labels) == 0
    numbers = np.array([again.add(labels_of("a", b="c", d="e"))])
    assert asked.of(CataloguedLabels(again, numbers)).tolist() == [3]
