//! What a detector says of a session.

use std::{fmt, sync::Arc};

/// What a detector says of a session.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Verdict {
    /// How strange the session is: the weighted sum of the heads' `-ln p`. Higher = stranger, no unit.
    pub score: f32,
    /// The share of benign sessions at least as strange, above 0 and at most 1.
    pub p_value: f64,
    /// What each head says, in the detector's order.
    pub heads: Vec<HeadVerdict>,
    /// The cut that the score was compared with.
    pub threshold: f32,
    /// Whether the score is above the cut.
    pub anomaly: bool,
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
}

impl fmt::Display for Verdict {
    /// `anomaly, score 14.20 > 6.91, p-value 2.1e-4 (session 1.0e-3, forest 2.0e-3)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, sign) = if self.anomaly { ("anomaly", '>') } else { ("normal", '\u{2264}') };
        write!(f, "{word}, score {:.2} {sign} {:.2}, p-value {:.1e} (", self.score, self.threshold, self.p_value)?;
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
        let mut verdict = Verdict { score: 8.294, p_value: 2.1e-4, heads, threshold: 6.9, anomaly: true };
        let shown = "anomaly, score 8.29 > 6.90, p-value 2.1e-4 (session 1.0e-3, forest 2.5e-1)";
        assert_eq!(verdict.to_string(), shown);
        (verdict.score, verdict.anomaly) = (6.9, false);
        assert!(verdict.to_string().starts_with("normal, score 6.90 ≤ 6.90") && !verdict.is_anomaly());
    }
}
