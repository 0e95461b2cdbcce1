"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates every table."""
    _alerting()
    _forecasting()
    _housekeeping()


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _bytes(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=False)


def _integer(name: str, *, optional: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=optional, autoincrement=False)


def _number(name: str, *, optional: bool = False) -> sa.Column[int]:
    # SQLite counts by itself only in a column declared INTEGER.
    kind = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    return sa.Column(name, kind, nullable=optional)


def _alerting() -> None:
    op.create_table(
        "alerts",
        _bytes("digest"),
        _text("group"),
        _text("rule"),
        _text("labels"),
        _text("annotations"),
        _text("state"),
        sa.Column("value", sa.Double),
        _integer("active_at_ms"),
        _integer("fired_at_ms", optional=True),
        _integer("last_breach_ms", optional=True),
        sa.PrimaryKeyConstraint("digest", name="alerts_pkey"),
    )
    op.create_table(
        "incidents",
        _number("id"),
        _bytes("cause_digest"),
        _text("cause"),
        _text("title"),
        _text("severity"),
        _integer("priority"),
        _text("host"),
        _text("resource"),
        _text("item"),
        _text("state"),
        _integer("opened_ms"),
        _integer("acknowledged_ms", optional=True),
        _text("acknowledged_by"),
        _integer("resolved_ms", optional=True),
        _text("resolution"),
        sa.PrimaryKeyConstraint("id", name="incidents_pkey"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "incidents_one_unresolved_per_cause",
        "incidents",
        ["cause_digest"],
        unique=True,
        sqlite_where=sa.text("state != 'resolved'"),
        postgresql_where=sa.text("state != 'resolved'"),
    )
    op.create_index("incidents_opened_ms_idx", "incidents", ["opened_ms"])
    op.create_table(
        "signals",
        _bytes("digest"),
        _text("key"),
        _text("cause"),
        _text("source"),
        _text("expression"),
        _text("labels"),
        _text("annotations"),
        _text("state"),
        sa.Column("value", sa.Double),
        _integer("first_firing_ms"),
        _integer("last_firing_ms"),
        _text("evidence_ms"),
        _integer("cleared_ms", optional=True),
        _number("incident_id", optional=True),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name="signals_incident_id_fkey"),
        sa.PrimaryKeyConstraint("digest", name="signals_pkey"),
    )
    op.create_index("signals_incident_id_idx", "signals", ["incident_id"])
    op.create_index("signals_state_idx", "signals", ["state"])
    op.create_table(
        "timeline",
        _number("id"),
        _number("incident_id"),
        _integer("at_ms"),
        _text("kind"),
        _text("text"),
        _text("actor"),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name="timeline_incident_id_fkey"
        ),
        sa.PrimaryKeyConstraint("id", name="timeline_pkey"),
    )
    op.create_index("timeline_incident_id_idx", "timeline", ["incident_id"])
    op.create_table(
        "notifications",
        _number("id"),
        _text("receiver"),
        _text("body"),
        _integer("created_ms"),
        _integer("attempts"),
        _integer("next_attempt_ms"),
        _integer("sent_ms", optional=True),
        _text("last_error"),
        sa.PrimaryKeyConstraint("id", name="notifications_pkey"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "notifications_unsent",
        "notifications",
        ["next_attempt_ms"],
        sqlite_where=sa.text("sent_ms IS NULL"),
        postgresql_where=sa.text("sent_ms IS NULL"),
    )


def _forecasting() -> None:
    op.create_table(
        "resources",
        _bytes("digest"),
        _text("host"),
        _text("resource"),
        _text("item"),
        _text("unit"),
        _text("statistic"),
        _text("source"),
        _integer("first_seen_ms"),
        _integer("last_seen_ms"),
        _integer("retired_ms", optional=True),
        _text("retired_reason"),
        _text("retired_by"),
        sa.PrimaryKeyConstraint("digest", name="resources_pkey"),
    )
    op.create_table(
        "usage_watermark",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        _integer("watermark_ms"),
        sa.PrimaryKeyConstraint("id", name="usage_watermark_pkey"),
    )
    op.create_table(
        "dirty_hours",
        _integer("hour_ms"),
        sa.Column("taken", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("hour_ms", name="dirty_hours_pkey"),
    )
    op.create_table(
        "forecasts",
        _number("id"),
        _bytes("resource_digest"),
        _text("host"),
        _text("resource"),
        _text("item"),
        _text("unit"),
        _text("statistic"),
        _text("source"),
        _integer("published_ms"),
        _integer("horizon_ms"),
        _text("state"),
        _integer("p10_ms", optional=True),
        _integer("p50_ms", optional=True),
        _integer("p90_ms", optional=True),
        sa.Column("mark", sa.Double),
        sa.Column("usage", sa.Double),
        sa.Column("limit", sa.Double),
        _text("method"),
        _text("reasons"),
        _text("query"),
        _bytes("bands"),
        sa.PrimaryKeyConstraint("id", name="forecasts_pkey"),
    )
    op.create_index(
        "forecasts_resource_digest_published_ms_idx",
        "forecasts",
        ["resource_digest", "published_ms"],
    )
    op.create_table(
        "newest_forecasts",
        _bytes("resource_digest"),
        _number("forecast_id"),
        _integer("published_ms"),
        sa.ForeignKeyConstraint(
            ["forecast_id"], ["forecasts.id"], name="newest_forecasts_forecast_id_fkey"
        ),
        sa.PrimaryKeyConstraint("resource_digest", name="newest_forecasts_pkey"),
    )


def _housekeeping() -> None:
    op.create_table(
        "import_chunks",
        _text("key"),
        _text("chunk"),
        _text("source"),
        _integer("at_ms"),
        sa.PrimaryKeyConstraint("key", "chunk", name="import_chunks_pkey"),
    )
    op.create_table(
        "settings",
        _text("key"),
        _text("value"),
        sa.PrimaryKeyConstraint("key", name="settings_pkey"),
    )
    op.create_table(
        "audit",
        _number("id"),
        _integer("at_ms"),
        _text("actor"),
        _text("action"),
        _text("detail"),
        sa.PrimaryKeyConstraint("id", name="audit_pkey"),
    )
