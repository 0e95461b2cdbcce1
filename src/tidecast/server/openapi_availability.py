"""The part of our OpenAPI document that is about availability."""

from __future__ import annotations

from tidecast.server.openapi_parts import (
    COUNT,
    ID,
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
    "Withdrawal": {**object_of(by=TEXT), "required": ["by"]},
}  # fmt: skip

AVAILABILITY_PATHS: dict[str, Schema] = {
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
