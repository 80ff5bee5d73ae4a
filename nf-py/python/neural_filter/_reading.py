"""Captures to sessions and packets."""

from __future__ import annotations

import io
import os
import select
import stat
from collections.abc import Iterator, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Protocol, TypedDict, Union


from . import _native
from ._native import SessionConfig, Sessions, Table

if TYPE_CHECKING:
    from typing_extensions import Unpack


class SupportsRead(Protocol):
    """A file opened in binary mode, or anything like it."""

    def read(self, size: int, /) -> bytes: ...


Source = Union[str, "PathLike[str]", bytes, SupportsRead]


class SessionKeywords(TypedDict, total=False):
    """The keywords of `SessionConfig`."""

    key: str
    vlan_in_key: bool
    tunnels: int
    idle_tcp: float | None
    idle_udp: float | None
    idle_icmp: float | None
    idle_arp: float | None
    active: float | None
    max_packets: int
    entropy_bytes: int
    context: bool
    look_packets: list[int]
    look_silence: bool
    look_every: float | None
    memory_limit: int


class _Pipe:
    """A pipe or a device that is looked into every tenth of a second, so that Ctrl-C ends waiting whichever thread it reaches."""

    def __init__(self, path: str) -> None:
        self.name = path
        self._file = io.FileIO(os.open(path, os.O_RDONLY | os.O_NONBLOCK))

    def read(self, size: int, /) -> bytes:
        while True:
            if select.select([self._file], [], [], 0.1)[0] and (found := self._file.read(size)) is not None:
                return found


def opened(source: Source) -> Source:
    """The source itself, unless it is the path of a pipe or a device, whose reader may have to wait."""
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        try:
            mode = os.stat(path).st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                return _Pipe(path)
        except (OSError, ValueError):
            pass  # said by whoever opens it
    return source


def _sources(source: Source | Sequence[Source]) -> list[Source]:
    return [opened(each) for each in source] if isinstance(source, (list, tuple)) else [opened(source)]  # type: ignore[arg-type]


def _config(config: SessionConfig | None, keywords: SessionKeywords) -> SessionConfig:
    if config is None:
        return SessionConfig(**keywords)
    if keywords:
        raise TypeError("give a config or its keywords, not both")
    return config


def read_sessions(
    source: Source | Sequence[Source],
    *,
    config: SessionConfig | None = None,
    threads: int | None = None,
    **keywords: Unpack[SessionKeywords],
) -> Sessions:
    """Read captures as sessions.

    Parameters
    ----------
    source : path, bytes, binary file, or a list of these
        pcap or pcapng, plain or compressed with gzip or zstd. Several are parts of one recording: a session may go on in
        the next. A path may name a pipe.
    config : SessionConfig, optional
        How packets are cut into sessions; or its keywords, as ``idle_tcp=60``.
    threads : int, optional
        Threads that read and decode ahead, 0 for one a core; for a single capture that is bytes or a file with a path. The
        sessions do not depend on it.

    Returns
    -------
    Sessions
        In the order in which they ended.

    Raises
    ------
    OSError
        Where a file cannot be read.
    CaptureError
        Where it is no capture or damaged; ``error.sessions`` holds what came before the damage.
    ValueError
        Where a keyword is out of its range.
    KeyboardInterrupt
        At Ctrl-C, within 0.1 s. What a file's ``read`` raises is raised as it is.

    Examples
    --------
    >>> import neural_filter as nf
    >>> sessions = nf.read_sessions("examples/data/benign.pcap.zst", idle_udp=30)
    >>> len(sessions) > 1000 and sessions[0].protocol in ("tcp", "udp", "icmp", "arp")
    True
    """
    return _native.read_sessions(_sources(source), _config(config, keywords), threads)


def stream(
    source: Source | Sequence[Source],
    *,
    batch: int = 1024,
    config: SessionConfig | None = None,
    threads: int | None = None,
    **keywords: Unpack[SessionKeywords],
) -> Iterator[Sessions]:
    """Read captures as batches of sessions, in bounded memory.

    Batches judged one by one get other scores than a whole capture where an alert adds up over several: `Monitor.replay` judges
    as `Detector.judge` does, in bounded memory too.

    Parameters
    ----------
    source, config, threads
        As in `read_sessions`.
    batch : int
        Sessions of a batch, at least 1; the last may have fewer.

    Yields
    ------
    Sessions
        Of a damaged capture what came before the damage, then the exception. Ctrl-C is raised at once; whoever goes on after it
        loses no session.

    Raises
    ------
    OSError, CaptureError, ValueError, KeyboardInterrupt
        As `read_sessions`.

    Examples
    --------
    >>> import neural_filter as nf
    >>> sum(len(batch) for batch in nf.stream("examples/data/benign.pcap.zst", batch=500)) > 1000
    True
    """
    return _native.SessionStream(_sources(source), _config(config, keywords), batch, threads)


def read_packets(source: Source, *, tunnels: int | None = None) -> Table:
    """Read a capture as a table of packets, a row each.

    Parameters
    ----------
    source : path, bytes or binary file
        As in `read_sessions`.
    tunnels : int, optional
        How many tunnels inside each other are entered.

    Returns
    -------
    Table
        Number of the frame, time, ends, lengths in bytes and what the transport header says.
        ``table.skipped`` counts the frames that are no packets, by reason.

    Raises
    ------
    OSError, CaptureError, KeyboardInterrupt
        As in `read_sessions`; ``error.packets`` holds what came before.
    ValueError
        Where ``tunnels`` is not 0 to 255.

    Examples
    --------
    >>> import neural_filter as nf
    >>> packets = nf.read_packets("examples/data/benign.pcap.zst")
    >>> packets[0]["frame"], packets.columns[:3]
    (1, ['frame', 'time', 'protocol'])
    """
    source = opened(source)
    return _native.read_packets(source) if tunnels is None else _native.read_packets(source, tunnels)
