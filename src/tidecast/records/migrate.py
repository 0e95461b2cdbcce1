"""Brings a database to the newest schema, in one transaction.

An empty database gets the tables as `tables.py` has them; an older one is migrated. A test holds
the two ways to the same schema.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from tidecast.records.errors import RecordsUnavailable
from tidecast.records.tables import NEWEST_REVISION, metadata

MIGRATIONS = Path(__file__).with_name("migrations")

_ADVISORY_LOCK = 0x7469646563617374
"""Several servers that start at once migrate one after the other ("tidecast" in ASCII)."""

_version = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Where Alembic keeps the revision, exactly as it makes it."""


def migrate(engine: sa.Engine) -> None:
    """Runs the migrations that the database lacks; all of them or none.

    Raises `RecordsUnavailable` for a database of a newer Tidecast.
    """
    with engine.connect() as connection:
        if _revision(connection) == NEWEST_REVISION:
            return
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            _require_utf8(connection)
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
        if _revision(connection) is None:
            _create(connection)
        else:
            upgrade(connection)


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.select(_version.c.version_num)).scalar_one_or_none()


def _require_utf8(connection: sa.Connection) -> None:
    encoding = connection.execute(sa.text("SHOW server_encoding")).scalar_one()
    if encoding != "UTF8":
        raise RecordsUnavailable(
            f"the PostgreSQL database has the encoding {encoding}; create it with ENCODING 'UTF8'"
        )


def _create(connection: sa.Connection) -> None:
    # A table that stands already is somebody else's: creating it fails, and so does all the rest.
    metadata.create_all(connection, checkfirst=False)
    _version.create(connection)
    connection.execute(sa.insert(_version).values(version_num=NEWEST_REVISION))


def upgrade(connection: sa.Connection) -> None:
    """Runs every migration that is not yet in, within the connection's transaction."""
    # Alembic takes half a second to import, so only a database that needs it pays for it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util.exc import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise RecordsUnavailable(
            f"the records have the schema {_revision(connection)!r}, which this version of "
            "Tidecast does not know: they were written by a newer one; install that, or restore "
            "a backup"
        ) from error
