"""resources.yaml: every fault with its place; and the default file on a real host's metrics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tidecast.journeys.measure_usage import measure
from tidecast.policy.model import InvalidPolicy
from tidecast.policy.resources import ResourceDefinition, load_resources, parse_resources
from tidecast.promql.alerting import AlertingPromQL
from tidecast.promql.engine import Engine
from tidecast.samples.batch import SampleBatch
from tidecast.samples.memory import MemorySamples
from tidecast_collector.collect import Collector
from tidecast_collector.model import series_labels
from tidecast_collector.sources.catalog import sources_of_platform
from tidecast_collector.sources.reading import Root

CHECK = AlertingPromQL(Engine(MemorySamples())).check
GOOD = """\
resources:
  tape:
    title: Tape
    unit: bytes
    usage: tape_used_bytes
    limit: tape_size_bytes
"""


def test_what_is_not_said_has_a_default() -> None:
    assert parse_resources(GOOD, "r.yaml", CHECK) == {
        "tape": ResourceDefinition(
            "tape", "Tape", "bytes", "tape_used_bytes", "tape_size_bytes", "", "max", 0.9,
            14 * 86_400, False,
        )
    }  # fmt: skip


def test_everything_can_be_said() -> None:
    text = GOOD.replace("tape_size_bytes", "12.5") + (
        "    item: drive\n    statistic: p95\n    mark_ratio: 1\n    lead_time: 1w12h\n"
        "    fast_path: true\n"
    )
    (tape,) = parse_resources(text, "r.yaml", CHECK).values()
    assert (tape.limit, tape.item, tape.statistic, tape.mark_ratio) == (12.5, "drive", "p95", 1.0)
    assert (tape.lead_time_seconds, tape.fast_path) == (7 * 86_400 + 12 * 3600, True)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("resources:", "resource:", "r.yaml:1:1: unknown key 'resource'"),
        ("title: Tape", "titel: Tape", "r.yaml:3:5: unknown key 'titel'"),
        ("title: Tape", "title: [Tape]", "r.yaml:3:12: expected text, found a list"),
        ("    title: Tape\n", "", "r.yaml:3:5: tape lacks title"),
        ("unit: bytes", "unit: MB", "r.yaml:4:11: unit: 'MB' is not one of"),
        ("unit: bytes", "unit: bytes\n    unit: count", "r.yaml:5:5: 'unit' stands twice"),
        ("tape_used_bytes", "sum(", "r.yaml:5:12: usage: "),
        ("tape_size_bytes", "1 +", "r.yaml:6:12: limit: "),
        ("tape_size_bytes", "0", "r.yaml:6:12: limit: 0 is not a number above 0"),
        ("tape_size_bytes", "-1", "r.yaml:6:12: limit: -1 is not"),
        ("tape_size_bytes", "nan", "r.yaml:6:12: limit: nan is not"),
        ("tape_size_bytes", "inf", "r.yaml:6:12: limit: inf is not"),
        ("unit: bytes", "unit: bytes\n    mark_ratio: 90", "r.yaml:5:17: mark_ratio: 90 is not"),
        ("unit: bytes", "unit: bytes\n    mark_ratio: nan", "r.yaml:5:17: mark_ratio: nan"),
        ("unit: bytes", "unit: bytes\n    mark_ratio: high", "r.yaml:5:17: mark_ratio: could not"),
        ("unit: bytes", "unit: bytes\n    lead_time: soon", "r.yaml:5:16: lead_time: 'soon'"),
        ("unit: bytes", "unit: bytes\n    statistic: p99", "r.yaml:5:16: statistic: 'p99'"),
        ("unit: bytes", "unit: bytes\n    fast_path: yes", "r.yaml:5:16: fast_path: 'yes'"),
        ("  tape:\n", "  tape: 5\n  tape2:\n", "r.yaml:2:9: expected a mapping"),
        ("resources:", "resources: [", "r.yaml:3:10: not YAML"),
        ("Tape", "*nobody", "r.yaml:3:12: not YAML: found undefined alias"),
        ("Tape", "\x07", "r.yaml:3:12: not YAML: character 7"),
    ],
)
def test_every_fault_has_its_place(old: str, new: str, message: str) -> None:
    with pytest.raises(InvalidPolicy) as refused:
        parse_resources(GOOD.replace(old, new, 1), "r.yaml", CHECK)
    assert message in str(refused.value)


def test_the_whole_must_be_a_mapping() -> None:
    with pytest.raises(InvalidPolicy, match=r"r\.yaml:1:1: expected a mapping"):
        parse_resources("- x\n- y\n", "r.yaml", CHECK)


def test_all_faults_are_told_at_once() -> None:
    text = (
        GOOD.replace("bytes\n    usage", "MB\n    usage").replace("tape_used", "(") + "other: 1\n"
    )
    with pytest.raises(InvalidPolicy) as refused:
        parse_resources(text, "r.yaml", CHECK)
    assert len(str(refused.value).splitlines()) >= 3


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidPolicy, match=r"gone\.yaml: cannot be read: No such file"):
        load_resources(CHECK, tmp_path / "gone.yaml")
    (tmp_path / "binary").write_bytes(b"\xff")
    with pytest.raises(InvalidPolicy, match="binary: not UTF-8"):
        load_resources(CHECK, tmp_path / "binary")
    (tmp_path / "good").write_text(GOOD)
    assert list(load_resources(CHECK, tmp_path / "good")) == ["tape"]


# --- the default file ---

START, STEP, COUNT = 1_700_000_040_000, 10_000, 61


@pytest.fixture(scope="module")
def this_host() -> MemorySamples:
    """What the agent reads of this machine, as if it had stood still for ten minutes.

    Each busy counter is made to run by known amounts: each CPU is idle half of the time, each disk
    busy a quarter of it, and each interface receives 1,000 and sends 2,000 bytes a second.
    """
    running = {
        "node_disk_io_time_seconds_total": 0.25,
        "node_network_receive_bytes_total": 1000.0,
        "node_network_transmit_bytes_total": 2000.0,
    }
    times = START + STEP * np.arange(COUNT, dtype=np.int64)
    seconds = (times - START) / 1000
    parts = []
    for family in Collector(sources_of_platform(), Root()).collect():
        for tags, value in family.samples:
            rate = running.get(family.name, 0.0)
            if family.name == "node_cpu_seconds_total":
                rate = 0.5 if ("mode", "idle") in tags else 0.0
            labels = series_labels(family.name, tags, (("instance", "here"), ("job", "node")))
            parts.append((labels, times, value + rate * seconds))
    samples = MemorySamples()
    samples.append(SampleBatch.of(parts))
    return samples


def test_the_defaults_measure_a_real_host(this_host: MemorySamples) -> None:
    definitions = load_resources(CHECK)
    end = START + STEP * (COUNT - 1)
    found = list(measure(Engine(this_host), definitions.values(), end, end))
    by_name = {each.key.resource: each for each in found}
    assert {"cpu", "memory", "load", "file_handles", "filesystem"} <= by_name.keys()
    assert by_name["cpu"].usage.tolist() == pytest.approx([0.5])
    for each in found:
        (usage,), (limit,) = each.usage, each.limit
        assert each.key.host == "here"
        assert usage >= 0, each.key
        if each.key.resource in ("memory", "swap", "filesystem", "inodes", "cpu", "disk"):
            assert usage <= limit, each.key
        if each.key.resource == "disk":
            assert usage == pytest.approx(0.25)
        if each.key.resource == "network":
            assert usage == pytest.approx(2000), "the busier direction"
    assert bool(by_name["filesystem"].key.item)
    assert by_name["load"].limit[0] == by_name["load"].limit[0].round() >= 1


def test_the_defaults_are_complete_and_kill_fast_what_kills() -> None:
    definitions = load_resources(CHECK)
    assert list(definitions) == [
        "cpu", "memory", "swap", "filesystem", "inodes", "disk", "network", "file_handles", "load",
    ]  # fmt: skip
    fast = {name for name, each in definitions.items() if each.fast_path}
    assert fast == {"memory", "filesystem", "inodes", "file_handles"}
    for each in definitions.values():
        assert 0.5 < each.mark_ratio <= 1
        assert 7 * 86_400 <= each.lead_time_seconds <= 30 * 86_400
