//! What alerts must share, beside a host, to be one happening.

use crate::{
    decode::Protocol,
    session::{Outcome, Session},
};
use std::fmt;

/// What kind of traffic it is that alerts: what is cheaply known of a session beside its hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct IncidentKind {
    /// The protocol.
    pub protocol: Protocol,
    /// Whether it is DNS, over whatever protocol.
    pub dns: bool,
    /// Whether anybody answered.
    pub outcome: Outcome,
}

impl IncidentKind {
    /// The kind of a session.
    pub fn of(session: &Session) -> Self {
        Self { protocol: session.key().protocol, dns: session.dns().is_some(), outcome: session.outcome() }
    }
}

impl fmt::Display for IncidentKind {
    /// `failed tcp`, `answered dns`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.outcome)?;
        if self.dns { f.write_str("dns") } else { write!(f, "{}", self.protocol) }
    }
}
