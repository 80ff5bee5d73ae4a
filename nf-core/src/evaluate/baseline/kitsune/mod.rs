//! A detector after Kitsune: damped statistics of every packet's streams, an ensemble of small autoencoders, and one that
//! watches their errors (Mirsky, Doitshman, Elovici and Shabtai, "Kitsune: an ensemble of autoencoders for online network
//! intrusion detection", NDSS 2018).
//!
//! Where it differs from the paper: streams are held in bounded memory, the networks learn from the training capture alone
//! and are frozen before anything is judged, and the score of a session is the mean over its packets.

mod autoencoder;
mod clusters;
mod damped;
mod ensemble;
mod recent;
mod streams;

use super::{Scored, uncalibrated};
use crate::{
    Error, ErrorKind, Result,
    decode::{Decoder, Packet},
    evaluate::{recording::Recording, replay::silence_ends},
    session::{FlowKey, Session, SessionConfig, SessionTable},
};
use ensemble::{Ensemble, Learner};
use std::collections::HashMap;
use streams::Streams;

/// The trained networks.
#[derive(Debug)]
pub(super) struct Kitsune {
    ensemble: Ensemble,
}

impl Kitsune {
    /// Learns from the packets of benign traffic, one pass in their order.
    pub(super) fn fit(
        train: &Recording,
        config: &SessionConfig,
        seed: u64,
        watch: &mut dyn FnMut(u64),
    ) -> Result<Self> {
        let (mut learner, mut streams) = (Learner::new(seed), Streams::default());
        for capture in train.captures() {
            let (mut capture, mut decoder) = (capture?, Decoder::new().with_tunnels(config.tunnels));
            while let Some(frame) = capture.next_frame()? {
                if let Ok(packet) = decoder.decode(&frame)
                    && train.holds(packet.time)
                {
                    learner.learn(&streams.push(&packet));
                }
                if capture.frames().is_multiple_of(4096) {
                    watch(capture.frames());
                }
            }
        }
        let ensemble = learner.finish().ok_or_else(|| {
            Error::new(ErrorKind::Data, "no packet to fit baseline kitsune on, at least 2 are needed")
        })?;
        Ok(Self { ensemble })
    }

    /// Scores the sessions of a recording as they end.
    pub(super) fn judge(
        &self,
        recording: &Recording,
        config: &SessionConfig,
        watch: &mut dyn FnMut(u64),
    ) -> Result<Scored> {
        let (mut judged, mut stats) = (Vec::new(), Vec::new());
        for capture in recording.captures() {
            let (mut capture, mut decoder) = (capture?, Decoder::new().with_tunnels(config.tunnels));
            let mut table = SessionTable::new(config.clone())?;
            let (mut streams, mut errors) = (Streams::default(), Errors::default());
            while let Some(frame) = capture.next_frame()? {
                let Ok(packet) = decoder.decode(&frame) else { continue };
                table.push_packet(&packet);
                // A session that this packet ended does not count it: it belongs to the next.
                while let Some(session) = table.pop() {
                    judged.push(uncalibrated(&session, errors.take(&session), session.ended()));
                }
                errors.add(&packet, config, self.ensemble.error(&streams.push(&packet)));
                if capture.frames().is_multiple_of(4096) {
                    watch(capture.frames());
                }
            }
            table.finish();
            while let Some(session) = table.pop() {
                judged.push(uncalibrated(&session, errors.take(&session), silence_ends(&session, config)));
            }
            stats.push(table.stats().clone());
        }
        judged.retain(|session| recording.holds(session.start));
        Ok((judged, stats))
    }
}

/// The errors of the packets of open sessions: sum and count.
#[derive(Debug, Default)]
struct Errors(HashMap<FlowKey, (f64, u64)>);

impl Errors {
    fn add(&mut self, packet: &Packet<'_>, config: &SessionConfig, error: f64) {
        let mut key = FlowKey::of(packet, config.key);
        if config.vlan_in_key {
            key.vlans = packet.vlans;
        }
        let (sum, count) = self.0.entry(key.canonical()).or_default();
        (*sum, *count) = (*sum + error, *count + 1);
    }

    /// The mean over the packets of a session that ended.
    fn take(&mut self, session: &Session) -> f32 {
        let (sum, count) = self.0.remove(&session.key().canonical()).unwrap_or_default();
        (sum / count.max(1) as f64) as f32
    }
}
