//! Dirty training data: attack sessions mixed into benign ones.

use super::report::{CutKind, HeadReport, Report, text};
use crate::{Error, Result, model::Random, session::Session};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt};

/// Benign sessions with attacks among them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Contaminated {
    /// All sessions, in time order.
    pub sessions: Vec<Session>,
    /// How many of them are attacks of each kind.
    pub attacks: BTreeMap<String, usize>,
}

/// Mixes whole attack sessions into benign ones, until `share` of all are attacks.
///
/// The kinds take turns, so that a flood of thousands of sessions does not crowd out the others; which of a kind is drawn by
/// `seed`, each at most once. An attack session is moved in time to where a benign one starts, drawn by `seed` too, since
/// models hold the latest sessions out to know when to stop. Its context columns stay those of the attack.
///
/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config) where `share` is not above 0 and at most 0.5, or there are fewer attack
/// sessions than that takes.
pub fn contaminate(benign: &[Session], attacks: &[(String, Session)], share: f64, seed: u64) -> Result<Contaminated> {
    if !(share > 0.0 && share <= 0.5) {
        return Err(Error::config("share of attacks", share, "above 0 and at most 0.5"));
    }
    let wanted = (benign.len() as f64 * share / (1.0 - share)).round() as usize;
    if wanted > attacks.len() {
        let allowed = format!("at least {wanted}, {share} of the sessions they are mixed into");
        return Err(Error::config("number of attack sessions", attacks.len(), &allowed));
    }
    let random = Random::new(seed);
    let mut kinds: BTreeMap<&str, Vec<&Session>> = BTreeMap::new();
    for (kind, session) in attacks {
        kinds.entry(kind).or_default().push(session);
    }
    let mut order = random.stream(0);
    for sessions in kinds.values_mut() {
        for last in (1..sessions.len()).rev() {
            sessions.swap(last, order.below(last + 1));
        }
    }
    let turns = kinds.values().map(Vec::len).max().unwrap_or(0);
    let in_turn = (0..turns)
        .flat_map(|turn| kinds.iter().filter_map(move |(kind, sessions)| Some((*kind, *sessions.get(turn)?))));
    let (mut sessions, mut counts, mut places) = (benign.to_vec(), BTreeMap::new(), random.stream(1));
    for (kind, session) in in_turn.take(wanted) {
        let start = benign[places.below(benign.len())].start();
        let nanos = i128::from(start.as_nanos()) - i128::from(session.start().as_nanos());
        sessions.push(session.later(nanos));
        *counts.entry(kind.to_owned()).or_default() += 1;
    }
    sessions.sort_by_key(Session::start);
    Ok(Contaminated { sessions, attacks: counts })
}

/// What attacks among the training sessions cost: the same evaluation with a clean fit and a dirty one, for some seeds.
#[derive(Debug, Clone)]
pub struct ContaminationReport {
    share: f64,
    attacks: BTreeMap<String, usize>,
    runs: Vec<(HeadReport, HeadReport)>,
}

impl ContaminationReport {
    /// A report on training sessions of which `share` are attacks: `attacks` of each kind.
    pub fn new(share: f64, attacks: &BTreeMap<String, usize>) -> Self {
        Self { share, attacks: attacks.clone(), runs: Vec::new() }
    }

    /// Adds what the clean fit and the dirty one gave with the same seed.
    #[must_use]
    pub fn with(mut self, clean: &Report, dirty: &Report) -> Self {
        self.runs.push((clean.combined().clone(), dirty.combined().clone()));
        self
    }

    /// The share of the training sessions that are attacks.
    pub fn share(&self) -> f64 {
        self.share
    }

    /// The mean of a figure over the seeds, clean and dirty: `macro_auroc`, or one of [`HeadReport::figures`]; `None` where a
    /// run lacks it.
    pub fn figure(&self, name: &str, cut: CutKind) -> Option<(f64, f64)> {
        let of = |head: &HeadReport| {
            let mut figures = head.figures(cut);
            figures.push(("macro_auroc".to_owned(), head.macro_auroc));
            figures.into_iter().find(|(figure, _)| figure == name)?.1
        };
        let pairs = self.runs.iter().map(|(clean, dirty)| of(clean).zip(of(dirty))).collect::<Option<Vec<_>>>()?;
        mean(&pairs)
    }

    /// The mean recall of each kind of attack at the empirical quantile for the first of the [budgets](super::BUDGETS), clean
    /// and dirty.
    pub fn recalls(&self) -> BTreeMap<String, (f64, f64)> {
        let of = |head: &HeadReport, kind: &str| head.empirical[0].as_ref()?.figures.recall.get(kind).copied();
        let kinds = self.runs.iter().flat_map(|(clean, _)| clean.auroc.keys());
        let recall = |kind: &String| {
            let pairs = self.runs.iter().map(|(clean, dirty)| of(clean, kind).zip(of(dirty, kind)));
            Some((kind.clone(), mean(&pairs.collect::<Option<Vec<_>>>()?)?))
        };
        kinds.filter_map(recall).collect()
    }

    pub(super) fn to_value(&self) -> Value {
        let pair = |pair: Option<(f64, f64)>| json!(pair.map(|(clean, dirty)| json!({"clean": clean, "dirty": dirty})));
        let mut value = json!({"share": self.share, "attacks": self.attacks, "runs": self.runs.len()});
        for (name, cut) in [("empirical", CutKind::Empirical), ("calibrated", CutKind::Calibrated)] {
            let figures = FIGURES.iter().map(|figure| ((*figure).to_owned(), pair(self.figure(figure, cut))));
            value[name] = Value::Object(figures.collect());
        }
        let recalls = self.recalls().into_iter().map(|(kind, recalls)| (kind, pair(Some(recalls))));
        value["recall@0.01"] = Value::Object(recalls.collect());
        value
    }
}

/// The figures that are compared.
const FIGURES: [&str; 5] = ["macro_auroc", "macro_recall@0.01", "macro_recall@0.001", "fpr@0.01", "fpr@0.001"];

fn mean(pairs: &[(f64, f64)]) -> Option<(f64, f64)> {
    let sum = pairs.iter().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
    (!pairs.is_empty()).then(|| (sum.0 / pairs.len() as f64, sum.1 / pairs.len() as f64))
}

impl fmt::Display for ContaminationReport {
    /// A table in Markdown: the figures with a clean and a dirty fit, and the kinds of attack whose recall suffers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mixed: usize = self.attacks.values().sum();
        let (share, kinds, runs) = (self.share * 100.0, self.attacks.len(), self.runs.len());
        writeln!(
            f,
            "Fitted with {mixed} attack sessions of {kinds} kinds among the training sessions ({share} %), mean of {runs} seeds:\n"
        )?;
        writeln!(f, "| figure | clean | dirty | change |\n|---|---|---|---|")?;
        for (cut, place) in
            [(CutKind::Empirical, "empirical quantile"), (CutKind::Calibrated, "detector's own calibration")]
        {
            for figure in FIGURES.iter().filter(|figure| cut == CutKind::Empirical || figure.contains('@')) {
                let cells = self.figure(figure, cut).map_or("- | - | -".to_owned(), |(clean, dirty)| {
                    format!("{clean:.4} | {dirty:.4} | {:+.4}", dirty - clean)
                });
                writeln!(f, "| {figure}, {place} | {cells} |")?;
            }
        }
        for (kind, (clean, dirty)) in self.recalls().iter().filter(|(_, (clean, dirty))| clean - dirty > 0.05) {
            writeln!(
                f,
                "| recall@0.01 of {kind} | {} | {} | {:+.4} |",
                text::three(Some(*clean)),
                text::three(Some(*dirty)),
                dirty - clean
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        detector::testing::{cut, frames, frames_with_uploads},
        evaluate::{
            Truth,
            testing::{judged, session},
        },
    };

    #[test]
    fn kinds_take_turns_and_whole_sessions_move_in_time() {
        let benign = cut(&frames(190, 1));
        let strange = cut(&frames_with_uploads(0, 60, 2));
        let kind = |i: usize| if i < 3 { "few" } else { "many" };
        let attacks: Vec<_> = strange.into_iter().enumerate().map(|(i, s)| (kind(i).to_owned(), s)).collect();
        let mixed = contaminate(&benign, &attacks, 0.05, 7).unwrap();
        assert_eq!(mixed.sessions.len(), 200);
        assert_eq!(mixed.attacks, [("few".to_owned(), 3), ("many".to_owned(), 7)].into());
        assert!(mixed.sessions.is_sorted_by_key(Session::start));
        let long: Vec<_> = mixed.sessions.iter().filter(|session| session.duration().as_secs() == 360).collect();
        assert_eq!(long.len(), 10, "an upload lasts as long as before");
        for session in &long {
            assert!(benign.iter().any(|other| other.start() == session.start()));
            assert_eq!(session.packets()[0].time, session.start());
            assert!(session.start() <= session.known() && session.known() <= session.ended());
        }
        let starts = |mixed: &Contaminated| mixed.sessions.iter().map(Session::start).collect::<Vec<_>>();
        assert_eq!(starts(&contaminate(&benign, &attacks, 0.05, 7).unwrap()), starts(&mixed));
        assert_ne!(starts(&contaminate(&benign, &attacks, 0.05, 8).unwrap()), starts(&mixed));
    }

    #[test]
    fn refuses_what_cannot_be_mixed() {
        let benign = cut(&frames(100, 1));
        let attacks = [("a".to_owned(), benign[0].clone())];
        let refuse = |share| contaminate(&benign, &attacks, share, 1).unwrap_err().to_string();
        assert_eq!(refuse(0.0), "share of attacks is 0, it must be above 0 and at most 0.5");
        assert_eq!(
            refuse(0.05),
            "number of attack sessions is 1, it must be at least 5, 0.05 of the sessions they are mixed into"
        );
    }

    #[test]
    fn cost_is_the_mean_over_the_seeds() {
        let sessions = |shift: f32| judged((0..200).map(|i| session(f64::from(i), f64::from(i), shift + i as f32)));
        let report = |shift| Report::new(&sessions(0.0), &[(&sessions(shift), &Truth::benign())]);
        let attacks = [("scan".to_owned(), 2)].into();
        let cost = ContaminationReport::new(0.01, &attacks).with(&report(0.0), &report(10.0));
        let cost = cost.with(&report(0.0), &report(20.0));
        let (clean, dirty) = cost.figure("fpr@0.01", CutKind::Empirical).unwrap();
        assert!((clean - 0.01).abs() < 1e-12 && (dirty - (0.06 + 0.11) / 2.0).abs() < 1e-12, "{clean} {dirty}");
        assert_eq!(cost.figure("macro_auroc", CutKind::Empirical), None);
        let text = cost.to_string();
        assert!(text.starts_with(
            "Fitted with 2 attack sessions of 1 kinds among the training sessions (1 %), mean of 2 seeds:"
        ));
        assert!(text.contains("\n| fpr@0.01, empirical quantile | 0.0100 | 0.0850 | +0.0750 |"), "{text}");
        assert_eq!(cost.to_value()["attacks"]["scan"], 2);
    }
}
