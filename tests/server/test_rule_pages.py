"""Rules by label and page by page, as Grafana asks for them."""

from __future__ import annotations

import pytest
from starlette.datastructures import ImmutableMultiDict

from tidecast.promql.parser import parse_selector
from tidecast.server.parameters import InvalidParameter
from tidecast.server.rule_pages import flag, page, with_labels

GROUPS = [
    {"file": "f", "name": name, "rules": [{"name": "r", "labels": {"team": name}}, {"name": "s"}]}
    for name in ("a", "b", "c")
]


def asked(**parameters: str) -> ImmutableMultiDict[str, str]:
    return ImmutableMultiDict(parameters)


def test_pages_follow_each_other() -> None:
    first = page(GROUPS, asked(group_limit="2"))
    assert [group["name"] for group in first["groups"]] == ["a", "b"]
    # printf 'f;c' | sha1sum
    assert first["groupNextToken"] == "ddd489b8d0767042d46e7acd44aa1404e8030ace"
    last = page(GROUPS, asked(group_limit="2", group_next_token=first["groupNextToken"]))
    assert last == {"groups": GROUPS[2:]}
    assert page(GROUPS, asked()) == {"groups": GROUPS}
    assert page(GROUPS, asked(group_limit="3")) == {"groups": GROUPS}


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"group_limit": "0"}, "greater than 0"),
        ({"group_limit": "-1"}, "not a whole number"),
        ({"group_limit": "x"}, "not a whole number"),
        ({"group_next_token": "x"}, "group_limit needs to be present"),
        ({"group_limit": "1", "group_next_token": "x"}, "were rule groups changed"),
    ],
)
def test_a_page_that_cannot_be_told(parameters: dict[str, str], why: str) -> None:
    with pytest.raises(InvalidParameter, match=why):
        page(GROUPS, asked(**parameters))


def test_rules_by_their_labels() -> None:
    team_b = parse_selector('{team="b"}').all_matchers
    without = parse_selector('{team=""}').all_matchers
    (group,) = with_labels(GROUPS, [team_b])
    assert (group["name"], [rule["name"] for rule in group["rules"]]) == ("b", ["r"])
    assert [len(each["rules"]) for each in with_labels(GROUPS, [team_b, without])] == [1, 2, 1]
    assert with_labels(GROUPS, []) is GROUPS


def test_yes_and_no() -> None:
    assert flag(asked(exclude_alerts="T"), "exclude_alerts")
    assert not flag(asked(), "exclude_alerts")
    with pytest.raises(InvalidParameter, match="neither true nor false"):
        flag(asked(exclude_alerts="yes"), "exclude_alerts")
