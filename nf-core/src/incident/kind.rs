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
    /// Whether anybody answered, as far as was known when it alerted.
    pub outcome: Outcome,
}

impl IncidentKind {
    /// The kind of a session as it was at one of its looks, or as it is. Who was not answered yet was not answered.
    pub(super) fn at_look(session: &Session, look: usize) -> Self {
        let outcome = match session.outcome_at(look) {
            Outcome::Pending => Outcome::Failed,
            known => known,
        };
        Self { protocol: session.key().protocol, dns: session.dns().is_some(), outcome }
    }
}

impl fmt::Display for IncidentKind {
    /// `failed tcp`, `answered dns`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.outcome)?;
        if self.dns { f.write_str("dns") } else { write!(f, "{}", self.protocol) }
    }
}
