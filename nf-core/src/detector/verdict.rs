//! What a detector says of a session.

use super::{Carried, Carrier};
use crate::Timestamp;
use std::{fmt, sync::Arc};

/// What a detector says of a session: of the strangest look at it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Verdict {
    /// How strange the session is: the weighted sum of the heads' `-ln p`. Higher = stranger, no unit.
    pub score: f32,
    /// The share of benign sessions at least as strange, above 0 and at most 1.
    pub p_value: f64,
    /// What each head says, in the detector's order.
    pub heads: Vec<HeadVerdict>,
    /// What the last sessions of its hosts come to together with this one; `None` where it was judged by itself.
    pub evidence: Option<EvidenceVerdict>,
    /// The cut that the [deciding score](Self::deciding_score) was compared with.
    pub threshold: f32,
    /// Whether the deciding score is above the cut.
    pub anomaly: bool,
    /// Whether the session [began](crate::Session::is_cold) while its session table still learned what hosts did lately.
    pub cold: bool,
    /// Which look at the session this is, the strangest: [that one](crate::Session::at_look) of its looks, behind the last the
    /// session as it ended.
    pub look: usize,
    /// When it became known: at the first look above the cut, where there was one, else at the last look.
    pub at: Timestamp,
    /// The looks at which it was stranger than at all before; the last is the strangest.
    pub rises: Vec<LookVerdict>,
    /// The last look, at the session as it ended or, where it goes on, as it is.
    pub last: LookVerdict,
    /// What an alert at each of the rises follows from; empty where there is none.
    pub(crate) carried: Vec<Option<Arc<Carried>>>,
}

/// What one look at a session comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct LookVerdict {
    /// When it was, by the session table's clock.
    pub at: Timestamp,
    /// Which of the session's looks.
    pub look: usize,
    /// How strange the session was: as [`Verdict::deciding_score`] is of the strangest look.
    pub score: f32,
    /// The p-value that goes with it.
    pub p_value: f64,
    /// Which of the verdict's heads found it strangest.
    pub head: usize,
}

/// What a session comes to together with those before it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct EvidenceVerdict {
    /// How strange they are together: minus the natural logarithm of the p-value, made continuous. Higher = stranger.
    pub score: f32,
    /// The share of benign sessions with at least as strange evidence, above 0 and at most 1.
    pub p_value: f64,
    /// How many sessions it is made from, this one among them.
    pub sessions: u32,
}

/// What one head says of a session.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HeadVerdict {
    /// The head's name.
    pub name: Arc<str>,
    /// Its model's score, higher = stranger.
    pub score: f32,
    /// The share of benign sessions to which the head gives at least this score, above 0 and at most 1.
    pub p_value: f64,
}

impl Verdict {
    /// Whether the session is stranger than the budget of false positives allows benign ones to be.
    pub fn is_anomaly(&self) -> bool {
        self.anomaly
    }

    /// When it became known, by the session table's clock: at the first look above the cut, else at the last look. An anomaly
    /// stays one, whatever follows.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The score that decides: that of the evidence where there is one, else the session's own.
    pub fn deciding_score(&self) -> f32 {
        self.evidence.map_or(self.score, |evidence| evidence.score)
    }

    /// The sessions that carry an alert, its own first: the last of its pair of hosts that are stranger than half the cut.
    /// Empty for a session that was judged by itself, and for one that is no alert.
    pub fn carriers(&self) -> &[Carrier] {
        self.carried().map_or(&[], |carried| carried.carriers())
    }

    /// What the alert follows from at the strangest look.
    pub(crate) fn carried(&self) -> Option<&Arc<Carried>> {
        self.carried.last().and_then(Option::as_ref)
    }

    /// The p-value that goes with the [deciding score](Self::deciding_score).
    pub fn deciding_p_value(&self) -> f64 {
        self.evidence.map_or(self.p_value, |evidence| evidence.p_value)
    }
}

impl fmt::Display for Verdict {
    /// `anomaly, score 14.20 > 6.91, p-value 2.1e-4 over 5 sessions (session 1.0e-3, forest 2.0e-3)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, sign) = if self.anomaly { ("anomaly", '>') } else { ("normal", '\u{2264}') };
        let (score, p_value) = (self.deciding_score(), self.deciding_p_value());
        write!(f, "{word}, score {score:.2} {sign} {:.2}, p-value {p_value:.1e}", self.threshold)?;
        if let Some(evidence) = self.evidence.filter(|evidence| evidence.sessions > 1) {
            write!(f, " over {} sessions", evidence.sessions)?;
        }
        f.write_str(" (")?;
        for (i, head) in self.heads.iter().enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            write!(f, "{comma}{} {:.1e}", head.name, head.p_value)?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_cut_and_heads_in_one_line() {
        let head = |name: &str, p_value| HeadVerdict { name: name.into(), score: 1.0, p_value };
        let heads = vec![head("session", 0.001), head("forest", 0.25)];
        let mut verdict = Verdict {
            score: 8.294,
            p_value: 2.1e-4,
            heads,
            evidence: None,
            threshold: 6.9,
            anomaly: true,
            cold: false,
            look: 0,
            at: Timestamp::default(),
            rises: Vec::new(),
            last: LookVerdict { at: Timestamp::default(), look: 0, score: 8.294, p_value: 2.1e-4, head: 0 },
            carried: Vec::new(),
        };
        let shown = "anomaly, score 8.29 > 6.90, p-value 2.1e-4 (session 1.0e-3, forest 2.5e-1)";
        assert_eq!(verdict.to_string(), shown);
        (verdict.score, verdict.anomaly) = (6.9, false);
        assert!(verdict.to_string().starts_with("normal, score 6.90 ≤ 6.90") && !verdict.is_anomaly());
        verdict.evidence = Some(EvidenceVerdict { score: 5.0, p_value: 0.25, sessions: 4 });
        assert!(verdict.to_string().starts_with("normal, score 5.00 ≤ 6.90, p-value 2.5e-1 over 4 sessions (session"));
    }
}
