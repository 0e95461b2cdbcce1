"""How units were inferred, and what changes are expected to do."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Adds the columns, empty for what is there."""
    for table, name in (
        ("resources", "unit_inferred"),
        ("changes", "expected"),
        ("changes", "expected_limit"),
    ):
        op.add_column(table, sa.Column(name, sa.Text, server_default="", nullable=False))
