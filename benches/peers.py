#!/usr/bin/env python3
"""Compares `extract` with the tools that a user might pick instead, side by side on one capture.

    benches/peers.py [--rounds N] [--percent P] [--only NAME,..] [--write]

Makes the capture, installs what is missing (Debian packages by apt-get, Python packages in an environment of their own, a Rust
crate by cargo), runs everything in turn for some rounds, and prints a table; with --write it goes into docs/benchmarks.md. What
is built and made is kept in the cache folder of the user.

Every figure is that of a whole process as the operating system counts it: processor time in user and system mode with that of
the processes it started and waited for, and the largest memory of any one of them.
"""

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "benches" / "peers"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "neural-filter" / "peers"
PYTHON = CACHE / "python" / "bin" / "python3"
DEBIAN = {"softflowd": "softflowd", "nfpcapd": "nfdump", "ndpiReader": "libndpi-bin"}
# GNU time, from Debian too: what the kernel says of the largest memory of a process that Python starts is at least Python's own.
TIME = "/usr/bin/time"
PYPI = {"nfstream": "6.6.0", "scapy": "2.8.0", "dpkt": "1.9.8"}
# Packets of the cut for those that need a hundred microseconds for each.
CUT = 100_000
BEGIN, END = "<!-- peers: made by benches/peers.py -->", "<!-- peers: end -->"


@dataclass
class Peer:
    """A command to measure: `{capture}`, `{directory}` and `{port}` stand for what changes from run to run."""

    name: str
    about: str
    command: list
    # What it printed, to the sessions it counted.
    sessions: Callable
    cut: bool = False
    runs: list = field(default_factory=list)


@dataclass
class Run:
    """What one run took: seconds, seconds, bytes; seconds of CPU a packet, and how many times those of `extract`."""

    cpu: float
    wall: float
    memory: int
    sessions: int
    each: float = 0
    ratio: float = 0


def main():
    options = arguments()
    CACHE.mkdir(parents=True, exist_ok=True)
    extract, flowscope, make_capture = build()
    install()
    whole, packets, made = capture(make_capture, options.percent)
    cut, cut_packets = first_packets(whole, CUT)
    peers = choose(all_peers(extract, flowscope), options.only)
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    for number in range(options.rounds):
        # There and back, so that what runs before does not always run before.
        for peer in peers if number % 2 == 0 else reversed(peers):
            file, count = (cut, cut_packets) if peer.cut else (whole, packets)
            read(file)
            run = measure(peer, file, sink.getsockname()[1])
            run.each = run.cpu / count
            # What it is compared with runs right behind it: a machine that others share is another a minute later.
            read(whole)
            run.ratio = run.each / (measure(peers[0], whole, sink.getsockname()[1]).cpu / packets)
            peer.runs.append(run)
            say(f"round {number + 1}: {peer.name}: {run.cpu:.2f} s of CPU, {run.wall:.2f} s, {run.sessions} sessions")
    page = table(peers, packets, cut_packets, made, options.rounds)
    print(page)
    if options.write:
        write(page)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="runs of each (5)")
    parser.add_argument("--percent", type=int, default=100, help="how much of the capture to make (100)")
    parser.add_argument("--only", default="", help="names of those to run, separated by commas; extract always is")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds is {options.rounds}, it must be at least 1")
    return options


def all_peers(extract, flowscope):
    rows = [extract, "{capture}", "--json", "--out", "none", "--kind"]
    ours = lambda out, err: json.loads(out)["sessions"]  # noqa: E731
    first = lambda out, err: int(out.split()[0])  # noqa: E731
    nfstream = [PYTHON, PEERS / "nfstream_flows.py", "{capture}"]
    timeouts = [f"-t{name}" for name in
                ("tcp=120", "tcp.rst=120", "tcp.fin=120", "udp=60", "icmp=20", "general=60", "maxlife=1800")]
    return [
        Peer("extract", "8 columns of each of the first 64 packets a session, statistics of all; one thread, without context",
             [*rows, "packets"], ours),
        Peer("extract, 2 threads", "the same", [*rows, "packets", "--threads", "2"], ours),
        Peer("extract, all packets", "the same, of every packet",
             [*rows, "packets", "--max-packets", "65536"], ours),
        Peer("extract, sessions", "statistics of sessions alone", [*rows, "sessions"], ours),
        Peer("extract, context", "55 columns a session of what its hosts did around it", [*rows, "context"], ours),
        Peer("softflowd", "counts by 5-tuple, NetFlow 9 sent to a local port; room for 200,000 flows",
             ["softflowd", "-r", "{capture}", "-d", "-6", "-m", "200000", "-v", "9", "-n", "127.0.0.1:{port}",
              "-c", "none", "-p", "none", *timeouts],
             lambda out, err: int(re.search(r"Flows expired: (\d+)", out + err)[1])),
        Peer("nfpcapd", "counts by one-way 5-tuple, files of nfdump; timeouts of 1800 s and 120 s",
             ["nfpcapd", "-r", "{capture}", "-w", "{directory}", "-e", "1800,120"],
             lambda out, err: sum(map(int, re.findall(r"Flows: (\d+), Packets", out + err)))),
        Peer("ndpiReader", "detection of protocols, summary as text", ["ndpiReader", "-i", "{capture}"],
             lambda out, err: int(re.search(r"Unique flows:\s+(\d+)", out)[1])),
        Peer("flowscope", "CICFlowMeter's features a flow, by a program of 40 lines; timeouts of 120, 60 and 20 s",
             [flowscope, "{capture}"], first),
        Peer("nfstream", "its statistics a flow, and its dissection of 20 packets; timeouts of 120 s and 1800 s",
             [*nfstream, "1", "20"], first),
        Peer("nfstream, statistics", "without dissection", [*nfstream, "1", "0"], first),
        Peer("nfstream, counts", "without dissection and statistics", [*nfstream, "0", "0"], first),
        Peer("dpkt", "the 8 columns of every packet, in Python", [PYTHON, PEERS / "dpkt_rows.py", "{capture}"], first, cut=True),
        Peer("scapy", "the 8 columns of every packet, in Python", [PYTHON, PEERS / "scapy_rows.py", "{capture}", "rows"], first,
             cut=True),
        Peer("scapy, no rows", "packets taken apart and dropped", [PYTHON, PEERS / "scapy_rows.py", "{capture}", "dissect"], first,
             cut=True),
    ]


def choose(peers, names):
    wanted = {name.strip() for name in names.split(",") if name.strip()}
    unknown = wanted - {peer.name.split(",")[0] for peer in peers}
    if unknown:
        sys.exit(f"peers.py: --only names {', '.join(sorted(unknown))}, which is not known")
    return [peer for peer in peers if not wanted or peer.name.split(",")[0] in wanted | {"extract"}]


def build():
    """Builds our programs without the neural models, and the one around flowscope."""
    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    cargo = ["cargo", "build", "--release", "--quiet", "--no-default-features"]
    run([*cargo, "-p", "nf-examples", "--features", "tables", "--example", "extract"], cwd=ROOT)
    run([*cargo, "-p", "nf-benches", "--bin", "make_capture"], cwd=ROOT)
    run(["cargo", "build", "--release", "--quiet", "--locked", "--target-dir", CACHE / "flowscope"], cwd=PEERS / "flowscope")
    release = target / "release"
    return release / "examples" / "extract", CACHE / "flowscope" / "release" / "flowscope-peer", release / "make_capture"


def install():
    # softflowd is in a folder for administrators.
    os.environ["PATH"] += os.pathsep + "/usr/sbin"
    programs = {**DEBIAN, TIME: "time"}
    missing = [package for program, package in programs.items() if not shutil.which(program)]
    if missing:
        root = [] if os.geteuid() == 0 else ["sudo"]
        run([*root, "apt-get", "update", "-q"])
        run([*root, "apt-get", "install", "-qy", "--no-install-recommends", *missing])
    if not PYTHON.exists():
        run([sys.executable, "-m", "venv", CACHE / "python"])
    wanted = [f"{name}=={version}" for name, version in PYPI.items()]
    run([PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted])


def capture(make_capture, percent):
    """The capture, its packets, and what `make_capture` says of it."""
    path = CACHE / ("peers.pcap" if percent == 100 else f"peers-{percent}.pcap")
    said = run([make_capture, path, "--percent", str(percent)])
    packets, made = re.search(r"(\d+) packets, (\d+ bytes, crc32 [0-9a-f]{8})", said).groups()
    return path, int(packets), made


def first_packets(path, count):
    """A capture of the first packets of another."""
    cut = path.with_name(f"{path.stem}-first-{count}.pcap")
    packets = 0
    with open(path, "rb") as source, open(cut, "wb") as target:
        target.write(source.read(24))
        while packets < count and (head := source.read(16)):
            target.write(head + source.read(struct.unpack("<I", head[8:12])[0]))
            packets += 1
    return cut, packets


def read(path):
    """Brings a file into the system's cache, so that nobody waits for a disk."""
    with open(path, "rb") as file:
        while file.read(1 << 20):
            pass


def measure(peer, path, port):
    with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, \
            tempfile.NamedTemporaryFile() as memory:
        command = [str(part).format(capture=path, directory=directory, port=port) for part in peer.command]
        start = time.monotonic()
        timed = [TIME, "--format=%M", f"--output={memory.name}", *command]
        process = subprocess.Popen(timed, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
        if process.returncode:
            sys.exit(f"peers.py: {' '.join(command)} ended with {process.returncode}:\n{texts[1][-2000:]}")
        return Run(used.ru_utime + used.ru_stime, wall, int(memory.read().split()[-1]) * 1024, peer.sessions(*texts))


def table(peers, packets, cut_packets, made, rounds):
    """The table in Markdown: medians of the runs and of their ratios."""
    rows = ["| tool | ns of CPU a packet | packets a CPU second | slower than `extract` | wall | memory | sessions | what it does |",
            "|---|---|---|---|---|---|---|---|"]
    for peer in peers:
        cost, wall, ratio = (statistics.median(getattr(run, name) for run in peer.runs) for name in ("each", "wall", "ratio"))
        memory, sessions = max(run.memory for run in peer.runs), peer.runs[-1].sessions
        rows.append(f"| {peer.name}{' *' if peer.cut else ''} | {cost * 1e9:,.0f} | {round_to(1 / cost, 3):,} | {ratio:,.3g} | "
                    f"{wall:.2f} s | {memory / 1e6:,.0f} MB | {sessions:,} | {peer.about} |")
    versions = ", ".join([*(f"{package} {debian(package)}" for package in DEBIAN.values()),
                          *(f"{name} {version}" for name, version in PYPI.items()), "flowscope 0.22.0"])
    bytes_, crc32 = made.split(" bytes, ")
    head = [f"{packets:,} packets of {int(bytes_) / packets:.0f} bytes ({crc32}), medians of {rounds} rounds. {versions}."]
    foot = [f"\\* on the first {cut_packets:,} packets of the capture."] if any(peer.cut for peer in peers) else []
    return "\n\n".join("\n".join(part) for part in (head, rows, foot) if part)


def round_to(number, digits):
    return int(float(f"{number:.{digits}g}"))


def debian(package):
    return run(["dpkg-query", "-W", "-f", "${Version}", package])


def write(page):
    path = ROOT / "docs" / "benchmarks.md"
    before, rest = path.read_text().split(BEGIN)
    path.write_text(f"{before}{BEGIN}\n\n{page}\n\n{END}{rest.split(END)[1]}")
    say(f"wrote {path}")


def run(command, cwd=None):
    """Runs a command that must work, and gives what it printed."""
    done = subprocess.run([str(part) for part in command], cwd=cwd, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"peers.py: {' '.join(map(str, command))} ended with {done.returncode}")
    return done.stdout


def say(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
