"""A capture to rows and sessions by dpkt. Argument: capture. Prints sessions and packets."""

import sys

import dpkt
from rows import Payload, Sessions


def main():
    sessions = Sessions()
    with open(sys.argv[1], "rb") as file:
        for time, frame in dpkt.pcap.Reader(file):
            network = dpkt.ethernet.Ethernet(frame).data
            if not isinstance(network, (dpkt.ip.IP, dpkt.ip6.IP6)):
                sessions.packets += 1
                continue
            transport, ports, flags, window, sequence = network.data, (0, 0), 0, 0, 0
            if isinstance(transport, (dpkt.tcp.TCP, dpkt.udp.UDP)):
                ports, content = (transport.sport, transport.dport), bytes(transport.data)
            else:
                content = bytes(transport)[8:]
            if isinstance(transport, dpkt.tcp.TCP):
                flags, window, sequence = transport.flags, transport.win, transport.seq
            protocol = network.p if isinstance(network, dpkt.ip.IP) else network.nxt
            ends = (network.src, ports[0]), (network.dst, ports[1])
            sessions.push(time, protocol, *ends, flags, window, Payload(content, sequence))
    print(sessions)


main()
