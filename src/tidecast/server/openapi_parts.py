"""What the parts of our OpenAPI document are written with."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
TIME: Schema = {"type": ["string", "null"], "format": "date-time"}
NUMBER: Schema = {"type": ["number", "null"]}
NUMBERS: Schema = {"type": ["array", "null"], "items": NUMBER}
COUNT: Schema = {"type": "integer"}

NAME: Schema = {"name": "name", "in": "path", "required": True, "schema": TEXT}
ID: Schema = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}


def object_of(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


def list_of(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def query(name: str, *, required: bool = False, values: list[str] | None = None) -> Schema:
    schema = {"type": "string", "enum": values} if values else TEXT
    return {"name": name, "in": "query", "required": required, "schema": schema}


def json_of(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def operation(
    summary: str,
    answer: Schema,
    parameters: list[Schema] | None = None,
    body: str = "",
) -> Schema:
    operation: Schema = {
        "summary": summary,
        "responses": {
            "200": {"description": summary, "content": json_of(answer)},
            "default": {
                "description": "what was wrong",
                "content": {"application/problem+json": {"schema": ref("Problem")}},
            },
        },
    }
    if parameters:
        operation["parameters"] = parameters
    if body:
        operation["requestBody"] = {"required": True, "content": json_of(ref(body))}
    return operation
