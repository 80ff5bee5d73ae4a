//! Baselines: what any detector must beat, judged through the same report.

#[cfg(any(feature = "neural", test))]
mod host_pairs;
mod kitsune;
mod sessions;

use super::{
    judged::{COMBINED, JudgedCapture, JudgedSession, Series},
    recording::Recording,
};
use crate::{
    Error, Result, Timestamp,
    calibration::Calibration,
    session::{Looks, Session, SessionConfig, TableStats},
};
use kitsune::Kitsune;
use sessions::SessionScore;
use std::sync::Arc;

/// A way of scoring sessions that stands beside a detector in the same table, fitted on the same benign traffic, calibrated on
/// the same sessions, judged on the same ones.
///
/// | name | what it is |
/// |---|---|
/// | `packets`, `bytes`, `duration` | how many packets or bytes a session has, how long it lasts |
/// | `service_rarity` | how seldom its protocol and destination port were seen in the training sessions |
/// | `forest_flow` | isolation forest of 200 trees with 256 samples on [flow statistics](crate::FeatureSpec::flow) alone (Liu, Ting and Zhou, 2012) |
/// | `kitsune` | damped statistics of each packet's host, pair and sockets and an ensemble of small autoencoders, mean over the session's packets (Mirsky et al., "Kitsune: an ensemble of autoencoders for online network intrusion detection", NDSS 2018) |
/// | `addresses` | the recipe of the first neural-filter project, with the cargo feature `neural`: sessions are pairs of hosts, columns [addresses](crate::FeatureSpec::addresses), the score a transformer's plain error; a session has the score of its hosts' session |
///
/// None of them reads an attack while it is fitted.
#[derive(Debug)]
pub struct Baseline {
    name: &'static str,
    config: SessionConfig,
    scorer: Scorer,
    calibration: Calibration,
    series: Arc<[Series]>,
    val: JudgedCapture,
}

#[derive(Debug)]
enum Scorer {
    Sessions(SessionScore),
    Kitsune(Box<Kitsune>),
    #[cfg(feature = "neural")]
    HostPairs(host_pairs::HostPairs),
}

/// Every baseline there is, in the order of the table.
const NAMES: &[&str] = &[
    "packets",
    "bytes",
    "duration",
    "service_rarity",
    "forest_flow",
    "kitsune",
    #[cfg(feature = "neural")]
    "addresses",
];

impl Baseline {
    /// The baselines that [`fit`](Self::fit) can make in this build.
    pub fn names() -> impl ExactSizeIterator<Item = &'static str> {
        NAMES.iter().copied()
    }

    /// Fits a baseline on benign traffic and calibrates it on other benign traffic. `watch` is told how many frames were
    /// read, now and then.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) where there is no such baseline or `config` is out of its range,
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) where there is too little to fit or calibrate on; as
    /// [`Capture::open`](crate::Capture::open) and [`Capture::next_frame`](crate::Capture::next_frame).
    pub fn fit(
        name: &str,
        train: &Recording,
        val: &Recording,
        config: &SessionConfig,
        seed: u64,
        mut watch: impl FnMut(u64),
    ) -> Result<Self> {
        let Some(&name) = NAMES.iter().find(|known| **known == name) else {
            return Err(Error::config("baseline", name, &format!("one of {}", NAMES.join(", "))));
        };
        // A baseline judges sessions at their end.
        let config = &config.clone().looks(Looks::none());
        let scorer = match name {
            "kitsune" => Scorer::Kitsune(Box::new(Kitsune::fit(train, config, seed, &mut watch)?)),
            #[cfg(feature = "neural")]
            "addresses" => Scorer::HostPairs(host_pairs::HostPairs::fit(train, config, seed)?),
            name => Scorer::Sessions(SessionScore::fit(name, &train.sessions(config)?, seed)?),
        };
        let (sessions, stats) = scorer.judge(val, config, &mut watch)?;
        let scores: Vec<f32> = sessions.iter().map(|session| session.score).collect();
        let calibration = Calibration::fit(&scores).map_err(|error| error.at(format_args!("baseline {name}")))?;
        let series = [Series::calibrated(COMBINED, &calibration)].into();
        let val = JudgedCapture { series: Arc::clone(&series), sessions, stats, drift_alarms: Vec::new() }
            .calibrated(&calibration);
        Ok(Self { name, config: config.clone(), scorer, calibration, series, val })
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The benign sessions it was calibrated on.
    pub fn val(&self) -> &JudgedCapture {
        &self.val
    }

    /// Judges the sessions of a recording as they end.
    ///
    /// # Errors
    /// As [`Capture::open`](crate::Capture::open) and [`Capture::next_frame`](crate::Capture::next_frame).
    pub fn judge(&self, recording: &Recording, mut watch: impl FnMut(u64)) -> Result<JudgedCapture> {
        let (sessions, stats) = self.scorer.judge(recording, &self.config, &mut watch)?;
        let judged = JudgedCapture { series: Arc::clone(&self.series), sessions, stats, drift_alarms: Vec::new() };
        Ok(judged.calibrated(&self.calibration))
    }
}

/// Sessions with a score whose p-value is not yet known, and what was counted of each file.
type Scored = (Vec<JudgedSession>, Vec<TableStats>);

impl Scorer {
    fn judge(&self, recording: &Recording, config: &SessionConfig, watch: &mut dyn FnMut(u64)) -> Result<Scored> {
        match self {
            Self::Sessions(scorer) => scorer.judge(recording, config, watch),
            Self::Kitsune(kitsune) => kitsune.judge(recording, config, watch),
            #[cfg(feature = "neural")]
            Self::HostPairs(host_pairs) => host_pairs.judge(recording, config, watch),
        }
    }
}

/// A session and its score, before the scores are calibrated.
fn uncalibrated(session: &Session, score: f32, judged_at: Timestamp) -> JudgedSession {
    JudgedSession::scored(session, score, 1.0, judged_at)
}

impl JudgedCapture {
    /// The same with the p-values of a calibration.
    fn calibrated(mut self, calibration: &Calibration) -> Self {
        for session in &mut self.sessions {
            session.p_value = calibration.p_value(session.score);
        }
        self
    }
}

#[cfg(test)]
mod tests;
