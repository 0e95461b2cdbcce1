"""Sources read a recorded host; the expected numbers are worked out beside it."""

from __future__ import annotations

import os

import pytest

from tidecast_collector.collect import Collector
from tidecast_collector.model import Family
from tidecast_collector.sources import kernel
from tidecast_collector.sources.catalog import sources_of_platform
from tidecast_collector.sources.cpu import cpu
from tidecast_collector.sources.diskstats import diskstats
from tidecast_collector.sources.load import load
from tidecast_collector.sources.memory import memory
from tidecast_collector.sources.netclass import netclass
from tidecast_collector.sources.netdev import netdev
from tidecast_collector.sources.netstat import netstat
from tidecast_collector.sources.pressure import pressure
from tidecast_collector.sources.reading import Root
from tidecast_collector.sources.sockstat import sockstat
from tidecast_collector.sources.softnet import softnet
from tidecast_collector.sources.stat import stat
from tidecast_collector.sources.timex import timex_families
from tidecast_collector.sources.vmstat import vmstat

from .conftest import Host, sample_lines


def _types(families: list[Family]) -> dict[str, str]:
    return {family.name: family.type for family in families}


STAT = """\
cpu  300 0 200 1000 50 0 20 10 70 0
cpu0 100 1 50 400 25 3 10 4 70 5
cpu11 200 0 150 600 25 0 10 6 0 0
intr 248272 0 0 7
ctxt 508766
btime 1795345899
processes 7276
procs_running 3
procs_blocked 1
softirq 206040 0 14608
"""


def test_cpu(host: Host) -> None:
    # 100 ticks a second, so the ticks of cpu0 are hundredths of seconds
    families = cpu(host({"proc/stat": STAT}))
    lines = sample_lines(families)
    assert lines[:8] == [
        'node_cpu_seconds_total{cpu="0",mode="user"} 1',
        'node_cpu_seconds_total{cpu="0",mode="nice"} 0.01',
        'node_cpu_seconds_total{cpu="0",mode="system"} 0.5',
        'node_cpu_seconds_total{cpu="0",mode="idle"} 4',
        'node_cpu_seconds_total{cpu="0",mode="iowait"} 0.25',
        'node_cpu_seconds_total{cpu="0",mode="irq"} 0.03',
        'node_cpu_seconds_total{cpu="0",mode="softirq"} 0.1',
        'node_cpu_seconds_total{cpu="0",mode="steal"} 0.04',
    ]
    assert 'node_cpu_seconds_total{cpu="11",mode="idle"} 6' in lines
    assert lines[16:18] == [
        'node_cpu_guest_seconds_total{cpu="0",mode="user"} 0.7',
        'node_cpu_guest_seconds_total{cpu="0",mode="nice"} 0.05',
    ]
    assert set(_types(families).values()) == {"counter"}


def test_stat(host: Host) -> None:
    families = stat(host({"proc/stat": STAT}))
    assert sample_lines(families) == [
        "node_intr_total 248272",
        "node_context_switches_total 508766",
        "node_boot_time_seconds 1795345899",
        "node_forks_total 7276",
        "node_procs_running 3",
        "node_procs_blocked 1",
    ]
    assert _types(families)["node_boot_time_seconds"] == "gauge"
    assert _types(families)["node_intr_total"] == "counter"


def test_memory(host: Host) -> None:
    meminfo = (
        "MemTotal:  24684084 kB\nActive(anon):  2 kB\nHugePages_Total:  3\nHugepagesize: 2048 kB\n"
    )
    # kB there means 1024 bytes: 24684084 * 1024 = 25276502016
    assert sample_lines(memory(host({"proc/meminfo": meminfo}))) == [
        "node_memory_MemTotal_bytes 25276502016",
        "node_memory_Active_anon_bytes 2048",
        "node_memory_HugePages_Total 3",
        "node_memory_Hugepagesize_bytes 2097152",
    ]


def test_vmstat(host: Host) -> None:
    text = (
        "nr_free_pages 9\npgpgin 1\npgpgout 2\npswpin 3\npswpout 4\n"
        "pgfault 5\npgmajfault 6\npgfree 7\n"
    )
    families = vmstat(host({"proc/vmstat": text + "oom_kill 8\nthp_fault_alloc 9\n"}))
    assert sample_lines(families) == [
        "node_vmstat_pgpgin 1",
        "node_vmstat_pgpgout 2",
        "node_vmstat_pswpin 3",
        "node_vmstat_pswpout 4",
        "node_vmstat_pgfault 5",
        "node_vmstat_pgmajfault 6",
        "node_vmstat_oom_kill 8",
    ]
    assert set(_types(families).values()) == {"untyped"}


def test_load_and_processes(host: Host) -> None:
    root = host(
        {
            "proc/loadavg": "0.50 1.25 2.00 3/412 9999\n",
            "proc/1/stat": "",
            "proc/77/stat": "",
            "proc/sys/kernel/pid_max": "32768\n",
            "proc/sys/kernel/threads-max": "192000\n",
        }
    )
    assert sample_lines(load(root)) == ["node_load1 0.5", "node_load5 1.25", "node_load15 2"]
    assert sample_lines(kernel.processes(root)) == [
        "node_processes_pids 2",
        "node_processes_threads 412",
        "node_processes_max_processes 32768",
        "node_processes_max_threads 192000",
    ]


def test_diskstats(host: Host) -> None:
    # sectors are 512 bytes (3 -> 1536, 7 -> 3584), times are milliseconds (4 -> 0.004)
    text = (
        "   7       0 loop0 1 0 0 0 0 0 0 0 0 0 0\n"
        "   8       0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n"
        "   8       1 sda1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n"
        " 259       0 nvme0n1 1 0 0 0 0 0 0 0 0 0 0\n"
        " 259       1 nvme0n1p1 1 0 0 0 0 0 0 0 0 0 0\n"
    )
    families = diskstats(host({"proc/diskstats": text}))
    lines = sample_lines(families)
    assert [line for line in lines if '"sda"' in line] == [
        'node_disk_reads_completed_total{device="sda"} 1',
        'node_disk_reads_merged_total{device="sda"} 2',
        'node_disk_read_bytes_total{device="sda"} 1536',
        'node_disk_read_time_seconds_total{device="sda"} 0.004',
        'node_disk_writes_completed_total{device="sda"} 5',
        'node_disk_writes_merged_total{device="sda"} 6',
        'node_disk_written_bytes_total{device="sda"} 3584',
        'node_disk_write_time_seconds_total{device="sda"} 0.008',
        'node_disk_io_now{device="sda"} 9',
        'node_disk_io_time_seconds_total{device="sda"} 0.01',
        'node_disk_io_time_weighted_seconds_total{device="sda"} 0.011',
        'node_disk_discards_completed_total{device="sda"} 12',
        'node_disk_discards_merged_total{device="sda"} 13',
        'node_disk_discarded_sectors_total{device="sda"} 14',
        'node_disk_discard_time_seconds_total{device="sda"} 0.015',
        'node_disk_flush_requests_total{device="sda"} 16',
        'node_disk_flush_requests_time_seconds_total{device="sda"} 0.017',
    ]
    assert not [line for line in lines if "loop0" in line or "sda1" in line or "p1" in line]
    assert len([line for line in lines if "nvme0n1" in line]) == 11  # an old kernel's columns
    assert _types(families)["node_disk_io_now"] == "gauge"


def test_network(host: Host) -> None:
    root = host(
        {
            "proc/net/dev": (
                "Inter-|   Receive  |  Transmit\n face |bytes packets\n"
                "    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n"
                "  eth0:10 11 12 13 14 15 16 17 20 21 22 23 24 25 26 27\n"
            ),
            "sys/class/net/eth0/operstate": "up\n",
            "sys/class/net/eth0/mtu": "1500\n",
            "sys/class/net/eth0/speed": "1000\n",
            "sys/class/net/eth0/carrier": "1\n",
            "sys/class/net/eth0/statistics/rx_nohandler": "18\n",
            "sys/class/net/lo/operstate": "unknown\n",
            "sys/class/net/lo/mtu": "65536\n",
            "sys/class/net/bonding_masters": "\n",
        }
    )
    assert sample_lines(netdev(root)) == [
        'node_network_receive_bytes_total{device="eth0"} 10',
        'node_network_receive_packets_total{device="eth0"} 11',
        'node_network_receive_errs_total{device="eth0"} 12',
        'node_network_receive_drop_total{device="eth0"} 13',
        'node_network_receive_fifo_total{device="eth0"} 14',
        'node_network_receive_frame_total{device="eth0"} 15',
        'node_network_receive_compressed_total{device="eth0"} 16',
        'node_network_receive_multicast_total{device="eth0"} 17',
        'node_network_transmit_bytes_total{device="eth0"} 20',
        'node_network_transmit_packets_total{device="eth0"} 21',
        'node_network_transmit_errs_total{device="eth0"} 22',
        'node_network_transmit_drop_total{device="eth0"} 23',
        'node_network_transmit_fifo_total{device="eth0"} 24',
        'node_network_transmit_colls_total{device="eth0"} 25',
        'node_network_transmit_carrier_total{device="eth0"} 26',
        'node_network_transmit_compressed_total{device="eth0"} 27',
        'node_network_receive_nohandler_total{device="eth0"} 18',
    ]
    # 1000 Mbit/s = 1e9 / 8 bytes a second
    assert sample_lines(netclass(root)) == [
        'node_network_up{device="eth0"} 1',
        'node_network_up{device="lo"} 0',
        'node_network_carrier{device="eth0"} 1',
        'node_network_mtu_bytes{device="eth0"} 1500',
        'node_network_mtu_bytes{device="lo"} 65536',
        'node_network_speed_bytes{device="eth0"} 125000000',
    ]


def test_netstat(host: Host) -> None:
    root = host(
        {
            "proc/net/netstat": (
                "TcpExt: TW ListenDrops\nTcpExt: 1 2\nIpExt: InOctets InX\nIpExt: 3 4\n"
            ),
            "proc/net/snmp": "Tcp: MaxConn CurrEstab InErrs\nTcp: -1 5 6\n",
            "proc/net/snmp6": "Ip6InOctets \t7\nUdpLite6InErrors\t8\nIp6OutNoRoutes 9\n",
        }
    )
    assert sample_lines(netstat(root)) == [
        "node_netstat_TcpExt_ListenDrops 2",
        "node_netstat_IpExt_InOctets 3",
        "node_netstat_Tcp_CurrEstab 5",
        "node_netstat_Tcp_InErrs 6",
        "node_netstat_Ip6_InOctets 7",
        "node_netstat_UdpLite6_InErrors 8",
    ]


def test_sockstat_and_softnet(host: Host) -> None:
    root = host(
        {
            "proc/net/sockstat": "sockets: used 17\nTCP: inuse 4 mem 2\nFRAG: inuse 0 memory 5\n",
            "proc/net/sockstat6": "TCP6: inuse 6\n",
            "proc/net/softnet_stat": "0000000d 00000001 00000002 0 0 0 0 0 0 000000ff 00000003\n",
        }
    )
    assert sample_lines(sockstat(root)) == [
        "node_sockstat_sockets_used 17",
        "node_sockstat_TCP_inuse 4",
        "node_sockstat_TCP_mem 2",
        f"node_sockstat_TCP_mem_bytes {2 * os.sysconf('SC_PAGE_SIZE')}",
        "node_sockstat_FRAG_inuse 0",
        "node_sockstat_FRAG_memory 5",
        "node_sockstat_TCP6_inuse 6",
    ]
    assert sample_lines(softnet(root)) == [
        'node_softnet_processed_total{cpu="0"} 13',
        'node_softnet_dropped_total{cpu="0"} 1',
        'node_softnet_times_squeezed_total{cpu="0"} 2',
        'node_softnet_received_rps_total{cpu="0"} 255',
        'node_softnet_flow_limit_count_total{cpu="0"} 3',
    ]


def test_pressure(host: Host) -> None:
    full = "full avg10=0.00 avg60=0.00 avg300=0.00 total={}\n"
    some = "some avg10=0.00 avg60=0.00 avg300=0.00 total={}\n"
    root = host(
        {
            "proc/pressure/cpu": some.format(1500000) + full.format(9),
            "proc/pressure/io": some.format(2000000) + full.format(1000000),
            "proc/pressure/irq": full.format(250000),
        }
    )
    assert sample_lines(pressure(root)) == [
        "node_pressure_cpu_waiting_seconds_total 1.5",
        "node_pressure_io_waiting_seconds_total 2",
        "node_pressure_io_stalled_seconds_total 1",
        "node_pressure_irq_stalled_seconds_total 0.25",
    ]


def test_kernel_facts(host: Host) -> None:
    root = host(
        {
            "proc/sys/fs/file-nr": "620\t0\t2466170\n",
            "proc/sys/net/netfilter/nf_conntrack_count": "5\n",
            "proc/sys/net/netfilter/nf_conntrack_max": "262144\n",
            "proc/sys/kernel/random/entropy_avail": "250\n",
            "proc/sys/kernel/random/poolsize": "256\n",
            "proc/net/arp": (
                "IP HW Flags Addr Mask Device\n10.0.0.1 0x1 0x2 a * eth1\n"
                "10.0.0.2 0x1 0x2 b * eth0\n10.0.0.3 0x1 0x2 c * eth1\n"
            ),
            "proc/schedstat": "version 15\ncpu0 0 0 0 0 0 0 2000000000 500000000 7\ndomain0 3 0\n",
        }
    )
    assert sample_lines(kernel.filefd(root)) == [
        "node_filefd_allocated 620",
        "node_filefd_maximum 2466170",
    ]
    assert sample_lines(kernel.conntrack(root)) == [
        "node_nf_conntrack_entries 5",
        "node_nf_conntrack_entries_limit 262144",
    ]
    assert sample_lines(kernel.entropy(root)) == [
        "node_entropy_available_bits 250",
        "node_entropy_pool_size_bits 256",
    ]
    assert sample_lines(kernel.arp(root)) == [
        'node_arp_entries{device="eth0"} 1',
        'node_arp_entries{device="eth1"} 2',
    ]
    assert sample_lines(kernel.schedstat(root)) == [
        'node_schedstat_running_seconds_total{cpu="0"} 2',
        'node_schedstat_waiting_seconds_total{cpu="0"} 0.5',
        'node_schedstat_timeslices_total{cpu="0"} 7',
    ]


def test_timex() -> None:
    # 250 us in nanoseconds (status bit 0x2000); 65536000000 is 1 ppm * 1e6 with 16 bits of fraction
    fields = (0, 250_000, 65_536_000_000, 500, 2_000_000, 0x2001, 7, 1, 2, 3, 4)
    pulse = (10_000, 0, 8_000, 9, 0, 11, 12, 13, 14, 37)
    lines = sample_lines(timex_families(0, (*fields, *pulse)))
    assert lines == [
        "node_timex_sync_status 1",
        "node_timex_offset_seconds 0.00025",
        "node_timex_maxerror_seconds 0.0005",
        "node_timex_estimated_error_seconds 2",
        "node_timex_frequency_adjustment_ratio 2",
        "node_timex_status 8193",
        "node_timex_loop_time_constant 7",
        "node_timex_tick_seconds 0.01",
        "node_timex_tai_offset_seconds 37",
        "node_timex_pps_frequency_hertz 0",
        "node_timex_pps_jitter_seconds 8e-06",
        "node_timex_pps_shift_seconds 9",
        "node_timex_pps_stability_hertz 0",
        "node_timex_pps_jitter_total 11",
        "node_timex_pps_calibration_total 12",
        "node_timex_pps_error_total 13",
        "node_timex_pps_stability_exceeded_total 14",
    ]
    # in microseconds without that bit; state 5 means not synchronised
    lines = sample_lines(timex_families(5, (*fields[:5], 1, *fields[6:], *pulse)))
    assert lines[:2] == ["node_timex_sync_status 0", "node_timex_offset_seconds 0.25"]


def test_a_failing_source_is_reported_and_the_others_go_on(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    root = host({"proc/loadavg": "0.50 1.25 2.00 3/412 9999\n", "proc/stat": "cpu0 1 x\n"})
    collector = Collector({"cpu": cpu, "loadavg": load, "meminfo": memory}, root)
    for _ in range(2):
        lines = sample_lines(collector.collect())
        assert "node_load1 0.5" in lines
        assert 'node_scrape_collector_success{collector="cpu"} 0' in lines
        assert 'node_scrape_collector_success{collector="loadavg"} 1' in lines
        assert 'node_scrape_collector_success{collector="meminfo"} 0' in lines
        assert len([line for line in lines if "collector_duration_seconds" in line]) == 3
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2  # once each, not once a cycle
    assert said[0].startswith("tidecast-agent: source cpu: ValueError: ")
    assert "meminfo: FileNotFoundError" in said[1]
    host({"proc/stat": STAT})
    collector.collect()
    assert "source cpu: well again" in capsys.readouterr().err


def test_this_host_has_the_basics_from_both_catalogs() -> None:
    basics = {
        "node_cpu_seconds_total",
        "node_memory_MemTotal_bytes",
        "node_memory_MemAvailable_bytes",
        "node_memory_SwapFree_bytes",
        "node_load1",
        "node_filesystem_size_bytes",
        "node_disk_read_bytes_total",
        "node_network_receive_bytes_total",
        "node_boot_time_seconds",
        "node_processes_pids",
        "node_uname_info",
    }
    named: dict[str, dict[str, Family]] = {}
    for platform in ("linux", "darwin"):
        families = Collector(sources_of_platform(platform), Root()).collect()
        names = [family.name for family in families]
        assert len(names) == len(set(names)), "each family once"
        named[platform] = {family.name: family for family in families}
        assert basics <= named[platform].keys()
        success = named[platform]["node_scrape_collector_success"]
        assert [tags for tags, value in success.samples if value != 1] == []
    steady = ("node_memory_MemTotal_bytes", "node_memory_SwapTotal_bytes", "node_boot_time_seconds")
    for name in steady:
        assert named["linux"][name].samples == named["darwin"][name].samples
    for name, family in named["darwin"].items():
        if name in named["linux"]:
            assert family.type == named["linux"][name].type, name
