"""The tables. The migrations say the same step by step; a test holds the two together.

A text that identifies something is beside its `digest`, which is the key. Column names are the
field names of the dataclasses wherever there is one.
"""

from __future__ import annotations

import sqlalchemy as sa

from tidecast.records.basis import basis_from
from tidecast.records.columns import Choice, Int64, Json, Real, RealOrNaN, Text, as_labels
from tidecast_alerts.model import AlertState, IncidentState, SignalState
from tidecast_analytics.scoring import Alarm
from tidecast_analytics.timelines import ClassificationKind, ComponentState

NEWEST_REVISION = "0005"
"""The newest migration: a database that is at it needs no Alembic at start."""

MAX_NAME_BYTES = 1_000

metadata = sa.MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)


def _id() -> sa.Column[int]:
    # SQLite counts by itself only in a column declared INTEGER.
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True)


def _digest(name: str, *, key: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, primary_key=key, nullable=False)


def _text(name: str, max_bytes: int | None = None, *, key: bool = False) -> sa.Column[str]:
    kind = Text() if max_bytes is None else Text(max_bytes)
    return sa.Column(name, kind, primary_key=key, nullable=False)


def _later_text(name: str) -> sa.Column[str]:
    """A text that a later migration added: empty in rows from before it."""
    return sa.Column(name, Text(), nullable=False, server_default="")


def _ms(name: str, *, optional: bool = False) -> sa.Column[int]:
    return sa.Column(name, Int64, nullable=optional)


def _json(name: str, frozen: type | object) -> sa.Column[object]:
    return sa.Column(name, Json(frozen), nullable=False)  # type: ignore[arg-type]


def _as_it_is(value: object) -> object:
    return value


alerts = sa.Table(
    "alerts",
    metadata,
    _digest("digest", key=True),
    _text("group"),
    _text("rule"),
    _json("labels", as_labels),
    _json("annotations", dict),
    sa.Column("state", Choice(AlertState), nullable=False),
    sa.Column("value", RealOrNaN),
    _ms("active_at_ms"),
    _ms("fired_at_ms", optional=True),
    _ms("last_breach_ms", optional=True),
)

incidents = sa.Table(
    "incidents",
    metadata,
    _id(),
    _digest("cause_digest"),
    _text("cause"),
    _text("title"),
    _text("severity"),
    sa.Column("priority", Int64, nullable=False),
    _text("host"),
    _text("resource"),
    _text("item"),
    sa.Column("state", Choice(IncidentState), nullable=False),
    _ms("opened_ms"),
    _ms("acknowledged_ms", optional=True),
    _text("acknowledged_by"),
    _ms("resolved_ms", optional=True),
    _text("resolution"),
    # Incident numbers are quoted by people: none is ever given twice.
    sqlite_autoincrement=True,
)
_UNRESOLVED = incidents.c.state != sa.literal_column("'resolved'")
sa.Index(
    "incidents_one_unresolved_per_cause",
    incidents.c.cause_digest,
    unique=True,
    sqlite_where=_UNRESOLVED,
    postgresql_where=_UNRESOLVED,
)
sa.Index(None, incidents.c.opened_ms)

signals = sa.Table(
    "signals",
    metadata,
    _digest("digest", key=True),
    _text("key"),
    _text("cause"),
    _text("source"),
    _text("expression"),
    _json("labels", as_labels),
    _json("annotations", dict),
    sa.Column("state", Choice(SignalState), nullable=False),
    sa.Column("value", RealOrNaN),
    _ms("first_firing_ms"),
    _ms("last_firing_ms"),
    _json("evidence_ms", tuple),
    _ms("cleared_ms", optional=True),
    sa.Column("incident_id", sa.ForeignKey(incidents.c.id), index=True),
    sa.Index(None, "state"),
)

timeline = sa.Table(
    "timeline",
    metadata,
    _id(),
    sa.Column("incident_id", sa.ForeignKey(incidents.c.id), nullable=False, index=True),
    _ms("at_ms"),
    _text("kind"),
    _text("text"),
    _text("actor"),
)

notifications = sa.Table(
    "notifications",
    metadata,
    _id(),
    _text("receiver"),
    _text("body"),
    _ms("created_ms"),
    sa.Column("attempts", Int64, nullable=False),
    _ms("next_attempt_ms"),
    _ms("sent_ms", optional=True),
    _text("last_error"),
    sqlite_autoincrement=True,
)
_UNSENT = notifications.c.sent_ms.is_(None)
sa.Index(
    "notifications_unsent",
    notifications.c.next_attempt_ms,
    sqlite_where=_UNSENT,
    postgresql_where=_UNSENT,
)

usage_watermark = sa.Table(
    "usage_watermark",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    _ms("watermark_ms"),
)

dirty_hours = sa.Table(
    "dirty_hours",
    metadata,
    sa.Column("hour_ms", Int64, primary_key=True, autoincrement=False),
    sa.Column("taken", sa.Boolean, nullable=False),
)

forecasts = sa.Table(
    "forecasts",
    metadata,
    _id(),
    _digest("resource_digest"),
    _text("host"),
    _text("resource"),
    _text("item"),
    _text("unit"),
    _text("statistic"),
    _text("source"),
    _ms("published_ms"),
    _ms("horizon_ms"),
    _text("state"),
    _ms("p10_ms", optional=True),
    _ms("p50_ms", optional=True),
    _ms("p90_ms", optional=True),
    sa.Column("mark", Real),
    sa.Column("usage", Real),
    sa.Column("limit", Real),
    _text("method"),
    _json("reasons", tuple),
    _text("query"),
    sa.Column("bands", sa.LargeBinary, nullable=False),
    sa.Column("basis", Json(basis_from)),
    sa.Index(None, "resource_digest", "published_ms"),
    sa.Index(None, "published_ms"),
)

# No foreign key to the forecast: scores outlive it.
forecast_scores = sa.Table(
    "forecast_scores",
    metadata,
    sa.Column("forecast_id", Int64, primary_key=True, autoincrement=False),
    sa.Column("lead_days", Int64, primary_key=True, autoincrement=False),
    _digest("resource_digest"),
    _text("resource"),
    _ms("published_ms"),
    _ms("scored_ms"),
    sa.Column("first_of_day", sa.Boolean, nullable=False),
    sa.Column("first_of_week", sa.Boolean, nullable=False),
    sa.Column("values", Int64, nullable=False),
    sa.Column("inside80", Int64, nullable=False),
    sa.Column("inside95", Int64, nullable=False),
    sa.Column("mae", Real, nullable=False),
    sa.Column("pinball", Real, nullable=False),
    sa.Column("scale", Real, nullable=False),
    _json("reach", tuple),
    _ms("crossed_ms", optional=True),
    _ms("crossing_error_ms", optional=True),
    sa.Column("dates_pinball_ms", Real),
    sa.Column("held", sa.Boolean),
    sa.Column("alarm", Choice(Alarm)),
    sa.Index(None, "resource_digest", "published_ms"),
)

newest_forecasts = sa.Table(
    "newest_forecasts",
    metadata,
    _digest("resource_digest", key=True),
    sa.Column("forecast_id", sa.ForeignKey(forecasts.c.id), nullable=False),
    _ms("published_ms"),
)

import_chunks = sa.Table(
    "import_chunks",
    metadata,
    _text("key", MAX_NAME_BYTES, key=True),
    _text("chunk", MAX_NAME_BYTES, key=True),
    _text("source"),
    _ms("at_ms"),
)

resources = sa.Table(
    "resources",
    metadata,
    _digest("digest", key=True),
    _text("host"),
    _text("resource"),
    _text("item"),
    _text("unit"),
    _text("statistic"),
    _text("source"),
    _ms("first_seen_ms"),
    _ms("last_seen_ms"),
    _ms("retired_ms", optional=True),
    _text("retired_reason"),
    _text("retired_by"),
    _later_text("unit_inferred"),
)

settings = sa.Table(
    "settings",
    metadata,
    _text("key", MAX_NAME_BYTES, key=True),
    _text("value"),
)

audit = sa.Table(
    "audit",
    metadata,
    _id(),
    _ms("at_ms"),
    _text("actor"),
    _text("action"),
    _text("detail"),
)

observations = sa.Table(
    "observations",
    metadata,
    _id(),
    _digest("component_digest"),
    _text("component"),
    sa.Column("state", Choice(ComponentState), nullable=False),
    _ms("from_ms"),
    _ms("known_at_ms"),
    _text("source"),
    sa.Index(None, "component_digest", "from_ms"),
)

classifications = sa.Table(
    "classifications",
    metadata,
    _id(),
    _digest("component_digest"),
    _text("component"),
    sa.Column("kind", Choice(ClassificationKind), nullable=False),
    _ms("start_ms"),
    _ms("end_ms"),
    _text("reason"),
    _text("author"),
    _ms("known_at_ms"),
    sa.Column("state", Choice(ComponentState)),
    _ms("withdrawn_ms", optional=True),
    _text("withdrawn_by"),
    sa.Index(None, "start_ms"),
)

changes = sa.Table(
    "changes",
    metadata,
    _id(),
    _ms("at_ms"),
    _ms("known_ms"),
    _ms("recorded_ms"),
    _text("title"),
    _text("by"),
    _text("host"),
    _text("resource"),
    _text("item"),
    _ms("withdrawn_ms", optional=True),
    _text("withdrawn_by"),
    _later_text("expected"),
    _later_text("expected_limit"),
    sa.Index(None, "at_ms"),
    # Their numbers are quoted by people: none is ever given twice.
    sqlite_autoincrement=True,
)

policies = sa.Table(
    "policies",
    metadata,
    _id(),
    _ms("applied_ms"),
    _text("author"),
    _text("comment"),
    _json("files", dict),
    sqlite_autoincrement=True,
)

facts = sa.Table(
    "facts",
    metadata,
    _id(),
    _digest("ci_digest"),
    _text("ci"),
    _text("attribute"),
    _json("value", _as_it_is),
    _text("source"),
    sa.Column("confidence_ratio", Real, nullable=False),
    _ms("from_ms"),
    _ms("until_ms", optional=True),
    sa.Index(None, "ci_digest", "from_ms"),
)

relations = sa.Table(
    "relations",
    metadata,
    _id(),
    _digest("digest"),
    _text("subject"),
    _text("kind"),
    _text("object"),
    _text("source"),
    sa.Column("confidence_ratio", Real, nullable=False),
    _ms("from_ms"),
    _ms("until_ms", optional=True),
    sa.Index(None, "digest", "from_ms"),
)
