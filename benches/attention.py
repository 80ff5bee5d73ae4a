#!/usr/bin/env python3
"""What each attention costs by the length of a session: CPU time and memory of a training step, CPU time of judging.

    cargo build --release -p nf-benches --bin reference_configuration
    benches/attention.py [--binary target/release/reference_configuration] [--longest 8192]

One layer of width 128 with 8 heads and 512 hidden units, one thread, each case in a process of its own. A step has 8192 packets,
at least two sessions of one length, one session at a time: what differs between the rows is how far packets see.
"""

import argparse
import json
import statistics
import subprocess
from pathlib import Path

PACKETS, STEPS = 8192, 2
ATTENTIONS = {"full": "full", "window": "window, 64 each way", "linear": "linear", "low-rank": "low rank, 256"}


def run(binary, attention, length, *more):
    """Microseconds of CPU a packet, and megabytes at most."""
    sessions = max(PACKETS // length, 2)
    command = [binary, "--json", "--layers", 1, "--threads", 1, "--attention", attention, *more]
    command += ["--packets", length, "--sessions", sessions, "--steps", STEPS]
    lines = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True).stdout.splitlines()
    steps = [json.loads(line) for line in lines]
    # The first step makes the memory that the others use.
    seconds = statistics.median(step["cpu_seconds"] for step in steps[1:])
    return seconds * 1e6 / (sessions * length), steps[-1]["peak_rss_mb"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).parent.parent / "target/release/reference_configuration"
    parser.add_argument("--binary", type=Path, default=default)
    parser.add_argument("--longest", type=int, default=PACKETS)
    options = parser.parse_args()
    lengths = [128 << i for i in range(7) if 128 << i <= options.longest]
    print("| | attention |", *(f" {length} |" for length in lengths), sep="")
    print("|---|---|", "---|" * len(lengths), sep="")
    for attention, name in ATTENTIONS.items():
        trained = [run(options.binary, attention, length) for length in lengths]
        judged = [run(options.binary, attention, length, "--score") for length in lengths]
        cells = {
            "train, µs a packet": [f"{time:.0f}" for time, _ in trained],
            "train, MB": [f"{memory:.0f}" for _, memory in trained],
            "judge, µs a packet": [f"{time:.1f}" for time, _ in judged],
        }
        for what, values in cells.items():
            print(f"| {what} | {name} |", *(f" {value} |" for value in values), sep="", flush=True)


if __name__ == "__main__":
    main()
