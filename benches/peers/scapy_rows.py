"""A capture to packets by scapy: with `rows` to rows and sessions as well. Arguments: capture, `dissect` or `rows`.
Prints sessions and packets."""

import sys

from rows import Payload, Sessions
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether  # noqa: F401 (says how frames begin)
from scapy.packet import NoPayload
from scapy.utils import PcapReader


def main():
    path, rows = sys.argv[1], sys.argv[2] == "rows"
    sessions = Sessions()
    with PcapReader(path) as reader:
        for packet in reader:
            if rows:
                push(sessions, packet)
            else:
                sessions.packets += 1
    print(sessions)


def push(sessions, packet):
    network = packet.getlayer(IP) or packet.getlayer(IPv6)
    if network is None:
        sessions.packets += 1
        return
    ports, flags, window, sequence, content = (0, 0), 0, 0, 0, b""
    for layer in (TCP, UDP, ICMP):
        transport = network.getlayer(layer)
        if transport is None:
            continue
        if layer is not ICMP:
            ports = (transport.sport, transport.dport)
        if layer is TCP:
            flags, window, sequence = int(transport.flags), transport.window, transport.seq
        if not isinstance(transport.payload, NoPayload):
            # The bytes as they came, not built anew.
            content = transport.payload.original or bytes(transport.payload)
        break
    protocol = network.proto if network.version == 4 else network.nh
    ends = (network.src, ports[0]), (network.dst, ports[1])
    sessions.push(float(packet.time), protocol, *ends, flags, window, Payload(content, sequence))


main()
