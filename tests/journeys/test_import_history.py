"""Usage records from outside: each fault is named by its place, and then nothing is written."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.journeys.support import H0, HOUR_MS, defined

from tidecast.journeys.import_history import (
    InvalidUsage,
    keep_usage,
    parse_usage_import,
    with_default_marks,
)
from tidecast.journeys.usage_records import ResourceKey, read_usage
from tidecast.policy.resources import Resources
from tidecast.samples.memory import MemorySamples
from tidecast_collector.errors import InvalidInput

GOOD: dict[str, Any] = {
    "source": "csv:storage.csv",
    "series": [
        {
            "instance": "nas",
            "resource": "thing",
            "item": "/pool",
            "unit": "bytes",
            "timestamps_ms": [H0, H0 + HOUR_MS],
            "mean": [1, None],
            "max": [2.5, 3],
            "limit": [10, 20],
        },
        {"instance": "nas", "resource": "custom", "unit": "count", "timestamps_ms": []},
    ],
}


def test_a_good_document_becomes_records_of_its_kind_of_source() -> None:
    parsed = parse_usage_import(GOOD)
    pool, custom = parsed.records
    assert parsed.source == "csv:storage.csv"
    assert pool.source == "csv"
    assert pool.key == ResourceKey("nas", "thing", "/pool")
    np.testing.assert_array_equal(pool.mean, [1, np.nan])
    np.testing.assert_array_equal(pool.max, [2.5, 3])
    assert np.isnan(pool.p95).all()
    assert len(custom.hours_ms) == 0
    assert parsed.units == {pool.key: "bytes", custom.key: "count"}


def test_marks_that_are_missing_are_the_policys_share_of_the_limit() -> None:
    document = copy.deepcopy(GOOD)
    document["series"][0]["mark"] = [None, 12]
    records = parse_usage_import(document).records
    pool, custom = with_default_marks(records, Resources({"thing": defined(mark_ratio=0.8)}))
    assert pool.mark.tolist() == [8, 12]  # 0.8 * 10; the second was given
    assert custom is records[1], "no policy, no mark"


def test_kept_records_are_read_back() -> None:
    samples = MemorySamples()
    assert keep_usage(samples, parse_usage_import(GOOD).records) == 5  # 1 mean, 2 max, 2 limits
    history = read_usage(samples, 0, 2**60)[ResourceKey("nas", "thing", "/pool")]
    assert history.of("max")[1].tolist() == [2.5, 3]
    assert history.sources == {"csv"}


def fault(**change: object) -> dict[str, Any]:
    """GOOD with these values in its first series; `...` takes one away."""
    document = copy.deepcopy(GOOD)
    for name, value in change.items():
        if value is ...:
            del document["series"][0][name]
        else:
            document["series"][0][name] = value
    return document


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "the document.source"),
        ({**GOOD, "source": ""}, "the document.source"),
        ({**GOOD, "source": ":measured"}, "source must begin with a kind"),
        ({**GOOD, "source": 5}, "the document.source"),
        ({**GOOD, "series": {}}, "series must be a list"),
        ({"source": "csv"}, "series must be a list"),
        ({**GOOD, "series": [GOOD["series"][0], 7]}, r"series\[1\] must be an object"),
        (fault(instance=""), r"series\[0\].instance"),
        (fault(instance=...), r"series\[0\].instance"),
        (fault(instance="x" * 1025), r"series\[0\].instance"),
        (fault(instance="a\0b"), r"series\[0\].instance must not hold a NUL"),
        (fault(resource=None), r"series\[0\].resource"),
        (fault(item=3), r"series\[0\].item"),
        (fault(unit=...), r"series\[0\].unit"),
        (fault(timestamps_ms=...), r"series\[0\].timestamps_ms must be a list"),
        (fault(timestamps_ms=[True, False]), r"timestamps_ms must be a list of whole"),
        (fault(timestamps_ms=[1.0, 2.0]), r"timestamps_ms must be a list of whole"),
        (fault(timestamps_ms=[10**30, 0]), r"series\[0\].timestamps_ms"),
        (fault(timestamps_ms=[H0, H0 + 1]), "must be full hours"),
        (fault(timestamps_ms=[H0, 10**15 * HOUR_MS // 10**3]), "years 1 to 9999"),
        (fault(timestamps_ms=[-HOUR_MS * 10**9, H0]), "years 1 to 9999"),
        (fault(timestamps_ms=[H0, H0]), "must ascend"),
        (fault(timestamps_ms=[H0 + HOUR_MS, H0]), "must ascend"),
        (fault(max=[1]), r"series\[0\].max must be a list as long"),
        (fault(mean="1,2"), r"series\[0\].mean must be a list as long"),
        (fault(limit=[1, "2"]), r"series\[0\].limit must hold numbers or null"),
        (fault(mark=[True, 1]), r"series\[0\].mark must hold numbers or null"),
    ],
)
def test_every_fault_is_located(document: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidUsage, match=message):
        parse_usage_import(document)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*GOOD["series"][0], "source", "series"]), inner, max_size=9
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_anything_else_is_refused_as_invalid_input(value: object) -> None:
    document = value if isinstance(value, dict) else {"source": "x", "series": [value]}
    try:
        parse_usage_import(document)
    except InvalidInput as error:
        assert json.dumps(str(error))
