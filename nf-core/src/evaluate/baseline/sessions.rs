//! Baselines that read a session and nothing else: one number of it, or an isolation forest of its statistics.

use super::{Scored, uncalibrated};
use crate::{
    Capture, Result, Timestamp,
    decode::Protocol,
    evaluate::{recording::Recording, replay::silence_ends},
    features::FeatureSpec,
    model::{IsolationForest, Model},
    session::{Session, SessionConfig, SessionTable, TableStats},
};
use std::collections::HashMap;

/// Sessions scored at once.
const BATCH: usize = 1024;

/// A score of whole sessions.
#[derive(Debug)]
pub(super) enum SessionScore {
    Packets,
    Bytes,
    Duration,
    ServiceRarity(ServiceCounts),
    Forest(Box<IsolationForest>),
}

/// How often each service was seen in training.
#[derive(Debug, Default)]
pub(super) struct ServiceCounts {
    counts: HashMap<Service, u64>,
    all: u64,
}

/// Protocol and destination port; the type of ICMP.
type Service = (Protocol, u16, Option<u8>);

fn service(session: &Session) -> Service {
    let key = session.key();
    // The identifier of ICMP stands where ports do, and is another one each time.
    let port = if matches!(key.protocol, Protocol::Icmp | Protocol::Icmpv6) { 0 } else { key.resp.port };
    (key.protocol, port, key.icmp_type)
}

impl ServiceCounts {
    fn of(sessions: &[Session]) -> Self {
        let mut counts = Self::default();
        for session in sessions {
            *counts.counts.entry(service(session)).or_default() += 1;
            counts.all += 1;
        }
        counts
    }

    /// Minus the logarithm of the share, one session of each service added (Laplace's rule) so that new ones have one.
    fn rarity(&self, session: &Session) -> f64 {
        let count = self.counts.get(&service(session)).copied().unwrap_or(0);
        ((self.all + 1) as f64 / (count + 1) as f64).ln()
    }
}

impl SessionScore {
    /// The score of that name, fitted where it learns something.
    pub(super) fn fit(name: &str, benign: &[Session], seed: u64) -> Result<Self> {
        Ok(match name {
            "packets" => Self::Packets,
            "bytes" => Self::Bytes,
            "duration" => Self::Duration,
            "service_rarity" => Self::ServiceRarity(ServiceCounts::of(benign)),
            _ => {
                let forest = IsolationForest::params().trees(200).samples(256).seed(seed);
                Self::Forest(Box::new(forest.fit(&FeatureSpec::flow().extract(benign)?)?))
            }
        })
    }

    fn score(&self, sessions: &[(Session, Timestamp)]) -> Result<Vec<f32>> {
        let each =
            |score: &dyn Fn(&Session) -> f64| sessions.iter().map(|(session, _)| score(session) as f32).collect();
        Ok(match self {
            Self::Packets => each(&|session| session.stats().packets() as f64),
            Self::Bytes => each(&|session| session.stats().wire_bytes() as f64),
            Self::Duration => each(&|session| session.duration().as_secs_f64()),
            Self::ServiceRarity(counts) => each(&|session| counts.rarity(session)),
            Self::Forest(forest) => {
                forest.score(&FeatureSpec::flow().extract(sessions.iter().map(|(session, _)| session))?)?
            }
        })
    }

    /// Scores the sessions of a recording as they end.
    pub(super) fn judge(
        &self,
        recording: &Recording,
        config: &SessionConfig,
        watch: &mut dyn FnMut(u64),
    ) -> Result<Scored> {
        let (mut judged, mut stats) = (Vec::new(), Vec::new());
        let mut score = |batch: &mut Vec<(Session, Timestamp)>| -> Result<()> {
            let scores = self.score(batch)?;
            judged.extend(batch.drain(..).zip(scores).map(|((session, at), score)| uncalibrated(&session, score, at)));
            Ok(())
        };
        for capture in recording.captures() {
            let mut batch = Vec::new();
            stats.push(sessions_as_they_end(capture?, config, watch, |session, at| {
                if recording.holds(session.start()) {
                    batch.push((session, at));
                }
                if batch.len() < BATCH { Ok(()) } else { score(&mut batch) }
            })?);
            score(&mut batch)?;
        }
        Ok((judged, stats))
    }
}

/// Gives each session of a capture when it ends, with the time of that moment.
pub(super) fn sessions_as_they_end(
    mut capture: Capture,
    config: &SessionConfig,
    watch: &mut dyn FnMut(u64),
    mut take: impl FnMut(Session, Timestamp) -> Result<()>,
) -> Result<TableStats> {
    let mut table = SessionTable::new(config.clone())?;
    while let Some(frame) = capture.next_frame()? {
        table.push(&frame);
        while let Some(session) = table.pop() {
            let at = session.ended();
            take(session, at)?;
        }
        if capture.frames().is_multiple_of(4096) {
            watch(capture.frames());
        }
    }
    table.finish();
    while let Some(session) = table.pop() {
        let at = silence_ends(&session, config);
        take(session, at)?;
    }
    Ok(table.stats().clone())
}
