"""The 8 columns of a packet in plain Python, for libraries that only take packets apart."""

import math
from collections import Counter


class Sessions:
    """Counts and rows of sessions by their two ends, without timeouts."""

    def __init__(self):
        self.sessions = {}
        self.packets = 0
        self.rows = []

    def push(self, time, protocol, source, destination, flags, window, payload):
        """Takes in one packet; an end is an address with a port."""
        self.packets += 1
        key = (protocol, source, destination) if source <= destination else (protocol, destination, source)
        session = self.sessions.get(key)
        if session is None:
            session = self.sessions[key] = [source, time, 0, 0, {}]
        orig, last, _, _, following = session
        order = 0.0
        if protocol == 6 and payload.length:
            expected = following.get(source)
            if expected is not None and payload.sequence != expected:
                order = 1.0 if (payload.sequence - expected) & 0xFFFFFFFF < 1 << 31 else 0.5
            following[source] = (payload.sequence + payload.length) & 0xFFFFFFFF
        row = (
            math.log1p(payload.length) / 7.5,
            (math.log10(max(time - last, 0.0) + 1e-6) + 6) / 7,
            0.0 if source == orig else 1.0,
            {6: 0.0, 17: 1 / 3, 1: 2 / 3, 58: 2 / 3}.get(protocol, 1.0),
            (flags & 0x3F) / 64,
            math.log1p(window) / 11.1,
            entropy(payload.bytes[:256]) / 8,
            order,
        )
        session[1] = time
        session[2] += 1
        session[3] += payload.length
        # A block at a time is handed on.
        self.rows.append(row)
        if len(self.rows) == 65536:
            self.rows.clear()

    def __str__(self):
        return f"{len(self.sessions)} {self.packets}"


class Payload:
    """What a packet carries: its length, its bytes, and where TCP puts it in its stream."""

    __slots__ = ("length", "bytes", "sequence")

    def __init__(self, content, sequence):
        self.length, self.bytes, self.sequence = len(content), content, sequence


def entropy(content):
    """Bits a byte."""
    size = len(content)
    if not size:
        return 0.0
    return math.log2(size) - sum(n * math.log2(n) for n in Counter(content).values()) / size
