"""Changes that people recorded."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Adds the table of changes."""
    op.create_table(
        "changes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        _integer("at_ms"),
        _integer("known_ms"),
        _integer("recorded_ms"),
        _text("title"),
        _text("by"),
        _text("host"),
        _text("resource"),
        _text("item"),
        _integer("withdrawn_ms", optional=True),
        _text("withdrawn_by"),
        sa.PrimaryKeyConstraint("id", name="changes_pkey"),
        sqlite_autoincrement=True,
    )
    op.create_index("changes_at_ms_idx", "changes", ["at_ms"])


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _integer(name: str, *, optional: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=optional, autoincrement=False)
