"""The live charts' expressions parse and find a host whatever it is called."""

from __future__ import annotations

import promql_parser
import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from tidecast.web.live_charts import instance_matcher, live_charts


@pytest.mark.parametrize(
    "host", ["web-3", "db.example.com", "[::1]", 'a"b\\c', "a{b}", "new\nline"]
)
def test_every_expression_parses(host: str) -> None:
    for chart in live_charts(host):
        for query in chart.queries:
            promql_parser.parse(query.expression)


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=1))
def test_the_matcher_finds_this_host_alone_with_or_without_port(host: str) -> None:
    quoted = instance_matcher(host).removeprefix('instance=~"').removesuffix('"')
    pattern = quoted.replace("\\\\", "\0").replace('\\"', '"').replace("\0", "\\")
    assert re2.fullmatch(pattern, host)
    assert re2.fullmatch(pattern, f"{host}:9100")
    assert not re2.fullmatch(pattern, f"{host}:")
    assert not re2.fullmatch(pattern, f"x{host}")
