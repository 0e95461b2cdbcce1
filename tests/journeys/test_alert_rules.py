"""The rules in force: the default pack, and the files an operator adds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidecast.journeys import alert_rules
from tidecast.journeys.alert_rules import read_all_rules, read_rules
from tidecast.promql.alerting import AlertingPromQL
from tidecast.promql.engine import Engine
from tidecast.samples.memory import MemorySamples
from tidecast_alerts.rules import InvalidRule

PROMQL = AlertingPromQL(Engine(MemorySamples()))
GOOD = """
groups:
  - name: mine
    rules:
      - alert: Full
        expr: used > 5
"""


def test_the_default_pack_loads_and_needs_no_samples() -> None:
    groups = read_all_rules([], PROMQL)
    names = {rule.name for group in groups for rule in group.rules}
    assert len(names) >= 6
    for group in groups:
        for rule in group.rules:
            PROMQL.instant(rule.expression, 0)


def test_files_are_added_to_the_pack(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(GOOD)
    before, after = read_all_rules([], PROMQL), read_all_rules([path], PROMQL)
    assert [group.name for group in after[len(before) :]] == ["mine"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"groups: [", "rules.yml"),
        (GOOD.replace("used > 5", "used >").encode(), r"rules.yml:6"),
        (GOOD.replace("expr", "exp").encode(), r"rules.yml:\d+"),
        (b"\xff\xfe\x00", "not UTF-8"),
    ],
)
def test_a_bad_file_is_refused_with_its_place(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "rules.yml"
    path.write_bytes(content)
    with pytest.raises(InvalidRule, match=message):
        read_rules(path, PROMQL)


def test_files_that_cannot_be_read_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidRule, match=r"nowhere\.yml: cannot be read: No such file"):
        read_rules(tmp_path / "nowhere.yml", PROMQL)
    with pytest.raises(InvalidRule, match="cannot be read: Is a directory"):
        read_rules(tmp_path, PROMQL)
    path = tmp_path / "large.yml"
    path.write_text(GOOD)
    monkeypatch.setattr(alert_rules, "MAX_FILE_BYTES", 10)
    with pytest.raises(InvalidRule, match="larger than 10 bytes"):
        read_rules(path, PROMQL)
