"""A capture to flows by nfstream, one meter. Arguments: capture, statistics (0 or 1), packets to dissect of a flow.
Prints flows and packets."""

import sys

from nfstream import NFStreamer


def main():
    path, statistics, dissections = sys.argv[1], sys.argv[2] == "1", int(sys.argv[3])
    streamer = NFStreamer(
        source=path,
        statistical_analysis=statistics,
        n_dissections=dissections,
        idle_timeout=120,
        active_timeout=1800,
        n_meters=1,
    )
    flows = packets = 0
    for flow in streamer:
        flows += 1
        packets += flow.bidirectional_packets
    print(flows, packets)


if __name__ == "__main__":
    main()
