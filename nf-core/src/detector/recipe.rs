//! The detector this crate recommends: which heads there are, and how they are fitted and calibrated.

use super::{
    Budget, Detector, Provenance, Row, Span, Terms, Volume, clean::usual, head::Scorer, highest, score_heads, weigh_all,
};
use crate::{
    Error, ErrorKind, Result,
    evidence::EvidenceConfig,
    features::{FeatureSpec, Rows, Scaler},
    model::{Device, IsolationForest, Model, Progress, Random, Rarity, Watch},
    session::{Session, SessionConfig},
};
use std::ops::ControlFlow;

#[cfg(feature = "neural")]
use crate::model::{Autoencoder, Transformer};

/// How one of this crate's heads is made.
#[derive(Debug)]
struct HeadRecipe {
    name: &'static str,
    /// Whether it belongs to the default detector.
    default: bool,
    spec: fn() -> Result<FeatureSpec>,
    /// Whether columns are brought to one scale first; packet columns are on one already.
    scale: bool,
    /// How much it counts in the combined score.
    weight: f64,
    fit: fn(&Rows, &Recipe, &mut Watch<'_>) -> Result<Box<dyn Model>>,
}

/// Every head there is to choose from, in the order in which detectors hold them.
const HEADS: &[HeadRecipe] = &[
    #[cfg(feature = "neural")]
    HeadRecipe { name: "session", default: true, spec: flow_and_context, scale: true, weight: 1.0, fit: autoencoder },
    // Beside 98 other columns a timer's regularity drowns.
    HeadRecipe { name: "rhythm", default: true, spec: rhythm, scale: true, weight: 0.3, fit: forest },
    HeadRecipe { name: "forest", default: true, spec: flow_and_context, scale: true, weight: 0.3, fit: forest },
    HeadRecipe {
        name: "rarity",
        default: false,
        spec: || Ok(FeatureSpec::services()),
        scale: false,
        weight: 0.3,
        fit: |rows, _, watch| Ok(Box::new(Rarity::fit_with(rows, watch)?)),
    },
    #[cfg(feature = "neural")]
    HeadRecipe {
        name: "packets",
        // Measured (docs/detection.md): it adds next to nothing to the recall at 1 %, takes .05 from that at 0.1 %, and is
        // nearly all of the time of fitting.
        default: false,
        spec: || Ok(FeatureSpec::packets(64)),
        scale: false,
        weight: 1.0,
        fit: transformer,
    },
];

/// Heads that a cargo feature would bring.
#[cfg(not(feature = "neural"))]
const ABSENT: &[(&str, &str)] = &[("session", "neural"), ("packets", "neural")];
#[cfg(feature = "neural")]
const ABSENT: &[(&str, &str)] = &[];

/// At most this part of the earlier sessions is held out as those of the first minute: 1 / this.
const MOST_COLD: usize = 4;

/// The heads that look for attacks in the training.
const CLEANERS: [&str; 2] = ["rhythm", "forest"];

/// Most of the training that may be attacks: with more, what is rare is no longer what is strange.
const MOST_CONTAMINATION: f64 = 0.25;

/// How many times the assumed contamination is left out: the strangest sessions are not all attacks.
const TRIM: f64 = 1.2;

/// What the random numbers are for by which looks are drawn.
const LOOKS: u64 = 1;

/// Fewer benign sessions than this are not fitted on: they show too little of what is normal.
const FEWEST: usize = 100;

fn flow_and_context() -> Result<FeatureSpec> {
    FeatureSpec::flow().and(FeatureSpec::context())
}

fn rhythm() -> Result<FeatureSpec> {
    FeatureSpec::context().select(["service_gap_variation", "service_payload_variation"])
}

fn forest(rows: &Rows, recipe: &Recipe, watch: &mut Watch<'_>) -> Result<Box<dyn Model>> {
    Ok(Box::new(IsolationForest::params().seed(recipe.seed).threads(recipe.threads).fit_with(rows, watch)?))
}

#[cfg(feature = "neural")]
fn autoencoder(rows: &Rows, recipe: &Recipe, watch: &mut Watch<'_>) -> Result<Box<dyn Model>> {
    Ok(Box::new(Autoencoder::params().seed(recipe.seed).device(recipe.device).fit_with(rows, watch)?))
}

#[cfg(feature = "neural")]
fn transformer(rows: &Rows, recipe: &Recipe, watch: &mut Watch<'_>) -> Result<Box<dyn Model>> {
    Ok(Box::new(Transformer::params().seed(recipe.seed).device(recipe.device).fit_with(rows, watch)?))
}

/// A detector of this crate's own heads, to be fitted on benign sessions.
///
/// | head | columns | model | by default | cargo feature |
/// |---|---|---|---|---|
/// | `session` | [flow](FeatureSpec::flow) and [context](FeatureSpec::context) | denoising autoencoder | yes | `neural` |
/// | `rhythm` | how regular the use of a service is: two columns of [context](FeatureSpec::context) | isolation forest | yes | |
/// | `forest` | those of `session` | isolation forest | yes | |
/// | `rarity` | which [services](FeatureSpec::services) it used | how often each was seen | no | |
/// | `packets` | the first 64 [packets](FeatureSpec::packets) | transformer, density of its latent | no | `neural` |
///
/// The default heads are those that detect best together where that was measured. `packets` is what names single packets in
/// an explanation; it takes most of the time of fitting.
#[derive(Debug, Clone)]
pub struct Recipe {
    heads: Vec<&'static HeadRecipe>,
    /// Columns that no head reads.
    without: Vec<String>,
    budget: Budget,
    calibration_share: f64,
    contamination: f64,
    seed: u64,
    threads: usize,
    device: Device,
    sessions: SessionConfig,
    evidence: Option<EvidenceConfig>,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            heads: HEADS.iter().filter(|head| head.default).collect(),
            without: Vec::new(),
            budget: Budget::Share(0.01),
            calibration_share: 0.3,
            contamination: 0.0,
            seed: 0,
            threads: 0,
            device: Device::Cpu,
            sessions: SessionConfig::default(),
            evidence: Some(EvidenceConfig::default()),
        }
    }
}

impl Recipe {
    /// The heads that [`heads`](Self::heads) can choose from in this build.
    pub fn available_heads() -> impl ExactSizeIterator<Item = &'static str> {
        HEADS.iter().map(|head| head.name)
    }

    /// The heads of a recipe that chooses none.
    pub fn default_heads() -> impl Iterator<Item = &'static str> {
        HEADS.iter().filter(|head| head.default).map(|head| head.name)
    }

    /// Chooses the heads by name, in any order; the default ones unless set.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] where no name or an unknown one is given, [`ErrorKind::Unsupported`] where the head needs a
    /// cargo feature that is not built in.
    pub fn heads<S: AsRef<str>>(mut self, names: &[S]) -> Result<Self> {
        let known = Self::available_heads().collect::<Vec<_>>().join(", ");
        if names.is_empty() {
            return Err(Error::config("number of heads", 0, "at least 1"));
        }
        for name in names.iter().map(AsRef::as_ref) {
            if HEADS.iter().any(|head| head.name == name) {
                continue;
            }
            if let Some((_, feature)) = ABSENT.iter().find(|(absent, _)| *absent == name) {
                let message = format!("head {name} needs nf-core built with its cargo feature {feature}");
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
            return Err(Error::config("head", name, &format!("one of {known}")));
        }
        self.heads = HEADS.iter().filter(|head| names.iter().any(|name| name.as_ref() == head.name)).collect();
        Ok(self)
    }

    /// The share of benign sessions that may be called anomalies, above 0 and at most 0.5; 0.01 unless set.
    #[must_use]
    pub fn false_positive_rate(mut self, rate: f64) -> Self {
        self.budget = Budget::Share(rate);
        self
    }

    /// Instead of a share: how many false alerts an hour there may be, above 0. The held-out sessions say how many benign
    /// sessions an hour has.
    #[must_use]
    pub fn alerts_per_hour(mut self, alerts: f64) -> Self {
        self.budget = Budget::PerHour(alerts);
        self
    }

    /// The share of the sessions, the latest, that [`fit`](Self::fit) calibrates on, between 0 and 1; 0.3 unless set.
    #[must_use]
    pub fn calibration_share(mut self, share: f64) -> Self {
        self.calibration_share = share;
        self
    }

    /// The share of attacks that the training sessions may hold, 0 to 0.25; 0 unless set. Above 0, 1.2 times as many of
    /// them, those that forests find strangest and that have fewest like them, are left out of fitting, which costs recall where there are none
    /// (docs/detection.md). The sessions calibrated on must be benign all the same: a threshold among attacks
    /// misses attacks.
    #[must_use]
    pub fn contamination(mut self, share: f64) -> Self {
        self.contamination = share;
        self
    }

    /// Where random numbers start: the same sessions and seed give the same detector; 0 unless set.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How many threads fit and calibrate, 0 for one a core, as it is unless set. The detector does not depend on it.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Where networks are trained, and judge afterwards; [`Device::Cpu`] unless set, on which alone the same sessions and seed
    /// give the same bits. The detector's file does not hold it. Forests always compute on the CPU.
    #[must_use]
    pub fn device(mut self, device: Device) -> Self {
        self.device = device;
        self
    }

    /// Leaves the named columns out of what heads read of whole sessions; none unless set. For measuring what a column is
    /// worth, and for networks where one says something about the capture rather than the traffic.
    #[must_use]
    pub fn without_columns<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.without = names.into_iter().map(Into::into).collect();
        self
    }

    /// How scores are added up over sessions; `None` for each session by itself. The default configuration unless set.
    #[must_use]
    pub fn evidence(mut self, evidence: impl Into<Option<EvidenceConfig>>) -> Self {
        self.evidence = evidence.into();
        self
    }

    /// How the packets were cut into the sessions; the default configuration unless set. It is kept with the detector, so
    /// that a [`Monitor`](crate::Monitor) that cuts otherwise is refused.
    #[must_use]
    pub fn session_config(mut self, config: &SessionConfig) -> Self {
        self.sessions = config.clone();
        self
    }

    /// What can be said against the recipe before there are sessions: [`fit`](Self::fit) says the same.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with the name of a value that is out of its range, and the range; [`ErrorKind::Unsupported`] where
    /// the device is not there ([`Device::check`]).
    pub fn check(&self) -> Result<()> {
        self.budget.check()?;
        let (calibration, contamination) = (self.calibration_share, self.contamination);
        if !(calibration > 0.0 && calibration < 1.0) {
            return Err(Error::config("calibration_share", calibration, "above 0 and below 1"));
        }
        if !(0.0..=MOST_CONTAMINATION).contains(&contamination) {
            return Err(Error::config("contamination", contamination, &format!("0 to {MOST_CONTAMINATION}")));
        }
        let known = flow_and_context()?.schema();
        if let Some(name) = self.without.iter().find(|name| known.columns().iter().all(|column| column.name != **name))
        {
            return Err(Error::config("column left out", name, "a column of flow or context (docs/features.md)"));
        }
        self.device.check()?;
        self.sessions.check()?;
        self.evidence.as_ref().map_or(Ok(()), EvidenceConfig::check)
    }

    /// Fits the heads on the earliest sessions and calibrates them on the rest, by the time of their start. A session
    /// that runs past the start of the calibration belongs to the past: it is fitted on, whole, and never calibrated on.
    /// Sessions of a session table's first minute are calibrated on as well and not fitted on, where there are at least 100
    /// and at most a quarter of the earliest, so that the first minute of a live run keeps the budget too.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] where a value is out of its range or the session configuration lacks what a head reads;
    /// [`ErrorKind::Data`] where there are too few sessions to learn from or to promise the false-positive rate (the
    /// message says how many more are needed); [`ErrorKind::Training`] where a loss does not stay finite;
    /// [`ErrorKind::Unsupported`] where the device is not there.
    pub fn fit(&self, benign: &[Session]) -> Result<Detector> {
        self.fit_with(benign, |_| ControlFlow::Continue(()))
    }

    /// As [`fit`](Self::fit); `watch` is told how far it has come, and may stop it.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), and [`ErrorKind::Canceled`] where `watch` says stop.
    pub fn fit_with(&self, benign: &[Session], watch: impl FnMut(&Progress) -> ControlFlow<()>) -> Result<Detector> {
        self.check()?;
        let mut sessions: Vec<&Session> = benign.iter().collect();
        sessions.sort_by_key(|session| session.start());
        let past = sessions.len() - (sessions.len() as f64 * self.calibration_share).round() as usize;
        let (training, held_out) = sessions.split_at(past);
        let (cold, warm): (Vec<&Session>, Vec<&Session>) = training.iter().partition(|session| session.is_cold());
        if cold.len() < FEWEST || cold.len() > training.len() / MOST_COLD {
            return self.fit_and_calibrate(training, held_out, watch);
        }
        self.fit_and_calibrate(&warm, &[&cold[..], held_out].concat(), watch)
    }

    /// Fits the heads on `training` and calibrates them on `held_out`, both benign; none of the sessions in both.
    ///
    /// # Errors
    /// As [`fit_with`](Self::fit_with).
    pub fn fit_on(
        &self,
        training: &[Session],
        held_out: &[Session],
        watch: impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Detector> {
        let mut training: Vec<&Session> = training.iter().collect();
        training.sort_by_key(|session| session.start());
        self.fit_and_calibrate(&training, &held_out.iter().collect::<Vec<_>>(), watch)
    }

    /// `training` in time order, as networks hold their latest rows out to know when to stop.
    fn fit_and_calibrate(
        &self,
        training: &[&Session],
        held_out: &[&Session],
        mut watch: impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Detector> {
        self.check()?;
        if training.len() < FEWEST {
            let message = format!(
                "{} benign sessions to fit on, at least {FEWEST} are needed: {} more",
                training.len(),
                FEWEST - training.len()
            );
            return Err(Error::new(ErrorKind::Data, message));
        }
        // What cannot be promised however the fit turns out is refused before hours of training.
        self.budget.rate(Volume::of(held_out))?;
        let all = training.len();
        let training = self.clean(training, &mut watch)?;
        let left_out = (all - training.len()) as u64;
        let scorers = self.fit_heads(&self.heads, &training, &mut watch)?;
        let provenance = Provenance {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: Some(self.seed),
            training: Some(Span::of(&training)),
            left_out,
            calibration: Span::of(held_out),
            sources: Vec::new(),
        };
        let Self { budget, threads, sessions, evidence, .. } = self.clone();
        Detector::calibrate(scorers, &training, held_out, Terms { budget, threads, sessions, evidence }, provenance)?
            .with_drift_basis(&[&training, held_out], threads)
    }

    /// The training sessions without those that look most like attacks, by the assumed contamination.
    ///
    /// Forests are fitted on all of them first: what is rare stays alone in its branches, while a network would learn it. Their
    /// evidence ranks, as an attack is mostly more than one session; and beside it the distance to others ([`usual`]).
    pub(super) fn clean<'a>(&self, training: &[&'a Session], watch: &mut Watch<'_>) -> Result<Vec<&'a Session>> {
        let drop = (training.len() as f64 * (self.contamination * TRIM).min(0.5)).round() as usize;
        if drop == 0 {
            return Ok(training.to_vec());
        }
        let forests: Vec<_> = HEADS.iter().filter(|head| CLEANERS.contains(&head.name)).collect();
        let scorers = self.fit_heads(&forests, training, watch)?;
        let rows = Row::all(training);
        let (_, scores) = score_heads(scorers, &rows, self.threads)?;
        let scores = weigh_all(&EvidenceConfig::default(), &rows, &scores)?;
        let scores = highest(training.len(), &rows, &scores);
        let rows = self.without(flow_and_context()?)?.extract(training.iter().copied())?;
        let rows = Scaler::fit(&rows)?.apply(rows)?;
        let usual = usual(&scores, &rows, self.contamination, drop, self.threads, watch)?;
        Ok(usual.into_iter().map(|i| training[i]).collect())
    }

    /// A spec without the columns that are left out.
    fn without(&self, spec: FeatureSpec) -> Result<FeatureSpec> {
        let schema = spec.schema();
        let names = || schema.columns().iter().map(|column| column.name.as_ref());
        if spec.steps().is_some() || !names().any(|name| self.without.iter().any(|out| out == name)) {
            return Ok(spec);
        }
        spec.select(names().filter(|name| !self.without.iter().any(|out| out == name)))
    }

    fn fit_heads(&self, heads: &[&HeadRecipe], training: &[&Session], watch: &mut Watch<'_>) -> Result<Vec<Scorer>> {
        let fit = |head: &&HeadRecipe| {
            let mut named = |progress: &Progress| watch(&Progress { head: head.name.to_owned(), ..progress.clone() });
            let scorer = self.fit_head(head, training, &mut named);
            scorer.map_err(|e| e.at(format_args!("fitting head {}", head.name)))
        };
        heads.iter().map(fit).collect()
    }

    /// One look at each session, drawn at random: with all of them the many of long sessions would push out what short ones
    /// show (docs/detection.md).
    fn drawn<'a>(&self, training: &[&'a Session]) -> impl Iterator<Item = Row<'a>> {
        let random = Random::new(self.seed).stream(LOOKS);
        training.iter().enumerate().map(move |(place, &session)| {
            let look = random.stream(place as u64).below(session.looks().len() + 1);
            Row { session, place, look }
        })
    }

    fn fit_head(&self, head: &HeadRecipe, training: &[&Session], watch: &mut Watch<'_>) -> Result<Scorer> {
        let spec = self.without((head.spec)()?)?;
        let rows = spec.extract_each(self.drawn(training).map(|row| row.seen()))?;
        let scaler = if head.scale { Scaler::fit(&rows)? } else { Scaler::identity(rows.schema()) };
        let model = (head.fit)(&scaler.apply(rows)?, self, watch)?;
        Scorer::new(head.name, spec, scaler, model, head.weight)
    }
}
