"""What can go wrong with records.

TidecastError
├── InvalidInput
│   └── UnstorableValue    a value that neither database may hold; nothing was written
├── RecordsUnavailable     the database cannot be opened, reached, or written just now
├── RecordConflict         the change contradicts what is recorded; its unit was rolled back
└── RecordsDamaged         what was read is not what was written
"""

from __future__ import annotations

from sqlalchemy import exc

from tidecast_collector.errors import InvalidInput, TidecastError


class UnstorableValue(InvalidInput):
    """A text, number or list that records refuse, on SQLite as on PostgreSQL."""


class RecordsUnavailable(TidecastError):
    """The records cannot be opened, reached or written just now."""


class RecordConflict(TidecastError):
    """The change contradicts what is recorded, such as a second open incident of one cause."""


class RecordsDamaged(TidecastError):
    """A stored record is not what was written."""


def explained(error: exc.SQLAlchemyError) -> TidecastError:
    """The error in our own words; it names neither statement nor parameters, which hold data."""
    cause = error.orig if isinstance(error, exc.StatementError) else None
    if isinstance(cause, TidecastError):
        return cause
    # PostgreSQL's further lines repeat the row.
    what = str(cause if cause is not None else error).strip().partition("\n")[0]
    if isinstance(error, exc.IntegrityError):
        return RecordConflict(f"the records refuse this change: {what}; nothing was written")
    if isinstance(error, exc.TimeoutError):
        return RecordsUnavailable("every connection to the records is in use; try again")
    return RecordsUnavailable(f"the records cannot be used: {what}; nothing was written")
