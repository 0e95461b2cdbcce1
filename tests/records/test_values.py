"""Whatever a dataclass may hold comes back as it was, or is refused: the same on both databases."""

from __future__ import annotations

from dataclasses import fields, replace
from math import isnan

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tidecast.records import Basis, KnownResource, PublishedForecast, UnstorableValue
from tidecast.records.bands import BAND_NAMES, Bands, read_bands, write_bands
from tidecast_alerts.model import (
    Alert,
    AlertState,
    Incident,
    IncidentState,
    Notification,
    Signal,
    SignalState,
    TimelineEntry,
)
from tidecast_analytics.sanity import Finding, Severity

some = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

HOSTILE = [
    "'; DROP TABLE alerts; --",
    '"',
    "\\",
    "%s %(x)s :x ?",
    "\r\n\t",
    "\x01",
    "é",
    "\U0001f525",
]
texts = st.sampled_from(HOSTILE) | st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30
)
int64s = st.integers(-(1 << 63), (1 << 63) - 1)
values = st.floats(width=64)
labels = st.dictionaries(texts, texts, max_size=4).map(lambda d: tuple(sorted(d.items())))
annotations = st.dictionaries(texts, texts, max_size=4)


def maybe(strategy):
    return st.none() | strategy


def plain(record) -> list[object]:
    """The record's fields; NaN, which equals nothing, by its name."""
    told = [getattr(record, field.name) for field in fields(record)]
    return ["NaN" if isinstance(v, float) and isnan(v) else v for v in told]


alerts = st.builds(
    Alert, texts, texts, labels, annotations, st.sampled_from(AlertState), values, int64s,
    maybe(int64s), maybe(int64s),
)  # fmt: skip
signals = st.builds(
    Signal, texts, texts, texts, texts, labels, annotations, st.sampled_from(SignalState), values,
    int64s, int64s, st.lists(maybe(int64s), max_size=4).map(tuple), maybe(int64s), st.none(),
)  # fmt: skip
incidents = st.builds(
    Incident, st.just(0), texts, texts, texts, int64s, texts, texts, texts,
    st.just(IncidentState.RESOLVED), int64s, maybe(int64s), texts, maybe(int64s), texts,
)  # fmt: skip
notifications = st.builds(
    Notification, st.just(0), texts, texts, int64s, int64s, int64s, st.none(), texts
)
resources = st.builds(KnownResource, texts, texts, texts, texts, texts, texts, int64s, int64s)


@some
@given(alert=alerts)
def test_alerts(records, alert):
    with records.unit() as unit:
        unit.alerting.put_alert(alert)
        (found,) = unit.alerting.alerts()
        assert plain(found) == plain(alert)
        unit.alerting.remove_alert(alert)
        assert unit.alerting.alerts() == []


@some
@given(signal=signals)
def test_signals(records, signal):
    with records.unit() as unit:
        unit.alerting.put_signal(signal)
        assert plain(unit.alerting.signal(signal.key)) == plain(signal)


@some
@given(incident=incidents, at_ms=int64s, kind=texts, text=texts, actor=texts)
def test_incidents_and_their_timeline(records, incident, at_ms, kind, text, actor):
    with records.unit() as unit:
        added = unit.alerting.add_incident(incident)
        assert unit.alerting.incident(added.id) == replace(incident, id=added.id)
        entry = TimelineEntry(added.id, at_ms, kind, text, actor)
        unit.alerting.add_entry(entry)
        assert unit.alerting.timeline(added.id) == [entry]


@some
@given(notification=notifications)
def test_notifications(records, notification):
    with records.unit() as unit:
        unit.alerting.add_notification(notification)
        (found,) = unit.alerting.due_notifications((1 << 63) - 1)
        assert found == replace(notification, id=found.id)
        unit.alerting.put_notification(replace(found, sent_ms=0))


@some
@given(resource=resources, reason=texts)
def test_resources(records, resource, reason):
    class Undo(Exception):
        pass

    with pytest.raises(Undo), records.unit() as unit:
        unit.resources.put([resource])
        assert unit.resources.all() == [resource]
        retired = unit.resources.retire(resource.host, resource.resource, None, 1, reason, reason)
        assert unit.resources.all() == retired
        raise Undo


@some
@given(key=texts, source=texts, chunk=texts, at_ms=int64s)
def test_imports_and_audit(records, key, source, chunk, at_ms):
    with records.unit() as unit:
        unit.imports.mark_done(key, source, chunk, at_ms)
        assert chunk in unit.imports.done_chunks(key)
        unit.audit.add(at_ms, key, source, chunk)
        (entry,) = unit.audit.recent(1)
        assert plain(entry) == [at_ms, key, source, chunk]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@some
@given(key=texts, value=json_values)
def test_settings(records, key, value):
    with records.unit() as unit:
        unit.settings.put(key, value)
        assert unit.settings.get(key) == value


steps = st.integers(0, 40)


@st.composite
def all_bands(draw) -> Bands:
    length = draw(steps)
    times = draw(hnp.arrays(np.int64, length))
    # Any 64 bits are a float: every NaN must come back with its own.
    rest = [draw(hnp.arrays(np.uint64, length)).view(np.float64) for _ in BAND_NAMES[1:]]
    return Bands(times, *rest)


@given(bands=all_bands())
def test_bands_come_back_bit_by_bit(bands):
    found = read_bands(write_bands(bands))
    for name in BAND_NAMES:
        assert getattr(found, name).tobytes() == getattr(bands, name).tobytes()
        assert getattr(found, name).dtype == getattr(bands, name).dtype


def bases():
    finite = st.floats(allow_nan=False, allow_infinity=False)
    finding = st.builds(Finding, texts, st.sampled_from(Severity), int64s, int64s, texts, texts)
    return st.builds(
        Basis, int64s, int64s, int64s, int64s,
        weights=st.lists(st.tuples(texts, finite), max_size=3).map(tuple),
        mae=maybe(finite), probability=maybe(finite), mark_source=texts,
        findings=st.lists(finding, max_size=2).map(tuple),
    )  # fmt: skip


@some
@given(data=st.data(), bands=all_bands())
def test_forecasts(records, data, bands):
    reals = maybe(st.floats(allow_nan=False))
    told = {
        "published_ms": int64s, "horizon_ms": int64s, "p10_ms": maybe(int64s),
        "p50_ms": maybe(int64s), "p90_ms": maybe(int64s), "mark": reals, "usage": reals,
        "limit": reals, "reasons": st.lists(texts, max_size=3).map(tuple),
        "basis": maybe(bases()),
    }  # fmt: skip
    arrays = {name: getattr(bands, name) for name in BAND_NAMES}
    rest = {
        f.name: data.draw(told.get(f.name, texts))
        for f in fields(PublishedForecast)
        if f.name not in arrays
    }
    forecast = PublishedForecast(**rest, **arrays)
    with records.unit() as unit:
        unit.forecasts.publish([forecast])
        wanted = (forecast.host, forecast.resource, forecast.item)
        found = next(
            f for f in unit.forecasts.of(*wanted, 1000) if f.published_ms == forecast.published_ms
        )
    for name, value in rest.items():
        assert getattr(found, name) == value
    for name, array in arrays.items():
        assert getattr(found, name).tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "text", ["a\0b", "\0", "\ud800", "x\udfff", "x" * ((1 << 20) + 1), 7, b"x"]
)
def test_texts_that_no_database_keeps_are_refused_by_both(records, text):
    with records.unit() as unit:
        for write in (
            lambda: unit.audit.add(1, text, "a", "d"),
            lambda: unit.alerting.signal(text),
            lambda: unit.alerting.add_notification(Notification(0, "r", text, 1)),
            lambda: unit.resources.retire(text, None, None, 1, "", ""),
            lambda: unit.settings.get(text),
        ):
            with pytest.raises(UnstorableValue):
                write()


@pytest.mark.parametrize("number", [1 << 63, -(1 << 63) - 1, 1.0, "1", float("nan")])
def test_numbers_beyond_64_bits_are_refused_by_both(records, number):
    with records.unit() as unit:
        with pytest.raises(UnstorableValue):
            unit.audit.add(number, "a", "b", "c")
        with pytest.raises(UnstorableValue):
            unit.alerting.incident(number)
        assert unit.audit.recent(1) == []
