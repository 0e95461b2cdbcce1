"""The JSON Schema that editors use, held against the readers."""

from __future__ import annotations

import jsonschema
import pytest
import yaml

from tidecast.policy.reading import SECTIONS
from tidecast.policy.schema import policy_schema

SCHEMA = policy_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=None)


def test_it_is_a_schema_that_knows_every_section() -> None:
    VALIDATOR.check_schema(SCHEMA)
    assert set(SCHEMA["anyOf"][0]["properties"]) == SECTIONS


@pytest.mark.parametrize(
    "text",
    [
        "services: {x: {nope: 1}}",
        "services: {x: {rests_on: {k_of_n: {k: 1}}}}",
        "slas: {x: {service: a}}",
        "nonsense: {}",
        "requirements: {R: {title: t, kind: strange}}",
    ],
)
def test_it_refuses_what_the_readers_refuse(text: str) -> None:
    assert not VALIDATOR.is_valid(yaml.safe_load(text))
