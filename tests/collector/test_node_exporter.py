"""Our metrics beside those of the real node_exporter, on this machine, at the same time."""

from __future__ import annotations

import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from tests.scenario.driver import PATIENCE_SECONDS, free_port

from tidecast_collector.collect import Collector
from tidecast_collector.exposition import TextWriter
from tidecast_collector.sources.catalog import sources_of_platform
from tidecast_collector.sources.reading import Root

pytestmark = pytest.mark.servers

# What does not move between the two readings, or hardly ever does.
STEADY = re.compile(
    r"node_(memory_(MemTotal|SwapTotal|CommitLimit|Hugepagesize|VmallocTotal)_bytes"
    r"|memory_HugePages_\w+|boot_time_seconds|filefd_maximum|uname_info|time_zone_offset_seconds"
    r"|filesystem_(size_bytes|readonly|device_error)"
    r"|network_(up|mtu_bytes|carrier|speed_bytes)"
    r"|timex_(tick_seconds|tai_offset_seconds|pps_\w+)|nf_conntrack_entries_limit|entropy_pool_size_bits|netstat_Ip_Forwarding)"
)
# node_exporter has what we leave to it; of the rest we have what it has.
NOT_OURS = re.compile(
    r"node_(disk_info|exporter_build_info|os_|selinux|textfile|time_clocksource|udp_queues"
    r"|nf_conntrack_stat|network_(address|carrier_(up_|down_)?changes|transmit_queue|device_id|dormant|flags|iface|info"
    r"|name_assign|net_dev_group|protocol))|promhttp_|go_|process_"
)
# These come and go with the neighbours and the moment.
MOVING = re.compile(r"node_(arp_entries|scrape_collector_\w+)")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What node_exporter exposes on this machine."""
    port = free_port()
    log = tmp_path_factory.mktemp("node_exporter") / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            ["/usr/bin/prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{port}"],
            stdout=output,
            stderr=output,
        )
    try:
        yield _get(f"http://127.0.0.1:{port}/metrics", server, log)
    finally:
        server.terminate()
        server.wait(PATIENCE_SECONDS)


def _get(url: str, server: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return str(response.read().decode())
        except urllib.error.URLError:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)


@pytest.fixture(scope="module")
def ours() -> str:
    families = Collector(sources_of_platform(), Root()).collect()
    return TextWriter().write(families).decode()


def _families(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def _series(family: Metric) -> dict[tuple[tuple[str, str], ...], float]:
    """Values by labels; an empty label is as good as none."""
    return {
        tuple(sorted((key, value) for key, value in sample.labels.items() if value)): sample.value
        for sample in family.samples
    }


def test_all_of_its_names_are_there_with_its_types_and_labels(ours: str, theirs: str) -> None:
    our_families, their_families = _families(ours), _families(theirs)
    due = {name for name in their_families if not NOT_OURS.match(name)}
    assert due - our_families.keys() == set()
    for name in due:
        assert our_families[name].type == their_families[name].type, name
        if not MOVING.match(name):
            assert _series(our_families[name]).keys() == _series(their_families[name]).keys(), name


def test_what_does_not_move_has_its_values(ours: str, theirs: str) -> None:
    our_families, their_families = _families(ours), _families(theirs)
    steady = [name for name in their_families if STEADY.fullmatch(name)]
    assert len(steady) > 25
    for name in steady:
        assert _series(our_families[name]) == _series(their_families[name]), name


def test_what_moves_is_of_its_size(ours: str, theirs: str) -> None:
    # Units: a factor of 10 or 1024 off would show. Only counters of some size say anything: what
    # other tests send over loopback between the two looks soon doubles a small one.
    our_families, their_families = _families(ours), _families(theirs)
    compared = 0
    for name in (
        *("node_cpu_seconds", "node_disk_read_bytes", "node_disk_written_bytes"),
        *("node_disk_io_time_seconds", "node_network_receive_bytes", "node_intr"),
        *("node_context_switches", "node_forks", "node_filesystem_avail_bytes"),
        *("node_memory_MemAvailable_bytes", "node_memory_Cached_bytes", "node_time_seconds"),
        *("node_pressure_io_waiting_seconds", "node_vmstat_pgfault", "node_filesystem_files_free"),
    ):
        for labels, value in _series(their_families[name]).items():
            if value > (50e6 if "bytes" in name else 20):
                mine = _series(our_families[name])[labels]
                assert 0.5 < mine / value < 2, (name, labels, mine, value)
                compared += 1
    assert compared > 10


def _promtool(text: str) -> set[str]:
    """What promtool remarks, line by line."""
    done = subprocess.run(
        ["/usr/bin/promtool", "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    return set((done.stdout + done.stderr).splitlines())


def test_promtool_remarks_nothing_that_it_does_not_of_node_exporter(ours: str, theirs: str) -> None:
    assert _promtool(ours) - _promtool(theirs) == set()
