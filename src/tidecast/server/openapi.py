"""Our own API in OpenAPI 3.1; a test holds it against the routes."""

from __future__ import annotations

import tidecast_collector
from tidecast.server.openapi_availability import AVAILABILITY_PATHS, AVAILABILITY_SCHEMAS
from tidecast.server.openapi_parts import COUNT, ID, NAME, NUMBER, NUMBERS, TEXT, TIME, Schema
from tidecast.server.openapi_parts import list_of as _list
from tidecast.server.openapi_parts import object_of as _object
from tidecast.server.openapi_parts import operation as _operation
from tidecast.server.openapi_parts import query as _query
from tidecast.server.openapi_parts import ref as _ref
from tidecast.server.openapi_policy import SCHEMAS as POLICY_SCHEMAS
from tidecast.server.openapi_policy import policy_paths
from tidecast.server.openapi_slos import SLO_PATHS, SLO_SCHEMAS

STATES = ["over_now", "in_horizon", "beyond_horizon", "not_growing", "not_enough_data", "no_mark"]


TRACK = _object(
    held=COUNT, scored=COUNT, values=COUNT, coverage80=NUMBER, coverage95=NUMBER,
    unwidened_coverage80=NUMBER, mean_error_ratio=NUMBER, pinball_ratio=NUMBER,
    alarms={"type": "object"}, crossings=COUNT, crossing_error_seconds=NUMBER,
)  # fmt: skip

SCHEMAS: dict[str, Schema] = {
    "Problem": _object(type=TEXT, title=TEXT, status={"type": "integer"}, detail=TEXT),
    "Outlook": _object(
        host=TEXT, resource=TEXT, item=TEXT, unit=TEXT, statistic=TEXT,
        state={"type": "string", "enum": STATES}, p10=TIME, p50=TIME, p90=TIME,
        used={"type": ["string", "null"]}, usage=NUMBER, limit=NUMBER, mark=NUMBER,
        provisional_usage=NUMBER,
        full_in_seconds={"oneOf": [{"type": "null"}, _object(p10=NUMBER, p50=NUMBER, p90=NUMBER)]},
        method=TEXT, reasons=_list(TEXT), source=TEXT, query=TEXT, published=TIME,
        sentence=TEXT, findings=_list(_ref("Finding")),
        track={"oneOf": [{"type": "null"}, _object(held=COUNT, scored=COUNT)]},
        history=_object(times_ms=_list({"type": "integer"}), values=NUMBERS),
        forecast={"oneOf": [{"type": "null"}, _object(
            times_ms=_list({"type": "integer"}), mean=NUMBERS, lo80=NUMBERS, hi80=NUMBERS,
            lo95=NUMBERS, hi95=NUMBERS,
        )]},
    ),
    "Finding": _object(
        kind=TEXT, severity={"type": "string", "enum": ["note", "warning", "error"]}, first=TIME,
        last=TIME, what=TEXT, do=TEXT,
    ),
    "Track": TRACK,
    "Score": _object(
        published=TIME, lead_days=COUNT, scored=TIME, values=COUNT, coverage80=NUMBER,
        coverage95=NUMBER, mean_error=NUMBER, pinball=NUMBER, crossed=TIME,
        crossing_error_seconds=NUMBER, held={"type": ["boolean", "null"]},
        alarm={"type": ["string", "null"], "enum": ["right", "wrong", "missed", "quiet", None]},
    ),
    "Change": _object(
        id=COUNT, state={"type": "string", "enum": ["planned", "done", "withdrawn"]}, at=TIME,
        title=TEXT, by=TEXT, host=TEXT, resource=TEXT, item=TEXT, expected=TEXT,
        expected_limit=TEXT, known=TIME, recorded=TIME,
        withdrawn=TIME, withdrawn_by=TEXT,
    ),
    "ChangeToRecord": {
        **_object(
            title=TEXT, by=TEXT, host=TEXT, resource=TEXT, item=TEXT, at=TIME, known=TIME,
            expected=TEXT, expected_limit=TEXT,
        ),
        "required": ["title", "by", "host"],
    },
    "Explanation": _object(
        host=TEXT, resource=TEXT, item=TEXT, unit=TEXT, statistic=TEXT,
        state={"type": "string", "enum": STATES}, p10=TIME, p50=TIME, p90=TIME, published=TIME,
        reasons=_list(TEXT), query=TEXT,
        mark={"oneOf": [{"type": "null"}, _object(value=NUMBER, source=TEXT)]},
        span={"oneOf": [{"type": "null"}, _object(
            first=TIME, last=TIME, values=COUNT, step_seconds=COUNT,
        )]},
        method=_object(
            name=TEXT, members={"type": "object"}, origins=COUNT, mean_error=NUMBER,
            naive_mean_error=NUMBER, widening=NUMBER,
        ),
        probability=NUMBER, within_lead_time=NUMBER, findings=_list(_ref("Finding")),
        changes=_list(_object(
            at=TIME, title=TEXT, by=TEXT, to_come={"type": "boolean"}, size=NUMBER, expected=TEXT,
        )),
        strange=_object(
            anomalies=_list(_object(
                first=TIME, last=TIME, peak=TIME, score=NUMBER, once_in_weeks=NUMBER,
                value=NUMBER, usual=NUMBER, why=TEXT,
            )),
            leak={"oneOf": [{"type": "null"}, _object(
                rate_per_day=NUMBER, error_per_day=NUMBER, days=NUMBER, restarts=_list(TIME),
            )]},
        ),
        steps=_list(_object(at=TIME, size=NUMBER)),
        parts={"oneOf": [{"type": "null"}, _object(
            trend_strength=NUMBER, rise_per_day=NUMBER, seasons={"type": "object"},
            times_ms=_list(COUNT), trend=NUMBERS, season=NUMBERS, rest=NUMBERS,
        )]},
        parts_lacking=TEXT, track={"oneOf": [{"type": "null"}, _ref("Track")]},
        last_errors=_list(_ref("Score")),
    ),
    "Run": _object(
        running={"type": "boolean"}, due={"type": "boolean"}, started=TIME, done=COUNT,
        total=COUNT, seconds=NUMBER,
    ),
    "MethodScore": _object(
        series=TEXT, method=TEXT, origins=COUNT, values=COUNT, mae=NUMBER, mase=NUMBER,
        pinball=NUMBER, coverage80=NUMBER, coverage95=NUMBER, dates=COUNT,
        date_pinball_days=NUMBER, date_error_days=NUMBER, alarms_right=COUNT, alarms_wrong=COUNT,
        alarms_missed=COUNT,
    ),
    "Anomaly": _object(
        host=TEXT, resource=TEXT, item=TEXT, first=TIME, last=TIME, peak=TIME, score=NUMBER,
        once_in_weeks=NUMBER, value=NUMBER, usual=NUMBER, why=TEXT,
    ),
    "Shift": _object(host=TEXT, resource=TEXT, item=TEXT, at=TIME, size=NUMBER),
    "Leak": _object(
        host=TEXT, resource=TEXT, item=TEXT, rate_per_day=NUMBER, error_per_day=NUMBER,
        days=NUMBER, restarts=_list(TIME),
    ),
    "Incident": _object(
        id={"type": "integer"}, name=TEXT, title=TEXT,
        state={"type": "string", "enum": ["open", "acknowledged", "resolved"]},
        severity=TEXT, priority={"type": "integer"}, cause=TEXT, host=TEXT, resource=TEXT,
        item=TEXT, opened=TIME, acknowledged=TIME, acknowledged_by=TEXT, resolved=TIME,
        resolution=TEXT,
        signals=_list(_object(
            state={"type": "string", "enum": ["firing", "unknown", "cleared"]}, source=TEXT,
            expression=TEXT, labels={"type": "object"}, summary=TEXT,
            annotations={"type": "object"}, value=NUMBER, first_firing=TIME, last_firing=TIME,
            cleared=TIME,
        )),
        timeline=_list(_object(at=TIME, kind=TEXT, text=TEXT, actor=TEXT)),
    ),
    "Host": _object(
        host=TEXT, last_seen=TIME, silent={"type": "boolean"}, resources={"type": "integer"},
        open_incidents={"type": "integer"},
    ),
    "Action": {**_object(by=TEXT, comment=TEXT), "required": ["by"]},
    "Retirement": {
        **_object(host=TEXT, resource=TEXT, item=TEXT, by=TEXT), "required": ["host"],
    },
    "Usage": {
        **_object(source=TEXT, series=_list({
            **_object(
                instance=TEXT, resource=TEXT, item=TEXT, unit=TEXT, unit_inferred=TEXT,
                timestamps_ms=_list({"type": "integer"}), mean=NUMBERS, p95=NUMBERS, max=NUMBERS,
                limit=NUMBERS, mark=NUMBERS,
            ),
            "required": ["instance", "resource", "unit", "timestamps_ms"],
        })),
        "required": ["source", "series"],
    },
    "Chunk": {**_object(key=TEXT, source=TEXT, chunk=TEXT), "required": ["key", "source", "chunk"]},
    "Backup": _object(
        name=TEXT, path=TEXT, made=TIME, files={"type": "integer"}, size_bytes={"type": "integer"},
        left_out=_list(TEXT), damage=_list(TEXT),
    ),
    "BackupRequest": _object(name=TEXT),
    "Flag": {**_object(value={"type": "boolean"}), "required": ["value"]},
}  # fmt: skip


def _paths() -> dict[str, Schema]:
    key = [_query("host", required=True), _query("resource", required=True), _query("item")]
    incident = _ref("Incident")
    incidents = _object(incidents=_list(incident))
    states = _query("state", values=["open", "acknowledged", "resolved"])
    report = _operation(
        "The capacity report as a document", TEXT, [_query("format", values=["html", "csv"])]
    )
    report["responses"]["200"]["content"] = {
        "text/html": {"schema": TEXT},
        "text/csv": {"schema": TEXT},
    }
    backup = _operation("The backup as a tar file", TEXT, [NAME])
    backup["responses"]["200"]["content"] = {"application/x-tar": {"schema": TEXT}}
    return {
        "/openapi.json": {"get": _operation("This document", {"type": "object"})},
        "/status": {"get": _operation("What is still to be done", {"type": "object"})},
        "/capacity": {
            "get": _operation(
                "What runs out first",
                _object(
                    made=TIME,
                    horizon_days={"type": "integer"},
                    generated={"type": "boolean"},
                    resources=_list(_ref("Outlook")),
                ),
            )
        },
        "/resource": {"get": _operation("One resource with its series", _ref("Outlook"), key)},
        "/forecasts": {
            "get": _operation(
                "How past forecasts fared",
                _object(
                    fleet=_ref("Track"),
                    kinds={"type": "object", "additionalProperties": _ref("Track")},
                ),
            )
        },
        "/forecasts/scores": {
            "get": _operation(
                "How past forecasts for one resource fared",
                _object(
                    host=TEXT,
                    resource=TEXT,
                    item=TEXT,
                    track=_ref("Track"),
                    scores=_list(_ref("Score")),
                ),
                key,
            )
        },
        "/forecasts/explain": {
            "get": _operation("What is behind one forecast", _ref("Explanation"), key)
        },
        "/forecasts/run": {
            "get": _operation("How far the run of forecasts is", _ref("Run")),
            "post": _operation("Make every forecast again", _ref("Run")),
        },
        "/backtest": {
            "get": _operation(
                "Forecasts of the past made again, beside other methods",
                _object(total=COUNT, offset=COUNT, series=COUNT, scores=_list(_ref("MethodScore"))),
                [_query(name) for name in ("match", "horizon", "origins", "offset", "limit")],
            )
        },
        "/anomalies": {
            "get": _operation(
                "What is strange in the usage of the last four weeks, newest first",
                _object(
                    made=TIME,
                    since=TIME,
                    resources=COUNT,
                    total=COUNT,
                    anomalies=_list(_ref("Anomaly")),
                    shifts=_list(_ref("Shift")),
                    leaks=_list(_ref("Leak")),
                ),
                [_query(name) for name in ("since", "min_score", "match")],
            )
        },
        "/changes": {
            "get": _operation(
                "Recorded changes, the newest first",
                _object(changes=_list(_ref("Change"))),
                [_query("since")],
            ),
            "post": _operation("Record a change", _ref("Change"), body="ChangeToRecord"),
        },
        "/changes/{id}/withdraw": {
            "post": _operation("It is not made after all", _ref("Change"), [ID], "Withdrawal")
        },
        "/hosts": {"get": _operation("Hosts", _object(hosts=_list(_ref("Host"))))},
        "/hosts/retire": {
            "post": _operation("Retire a host or resource", {"type": "object"}, body="Retirement")
        },
        "/incidents": {"get": _operation("Incidents, newest first", incidents, [states])},
        "/incidents/{id}": {"get": _operation("One incident", incident, [ID])},
        "/incidents/{id}/acknowledge": {
            "post": _operation("Somebody is on it", incident, [ID], "Action")
        },
        "/incidents/{id}/resolve": {"post": _operation("It is over", incident, [ID], "Action")},
        "/usage": {
            "post": _operation(
                "Import usage records", _object(written={"type": "integer"}), body="Usage"
            )
        },
        "/imports": {
            "get": _operation(
                "Chunks of an import that are done",
                _object(done=_list(TEXT)),
                [_query("key", required=True)],
            ),
            "post": _operation("A chunk is done", {"type": "object"}, body="Chunk"),
        },
        "/settings/generated": {
            "put": _operation("Whether the data is generated", _ref("Flag"), body="Flag")
        },
        "/reports/capacity": {"get": report},
        "/backups": {
            "get": _operation("Backups beside the data", _object(backups=_list(_ref("Backup")))),
            "post": _operation("Make a backup", _ref("Backup"), body="BackupRequest"),
        },
        "/backups/{name}": {"get": backup, "delete": _operation("Remove it", {}, [NAME])},
    }


def openapi_document() -> Schema:
    """The document, as /api/tidecast/v1/openapi.json answers it."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tidecast",
            "version": tidecast_collector.__version__,
            "description": "Capacity, performance and availability, driven by monitoring.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/api/tidecast/v1"}],
        "security": [{}, {"token": []}],
        "paths": {**_paths(), **AVAILABILITY_PATHS, **SLO_PATHS, **policy_paths()},
        "components": {
            "schemas": {**SCHEMAS, **AVAILABILITY_SCHEMAS, **SLO_SCHEMAS, **POLICY_SCHEMAS},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
