"""Observations of components and words said of their time: from what clients send to the ledger.

This is the one way in: host silence, rules, checks, people and imports all say the same thing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from tidecast.journeys.explain_forecast import Document, iso
from tidecast.records import Records
from tidecast.records.availability import Classification
from tidecast_analytics.timelines import ClassificationKind, ComponentState, Observation
from tidecast_collector.errors import InvalidInput

MAX_OBSERVATIONS = 10_000
MAX_PROBLEMS = 10
MAX_NAME_CHARACTERS, MAX_TEXT_CHARACTERS = 200, 2_000
LATEST_MS = 4_102_444_800_000
"""The year 2100."""
CLOCK_SKEW_MS = 5 * 60_000
"""So far may the clock of who observes be ahead of ours."""

Word = TypeVar("Word", bound=StrEnum)
Value = TypeVar("Value")
_REQUIRED = object()


class InvalidObservation(InvalidInput):
    """What was sent is refused as a whole; the message says what is wrong at each place."""


class _Entry:
    """One JSON object of a message, with where it stands in it."""

    def __init__(self, value: object, place: str, known: set[str]) -> None:
        self._place = place
        if not isinstance(value, dict):
            raise InvalidObservation(f"{place or 'the body'}: an object is expected")
        self._values = value
        unknown = sorted(set(value) - known)
        if unknown:
            raise self.wrong(unknown[0][:100], f"unknown; known: {', '.join(sorted(known))}")

    def wrong(self, key: str, why: str) -> InvalidObservation:
        """The fault, located."""
        return InvalidObservation(f"{self._place}{'.' if self._place else ''}{key}: {why}")

    def read(
        self, key: str, read: Callable[[object], Value], otherwise: object = _REQUIRED
    ) -> Value:
        """The value of this key; where it is missing or null, `otherwise`."""
        value = self._values.get(key)
        if value is None:
            if otherwise is _REQUIRED:
                raise self.wrong(key, "it is missing")
            return otherwise  # type: ignore[return-value]
        try:
            return read(value)
        except ValueError as error:
            raise self.wrong(key, str(error)) from error


def moment_ms(value: object) -> int:
    """ISO 8601 with an offset, or milliseconds UTC (as a number, or as a text of digits).

    Raises `ValueError`.
    """
    found = None
    if isinstance(value, int) and not isinstance(value, bool):
        found = value
    elif isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 15:
        found = int(value)
    elif isinstance(value, str):
        found = _iso_ms(value)
    if found is None:
        raise ValueError(
            f"{str(value)[:60]!r} is no time; write it as in 2026-03-01T22:00:00Z "
            "or in milliseconds since 1970 UTC"
        )
    if not 0 <= found <= LATEST_MS:
        raise ValueError(f"{str(value)[:60]!r} is not within the years 1970 to 2100")
    return found


def _iso_ms(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else round(moment.timestamp() * 1000)


def parse_observations(body: Mapping[str, object], now_ms: int) -> list[Observation]:
    """The observations of a message; raises `InvalidObservation` with the first faults."""
    message = _Entry(body, "", {"observations"})
    entries = message.read("observations", _list)
    if not 1 <= len(entries) <= MAX_OBSERVATIONS:
        raise message.wrong("observations", f"from 1 to {MAX_OBSERVATIONS} are taken at once")
    found: list[Observation] = []
    faults = []
    for i, entry in enumerate(entries):
        try:
            found.append(_observation(entry, f"observations[{i}]", now_ms))
        except InvalidObservation as error:
            faults.append(str(error))
            if len(faults) == MAX_PROBLEMS:
                break
    if faults:
        raise InvalidObservation("; ".join(faults))
    return found


def _observation(value: object, place: str, now_ms: int) -> Observation:
    entry = _Entry(value, place, {"component", "state", "from", "known_at", "source"})
    from_ms = entry.read("from", moment_ms)
    known_ms = entry.read("known_at", moment_ms, now_ms)
    if known_ms > now_ms + CLOCK_SKEW_MS:
        raise entry.wrong("known_at", "it lies in the future; check the clock of who observes")
    if from_ms > known_ms + CLOCK_SKEW_MS:
        raise entry.wrong("from", "it lies after the time at which it was known")
    return Observation(
        entry.read("component", name),
        entry.read("state", one_of(ComponentState)),
        from_ms,
        min(known_ms, now_ms),
        entry.read("source", name),
    )


def parse_classification(body: Mapping[str, object], now_ms: int) -> Classification:
    """The word of a message, known from now on; raises `InvalidObservation`."""
    keys = {"component", "kind", "start", "end", "reason", "author", "state"}
    entry = _Entry(body, "", keys)
    start_ms, end_ms = entry.read("start", moment_ms), entry.read("end", moment_ms)
    if end_ms <= start_ms:
        raise entry.wrong("end", "it must lie after 'start'")
    kind = entry.read("kind", one_of(ClassificationKind))
    state = entry.read("state", one_of(ComponentState), None)
    if (kind is ClassificationKind.RECLASSIFICATION) != (state is not None):
        raise entry.wrong("state", "a reclassification needs one, and nothing else has one")
    component, reason = entry.read("component", name), entry.read("reason", _text)
    author = entry.read("author", name)
    return Classification(component, kind, start_ms, end_ms, reason, author, now_ms, state)


def classify(records: Records, word: Classification) -> Classification:
    """Keeps the word and returns it with its id; one that stands already is returned as it is."""
    with records.unit() as unit:
        standing = unit.outages.classifications([word.component], word.start_ms, word.end_ms)
        for other in standing:
            if _said(other) == _said(word):
                return other
        added = unit.outages.classify(word)
        what = f"{word.component} {word.kind} {iso(word.start_ms)} to {iso(word.end_ms)}"
        unit.audit.add(word.known_at_ms, word.author, "classify", f"{added.id} {what}")
    return added


def withdraw(records: Records, number: int, by: str, now_ms: int) -> Classification | None:
    """Takes a word back from now on; None where there is none such, or no longer."""
    with records.unit() as unit:
        word = unit.outages.withdraw(number, by, now_ms)
        if word is not None:
            unit.audit.add(now_ms, by, "withdraw", f"{number} {word.component} {word.kind}")
    return word


def _said(word: Classification) -> tuple[object, ...]:
    return (word.component, word.kind, word.start_ms, word.end_ms, word.reason, word.author,
            word.state)  # fmt: skip


def name(value: object) -> str:
    """A name on one line; raises `ValueError`."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text that is not empty is expected")
    if len(value) > MAX_NAME_CHARACTERS or not value.isprintable():
        raise ValueError(f"at most {MAX_NAME_CHARACTERS} printable characters are taken")
    return value.strip()


def one_of(kind: type[Word]) -> Callable[[object], Word]:
    """Reads one of the words of an enumeration; raises `ValueError`."""

    def read(value: object) -> Word:
        if not isinstance(value, str) or value not in list(kind):
            raise ValueError(f"{str(value)[:60]!r} is not one of {', '.join(kind)}")
        return kind(value)

    return read


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text that is not empty is expected")
    if len(value) > MAX_TEXT_CHARACTERS:
        raise ValueError(f"at most {MAX_TEXT_CHARACTERS} characters are taken")
    return value.strip()


def _list(value: object) -> Sequence[object]:
    if not isinstance(value, list):
        raise ValueError("a list is expected")
    return value


def observation_document(one: Observation) -> Document:
    """An observation as the API tells it."""
    return {
        "component": one.component,
        "state": one.state,
        "from": iso(one.from_ms),
        "from_ms": one.from_ms,
        "known_at": iso(one.known_at_ms),
        "source": one.source,
    }


def classification_document(word: Classification) -> Document:
    """A word as the API tells it."""
    return {
        "id": word.id,
        "component": word.component,
        "kind": word.kind,
        "state": word.state,
        "start": iso(word.start_ms),
        "end": iso(word.end_ms),
        "reason": word.reason,
        "author": word.author,
        "known_at": iso(word.known_at_ms),
        "withdrawn": iso(word.withdrawn_ms),
        "withdrawn_by": word.withdrawn_by,
    }
