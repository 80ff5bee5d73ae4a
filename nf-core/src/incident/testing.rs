//! Sessions and verdicts made by hand, for the tests of this module.

use crate::{
    Timestamp,
    detector::testing::{cut, frames},
    detector::{EvidenceVerdict, HeadVerdict, LookVerdict, Verdict},
    session::{Endpoint, Outcome, Session},
};
use std::net::IpAddr;

/// A failed TCP session of two packets from host to host and port, of no length, known at that second.
pub(crate) fn session(source: u32, destination: u32, port: u16, at: f64) -> Session {
    let host = |host: u32| IpAddr::from((0x0a00_0000 + host).to_be_bytes());
    let mut session = template();
    session.key.orig = Endpoint { addr: host(source), port: 1000 };
    session.key.resp = Endpoint { addr: host(destination), port };
    let time = Timestamp::from_nanos((at * 1e9) as i64);
    (session.start, session.end, session.ended, session.known) = (time, time, time, None);
    session
}

fn template() -> Session {
    thread_local!(static SESSION: Session = cut(&frames(1, 1)).remove(0));
    let mut session = SESSION.with(|session| session.at_look(usize::MAX));
    session.packets.clear();
    (session.stats.orig.packets, session.stats.resp.packets) = (2, 0);
    (session.outcome, session.cold) = (Outcome::Failed, false);
    session
}

/// A verdict with a cut at 7 nats, an alert above that.
pub(crate) fn alert(score: f32) -> Verdict {
    let p_value = (-f64::from(score)).exp();
    Verdict {
        score,
        p_value,
        heads: vec![HeadVerdict { name: "session".into(), score, p_value }],
        evidence: Some(EvidenceVerdict { score, p_value, sessions: 1 }),
        threshold: 7.0,
        anomaly: score > 7.0,
        cold: false,
        look: 0,
        at: Timestamp::default(),
        rises: Vec::new(),
        last: LookVerdict { at: Timestamp::default(), look: 0, score, p_value, head: 0 },
        carried: Vec::new(),
    }
}
