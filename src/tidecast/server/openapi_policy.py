"""The policy, configuration items and the assessment in OpenAPI, beside `openapi.py`."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer"}
TIME: Schema = {"type": ["string", "null"], "format": "date-time"}
FILES: Schema = {"type": "object", "additionalProperties": TEXT}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


_VERSION: dict[str, Schema] = {
    "version": {"type": ["integer", "null"]},
    "applied": TIME,
    "author": TEXT,
    "comment": TEXT,
}

SCHEMAS: dict[str, Schema] = {
    "Policy": _object(**_VERSION, files=FILES),
    "PolicyVersion": _object(**_VERSION),
    "PolicyRequest": {
        **_object(files=FILES, by=TEXT, comment=TEXT),
        "required": ["files"],
    },
    "PolicyPlan": _object(
        **_VERSION,
        differences=_list(
            _object(
                action={"type": "string", "enum": ["added", "changed", "removed"]},
                kind=TEXT,
                name=TEXT,
                place=TEXT,
                parts=_list(TEXT),
            )
        ),
        warnings=_list(_object(place=TEXT, what=TEXT)),
    ),
}


_PARTS = ("here_and_now", "future", "gap", "roadmap")
SCHEMAS["Statement"] = _object(
    what=TEXT, by={"type": ["string", "null"], "format": "date"}, place=TEXT
)
_FACT = {"ci": TEXT, "attribute": TEXT, "value": {}, "confidence": {"type": "number"}}
_RELATION = {"subject": TEXT, "kind": TEXT, "object": TEXT, "confidence": {"type": "number"}}
_HELD = {"source": TEXT, "from": TIME, "until": TIME}
SCHEMAS |= {
    "Fact": _object(**_FACT, **_HELD),
    "Relation": _object(**_RELATION, **_HELD),
    "FactsRequest": {
        **_object(
            source=TEXT,
            by=TEXT,
            facts=_list(_object(**_FACT, **{"from": TIME, "until": TIME})),
            relations=_list(_object(**_RELATION)),
        ),
        "required": ["source"],
    },
}
_VERDICT: Schema = {"type": ["string", "null"], "enum": ["met", "missed", "open", None]}
SCHEMAS["Requirement"] = _object(
    **{
        key: TEXT
        for key in (
            *("name", "title", "kind", "parent", "owner", "requester", "measure", "state", "said"),
            *("decided_by", "review_period", "sentence", "place"),
        )
    },
    view={"type": ["string", "null"]},
    review={"type": ["string", "null"], "format": "date"},
    measured=_VERDICT,
    contradicted={"type": "boolean"},
    start=TIME,
    end=TIME,
    evidence=_list(_object(what=TEXT, place=TEXT, verdict=_VERDICT, words=TEXT)),
)


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _query(name: str, schema: Schema = TEXT) -> Schema:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def _operation(
    summary: str, answer: Schema, parameters: list[Schema] | None = None, body: str = ""
) -> Schema:
    problem = {"application/problem+json": {"schema": _ref("Problem")}}
    told = {"application/json": {"schema": answer}}
    operation: Schema = {
        "summary": summary,
        "responses": {
            "200": {"description": summary, "content": told},
            "default": {"description": "what was wrong", "content": problem},
        },
    }
    if parameters:
        operation["parameters"] = parameters
    if body:
        content = {"application/json": {"schema": _ref(body)}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def policy_paths() -> dict[str, Schema]:
    """The paths of the policy and of configuration items."""
    at = _query("at")
    facts, relations = _list(_ref("Fact")), _list(_ref("Relation"))
    export = _operation(
        "Everything known of configuration items at a time",
        _object(at=TIME, facts=facts, relations=relations),
        [at, _query("format", {"type": "string", "enum": ["json", "csv"]})],
    )
    export["responses"]["200"]["content"]["text/csv"] = {"schema": TEXT}
    dry_run = _query("dry_run", {"type": "boolean"})
    return {
        "/policy": {
            "get": _operation("The policy in force, with its files", _ref("Policy")),
            "put": _operation(
                "Apply a policy, whole or not at all; or only tell what would change",
                _ref("PolicyPlan"),
                [dry_run],
                "PolicyRequest",
            ),
        },
        "/assess": {
            "get": _operation(
                "Where we are, where it goes, what is missing and what to do",
                _object(made=TIME, **{part: _list(_ref("Statement")) for part in _PARTS}),
            )
        },
        "/facts": {
            "get": _operation(
                "Facts that held at a time", _object(at=TIME, facts=facts), [at, _query("ci")]
            ),
            "post": _operation(
                "What one source says of configuration items; its relations are told whole",
                _object(facts=COUNT, relations=COUNT),
                body="FactsRequest",
            ),
        },
        "/relations": {
            "get": _operation(
                "Relations that held at a time", _object(at=TIME, relations=relations), [at]
            )
        },
        "/configuration": {"get": export},
        "/requirements": {
            "get": _operation(
                "What is asked for, and whether it was met in its review period",
                _object(requirements=_list(_ref("Requirement"))),
            )
        },
        "/policy/versions": {
            "get": _operation(
                "Who applied what, newest first",
                _object(versions=_list(_ref("PolicyVersion"))),
                [_query("limit", COUNT)],
            )
        },
    }
