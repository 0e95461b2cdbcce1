"""Outages and what was said of them, applied policies, configuration items."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Adds the tables."""
    op.create_table(
        "observations",
        _number("id"),
        _bytes("component_digest"),
        _text("component"),
        _text("state"),
        _integer("from_ms"),
        _integer("known_at_ms"),
        _text("source"),
        sa.PrimaryKeyConstraint("id", name="observations_pkey"),
    )
    op.create_index(
        "observations_component_digest_from_ms_idx", "observations", ["component_digest", "from_ms"]
    )
    op.create_table(
        "classifications",
        _number("id"),
        _bytes("component_digest"),
        _text("component"),
        _text("kind"),
        _integer("start_ms"),
        _integer("end_ms"),
        _text("reason"),
        _text("author"),
        _integer("known_at_ms"),
        sa.Column("state", sa.Text),
        _integer("withdrawn_ms", optional=True),
        _text("withdrawn_by"),
        sa.PrimaryKeyConstraint("id", name="classifications_pkey"),
    )
    op.create_index("classifications_start_ms_idx", "classifications", ["start_ms"])
    op.create_table(
        "policies",
        _number("id"),
        _integer("applied_ms"),
        _text("author"),
        _text("comment"),
        _text("files"),
        sa.PrimaryKeyConstraint("id", name="policies_pkey"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "facts",
        _number("id"),
        _bytes("ci_digest"),
        _text("ci"),
        _text("attribute"),
        _text("value"),
        *_validity(),
        sa.PrimaryKeyConstraint("id", name="facts_pkey"),
    )
    op.create_index("facts_ci_digest_from_ms_idx", "facts", ["ci_digest", "from_ms"])
    op.create_table(
        "relations",
        _number("id"),
        _bytes("digest"),
        _text("subject"),
        _text("kind"),
        _text("object"),
        *_validity(),
        sa.PrimaryKeyConstraint("id", name="relations_pkey"),
    )
    op.create_index("relations_digest_from_ms_idx", "relations", ["digest", "from_ms"])


def _validity() -> list[sa.Column[object]]:
    return [
        _text("source"),
        sa.Column("confidence_ratio", sa.Double, nullable=False),
        _integer("from_ms"),
        _integer("until_ms", optional=True),
    ]


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _bytes(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=False)


def _integer(name: str, *, optional: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=optional, autoincrement=False)


def _number(name: str) -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    return sa.Column(name, kind, nullable=False)
