"""Judging as packets come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from . import _native
from ._native import Event, SessionConfig
from ._reading import opened

if TYPE_CHECKING:
    from ._detector import Detector
    from ._reading import Source


class Monitor:
    """Judges sessions while they go on and as they end: frames in, events out, in bounded memory.

    There is no clock and no thread: the same frames give the same events, live or from a file. Events that wait are held up to the
    sessions' ``memory_limit``; so take them after every few frames.

    Parameters
    ----------
    detector : Detector
        Fitted.
    config : SessionConfig, optional
        How packets are cut into sessions; as in the detector's training unless given.
    from_, from_suspect, from_crowd, within, silence : float, optional
        When alerts become an incident, as in `Verdicts.incidents`.

    Raises
    ------
    ValueError
        Where a value is out of its range, or sessions cut so would mean something else to the detector.

    Examples
    --------
    >>> import collections, neural_filter as nf
    >>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
    >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(benign)
    >>> events = collections.Counter()
    >>> for event in nf.Monitor(detector).replay("examples/data/attacks.pcap.zst"):
    ...     events[event.kind] += 1
    ...     if event.change == "opened" and events["incident"] == 1:
    ...         print(event.incident.kind)
    failed tcp
    >>> events["verdict"]
    9904
    """

    def __init__(
        self,
        detector: Detector,
        config: SessionConfig | None = None,
        *,
        from_: float | None = None,
        from_suspect: float | None = None,
        from_crowd: float | None = None,
        within: float | None = None,
        silence: float | None = None,
    ) -> None:
        self.detector = detector
        self._native = _native.Monitor(
            detector.detector_,
            config,
            from_=from_,
            from_suspect=from_suspect,
            from_crowd=from_crowd,
            within=within,
            silence=silence,
        )

    def push(self, frame: bytes, time_ns: int, link_type: int, wire_len: int | None = None) -> None:
        """Take in one frame; one that cannot be used is counted in ``stats``.

        Parameters
        ----------
        frame : bytes
            What was captured.
        time_ns : int
            When, in nanoseconds since the epoch.
        link_type : int
            The LINKTYPE_* number of what the frame begins with: 1 for Ethernet.
        wire_len : int, optional
            Bytes that were on the wire; those captured unless given.

        Raises
        ------
        ValueError
            Where a number is out of its range.

        Examples
        --------
        >>> import neural_filter as nf
        >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(nf.read_sessions("examples/data/benign.pcap.zst"))
        >>> monitor = nf.Monitor(detector)
        >>> monitor.push(bytes(60), 1_500_000_000_000_000_000, 1)
        >>> monitor.stats["frames"]
        1
        """
        self._native.push(frame, time_ns, link_type, wire_len)

    def advance(self, now_ns: int) -> None:
        """Say what time it is, so that silence can end sessions.

        Parameters
        ----------
        now_ns : int
            In nanoseconds since the epoch, by the clock of the frames. A time before the newest known one is ignored; one more than a
            minute before it is counted in ``stats["late_advances"]``.

        Raises
        ------
        ValueError
            Where that is no time of 64 bits.

        Examples
        --------
        >>> import neural_filter as nf
        >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(nf.read_sessions("examples/data/benign.pcap.zst"))
        >>> monitor = nf.Monitor(detector)
        >>> monitor.advance(1_500_000_000_000_000_000)
        >>> list(monitor.events())
        []
        """
        self._native.advance(now_ns)

    def finish(self) -> None:
        """End all open sessions and incidents.

        Returns
        -------
        None
            What comes of it is among the `events`.

        Examples
        --------
        >>> import neural_filter as nf
        >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(nf.read_sessions("examples/data/benign.pcap.zst"))
        >>> monitor = nf.Monitor(detector)
        >>> monitor.finish()
        >>> list(monitor.events())
        []
        """
        self._native.finish()

    def events(self) -> Iterator[Event]:
        """Yield the events there are before more frames come.

        Returns
        -------
        iterator of Event
            In the order in which they happened.

        Examples
        --------
        >>> import neural_filter as nf
        >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(nf.read_sessions("examples/data/benign.pcap.zst"))
        >>> for event in nf.Monitor(detector).events():
        ...     print(event.kind)
        """
        while (event := self._native.pop()) is not None:
            yield event

    def replay(self, source: Source) -> Iterator[Event]:
        """Yield the events of a whole capture, its end among them.

        Returns
        -------
        iterator of Event
            In the order in which they happen.

        Raises
        ------
        OSError, CaptureError
            As in `read_sessions`, behind the events of what came before the damage.

        Examples
        --------
        >>> import neural_filter as nf
        >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(nf.read_sessions("examples/data/benign.pcap.zst"))
        >>> events = nf.Monitor(detector).replay("examples/data/attacks.pcap.zst")
        >>> sum(event.kind == "verdict" for event in events)
        9904
        """
        return _native.Replay(self._native, opened(source))

    @property
    def stats(self) -> dict[str, Any]:
        """Counts of what went in and came out so far."""
        return self._native.stats

    def __repr__(self) -> str:
        return repr(self._native)
