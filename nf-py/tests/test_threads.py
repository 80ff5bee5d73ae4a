"""What other threads and Ctrl-C can do while the engine works."""

from __future__ import annotations

import gzip
import io
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neural_filter as nf

DATA = Path(__file__).resolve().parents[2] / "examples" / "data"
MANY = [DATA / "attacks.pcap.zst"] * 4


@pytest.fixture(scope="module")
def forest(benign: nf.Sessions) -> nf.Detector:
    return nf.Detector(heads=["forest", "rhythm"], random_state=7).fit(benign)


@pytest.fixture(scope="module")
def many() -> nf.Sessions:
    return nf.read_sessions(MANY)


@pytest.fixture(scope="module")
def verdicts(forest: nf.Detector, many: nf.Sessions) -> nf.Verdicts:
    return forest.judge(many)


def with_open_sessions(forest: nf.Detector) -> nf.Monitor:
    monitor = nf.Monitor(forest)
    for i in range(20_000):
        udp = bytes.fromhex("4500001e000100004011f96e0a0000010a000002") + struct.pack(">HHHH", 1000 + i, 53, 10, 0) + b"hi"
        monitor.push(bytes(12) + b"\x08\x00" + udp, 10**10, 1)
    return monitor


# What makes ready, and what then may take long.
WORK: dict[str, Callable[[nf.Detector, nf.Sessions, nf.Verdicts], Callable[[], object]]] = {
    "read_sessions": lambda forest, many, verdicts: lambda: nf.read_sessions(MANY),
    "read_packets": lambda forest, many, verdicts: lambda: nf.read_packets(MANY[0]),
    "a mask": lambda forest, many, verdicts: lambda: many[np.ones(len(many), dtype=bool)],
    "transform": lambda forest, many, verdicts: lambda: nf.PacketFeatures(64).transform(many),
    "from_array": lambda forest, many, verdicts: partial(nf.Rows.from_array, np.zeros((40_000, 64, 8), np.float32)),
    "score": lambda forest, many, verdicts: partial(fitted(many).score, flow(many)),
    "judge": lambda forest, many, verdicts: lambda: forest.judge(many),
    "explain_all": lambda forest, many, verdicts: lambda: forest.explain_all(verdicts[2000:2040]),
    "incidents": lambda forest, many, verdicts: lambda: verdicts.incidents(),
    "html": lambda forest, many, verdicts: lambda: verdicts._repr_html_(),
    "advance": lambda forest, many, verdicts: partial(with_open_sessions(forest).advance, 3600 * 10**9),
    "drop": lambda forest, many, verdicts: [verdicts[::-1]].clear,
}


def flow(sessions: nf.Sessions) -> Any:
    return np.array(nf.FlowFeatures().transform(sessions))


def fitted(sessions: nf.Sessions) -> nf.IsolationForest:
    return nf.IsolationForest(random_state=0).fit(flow(sessions[:2000]))


@pytest.mark.parametrize("name", WORK)
def test_other_threads_run_meanwhile(name: str, forest: nf.Detector, many: nf.Sessions, verdicts: nf.Verdicts) -> None:
    held = [longest_hold(WORK[name](forest, many, verdicts))]
    # A busy machine may keep the other thread waiting as well, but not each time.
    while held[-1][0] > 0.5 * held[-1][1] + 0.002 and len(held) < 8:
        held.append(longest_hold(WORK[name](forest, many, verdicts)))
    assert len(held) < 8, held


def longest_hold(work: Callable[[], object]) -> tuple[float, float]:
    """The longest time in which another thread did not run, and the whole, in seconds."""
    ticks: list[float] = []
    done = threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.0005)

    thread = threading.Thread(target=tick)
    thread.start()
    time.sleep(0.01)
    start = time.perf_counter()
    result = work()
    end = time.perf_counter()
    done.set()
    thread.join()
    within = [start, *(tick for tick in ticks if start <= tick <= end), end]
    del result
    return max(after - before for before, after in zip(within, within[1:])), end - start


def interrupted(work: Callable[[], object], after: float = 0.3) -> float:
    """How long it goes on behind Ctrl-C, in seconds."""
    pressed: list[float] = []

    def press() -> None:
        time.sleep(after)
        pressed.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        work()
    late = time.perf_counter() - pressed[0]
    thread.join()
    return late


@pytest.mark.parametrize("name", ["judge", "explain_all", "fit", "stream", "read_packets"])
def test_ctrl_c_ends_work_soon(name: str, forest: nf.Detector, many: nf.Sessions, verdicts: nf.Verdicts) -> None:
    long: dict[str, Callable[[], object]] = {
        "judge": lambda: [forest.judge(many) for _ in range(9)],
        "explain_all": lambda: forest.explain_all(verdicts),
        "fit": lambda: [nf.Detector(threads=1).fit(many[:9000], progress=False) for _ in range(9)],
        "stream": lambda: list(nf.stream(MANY * 9, batch=10**6)),
        "read_packets": lambda: [nf.read_packets(MANY[0]) for _ in range(99)],
    }
    # 0.1 s and one part; the rest is for a busy machine.
    assert interrupted(long[name]) < 0.8


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("written", [None, b"", bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000")])
def test_ctrl_c_ends_waiting_for_a_silent_pipe(threads: int, written: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "live.pcap"
    os.mkfifo(path)
    writer = None if written is None else os.open(path, os.O_RDWR)
    if writer is not None and written:
        os.write(writer, written)
    try:
        assert interrupted(lambda: nf.read_sessions(path, threads=threads)) < 0.8
    finally:
        if writer is not None:
            os.close(writer)


def test_a_stream_loses_nothing_by_ctrl_c(many: nf.Sessions) -> None:
    stream = nf.stream(MANY, batch=10**6)
    interrupted(lambda: next(stream), after=0.15)
    assert sum(len(batch) for batch in stream) == len(many)


class Raising(io.BytesIO):
    """A file that raises after some reads."""

    def __init__(self, data: bytes, error: BaseException) -> None:
        super().__init__(data)
        self.error, self.reads = error, 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        if self.reads > 2:
            raise self.error
        return super().read(min(1000, size or 1000))


@pytest.mark.parametrize("error", [KeyboardInterrupt("now"), PermissionError("not now")])
@pytest.mark.parametrize("compression", ["plain", "gzip", "zstd"])
def test_what_a_file_raises_is_raised(compression: str, error: BaseException, capture: Path) -> None:
    plain = bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000")
    plain += (bytes(8) + (60).to_bytes(4, "little") * 2 + os.urandom(60)) * 5000
    data = {"plain": plain, "gzip": gzip.compress(plain, 0), "zstd": capture.read_bytes()}[compression]
    for read in (nf.read_sessions, nf.read_packets, lambda file: list(nf.stream(file))):
        with pytest.raises(type(error), match="now") as found:
            read(Raising(data, error))
        assert found.value is error


def test_a_stream_s_memory_is_bounded() -> None:
    program = """
import resource, sys
import neural_filter as nf
for batch in nf.stream([sys.argv[1]] * int(sys.argv[2]), batch=500, memory_limit=8 << 20): del batch
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""

    def peak(captures: int) -> int:
        command = [sys.executable, "-c", program, str(MANY[0]), str(captures)]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    few, more = peak(2), peak(16)
    assert more < few + 20_000, f"{few} and {more} KiB"
