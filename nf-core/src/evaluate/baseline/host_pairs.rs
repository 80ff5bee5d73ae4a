//! The recipe of the first neural-filter project: sessions are pairs of hosts, columns are
//! [addresses](FeatureSpec::addresses), and the score is the error of a model that rebuilds them.

use super::{Scored, sessions::sessions_as_they_end, uncalibrated};
use crate::{
    Result, Timestamp,
    evaluate::recording::Recording,
    features::FeatureSpec,
    model::Model,
    session::{FlowKey, KeyKind, Looks, Session, SessionConfig},
};
use std::{collections::HashMap, net::IpAddr, time::Duration};

/// Packets of a session that are read.
const PACKETS: u32 = 64;
/// Age at which the session of a pair is cut: of a pair that never falls silent only the first packets would ever be read.
const ACTIVE: Duration = Duration::from_secs(60);
/// Sessions scored at once.
const BATCH: usize = 256;

/// A model of host pairs.
#[derive(Debug)]
pub(super) struct HostPairs {
    model: Box<dyn Model>,
}

/// Two hosts, the smaller address first.
type Pair = (IpAddr, IpAddr);

fn pair(key: &FlowKey) -> Pair {
    (key.orig.addr.min(key.resp.addr), key.orig.addr.max(key.resp.addr))
}

fn spec() -> FeatureSpec {
    FeatureSpec::addresses(PACKETS)
}

fn pair_config(config: &SessionConfig) -> SessionConfig {
    config.clone().key(KeyKind::HostPair).max_packets(PACKETS).active(Some(ACTIVE)).context(false).looks(Looks::none())
}

/// What became of the sessions of a pair, by their start.
#[derive(Debug, Default)]
struct PairScores(HashMap<Pair, Vec<(Timestamp, Timestamp, f32)>>);

impl PairScores {
    /// Verdict time and score of the pair's session that a session's first packet belongs to.
    fn of(&self, session: &Session) -> Option<(Timestamp, f32)> {
        let scores = self.0.get(&pair(session.key()))?;
        let place = scores.partition_point(|(start, ..)| *start <= session.start());
        scores.get(place.checked_sub(1)?).map(|(_, at, score)| (*at, *score))
    }
}

impl HostPairs {
    /// The transformer with its plain error, fitted on the host pairs of benign traffic.
    #[cfg(feature = "neural")]
    pub(super) fn fit(train: &Recording, config: &SessionConfig, seed: u64) -> Result<Self> {
        use crate::model::{Transformer, TransformerScore};
        let mut sessions = train.sessions(&pair_config(config))?;
        sessions.sort_by_key(Session::start);
        let rows = spec().extract(&sessions)?;
        let model = Transformer::params().score(TransformerScore::Error).seed(seed).fit(&rows)?;
        Ok(Self { model: Box::new(model) })
    }

    /// Scores the sessions of a recording, cut as `config` says so that every detector is judged on the same ones: each has
    /// the score of the session of its hosts in which its first packet fell.
    pub(super) fn judge(
        &self,
        recording: &Recording,
        config: &SessionConfig,
        watch: &mut dyn FnMut(u64),
    ) -> Result<Scored> {
        let pairs = recording.captures().map(|capture| self.pair_scores(capture?, config, watch));
        let pairs = pairs.collect::<Result<Vec<_>>>()?;
        let (mut judged, mut stats) = (Vec::new(), Vec::new());
        for (capture, pairs) in recording.captures().zip(pairs) {
            stats.push(sessions_as_they_end(capture?, config, watch, |session, at| {
                let (at, score) = pairs.of(&session).unwrap_or((at, 0.0));
                if recording.holds(session.start()) {
                    judged.push(uncalibrated(&session, score, at));
                }
                Ok(())
            })?);
        }
        Ok((judged, stats))
    }

    fn pair_scores(
        &self,
        capture: crate::Capture,
        config: &SessionConfig,
        watch: &mut dyn FnMut(u64),
    ) -> Result<PairScores> {
        let (mut found, mut batch) = (PairScores::default(), Vec::new());
        let mut score = |batch: &mut Vec<(Session, Timestamp)>| -> Result<()> {
            let scores = self.model.score(&spec().extract(batch.iter().map(|(session, _)| session))?)?;
            for ((session, at), score) in batch.drain(..).zip(scores) {
                found.0.entry(pair(session.key())).or_default().push((session.start(), at, score));
            }
            Ok(())
        };
        sessions_as_they_end(capture, &pair_config(config), watch, |session, at| {
            batch.push((session, at));
            if batch.len() < BATCH { Ok(()) } else { score(&mut batch) }
        })?;
        score(&mut batch)?;
        found.0.values_mut().for_each(|scores| scores.sort_unstable_by_key(|(start, ..)| *start));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{detector::testing::Distance, evaluate::testing::pcap_file};
    use nf_tests::eth;

    #[test]
    fn a_session_has_the_score_of_its_hosts() {
        let config = SessionConfig::default();
        let packet = |a: u8, port, payload: usize| {
            eth().ipv4([10, 0, 0, a], [10, 0, 0, 9]).udp(port, 9).payload(&vec![1; payload]).build()
        };
        // Two flows of one pair in one minute, one of another pair, and the first pair again much later, with long packets.
        let packets = [
            (0.0, packet(1, 1000, 10)),
            (1.0, packet(1, 1001, 10)),
            (2.0, packet(2, 1002, 10)),
            (300.0, packet(1, 1003, 1400)),
        ];
        let file = pcap_file(packets);
        let recording = Recording::new(file.path());
        let host_pairs = HostPairs { model: Box::new(Distance(spec().schema().as_ref().clone())) };
        let (judged, stats) = host_pairs.judge(&recording, &config, &mut |_| {}).unwrap();
        let mut seen: Vec<_> = judged.iter().map(|s| (s.key.orig.port, s.score, s.judged_at)).collect();
        seen.sort_by_key(|(port, ..)| *port);
        assert_eq!((seen.len(), stats.len()), (4, 1));
        assert!(seen[0].1 == seen[1].1 && seen[0].1 != seen[3].1, "{seen:?}");
        // The pair fell silent at 1 s, for 60 s; the frame at 300 s shows it, and its own verdict comes 60 s later.
        let at = |seconds| Timestamp::from_parts(seconds, 0);
        assert_eq!([0, 1, 3].map(|i| seen[i].2), [at(300), at(300), at(360)]);
    }
}
