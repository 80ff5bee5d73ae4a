//! How well scores tell attacks from benign traffic: ranking, recall at a false-positive budget, and what was realised.

use std::{cmp::Ordering, collections::BTreeMap};

/// A macro average takes the kinds of attack with at least this many sessions: the recall of fewer is a coin's.
pub const MACRO_SESSIONS: usize = 5;

/// The area under the ROC curve: how often a session of `positive` scores above one of `negative`, ties counting half
/// (Mann and Whitney, 1947; midranks for ties). 0 to 1; `None` where either is empty.
///
/// ```
/// use nf_core::evaluate::auroc;
/// assert_eq!(auroc(&[1.0, 2.0], &[2.0, 3.0]), Some(0.875));
/// ```
pub fn auroc(negative: &[f32], positive: &[f32]) -> Option<f64> {
    if negative.is_empty() || positive.is_empty() {
        return None;
    }
    let mut all: Vec<(f32, bool)> = negative.iter().map(|&score| (score, false)).collect();
    all.extend(positive.iter().map(|&score| (score, true)));
    all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (mut rank_sum, mut before) = (0.0, 0usize);
    for ties in all.chunk_by(|a, b| a.0 == b.0) {
        let midrank = before as f64 + (ties.len() as f64 + 1.0) / 2.0;
        rank_sum += midrank * ties.iter().filter(|(_, positive)| *positive).count() as f64;
        before += ties.len();
    }
    let (n, p) = (negative.len() as f64, positive.len() as f64);
    Some((rank_sum - p * (p + 1.0) / 2.0) / (n * p))
}

/// The cut above which at most `rate` of the benign `scores` lie: with `n` scores, the one that `floor(rate * n)` others are
/// at least as high as. A session alerts where its score is *above* the cut. `None` without scores.
pub fn empirical_threshold(scores: &[f32], rate: f64) -> Option<f32> {
    let last = scores.len().checked_sub(1)?;
    let place = ((rate * scores.len() as f64).floor().max(0.0) as usize).min(last);
    let mut scores = scores.to_vec();
    let descending = |a: &f32, b: &f32| -> Ordering { b.total_cmp(a) };
    Some(*scores.select_nth_unstable_by(place, descending).1)
}

/// The share of `true`, 0 to 1; `None` where there is nothing to count.
pub fn share(flags: impl IntoIterator<Item = bool>) -> Option<f64> {
    let (mut yes, mut all) = (0u64, 0u64);
    for flag in flags {
        yes += u64::from(flag);
        all += 1;
    }
    (all > 0).then(|| yes as f64 / all as f64)
}

/// The scores of one head on a labelled capture, benign sessions apart from each kind of attack.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LabelledScores {
    /// Scores of the benign sessions.
    pub benign: Vec<f32>,
    /// Scores of each kind of attack.
    pub attacks: BTreeMap<String, Vec<f32>>,
}

/// What a cut gives on a labelled capture.
#[derive(Debug, Clone, PartialEq)]
pub struct CutMetrics {
    /// The share of benign sessions above the cut; `None` without benign sessions.
    pub fpr: Option<f64>,
    /// Benign sessions above the cut an hour of packet time; `None` where no time passed.
    pub alerts_per_hour: Option<f64>,
    /// How many sessions each kind of attack has.
    pub sessions: BTreeMap<String, usize>,
    /// The share of sessions above the cut, for each kind of attack.
    pub recall: BTreeMap<String, f64>,
    /// Mean of `recall` over the kinds with at least [`MACRO_SESSIONS`] sessions; `None` without one.
    pub macro_recall: Option<f64>,
}

impl LabelledScores {
    /// Adds the score of a session: of a benign one, or of a kind of attack.
    pub fn push(&mut self, kind: Option<&str>, score: f32) {
        match kind {
            None => self.benign.push(score),
            Some(kind) => self.attacks.entry(kind.to_owned()).or_default().push(score),
        }
    }

    /// The area under the ROC curve of each kind of attack against the benign sessions; nothing without benign sessions.
    pub fn auroc(&self) -> BTreeMap<String, f64> {
        let value = |(name, scores): (&String, &Vec<f32>)| Some((name.clone(), auroc(&self.benign, scores)?));
        self.attacks.iter().filter_map(value).collect()
    }

    /// Mean of [`auroc`](Self::auroc) over the kinds with at least [`MACRO_SESSIONS`] sessions; `None` without one.
    pub fn macro_auroc(&self) -> Option<f64> {
        let sessions = self.attacks.iter().map(|(name, scores)| (name.clone(), scores.len())).collect();
        macro_average(&self.auroc(), &sessions)
    }

    /// What happens with alerts at scores above `threshold`, in a capture of `seconds` of packet time.
    pub fn cut(&self, threshold: f32, seconds: f64) -> CutMetrics {
        let alerts = |scores: &Vec<f32>| scores.iter().map(|&score| score > threshold).collect::<Vec<bool>>();
        let attacks = self.attacks.iter().map(|(name, scores)| (name.clone(), alerts(scores))).collect();
        CutMetrics::new(&alerts(&self.benign), &attacks, seconds)
    }
}

impl CutMetrics {
    /// The figures of a cut from whether each session alerted, in a capture of `seconds` of packet time.
    pub fn new(benign: &[bool], attacks: &BTreeMap<String, Vec<bool>>, seconds: f64) -> Self {
        let alerts = benign.iter().filter(|&&alert| alert).count() as f64;
        let recall: BTreeMap<String, f64> =
            attacks.iter().filter_map(|(name, alerts)| Some((name.clone(), share(alerts.iter().copied())?))).collect();
        let sessions: BTreeMap<String, usize> =
            attacks.iter().map(|(name, alerts)| (name.clone(), alerts.len())).collect();
        Self {
            fpr: share(benign.iter().copied()),
            alerts_per_hour: (seconds > 0.0).then(|| alerts * 3600.0 / seconds),
            macro_recall: macro_average(&recall, &sessions),
            recall,
            sessions,
        }
    }
}

/// Mean over the kinds with enough sessions; `None` without one.
pub(super) fn macro_average(values: &BTreeMap<String, f64>, sessions: &BTreeMap<String, usize>) -> Option<f64> {
    let counted: Vec<f64> = values
        .iter()
        .filter(|(name, _)| sessions.get(*name).is_some_and(|&sessions| sessions >= MACRO_SESSIONS))
        .map(|(_, &value)| value)
        .collect();
    (!counted.is_empty()).then(|| counted.iter().sum::<f64>() / counted.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn area_under_the_curve_by_hand() {
        assert_eq!(auroc(&[1.0, 2.0, 3.0], &[4.0, 5.0]), Some(1.0));
        assert_eq!(auroc(&[4.0, 5.0], &[1.0, 2.0, 3.0]), Some(0.0));
        // Pairs won: 2 beats 1; ties: 2 with 2, twice half; lost: 0 against all three.
        assert_eq!(auroc(&[1.0, 2.0, 2.0], &[0.0, 2.0]), Some((1.0 + 0.5 + 0.5) / 6.0));
        assert_eq!(auroc(&[3.0; 7], &[3.0; 5]), Some(0.5));
        assert_eq!(auroc(&[-0.0], &[0.0]), Some(0.5), "the two zeros are one value");
        assert_eq!((auroc(&[], &[1.0]), auroc(&[1.0], &[])), (None, None));
    }

    #[test]
    fn cut_lets_at_most_the_budget_through() {
        let scores: Vec<f32> = (1..=200).map(|i| i as f32).collect();
        assert_eq!(empirical_threshold(&scores, 0.01), Some(198.0));
        assert_eq!(scores.iter().filter(|&&score| score > 198.0).count(), 2);
        assert_eq!(empirical_threshold(&scores, 0.001), Some(200.0), "0.2 sessions are none");
        assert_eq!(empirical_threshold(&scores, 1.0), Some(1.0));
        assert_eq!(empirical_threshold(&[5.0, 5.0, 5.0, 1.0], 0.5), Some(5.0), "ties stay below the cut");
        assert_eq!(empirical_threshold(&[], 0.01), None);
    }

    #[test]
    fn cut_by_hand() {
        let scores = LabelledScores {
            benign: vec![0.0, 1.0, 2.0, 9.0],
            attacks: [("few", vec![9.0, 9.0]), ("many", vec![1.0, 3.0, 4.0, 5.0, 8.0])]
                .map(|(name, scores)| (name.to_owned(), scores))
                .into(),
        };
        let cut = scores.cut(2.0, 1800.0);
        assert_eq!((cut.fpr, cut.alerts_per_hour), (Some(0.25), Some(2.0)));
        assert_eq!((cut.recall["few"], cut.recall["many"], cut.macro_recall), (1.0, 0.8, Some(0.8)));
        // many: 1 ties one benign score, beats one; the other four beat three of four.
        let many = (1.5 + 4.0 * 3.0) / 20.0;
        assert_eq!(scores.auroc()["many"], many);
        assert_eq!(scores.macro_auroc(), Some(many));
        assert_eq!(LabelledScores::default().cut(0.0, 0.0).fpr, None);
    }
}
