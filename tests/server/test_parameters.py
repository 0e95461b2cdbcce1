"""Times, durations and counts as Prometheus' API spells them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import ImmutableMultiDict

from tidecast.server.parameters import (
    MAX_TIME_MS,
    InvalidParameter,
    duration_ms,
    required,
    time_ms,
    whole_number,
)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("0", 0),
        ("1.5", 1500),
        ("-1.5", -1500),
        ("1e3", 1_000_000),
        ("1700000000.1234", 1_700_000_000_123),
        ("1970-01-01T00:00:01Z", 1000),
        ("1970-01-01T01:00:00.25+01:00", 250),
        ("9007199254740.992", MAX_TIME_MS),
    ],
)
def test_a_time_is_unix_seconds_or_rfc_3339(text: str, milliseconds: int) -> None:
    assert time_ms(text, "time") == milliseconds


@pytest.mark.parametrize(
    ("text", "milliseconds"), [("15", 15_000), ("0.5", 500), ("1h30m", 5_400_000), ("5ms", 5)]
)
def test_a_duration_is_seconds_or_prometheus_spelling(text: str, milliseconds: int) -> None:
    assert duration_ms(text, "step") == milliseconds


@given(st.text(max_size=30) | st.from_regex(r"[-+]?[0-9.eE_]{1,20}", fullmatch=True))
def test_anything_else_is_an_invalid_parameter(text: str) -> None:
    for read in (time_ms, duration_ms):
        try:
            assert abs(read(text, "x")) <= MAX_TIME_MS
        except InvalidParameter as error:
            assert 'invalid parameter "x"' in str(error)
    try:
        assert (whole_number(ImmutableMultiDict({"x": text}), "x") or 0) >= 0
    except InvalidParameter as error:
        assert 'invalid parameter "x"' in str(error)


def test_a_parameter_that_is_missing_or_empty_is_named() -> None:
    for given_ in ({}, {"query": ""}):
        with pytest.raises(InvalidParameter, match='"query"'):
            required(ImmutableMultiDict(given_), "query")
    assert whole_number(ImmutableMultiDict({}), "limit") is None
