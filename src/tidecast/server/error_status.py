"""Which HTTP status an error of any room is."""

from __future__ import annotations

from tidecast.records.errors import RecordConflict, RecordsUnavailable
from tidecast.samples.protocol import SamplesUnavailable
from tidecast.server.problems import Problem
from tidecast_alerts.incidents import NoSuchIncident
from tidecast_collector.errors import InvalidInput, TidecastError


def status_of(error: TidecastError) -> int:
    """The HTTP status that says whose fault an error is."""
    if isinstance(error, Problem):
        return error.status
    if isinstance(error, NoSuchIncident):
        return 404
    if isinstance(error, SamplesUnavailable | RecordsUnavailable):
        return 503
    if isinstance(error, RecordConflict):
        return 409
    return 400 if isinstance(error, InvalidInput) else 500
