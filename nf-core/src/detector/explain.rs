//! Why a session is strange: what would have made it normal.

use super::{Detector, Verdict, head::Head};
use crate::{Result, features::Rows, session::Session};
use std::{fmt, ops::Range, sync::Arc};

/// How many packets of a session are looked into column by column.
const DEEP: usize = 4;

/// How many packets of a session are replaced, those furthest from what was expected: replacing all of thousands would take
/// time by the square of their number.
const TRIED: usize = 256;

/// Values held at once while ranges of a session are replaced.
const HELD: usize = 1 << 20;

/// Why a session is as strange as it is, the strongest reason first.
///
/// Every value that a head reads is replaced in turn by what the head's model expected there (where the model cannot say,
/// by the mean of the training, or 0 where columns are not scaled), and the session is judged again: how much less strange that makes it. And the other way:
/// with all values as expected, each is put back in turn: how much stranger that makes it, which sees values that are
/// strange twice over, where replacing one leaves the other. The mean of both is the value's part (the first and the last
/// term of its Shapley value; Shapley, "A value for n-person games", 1953). In heads that read packets whole packets are
/// replaced first (of long sessions the 256 furthest from what was expected), then single columns of the strangest. A head that finds its own expectation stranger than what it saw,
/// as one fitted on very little may, gives no reasons.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// The session's verdict.
    pub verdict: Verdict,
    /// The reasons, by falling contribution.
    pub reasons: Vec<Reason>,
    /// The part of each packet in the score, 0 to 1, from the first packet that the session kept; all 0 where no head
    /// reads packets.
    pub packets: Vec<f64>,
}

/// One value that makes a session strange.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Reason {
    /// The head that found it.
    pub head: Arc<str>,
    /// The packet, from 0; `None` for a quantity of the whole session.
    pub packet: Option<usize>,
    /// The column's name.
    pub column: String,
    /// The column's unit; empty for a plain number.
    pub unit: String,
    /// What was seen, in that unit.
    pub observed: f64,
    /// What was expected, in that unit.
    pub expected: f64,
    /// Its part in the session's score, 0 to 1. Reasons left out (of packets not looked into) hold the rest.
    pub contribution: f64,
}

impl Detector {
    /// Why the session is as strange as it is, at the look where it is strangest.
    ///
    /// # Errors
    /// As [`judge`](Self::judge).
    pub fn explain(&self, session: &Session) -> Result<Explanation> {
        let verdict = self.judge(session)?;
        let session = &session.at_look(verdict.look);
        let surprises: Vec<f64> = self.heads.iter().zip(&verdict.heads).map(|(h, v)| h.surprise(v.score)).collect();
        let total: f64 = surprises.iter().sum();
        let mut explanation = Explanation { verdict, reasons: Vec::new(), packets: vec![0.0; session.packets().len()] };
        for (head, surprise) in self.heads.iter().zip(surprises) {
            if surprise > 0.0 {
                Probe::new(head, session)?.explain(surprise / total, &mut explanation)?;
            }
        }
        // A stable sort: equal parts stay in the order of heads, packets and columns.
        explanation.reasons.sort_by(|a, b| b.contribution.total_cmp(&a.contribution));
        Ok(explanation)
    }
}

/// One session as one head sees it.
struct Probe<'a> {
    head: &'a Head,
    raw: Rows,
    scaled: Rows,
    expected: Vec<f32>,
    surprise: f64,
}

impl<'a> Probe<'a> {
    fn new(head: &'a Head, session: &Session) -> Result<Self> {
        let scorer = &head.scorer;
        let raw = scorer.spec.extract([session])?;
        let scaled = scorer.scaler.apply(raw.clone())?;
        let expected = scorer.model.expected(&scaled).map_err(|e| scorer.place(e))?;
        let expected = expected.filter(|e| e.len() == scaled.data().len() && e.iter().all(|x| x.is_finite()));
        let expected = expected.unwrap_or_else(|| vec![0.0; scaled.data().len()]);
        let score = scorer.score_rows(&scaled)?[0];
        Ok(Self { head, raw, scaled, expected, surprise: head.surprise(score) })
    }

    /// Adds the reasons of this head, which has this share in the session's score.
    fn explain(&self, share: f64, explanation: &mut Explanation) -> Result<()> {
        let width = self.raw.width();
        let steps = self.raw.lengths()[0] as usize;
        let step = |i: usize| i * width..(i + 1) * width;
        if self.head.scorer.spec.steps().is_none() {
            let parts = self.parts((0..width).map(|cell| cell..cell + 1))?;
            explanation.reasons.extend(self.reasons(0, None, &parts, share));
            return Ok(());
        }
        let mut tried: Vec<usize> = (0..steps).collect();
        if steps > TRIED {
            let far = |i: usize| -> f32 {
                let pairs = self.scaled.data()[step(i)].iter().zip(&self.expected[step(i)]);
                pairs.map(|(observed, expected)| (observed - expected).powi(2)).sum()
            };
            tried.sort_by(|&a, &b| far(b).total_cmp(&far(a)));
            tried.truncate(TRIED);
            tried.sort_unstable();
        }
        let mut packets = vec![0.0; steps];
        for (&i, part) in tried.iter().zip(self.parts(tried.iter().map(|&i| step(i)))?) {
            packets[i] = part;
            explanation.packets[i] += share * part;
        }
        let mut strangest: Vec<usize> = (0..steps).filter(|&i| packets[i] > 0.0).collect();
        strangest.sort_by(|&a, &b| packets[b].total_cmp(&packets[a]));
        strangest.truncate(DEEP);
        for i in strangest {
            let parts = self.parts(step(i).map(|cell| cell..cell + 1))?;
            explanation.reasons.extend(self.reasons(i * width, Some(i), &parts, share * packets[i]));
        }
        Ok(())
    }

    /// What each of these ranges of values adds to how strange the session is, as shares of the sum; all 0 where none adds
    /// anything: the mean of what it adds to all other values as observed, and to all as expected.
    fn parts(&self, ranges: impl Iterator<Item = Range<usize>>) -> Result<Vec<f64>> {
        let ranges: Vec<Range<usize>> = ranges.collect();
        let at_once = (HELD / (2 * self.scaled.data().len()).max(1)).max(1);
        let mut added = Vec::with_capacity(ranges.len());
        for some in ranges.chunks(at_once) {
            added.extend(self.added(some)?);
        }
        let sum: f64 = added.iter().sum();
        Ok(added.into_iter().map(|part| if sum > 0.0 { part / sum } else { 0.0 }).collect())
    }

    /// What each of these ranges adds, 0 or more.
    fn added(&self, ranges: &[Range<usize>]) -> Result<Vec<f64>> {
        let (observed, expected) = (self.scaled.data(), &self.expected[..]);
        let mut data = expected.to_vec();
        let mut add = |base: &[f32], other: &[f32], range: Range<usize>| {
            let start = data.len();
            data.extend_from_slice(base);
            data[start..][range.clone()].copy_from_slice(&other[range]);
        };
        for range in ranges {
            add(observed, expected, range.clone());
            add(expected, observed, range.clone());
        }
        let lengths = vec![self.scaled.lengths()[0]; data.len() / observed.len()];
        let rows = Rows::sequences(self.scaled.schema().clone(), self.scaled.steps(), data, lengths)?;
        let scores = self.head.scorer.score_rows(&rows)?;
        let surprises: Vec<f64> = scores.into_iter().map(|score| self.head.surprise(score)).collect();
        let added = |pair: &[f64]| ((self.surprise - pair[0] + pair[1] - surprises[0]) / 2.0).max(0.0);
        Ok(surprises[1..].chunks_exact(2).map(added).collect())
    }

    /// The columns of the step whose values start at `offset`, each with its part of `share`.
    fn reasons(&self, offset: usize, packet: Option<usize>, parts: &[f64], share: f64) -> impl Iterator<Item = Reason> {
        let scorer = &self.head.scorer;
        let columns = scorer.scaler.schema().columns().iter().enumerate();
        columns.zip(parts).filter(|(_, part)| **part > 0.0).map(move |((i, column), part)| {
            let expected = scorer.scaler.invert(i, self.expected[offset + i]);
            Reason {
                head: scorer.name.clone(),
                packet,
                column: column.name.to_string(),
                unit: column.unit.to_string(),
                observed: column.transform.invert(self.raw.data()[offset + i]),
                expected: column.transform.invert(expected),
                contribution: share * part,
            }
        })
    }
}

/// Reasons that [`Explanation`] shows.
const SHOWN: usize = 5;

impl fmt::Display for Explanation {
    /// The verdict, then the five strongest reasons, one a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.verdict)?;
        for reason in self.reasons.iter().take(SHOWN) {
            write!(f, "\n  {reason}")?;
        }
        Ok(())
    }
}

impl Reason {
    /// A value of its column with the unit, in a few digits.
    pub(crate) fn shown(&self, value: f64) -> String {
        let unit = if self.unit.is_empty() { String::new() } else { format!(" {}", self.unit) };
        match value.abs() {
            0.0 => format!("0{unit}"),
            size if !(1e-3..1e6).contains(&size) => format!("{value:.1e}{unit}"),
            size if size >= 100.0 => format!("{value:.0}{unit}"),
            size if size >= 1.0 => format!("{value:.1}{unit}"),
            _ => format!("{value:.3}{unit}"),
        }
    }
}

impl fmt::Display for Reason {
    /// `41 % packet 3, gap 12.0 s, expected 0.010 s (packets)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:2.0} % ", 100.0 * self.contribution)?;
        if let Some(packet) = self.packet {
            write!(f, "packet {}, ", packet + 1)?;
        }
        let (observed, expected) = (self.shown(self.observed), self.shown(self.expected));
        write!(f, "{} {observed}, expected {expected} ({})", self.column, self.head)
    }
}
