//! What the hosts of a session did around it, as quantities that columns are made of.

/// What the hosts of a session did around it. Spans of 10 s and 60 s end when the session fell silent for 2 s or ended.
///
/// "Of this outcome" means: only sessions with the outcome that this session has.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Context {
    /// Of the source within the session's class.
    pub source: Activity,
    /// Of the pair of source and destination within the session's class.
    pub pair: Activity,
    /// Of the destination within the session's class; attempts are not counted here.
    pub destination: Activity,
    /// Sessions to the same port of the destination: different sources in 10 s and 60 s, of this outcome.
    pub port_sources: [f64; 2],
    /// Of the service: source, destination, protocol and port, for DNS the parent domain in place of the port.
    pub service: Service,
    /// Of the pair over all its services.
    pub host_pair: HostPair,
    /// Of the source's DNS queries under one parent domain.
    pub domain: Domain,
    /// Protocol addresses that the sender's hardware address claimed in ARP messages in 60 s; 0 for other protocols.
    pub arp_claims: f64,
    /// Different sources of answered TCP sessions in 60 s in the whole network, at most 256. Forged senders are not among them,
    /// as they complete no handshake.
    pub clients: f64,
}

/// Counts of sessions over 10 s and 60 s.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Activity {
    /// Sessions started, whatever became of them.
    pub attempts: [f64; 2],
    /// Sessions of this outcome.
    pub sessions: [f64; 2],
    /// Different destination ports in sessions of this outcome.
    pub ports: [f64; 2],
    /// Different hosts at the other end in sessions of this outcome.
    pub hosts: [f64; 2],
}

/// What one service was used for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Service {
    /// Sessions in 10 s and 60 s.
    pub sessions: [f64; 2],
    /// Share of the sessions with a known outcome in 60 s that failed; 0 without any.
    pub failed: f64,
    /// Payload bytes from the source in 60 s.
    pub bytes_up: f64,
    /// Payload bytes to the source in 60 s.
    pub bytes_down: f64,
    /// Sessions open at once.
    pub open: f64,
    /// How many of the last 16 sessions are known.
    pub recent: f64,
    /// Mean time between the starts of the last 16 sessions, in seconds; 60 below 4 sessions.
    pub gap_mean: f64,
    /// Deviation of these times over their mean; 1 below 4 sessions.
    pub gap_variation: f64,
    /// `ln((1 + bytes up) / (1 + bytes down))` of the last 16 sessions' payload.
    pub up_down: f64,
    /// Deviation over mean of the last 16 sessions' payload bytes; 1 below 4 sessions.
    pub payload_variation: f64,
}

/// What a pair of hosts did over all services.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct HostPair {
    /// Sessions in 10 s and 60 s.
    pub sessions: [f64; 2],
    /// Different destination ports in 10 s and 60 s.
    pub ports: [f64; 2],
    /// Answered sessions in 60 s.
    pub answered: f64,
    /// Failed sessions in 60 s.
    pub failed: f64,
    /// Payload bytes from the source in 60 s.
    pub bytes_up: f64,
    /// Payload bytes to the source in 60 s.
    pub bytes_down: f64,
    /// Sessions open at once.
    pub open: f64,
}

/// What a source asked under one parent domain.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Domain {
    /// Queries in 10 s and 60 s.
    pub queries: [f64; 2],
    /// Different names in 60 s.
    pub names: f64,
    /// Mean length of the names asked in 60 s, in characters.
    pub name_length: f64,
    /// Mean entropy of the names asked in 60 s, in bits a character.
    pub name_entropy: f64,
}
