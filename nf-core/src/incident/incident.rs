//! One line for one happening.

use super::{IncidentKind, Listed, alert::Alert};
use crate::{
    Error, ErrorKind, Result, Timestamp,
    decode::Protocol,
    detector::{Carried, Carrier, Detector, Explanation, Told, Verdict},
    session::{FlowKey, Session},
};
use std::{fmt, net::IpAddr, sync::Arc};

/// What the alerts of an incident have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Centre {
    /// One source.
    Source(IpAddr),
    /// One hardware address that speaks ARP, whatever addresses it claims.
    Hardware([u8; 6]),
    /// One destination, and many sources.
    Destination(IpAddr),
}

/// A service at a destination: its protocol and port, 0 where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct ServicePort {
    /// The protocol.
    pub protocol: Protocol,
    /// The destination's port.
    pub port: u16,
}

/// Alerts that share a host, a kind and a time.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Incident {
    /// Its number, from 1, in the order in which incidents opened.
    pub id: u64,
    /// The kind of traffic.
    pub kind: IncidentKind,
    /// What its alerts have in common.
    pub centre: Centre,
    /// Start of its first session.
    pub first: Timestamp,
    /// The last packet of its sessions.
    pub last: Timestamp,
    /// When the alert that opened it was known.
    pub opened: Timestamp,
    /// When its last alert was known.
    pub updated: Timestamp,
    /// How many sessions alerted.
    pub sessions: u64,
    /// The hosts that started the sessions.
    pub sources: Listed<IpAddr>,
    /// The hosts at the other end.
    pub destinations: Listed<IpAddr>,
    /// The services that were used or tried.
    pub services: Listed<ServicePort>,
    /// The parent domains that DNS sessions asked for.
    pub domains: Listed<Arc<str>>,
    /// Which head found how many of the sessions strangest, by falling number.
    pub heads: Vec<(Arc<str>, u64)>,
    /// Its strangest sessions, at most five, the strangest first.
    pub evidence: Vec<Sighting>,
    /// The strangest of them all, as it was when it was strangest.
    pub session: Session,
    /// What was said of it then.
    pub strangest: Sighting,
    /// What its alert follows from.
    pub(crate) carried: Option<Arc<Carried>>,
}

/// A session of an incident, as far as it is kept.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Sighting {
    /// Protocol and endpoints.
    pub key: FlowKey,
    /// Time of the first packet.
    pub start: Timestamp,
    /// When the verdict was known.
    pub at: Timestamp,
    /// How many packets it had by then.
    pub packets: u64,
    /// The score that decided, higher = stranger.
    pub score: f32,
    /// The p-value that goes with it.
    pub p_value: f64,
    /// The head that found it strangest; `None` where there is none.
    pub head: Option<Arc<str>>,
}

impl Incident {
    /// Bytes that it takes, what it shares counted as its own.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>()
            + size_of_val(&self.sources.first[..])
            + size_of_val(&self.destinations.first[..])
            + size_of_val(&self.services.first[..])
            + size_of_val(&self.domains.first[..])
            + size_of_val(&self.heads[..])
            + size_of_val(&self.evidence[..])
            + self.session.heap()
            + self.carried.as_ref().map_or(0, |carried| carried.bytes())
    }
}

impl Sighting {
    pub(super) fn of(alert: &Alert<'_>) -> Self {
        Self {
            key: *alert.session.key(),
            start: alert.session.start(),
            at: alert.at,
            packets: alert.packets(),
            score: alert.score,
            p_value: alert.p_value,
            head: alert.head.cloned(),
        }
    }

    /// Whether it is the same session.
    pub(super) fn is_of(&self, session: &Session) -> bool {
        (self.start, &self.key) == (session.start(), session.key())
    }
}

impl Incident {
    /// Whether a session with its verdict is part of it.
    pub fn covers(&self, session: &Session, verdict: &Verdict) -> bool {
        self.had(session, verdict).is_some()
    }

    /// From when on it was open and had a session.
    pub(crate) fn had(&self, session: &Session, verdict: &Verdict) -> Option<Timestamp> {
        self.alerts(session, verdict).next().map(|alert| alert.at.max(self.opened))
    }

    /// Whether an alert of a session is the one that opened it.
    #[cfg(feature = "evaluate")]
    pub(crate) fn opened_by(&self, session: &Session, verdict: &Verdict) -> bool {
        self.alerts(session, verdict).any(|alert| alert.at == self.opened)
    }

    /// The alerts of a session that are part of it.
    fn alerts<'a>(&self, session: &'a Session, verdict: &'a Verdict) -> impl Iterator<Item = Alert<'a>> {
        Alert::all(session, verdict).filter(|alert| {
            alert.kind() == self.kind
                && alert.centres().contains(&self.centre)
                && alert.session.start() >= self.first
                && alert.at <= self.updated
        })
    }

    /// The sessions that carry the alert of its strangest session, that one first; empty where each was judged by itself.
    pub fn carriers(&self) -> &[Carrier] {
        self.carried.as_ref().map_or(&[], |carried| carried.carriers())
    }

    /// Why its strangest session alerted, with the sessions that carried it: by the detector that judged it.
    ///
    /// # Errors
    /// As [`Detector::explain_verdict`]; [`ErrorKind::Data`] where the detector has other heads.
    pub fn explain(&self, detector: &Detector) -> Result<Explanation> {
        let known = |name: &str| detector.head_names().any(|known| known == name);
        if let Some((name, _)) = self.heads.iter().find(|(name, _)| !known(name)) {
            let message = format!("incident {}: the detector has no head {name}", self.id);
            return Err(Error::new(ErrorKind::Data, message));
        }
        let Sighting { at, score, p_value, .. } = self.strangest;
        let told = Told { at, score, p_value, carried: self.carried.as_ref() };
        detector.explain_verdict(&self.session, &detector.told(&self.session, told)?)
    }

    /// The p-value of its strangest session.
    pub fn p_value(&self) -> f64 {
        self.evidence.first().map_or(1.0, |strangest| strangest.p_value)
    }

    /// What happened, in a few words: `10.0.0.9 > 10.0.0.1: 400 failed tcp sessions to 398 ports`.
    pub fn summary(&self) -> String {
        let many = |listed: &Listed<IpAddr>, name: &str| match listed.only() {
            Some(host) => host.to_string(),
            None => format!("{} {name}", listed.how_many()),
        };
        let from = match self.centre {
            Centre::Hardware(address) => hardware(address),
            _ => many(&self.sources, "sources"),
        };
        let (to, kind) = (many(&self.destinations, "hosts"), &self.kind);
        let plural = if self.sessions == 1 { "" } else { "s" };
        let mut text = format!("{from} > {to}: {} {kind} session{plural}", self.sessions);
        match (self.services.only(), self.domains.only()) {
            (_, Some(domain)) => text += &format!(" under {}", domain),
            (_, None) if self.domains.count > 1 => text += &format!(" under {} domains", self.domains.how_many()),
            (Some(ServicePort { port: 0, .. }), None) => {}
            (Some(service), None) => text += &format!(" to port {}", service.port),
            (None, None) => text += &format!(" to {} ports", self.services.how_many()),
        }
        text
    }
}

fn hardware(address: [u8; 6]) -> String {
    let [a, b, c, d, e, f] = address;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

impl fmt::Display for Incident {
    /// `incident 3, 1500000000.000000000 for 6.7 s, 10.0.0.9 > 10.0.0.1: 400 failed tcp sessions to 398 ports, p-value 1.5e-6`;
    /// with `{:#}` the time as [`Timestamp`] has it with `{:#}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.last.since(self.first).as_secs_f64();
        write!(f, "incident {}, ", self.id)?;
        fmt::Display::fmt(&self.first, f)?;
        write!(f, " for {seconds:.1} s, {}", self.summary())?;
        write!(f, ", p-value {:.1e}", self.p_value())?;
        match self.heads.first() {
            Some((head, _)) => write!(f, " ({head})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Centre {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(host) | Self::Destination(host) => write!(f, "{host}"),
            Self::Hardware(address) => f.write_str(&hardware(*address)),
        }
    }
}

impl ServicePort {
    /// The service that a session used. The identifier of ICMP, another for each run of a program, is no port.
    pub fn of(key: &FlowKey) -> Self {
        let port = if matches!(key.protocol, Protocol::Icmp | Protocol::Icmpv6) { 0 } else { key.resp.port };
        Self { protocol: key.protocol, port }
    }
}

impl fmt::Display for ServicePort {
    /// `tcp 80`, `icmp`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            0 => write!(f, "{}", self.protocol),
            port => write!(f, "{} {port}", self.protocol),
        }
    }
}
