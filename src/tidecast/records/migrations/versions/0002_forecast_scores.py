"""Scores of published forecasts, and what each rests on."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds the column `basis` and the table of scores; those that are there stay."""
    op.add_column("forecasts", sa.Column("basis", sa.Text))
    op.create_index("forecasts_published_ms_idx", "forecasts", ["published_ms"])
    op.create_table(
        "forecast_scores",
        _integer("forecast_id"),
        _integer("lead_days"),
        sa.Column("resource_digest", sa.LargeBinary, nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        _integer("published_ms"),
        _integer("scored_ms"),
        sa.Column("first_of_day", sa.Boolean, nullable=False),
        sa.Column("first_of_week", sa.Boolean, nullable=False),
        _integer("values"),
        _integer("inside80"),
        _integer("inside95"),
        sa.Column("mae", sa.Double, nullable=False),
        sa.Column("pinball", sa.Double, nullable=False),
        sa.Column("scale", sa.Double, nullable=False),
        sa.Column("reach", sa.Text, nullable=False),
        _integer("crossed_ms", optional=True),
        _integer("crossing_error_ms", optional=True),
        sa.Column("dates_pinball_ms", sa.Double),
        sa.Column("held", sa.Boolean),
        sa.Column("alarm", sa.Text),
        sa.PrimaryKeyConstraint("forecast_id", "lead_days", name="forecast_scores_pkey"),
    )
    op.create_index(
        "forecast_scores_resource_digest_published_ms_idx",
        "forecast_scores",
        ["resource_digest", "published_ms"],
    )


def _integer(name: str, *, optional: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=optional, autoincrement=False)
