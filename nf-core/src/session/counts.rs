//! What a session table counts.

use crate::decode::SkipCounts;

/// What a session table took in, and what became of it.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct TableStats {
    /// Frames pushed.
    pub frames: u64,
    /// Bytes of these frames on the wire.
    pub wire_bytes: u64,
    /// Frames that became packets of a session; the others are in `skipped`.
    pub packets: u64,
    /// Frames that could not be used, by reason.
    pub skipped: SkipCounts,
    /// Sessions started.
    pub started: u64,
    /// Sessions ended.
    pub ended: u64,
    /// Looks taken at open sessions.
    pub looks: u64,
    /// Ended early because memory was at its limit; part of `ended`.
    pub evicted: u64,
    /// Ended sessions dropped because nobody popped them and memory was at its limit; part of `ended`.
    pub dropped: u64,
    /// Packets of these: with those of the sessions that were popped, and the frames skipped, they are all that came.
    pub packets_dropped: u64,
    /// Looks that nobody popped, dropped because memory was at its limit; only where looks are popped.
    pub looks_dropped: u64,
    /// Context counters dropped, or not made, because memory was at its limit.
    pub context_evicted: u64,
    /// Times that [`advance`](super::SessionTable::advance) was told a moment more than a minute before the newest known one:
    /// another clock than that of the packets.
    pub late_advances: u64,
    /// Most bytes held at once.
    pub peak_bytes: usize,
}
