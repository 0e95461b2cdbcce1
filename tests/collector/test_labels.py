from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast_collector.labels import host_of_instance, label_value, make_labels


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=5)))
def test_labels_are_sorted_without_empty_ones_and_can_be_asked(pairs: dict[str, str]) -> None:
    labels = make_labels(pairs)
    assert labels == make_labels(reversed(list(pairs.items())))
    assert list(labels) == sorted(labels)
    assert dict(labels) == {name: value for name, value in pairs.items() if value}
    for name, value in pairs.items():
        assert label_value(labels, name) == value
    assert label_value(labels, "") == ""


@pytest.mark.parametrize(
    ("instance", "host"),
    [
        ("web-3", "web-3"),
        ("web-3:9100", "web-3"),
        ("10.0.0.1:9798", "10.0.0.1"),
        ("[::1]:9100", "[::1]"),
        ("[::1]", "[::1]"),
        ("fe80::1", "fe80::1"),
        ("web-3:", "web-3:"),
        ("web:x", "web:x"),
        ("", ""),
    ],
)
def test_the_host_is_the_instance_without_its_port(instance: str, host: str) -> None:
    assert host_of_instance(instance) == host
