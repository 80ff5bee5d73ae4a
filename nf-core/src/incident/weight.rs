//! What one alert counts towards an incident.

use crate::{detector::Verdict, session::Session};
use std::f64::consts::LN_2;

/// Packets from which on more of them say more: those of a usual handshake, request and answer.
const PACKETS: f64 = 8.0;

/// What an alert of a session table's first minute counts: context then says less than it does later.
const COLD: f64 = 0.25;

/// A session that is usual by itself, this many times likelier than the cut, alerts only because its pair had something
/// strange just before; it is no second witness of that.
const ECHO: f64 = 10.0;

/// What an alert counts towards an incident: one, and one more for each doubling of its packets beyond eight, at most as
/// many as its p-value lies halvings below the cut's. So one session that alerts is an incident by itself only where it is
/// both long and far beyond the cut: a page of one strange packet is not, whatever its p-value.
pub(super) fn weight(session: &Session, verdict: &Verdict) -> f64 {
    let cut = f64::from(verdict.threshold);
    if verdict.evidence.is_some() && verdict.p_value > ECHO * (-cut).exp() {
        return 0.0;
    }
    let doublings = (session.stats().packets() as f64 / PACKETS).log2().max(0.0);
    let halvings = (f64::from(verdict.deciding_score()) - cut).max(0.0) / LN_2;
    let weight = 1.0 + doublings.min(halvings);
    if session.is_cold() { COLD * weight } else { weight }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::testing::{alert, session};

    #[test]
    fn long_sessions_far_beyond_the_cut_count_more_than_one() {
        let mut long = session(1, 2, 80, 10.0);
        long.stats.orig.packets = 64;
        // The cut is at 7 nats: 2 nats beyond it are 2.9 halvings, 4 are 5.8; 64 packets are 3 doublings.
        assert_eq!(weight(&session(1, 2, 80, 10.0), &alert(20.0)), 1.0, "few packets count one");
        assert_eq!(weight(&long, &alert(7.0)), 1.0, "at the cut as well");
        assert!((weight(&long, &alert(9.0)) - (1.0 + 2.0 / LN_2)).abs() < 1e-6);
        assert_eq!(weight(&long, &alert(11.0)), 4.0);
        long.cold = true;
        assert_eq!(weight(&long, &alert(11.0)), 1.0);
    }

    #[test]
    fn an_echo_of_what_the_pair_did_counts_nothing() {
        let mut echo = alert(11.0);
        echo.p_value = 0.02;
        assert_eq!(weight(&session(1, 2, 80, 10.0), &echo), 0.0);
        echo.evidence = None;
        assert_eq!(weight(&session(1, 2, 80, 10.0), &echo), 1.0, "judged by itself it is none");
    }
}
