"""A policy is applied whole or not at all, and every version can be had again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidecast.journeys.applied_policy import PolicyInForce
from tidecast.policy.model import InvalidPolicy, Policy
from tidecast.records import Records

SHOP = {"shop.yaml": "services: {shop: {}}"}


def test_what_is_applied_holds_after_a_restart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'records.sqlite3'}"
    with Records.open(url) as records:
        in_force = PolicyInForce(records)
        assert in_force.policy == Policy()
        version = in_force.apply(SHOP, "ann", "first", 100)
        in_force.apply({"shop.yaml": "services: {search: {}}"}, "bob", "", 200)
    with Records.open(url) as records:
        again = PolicyInForce(records)
        assert list(again.policy.services) == ["search"]
        assert list(again.as_of(199).services) == ["shop"]
        assert again.as_of(99) == Policy()
        assert version.author == "ann"
        with records.reading() as unit:
            assert [entry.actor for entry in unit.audit.recent(5)] == ["bob", "ann"]


def test_what_is_refused_changes_nothing(tmp_path: Path) -> None:
    def no_search(policy: Policy) -> None:
        if "search" in policy.services:
            raise InvalidPolicy("no search here")

    with Records.open(f"sqlite:///{tmp_path / 'records.sqlite3'}") as records:
        in_force = PolicyInForce(records, [no_search])
        in_force.apply(SHOP, "ann", "", 100)
        with pytest.raises(InvalidPolicy, match="unknown key 'shops'"):
            in_force.apply({"a.yaml": "shops: 1"}, "bob", "", 200)
        with pytest.raises(InvalidPolicy, match="no search here"):
            in_force.apply({"a.yaml": "services: {search: {}}"}, "bob", "", 200)
        assert list(in_force.policy.services) == ["shop"]
        with records.reading() as unit:
            assert len(unit.policies.recent(5)) == 1
