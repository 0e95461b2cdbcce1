"""The part of our OpenAPI document that is about availability."""

from __future__ import annotations

from tidecast.server.openapi_parts import (
    COUNT,
    ID,
    NUMBER,
    TEXT,
    TIME,
    Schema,
    list_of,
    object_of,
    operation,
    query,
    ref,
)
from tidecast_analytics.timelines import ClassificationKind, ComponentState

STATE: Schema = {"type": "string", "enum": list(ComponentState)}
KIND: Schema = {"type": "string", "enum": list(ClassificationKind)}
MOMENT: Schema = {"type": ["string", "integer"], "description": "ISO 8601, or milliseconds UTC"}
YES_OR_NO: Schema = {"type": "boolean"}
FIGURES: dict[str, Schema] = {
    "availability": NUMBER,
    "availability_lowest": NUMBER,
    "availability_highest": NUMBER,
    "agreed_seconds": NUMBER,
    "down_seconds": NUMBER,
    "unknown_seconds": NUMBER,
    "breaks": COUNT,
}
SUMMARY: dict[str, Schema] = {
    "name": TEXT,
    "title": TEXT,
    "kind": {"type": "string", "enum": ["service", "component"]},
    **FIGURES,
    "modelled_availability": NUMBER,
    "sentence": TEXT,
}
TIMES = [query(name) for name in ("start", "end", "month", "time_zone", "known_on")]
PERIOD = [query(name) for name in ("component", "start", "end", "known_on")]

AVAILABILITY_SCHEMAS: dict[str, Schema] = {
    "Observation": object_of(
        component=TEXT, state=STATE, **{"from": TIME}, from_ms=COUNT, known_at=TIME, source=TEXT
    ),
    "Observations": {
        **object_of(observations=list_of({
            **object_of(
                component=TEXT, state=STATE, **{"from": MOMENT}, known_at=MOMENT, source=TEXT
            ),
            "required": ["component", "state", "from", "source"],
        })),
        "required": ["observations"],
    },
    "Classification": object_of(
        id=COUNT, component=TEXT, kind=KIND, state={"type": ["string", "null"]}, start=TIME,
        end=TIME, reason=TEXT, author=TEXT, known_at=TIME, withdrawn=TIME, withdrawn_by=TEXT,
    ),
    "Word": {
        **object_of(
            component=TEXT, kind=KIND, state=STATE, start=MOMENT, end=MOMENT, reason=TEXT,
            author=TEXT,
        ),
        "required": ["component", "kind", "start", "end", "reason", "author"],
    },
    "Branch": object_of(
        kind=TEXT, name={"type": ["string", "null"]}, availability=NUMBER,
        parts=list_of(ref("Branch")),
    ),
    "AvailabilitySummary": object_of(**SUMMARY),
    "Availability": object_of(
        **SUMMARY, start=TIME, end=TIME, until=TIME, complete=YES_OR_NO, known_on=TIME,
        unknown_counts_as=TEXT, mtbf_seconds=NUMBER, mtrs_seconds=NUMBER, mtbsi_seconds=NUMBER,
        mtbf_lowest_seconds=NUMBER, mtbf_highest_seconds=NUMBER, mtbf_confidence=NUMBER,
        longest_outage_seconds=NUMBER,
        outages=list_of(object_of(
            start=TIME, end=TIME, counted_seconds=NUMBER, goes_on=YES_OR_NO,
        )),
        category_seconds={"type": "object", "additionalProperties": NUMBER},
        timeline=list_of(object_of(
            start=TIME, end=TIME, start_ms=COUNT, end_ms=COUNT, category=TEXT,
        )),
        components=list_of(object_of(name=TEXT, **FIGURES)),
        tree={"oneOf": [{"type": "null"}, ref("Branch")]},
        policy={"type": "object", "additionalProperties": list_of(TEXT)},
        single_points_of_failure=list_of(TEXT), cut_sets=list_of(list_of(TEXT)),
        too_complex={"type": ["string", "null"]}, words=list_of(ref("Classification")),
        conventions=list_of(TEXT),
    ),
    "Availabilities": object_of(
        start=TIME, end=TIME, until=TIME, known_on=TIME,
        services=list_of(ref("AvailabilitySummary")),
    ),
    "AvailabilityPlan": object_of(
        start=TIME, until=TIME,
        parts=list_of(object_of(
            service=TEXT, component=TEXT, lost_seconds=NUMBER, option=TEXT, gain_seconds=NUMBER,
            availability_with_option=NUMBER, costs=list_of(TEXT),
        )),
        common_causes=list_of(object_of(
            service=TEXT, components=list_of(TEXT), joint_seconds=NUMBER, predicted_seconds=NUMBER,
            index=NUMBER,
        )),
    ),
    "Withdrawal": {**object_of(by=TEXT), "required": ["by"]},
}  # fmt: skip

AVAILABILITY_PATHS: dict[str, Schema] = {
    "/availability": {
        "get": operation(
            "Availability of one service or component, or of all services in short",
            {"anyOf": [ref("Availability"), ref("Availabilities")]},
            [query("service"), query("component"), *TIMES],
        )
    },
    "/availability/plan": {
        "get": operation(
            "What cost most availability, and what a second part would bring",
            ref("AvailabilityPlan"),
            [query("service"), *TIMES],
        )
    },
    "/observations": {
        "get": operation(
            "Raw observations of components",
            object_of(observations=list_of(ref("Observation"))),
            PERIOD,
        ),
        "post": operation(
            "Add observations", object_of(taken=COUNT, added=COUNT), body="Observations"
        ),
    },
    "/classifications": {
        "get": operation(
            "Words said of components' time",
            object_of(classifications=list_of(ref("Classification"))),
            PERIOD,
        ),
        "post": operation("Say something of a time", ref("Classification"), body="Word"),
    },
    "/classifications/{id}/withdraw": {
        "post": operation("Take a word back", ref("Classification"), [ID], "Withdrawal")
    },
}
