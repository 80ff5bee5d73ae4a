//! One look at a session that is above the cut, as far as incidents need it.

use super::{Centre, IncidentKind};
use crate::{
    Timestamp,
    decode::Protocol,
    detector::{Carried, LookVerdict, Verdict},
    session::{Moment, Session},
};
use std::{f64::consts::LN_2, sync::Arc};

/// Packets from which on more of them say more: those of a usual handshake, request and answer.
const PACKETS: f64 = 8.0;

/// What an alert of a session table's first minute counts: context then says less than it does later.
const COLD: f64 = 0.25;

/// A look at a session that is above the cut, and stranger than all looks at it before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alert<'a> {
    pub(super) session: &'a Session,
    /// Which of its looks; from their number on the session as it is.
    pub(super) look: usize,
    /// When it was known.
    pub(super) at: Timestamp,
    /// When the first look above the cut was.
    pub(super) first: Timestamp,
    pub(super) score: f32,
    pub(super) p_value: f64,
    threshold: f32,
    pub(super) head: Option<&'a Arc<str>>,
    /// What it follows from, where sessions add up.
    pub(super) carried: Option<&'a Arc<Carried>>,
}

impl<'a> Alert<'a> {
    /// All alerts of a session, in the order of time.
    pub(super) fn all(session: &'a Session, verdict: &'a Verdict) -> impl Iterator<Item = Self> {
        let own = verdict.rises.is_empty().then(|| LookVerdict {
            at: session.known(),
            look: session.looks().len(),
            score: verdict.deciding_score(),
            p_value: verdict.deciding_p_value(),
            head: 0,
        });
        let rises = verdict.rises.iter().copied().chain(own).enumerate();
        rises.filter(|(_, rise)| rise.score > verdict.threshold).map(move |(place, rise)| Self {
            session,
            look: rise.look,
            at: rise.at,
            first: if own.is_some() { rise.at } else { verdict.at },
            score: rise.score,
            p_value: rise.p_value,
            threshold: verdict.threshold,
            head: verdict.heads.get(rise.head).map(|head| &head.name),
            carried: verdict.carried.get(place).and_then(Option::as_ref),
        })
    }

    /// When it was known, beside other things known at that time.
    pub(super) fn moment(&self) -> Moment {
        self.session.moment(self.look)
    }

    /// How many packets the session had by then.
    pub(super) fn packets(&self) -> u64 {
        let session = self.session;
        session.looks().get(self.look).map_or_else(|| session.stats(), |look| look.stats()).packets()
    }

    pub(super) fn kind(&self) -> IncidentKind {
        IncidentKind::at_look(self.session, self.look)
    }

    /// What it may share with others: where it came from and where it went. Address resolution comes from a hardware address,
    /// whatever addresses that claims.
    pub(super) fn centres(&self) -> [Centre; 2] {
        let key = self.session.key();
        let source = match (key.protocol, self.session.macs()) {
            (Protocol::Arp, Some([hardware, _])) => Centre::Hardware(hardware),
            _ => Centre::Source(key.orig.addr),
        };
        [source, Centre::Destination(key.resp.addr)]
    }

    /// What it counts towards an incident: one, and one more for each doubling of its packets beyond eight, at most as many as
    /// its p-value lies halvings below the cut's. So one session that alerts is an incident by itself only where it is both
    /// long and far beyond the cut: a page of one strange packet is not, whatever its p-value.
    pub(super) fn weight(&self) -> f64 {
        let doublings = (self.packets() as f64 / PACKETS).log2().max(0.0);
        let halvings = (f64::from(self.score) - f64::from(self.threshold)).max(0.0) / LN_2;
        let weight = 1.0 + doublings.min(halvings);
        if self.session.is_cold() { COLD * weight } else { weight }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::testing::{alert, session};

    #[test]
    fn long_sessions_far_beyond_the_cut_count_more_than_one() {
        let weight =
            |session: &Session, score: f32| Alert::all(session, &alert(score)).map(|a| a.weight()).sum::<f64>();
        let mut long = session(1, 2, 80, 10.0);
        long.stats.orig.packets = 64;
        // The cut is at 7 nats: 2 nats beyond it are 2.9 halvings, 4 are 5.8; 64 packets are 3 doublings.
        assert_eq!(weight(&session(1, 2, 80, 10.0), 20.0), 1.0, "few packets count one");
        assert!((weight(&long, 7.1) - 1.0 - 0.1 / LN_2).abs() < 1e-6, "and hardly more near the cut");
        assert!((weight(&long, 9.0) - (1.0 + 2.0 / LN_2)).abs() < 1e-6);
        assert_eq!(weight(&long, 11.0), 4.0);
        assert_eq!(weight(&long, 7.0), 0.0, "at the cut it is no alert");
        long.cold = true;
        assert_eq!(weight(&long, 11.0), 1.0);
    }

    #[test]
    fn each_look_that_is_stranger_than_all_before_is_an_alert_once_above_the_cut() {
        let session = session(1, 2, 80, 10.0);
        let at = |seconds| Timestamp::from_parts(seconds, 0);
        let rise = |seconds, score| LookVerdict { at: at(seconds), look: 0, score, p_value: 0.1, head: 0 };
        let mut verdict = alert(9.0);
        (verdict.at, verdict.rises) = (at(4), vec![rise(3, 5.0), rise(4, 7.5), rise(6, 9.0)]);
        let seen: Vec<_> = Alert::all(&session, &verdict).map(|a| (a.at, a.first, a.score)).collect();
        assert_eq!(seen, [(at(4), at(4), 7.5), (at(6), at(4), 9.0)]);
        assert_eq!(Alert::all(&session, &verdict).next().and_then(|a| a.head).map(|head| &**head), Some("session"));
    }
}
