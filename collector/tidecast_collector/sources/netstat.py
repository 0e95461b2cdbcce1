"""Protocol counters, from /proc/net/{netstat,snmp,snmp6}."""

from __future__ import annotations

import re
from functools import lru_cache

from tidecast_collector.model import UNTYPED, Family
from tidecast_collector.sources.reading import Root

_WANTED = re.compile(
    r"^(\w+_(InErrors|InErrs)"
    r"|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)"
    r"|Icmp6?_(InMsgs|OutMsgs)"
    r"|TcpExt_(Listen\w*|Syncookies\w*|TCPSynRetrans|TCPTimeouts)"
    r"|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)"
    r"|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$"
)
_PROTOCOL_6 = re.compile(r"^(Ip6|Icmp6|Udp6|UdpLite6)(.+)$")


def netstat(root: Root) -> list[Family]:
    """Counters of IP, ICMP, TCP and UDP that tell of load and trouble, as `node_netstat_*`."""
    values = _pairs_of_lines(root, "proc/net/netstat") + _pairs_of_lines(root, "proc/net/snmp")
    snmp6 = root.read_if_there("proc/net/snmp6")
    for line in (snmp6 or b"").decode().splitlines():
        field, value = line.split()
        name = _wanted_of_snmp6(field)
        if name:
            values.append((name, value))
    return [
        Family(f"node_netstat_{name}", UNTYPED, f"Statistic {name}.", (((), float(value)),))
        for name, value in values
    ]


def _pairs_of_lines(root: Root, file: str) -> list[tuple[str, str]]:
    """Wanted (name, value) pairs, from a line of field names above a line of numbers."""
    lines = root.lines(file)
    found = []
    for names, numbers in zip(lines[::2], lines[1::2], strict=True):
        wanted = _wanted_of_line(names)
        if wanted:
            values = numbers.split()
            found += [(name, values[column]) for column, name in wanted]
    return found


# The kernel's some 300 names hardly ever change, so what is wanted of them is kept.
@lru_cache(maxsize=64)
def _wanted_of_line(names: str) -> list[tuple[int, str]]:
    """(column, `Protocol_Field`) of the wanted fields of a line of names."""
    protocol, *fields = names.split()
    found = enumerate((f"{protocol.rstrip(':')}_{field}" for field in fields), start=1)
    return [(column, name) for column, name in found if _WANTED.match(name)]


@lru_cache(maxsize=1024)
def _wanted_of_snmp6(field: str) -> str | None:
    """`Protocol_Field` of a field such as Udp6InErrors, or None where it is not wanted."""
    match = _PROTOCOL_6.match(field)
    name = f"{match[1]}_{match[2]}" if match else ""
    return name if _WANTED.match(name) else None
