"""Records: tables, repositories and migrations on SQLite or PostgreSQL.

with Records.open("sqlite:////var/lib/tidecast/records.sqlite3") as records:
    with records.unit() as unit:
        unit.audit.add(now_ms, "ann", "retire", "web-3 /var")
"""

from tidecast.records.audit import AuditEntry
from tidecast.records.basis import Basis
from tidecast.records.changes import RecordedChange
from tidecast.records.columns import JsonValue
from tidecast.records.database import Records, Unit
from tidecast.records.errors import (
    RecordConflict,
    RecordsDamaged,
    RecordsUnavailable,
    UnstorableValue,
)
from tidecast.records.forecasts import PublishedForecast
from tidecast.records.imports import ImportProgress
from tidecast.records.resources import KnownResource, resource_digest
from tidecast.records.scores import DueForecast, ForecastScore, Verdicts

__all__ = [
    "AuditEntry",
    "Basis",
    "DueForecast",
    "ForecastScore",
    "ImportProgress",
    "JsonValue",
    "KnownResource",
    "PublishedForecast",
    "RecordConflict",
    "RecordedChange",
    "Records",
    "RecordsDamaged",
    "RecordsUnavailable",
    "Unit",
    "UnstorableValue",
    "Verdicts",
    "resource_digest",
]
