//! What is known of a capture that is judged: which of its sessions are attacks, and the episodes these form.

use super::{
    judged::JudgedSession,
    labels::{Label, Labels},
};
use crate::{
    Capture, Result, Timestamp,
    decode::Decoder,
    session::{FlowKey, KeyKind, SessionConfig},
};
use std::collections::BTreeMap;

/// What is known of a capture: which of its sessions are attacks, and the episodes these form.
#[derive(Debug, Clone)]
pub struct Truth {
    kind: TruthKind,
    episodes: Vec<Episode>,
}

#[derive(Debug, Clone)]
enum TruthKind {
    Benign,
    Attack(String),
    Labelled { labels: Labels, strict: bool },
}

/// One attack from its first packet to its last: a row of the label file, or a capture all of which is one attack.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Episode {
    /// Which row of the label file, by its `id`; the name of the attack where all of a capture is one.
    pub id: String,
    /// The kind of attack.
    pub category: String,
    /// The times of its packets, ascending; never empty.
    pub packets: Vec<Timestamp>,
}

impl Truth {
    /// A capture without attacks.
    pub fn benign() -> Self {
        Self { kind: TruthKind::Benign, episodes: Vec::new() }
    }

    /// A capture all of which is one attack of the given kind.
    ///
    /// # Errors
    /// As [`Capture::next_frame`].
    pub fn attack(category: &str, capture: Capture, config: &SessionConfig) -> Result<Self> {
        let kind = TruthKind::Attack(category.to_owned());
        let mut truth = Self { kind, episodes: Vec::new() };
        truth.episodes = truth.read_episodes(capture, config)?;
        Ok(truth)
    }

    /// A capture with labels; its packets are read once for the episodes. `strict` leaves out address resolution that
    /// carries the label of an attack that is not of ARP ([`Label::strict`]).
    ///
    /// # Errors
    /// As [`Capture::next_frame`].
    pub fn labelled(labels: Labels, strict: bool, capture: Capture, config: &SessionConfig) -> Result<Self> {
        let mut truth = Self { kind: TruthKind::Labelled { labels, strict }, episodes: Vec::new() };
        truth.episodes = truth.read_episodes(capture, config)?;
        Ok(truth)
    }

    /// What a session is.
    pub fn label(&self, session: &JudgedSession) -> Label<'_> {
        self.label_at(&session.key, session.start)
    }

    /// What a session with this key is that starts at `start`.
    pub fn label_at(&self, key: &FlowKey, start: Timestamp) -> Label<'_> {
        match &self.kind {
            TruthKind::Benign => Label::Benign,
            TruthKind::Attack(category) => Label::Attack { category, id: category },
            TruthKind::Labelled { labels, strict: false } => labels.label(key, start),
            TruthKind::Labelled { labels, strict: true } => labels.label(key, start).strict(key.protocol),
        }
    }

    /// The attacks of the capture, in the order of their first packets. A row of the label file that no packet fits is none.
    pub fn episodes(&self) -> &[Episode] {
        &self.episodes
    }

    /// Labels every packet by its own time, as the label file describes attacks.
    fn read_episodes(&self, mut capture: Capture, config: &SessionConfig) -> Result<Vec<Episode>> {
        let mut decoder = Decoder::new().with_tunnels(config.tunnels);
        let mut found: BTreeMap<String, Episode> = BTreeMap::new();
        while let Some(frame) = capture.next_frame()? {
            let Ok(packet) = decoder.decode(&frame) else { continue };
            let key = FlowKey::of(&packet, KeyKind::FiveTuple);
            let Label::Attack { category, id } = self.label_at(&key, packet.time) else { continue };
            match found.get_mut(id) {
                Some(episode) => episode.packets.push(packet.time),
                None => {
                    let episode =
                        Episode { id: id.to_owned(), category: category.to_owned(), packets: vec![packet.time] };
                    found.insert(id.to_owned(), episode);
                }
            }
        }
        let mut episodes: Vec<Episode> = found.into_values().collect();
        episodes.iter_mut().for_each(|episode| episode.packets.sort_unstable());
        episodes.sort_by_key(Episode::first);
        Ok(episodes)
    }
}

impl Episode {
    /// The time of its first packet.
    pub fn first(&self) -> Timestamp {
        self.packets.first().copied().unwrap_or_default()
    }

    /// The time of its last packet.
    pub fn last(&self) -> Timestamp {
        self.packets.last().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nf_tests::{PcapWriter, eth};
    use std::io::{Cursor, Write};

    fn capture() -> Capture {
        let tcp = |a: u8, port| eth().ipv4([10, 0, 0, a], [10, 0, 0, 9]).tcp(port, 80).syn().build();
        let packets = [
            (1, tcp(1, 1000)),
            (2, tcp(6, 1001)),
            (3, tcp(6, 1002)),
            (4, eth().arp_request([10, 0, 0, 6], [10, 0, 0, 9]).build()),
            (5, tcp(6, 1003)),
            (30, tcp(6, 1004)),
        ];
        let writer =
            packets.iter().fold(PcapWriter::new(), |writer, (time, data)| writer.packet(time * 1_000_000_000, data));
        Capture::from_reader(Cursor::new(writer.finish())).unwrap()
    }

    fn labels() -> Labels {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let rows = "id,category,start_ts,end_ts,src,dst,proto,dport,sport,match,tool,params\n\
            7,scan,2,10,10.0.0.6,10.0.0.9,tcp,*,*,host,x,\n\
            8,never,50,60,10.0.0.6,10.0.0.9,tcp,*,*,host,x,\n\
            9,late,25,40,10.0.0.6,10.0.0.9,tcp,80,*,tuple,x,\n";
        file.write_all(rows.as_bytes()).unwrap();
        Labels::read(file.path(), None).unwrap()
    }

    #[test]
    fn episodes_are_rows_from_their_first_packet_to_their_last() {
        let config = SessionConfig::default();
        let seconds = |episode: &Episode| -> Vec<i64> {
            episode.packets.iter().map(|time| time.as_nanos() / 1_000_000_000).collect()
        };
        let loose = Truth::labelled(labels(), false, capture(), &config).unwrap();
        let seen: Vec<_> = loose.episodes().iter().map(|e| (e.id.as_str(), e.category.as_str(), seconds(e))).collect();
        assert_eq!(seen, [("7", "scan", vec![2, 3, 4, 5]), ("9", "late", vec![30])]);
        let strict = Truth::labelled(labels(), true, capture(), &config).unwrap();
        assert_eq!(seconds(&strict.episodes()[0]), [2, 3, 5], "address resolution is no scan of ports");
        let whole = Truth::attack("tunnel", capture(), &config).unwrap();
        assert_eq!(seconds(&whole.episodes()[0]), [1, 2, 3, 4, 5, 30]);
        assert_eq!(
            (whole.episodes()[0].id.as_str(), whole.episodes()[0].first()),
            ("tunnel", Timestamp::from_parts(1, 0))
        );
        assert!(Truth::benign().episodes().is_empty());
    }
}
