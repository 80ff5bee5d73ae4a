//! A session: one bidirectional flow from its first packet to its end.

use super::{
    Context, FlowKey,
    look::{Look, Moment},
    record::PacketRecord,
    stats::SessionStats,
    store::ALLOCATION,
};
use crate::{Timestamp, decode::DnsFacts};
use std::{fmt, time::Duration};

/// One bidirectional flow: its key, its first packets one by one, statistics over all of them, and what its hosts did
/// around it.
#[derive(Debug, Clone)]
pub struct Session {
    pub(crate) key: FlowKey,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) ended: Timestamp,
    pub(crate) silent_since: Timestamp,
    pub(crate) cold: bool,
    pub(crate) end_reason: EndReason,
    pub(crate) outcome: Outcome,
    pub(crate) macs: Option<[[u8; 6]; 2]>,
    pub(crate) packets: Vec<PacketRecord>,
    pub(crate) stats: Box<SessionStats>,
    pub(crate) dns: Option<Box<DnsFacts>>,
    pub(crate) context: Option<Box<Context>>,
    pub(super) looks: Vec<Look>,
    /// When it was looked at as it is, or ended so.
    pub(crate) known: Option<Moment>,
}

impl Session {
    /// Protocol and endpoints.
    pub fn key(&self) -> &FlowKey {
        &self.key
    }

    /// Time of the first packet.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// Time of the last packet (the latest, where packets came out of order).
    pub fn end(&self) -> Timestamp {
        self.end
    }

    /// When the session table ended it, by the table's clock; of an open session when it was looked at. Never before that of
    /// a session that ended earlier in the same table.
    pub fn ended(&self) -> Timestamp {
        self.ended
    }

    /// When its last packet came, by the table's clock: [`end`](Self::end), unless packet times jumped or went back.
    pub(crate) fn silent_since(&self) -> Timestamp {
        self.silent_since
    }

    /// Whether it began in the first minute of its session table, while the table still learned what hosts did lately:
    /// context then says less than it does later.
    pub fn is_cold(&self) -> bool {
        self.cold
    }

    /// From the first packet to the last.
    pub fn duration(&self) -> Duration {
        self.end.since(self.start)
    }

    /// Why the session ended.
    pub fn end_reason(&self) -> EndReason {
        self.end_reason
    }

    /// Whether anybody answered.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Hardware addresses of `orig` and `resp` in the first packet, where its link has them.
    pub fn macs(&self) -> Option<[[u8; 6]; 2]> {
        self.macs
    }

    /// The first packets, up to [`max_packets`](super::SessionConfig::max_packets).
    pub fn packets(&self) -> &[PacketRecord] {
        &self.packets
    }

    /// Statistics over all packets.
    pub fn stats(&self) -> &SessionStats {
        &self.stats
    }

    /// The session's first DNS message, with the answer's code and count where an answer followed.
    pub fn dns(&self) -> Option<&DnsFacts> {
        self.dns.as_deref()
    }

    /// What the session's hosts did around it, where the session table keeps context.
    pub fn context(&self) -> Option<&Context> {
        self.context.as_deref()
    }

    /// Bytes that it holds elsewhere, with what the allocator adds.
    pub(crate) fn heap(&self) -> usize {
        let allocated = |bytes: usize| if bytes == 0 { 0 } else { bytes + ALLOCATION };
        let dns = self.dns.as_ref().map_or(0, |dns| allocated(size_of::<DnsFacts>()) + allocated(dns.name.capacity()));
        allocated(self.packets.capacity() * size_of::<PacketRecord>())
            + allocated(size_of::<SessionStats>())
            + dns
            + self.context.as_ref().map_or(0, |_| allocated(size_of::<Context>()))
            + allocated(self.looks.capacity() * size_of::<Look>())
    }
}

impl fmt::Display for Session {
    /// `1500000000.000000000 tcp 10.0.0.1:1025 > 10.0.0.2:80, 12 packets, 3400 bytes, 0.250 s, fin, answered`; with `{:#}` the
    /// start as [`Timestamp`] has it with `{:#}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.start, f)?;
        write!(
            f,
            " {}, {} packets, {} bytes, {:.3} s, {}, {}",
            self.key,
            self.stats.packets(),
            self.stats.wire_bytes(),
            self.duration().as_secs_f64(),
            self.end_reason,
            self.outcome,
        )
    }
}

/// Why a session ended. The numbers of IPFIX's flowEndReason (RFC 5102 section 5.11.3) stand beside each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// Both sides sent FIN (3, end of flow detected).
    Fin,
    /// A side sent RST (3, end of flow detected).
    Rst,
    /// Silence for longer than the idle timeout (1).
    Idle,
    /// Cut at the active timeout; the next session continues it (2).
    Active,
    /// Ended early because memory was at its limit (5, lack of resources).
    Evicted,
    /// The capture ended or the table was flushed (4, forced end).
    Flushed,
    /// It has not ended: this is what it was when it was looked at.
    Open,
}

/// Whether anybody answered, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Not yet known.
    Pending,
    /// TCP: no completed handshake, or no data in one of the directions; DNS: an error; otherwise: no packet back.
    Failed,
    /// TCP: data both ways; otherwise: a packet back.
    Answered,
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fin => "fin",
            Self::Rst => "rst",
            Self::Idle => "idle",
            Self::Active => "active",
            Self::Evicted => "evicted",
            Self::Flushed => "flushed",
            Self::Open => "open",
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Failed => "failed",
            Self::Answered => "answered",
        })
    }
}
