"""Usage records that come from outside: validated as a whole before one is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tidecast.journeys.usage_records import HOUR_MS, ResourceKey, UsageRecords, to_batch
from tidecast.policy.resources import Resources
from tidecast.samples.batch import Float64s, Int64s
from tidecast.samples.protocol import Samples
from tidecast.samples.validation import MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS
from tidecast_collector.errors import InvalidInput
from tidecast_collector.labels import host_of_instance

MAX_TEXT = 1024


class InvalidUsage(InvalidInput):
    """An import whose records are refused; the message says which and why."""


@dataclass(frozen=True, slots=True)
class UsageImport:
    """Records of several resources from one source, with the unit each is in, and with how that
    was inferred where nobody said it."""

    source: str
    records: Sequence[UsageRecords]
    units: Mapping[ResourceKey, str]
    inferred: Mapping[ResourceKey, str]


def parse_usage_import(document: Mapping[str, object]) -> UsageImport:
    """The records in a document `{source, series: [{instance, resource, item, unit, ...}]}`."""
    source = _text(document, "source", "the document")
    series = document.get("series")
    if not isinstance(series, list):
        raise InvalidUsage("series must be a list")
    kind = source.partition(":")[0]
    if not kind:
        raise InvalidUsage("source must begin with a kind, such as csv:")
    parsed = [_records(each, f"series[{i}]", kind) for i, each in enumerate(series)]
    return UsageImport(
        source,
        [records for records, _, _ in parsed],
        {records.key: unit for records, unit, _ in parsed},
        {records.key: inferred for records, _, inferred in parsed if inferred},
    )


def _records(value: object, where: str, source: str) -> tuple[UsageRecords, str, str]:
    if not isinstance(value, dict):
        raise InvalidUsage(f"{where} must be an object")
    key = ResourceKey(
        host_of_instance(_text(value, "instance", where)),
        _text(value, "resource", where),
        _text(value, "item", where, ""),
    )
    hours = _hours(value.get("timestamps_ms"), where)
    mean, p95, high, limit, mark = (
        _column(value.get(name), len(hours), f"{where}.{name}")
        for name in ("mean", "p95", "max", "limit", "mark")
    )
    return (
        UsageRecords(key, hours, mean, p95, high, limit, mark, source),
        _text(value, "unit", where),
        _text(value, "unit_inferred", where, ""),
    )


def _text(value: Mapping[str, object], name: str, where: str, otherwise: str | None = None) -> str:
    text = value.get(name, otherwise)
    if not isinstance(text, str) or len(text) > MAX_TEXT or (otherwise is None and not text):
        raise InvalidUsage(f"{where}.{name} must be a text of 1 to {MAX_TEXT} characters")
    if "\0" in text:
        raise InvalidUsage(f"{where}.{name} must not hold a NUL character")
    return text


def _hours(value: object, where: str) -> Int64s:
    if not isinstance(value, list) or not all(type(each) is int for each in value):
        raise InvalidUsage(f"{where}.timestamps_ms must be a list of whole milliseconds")
    try:
        hours = np.array(value, dtype=np.int64)
    except OverflowError as error:
        raise InvalidUsage(f"{where}.timestamps_ms: {error}") from error
    if (hours % HOUR_MS).any():
        raise InvalidUsage(f"{where}.timestamps_ms must be full hours, the ends of what they cover")
    if ((hours < MIN_TIMESTAMP_MS) | (hours > MAX_TIMESTAMP_MS)).any():
        raise InvalidUsage(f"{where}.timestamps_ms must lie in the years 1 to 9999")
    if (np.diff(hours) <= 0).any():
        raise InvalidUsage(f"{where}.timestamps_ms must ascend, each hour once")
    return hours


def _column(value: object, length: int, where: str) -> Float64s:
    if value is None:
        return np.full(length, np.nan)
    if not isinstance(value, list) or len(value) != length:
        raise InvalidUsage(f"{where} must be a list as long as timestamps_ms")
    if not all(each is None or type(each) in (int, float) for each in value):
        raise InvalidUsage(f"{where} must hold numbers or null")
    return np.array([np.nan if each is None else each for each in value], dtype=np.float64)


def with_default_marks(
    records: Sequence[UsageRecords], definitions: Resources
) -> list[UsageRecords]:
    """The records; where they know a limit but no mark, the mark is the policy's share of it."""
    return [
        replace(
            each,
            mark=np.where(
                np.isnan(each.mark),
                each.limit * definitions.fitting(*each.key).mark_ratio,
                each.mark,
            ),
        )
        if each.key.resource in definitions or definitions.mark_of(*each.key)
        else each
        for each in records
    ]


def keep_usage(samples: Samples, records: Sequence[UsageRecords]) -> int:
    """Writes the records, durable when this returns; returns how many samples they made."""
    batch = to_batch(records)
    report = samples.append(batch)
    if report.rejected:
        raise InvalidUsage(f"{dict(report.rejected[0].labels)}: {report.rejected[0].reason}")
    return len(batch.timestamps)
