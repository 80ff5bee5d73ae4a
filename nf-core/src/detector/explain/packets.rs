//! The part of each packet in a session's score.

use super::probe::Probe;
use crate::{Result, detector::head::Head, features::Rows};
use std::ops::Range;

/// How many packets of a session are replaced, those furthest from what was expected: replacing all of thousands would take
/// time by the square of their number.
const TRIED: usize = 256;

/// Values held at once while packets are replaced.
const HELD: usize = 1 << 20;

impl Probe<'_> {
    /// The part of each packet of a carrier in its score, 0 to 1: all 0 where no head reads packets.
    ///
    /// Each packet is replaced in turn by what the head's model expected there: how much less strange that makes the session.
    /// And the other way: with all packets as expected, each is put back in turn: how much stranger that makes it, which
    /// sees packets that are strange twice over, where replacing one leaves the other. The mean of both is the packet's part (the first
    /// and the last term of its Shapley value; Shapley, "A value for n-person games", 1953).
    pub(super) fn packet_parts(&self, carrier: usize, packets: usize) -> Result<Vec<f64>> {
        let mut parts = vec![0.0; packets];
        let values = &self.carried.carriers[carrier].imprint.values;
        let mut total = 0.0;
        for (i, head) in self.detector.heads.iter().enumerate() {
            let surprise = self.surprise(carrier, i);
            total += surprise;
            if self.background.layout.packets.places[i].is_some() && surprise > 0.0 {
                let rows = self.rows(i, [values].into_iter())?;
                let expected = self.expected(i, &rows)?;
                let own = PacketParts { head, rows, expected, surprise }.parts()?;
                parts.iter_mut().zip(own).for_each(|(part, own)| *part += surprise * own);
            }
        }
        parts.iter_mut().for_each(|part| *part /= if total > 0.0 { total } else { 1.0 });
        Ok(parts)
    }
}

/// One session as a head sees it that reads packets.
struct PacketParts<'a> {
    head: &'a Head,
    rows: Rows,
    expected: Vec<f32>,
    surprise: f64,
}

impl PacketParts<'_> {
    /// What each packet adds, as shares of the sum. Where none alone adds anything, each by how far it is from what was expected; all 0
    /// where all are as expected.
    fn parts(&self) -> Result<Vec<f64>> {
        let width = self.rows.width();
        let steps = self.rows.lengths()[0] as usize;
        let step = |i: usize| i * width..(i + 1) * width;
        let far = |i: usize| -> f32 {
            let pairs = self.rows.data()[step(i)].iter().zip(&self.expected[step(i)]);
            pairs.map(|(observed, expected)| (observed - expected).powi(2)).sum()
        };
        let mut tried: Vec<usize> = (0..steps).collect();
        if steps > TRIED {
            tried.sort_by(|&a, &b| far(b).total_cmp(&far(a)));
            tried.truncate(TRIED);
            tried.sort_unstable();
        }
        let ranges: Vec<Range<usize>> = tried.iter().map(|&i| step(i)).collect();
        let at_once = (HELD / (2 * self.rows.data().len()).max(1)).max(1);
        let mut added = vec![0.0; steps];
        for (some, tried) in ranges.chunks(at_once).zip(tried.chunks(at_once)) {
            for (part, &i) in self.added(some)?.into_iter().zip(tried) {
                added[i] = part;
            }
        }
        if added.iter().all(|part| *part == 0.0) {
            added = (0..steps).map(|i| f64::from(far(i))).collect();
        }
        let sum: f64 = added.iter().sum();
        Ok(added.into_iter().map(|part| if sum > 0.0 { part / sum } else { 0.0 }).collect())
    }

    /// What each of these ranges of values adds, 0 or more.
    fn added(&self, ranges: &[Range<usize>]) -> Result<Vec<f64>> {
        let (observed, expected) = (self.rows.data(), &self.expected[..]);
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
        let lengths = vec![self.rows.lengths()[0]; data.len() / observed.len()];
        let rows = Rows::sequences(self.rows.schema().clone(), self.rows.steps(), data, lengths)?;
        let scores = self.head.scorer.score_rows(&rows)?;
        let surprises: Vec<f64> = scores.into_iter().map(|score| self.head.surprise(score)).collect();
        let added = |pair: &[f64]| ((self.surprise - pair[0] + pair[1] - surprises[0]) / 2.0).max(0.0);
        Ok(surprises[1..].chunks_exact(2).map(added).collect())
    }
}
