//! What is known of a capture that is judged: which of its sessions are attacks, and the episodes these form.

use super::{
    judged::JudgedSession,
    labels::{Label, Labels},
    packet_labels::PacketLabels,
    recording::Recording,
};
use crate::{
    Result, Timestamp,
    decode::Decoder,
    session::{FlowKey, KeyKind, Session, SessionConfig},
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
    Packets(PacketLabels),
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

    /// A recording all of which is one attack of the given kind.
    ///
    /// # Errors
    /// As [`Capture::open`](crate::Capture::open) and [`Capture::next_frame`](crate::Capture::next_frame).
    pub fn attack(category: &str, recording: &Recording, config: &SessionConfig) -> Result<Self> {
        Self::read(TruthKind::Attack(category.to_owned()), recording, config)
    }

    /// A recording with labels; its packets are read once for the episodes. `strict` leaves out address resolution that
    /// carries the label of an attack that is not of ARP ([`Label::strict`]).
    ///
    /// # Errors
    /// As [`Capture::open`](crate::Capture::open) and [`Capture::next_frame`](crate::Capture::next_frame).
    pub fn labelled(labels: Labels, strict: bool, recording: &Recording, config: &SessionConfig) -> Result<Self> {
        Self::read(TruthKind::Labelled { labels, strict }, recording, config)
    }

    /// A capture whose packets were labelled one by one.
    pub fn packets(labels: PacketLabels) -> Self {
        let episodes = labels.episodes();
        Self { kind: TruthKind::Packets(labels), episodes }
    }

    /// Judged sessions all of which are one attack, with a packet at the start of each.
    #[cfg(test)]
    pub(super) fn whole(category: &str, judged: &super::JudgedCapture) -> Self {
        let packets = judged.sessions().iter().map(|session| session.start).collect();
        let episodes = in_order(vec![Episode::new(category, category, packets)]);
        Self { kind: TruthKind::Attack(category.to_owned()), episodes }
    }

    fn read(kind: TruthKind, recording: &Recording, config: &SessionConfig) -> Result<Self> {
        let mut truth = Self { kind, episodes: Vec::new() };
        truth.episodes = truth.read_episodes(recording, config)?;
        Ok(truth)
    }

    /// What a judged session is.
    pub fn label(&self, session: &JudgedSession) -> Label<'_> {
        self.label_of(&session.key, session.start, session.end)
    }

    /// What a session is.
    pub fn label_session(&self, session: &Session) -> Label<'_> {
        self.label_of(session.key(), session.start(), session.end())
    }

    fn label_of(&self, key: &FlowKey, start: Timestamp, end: Timestamp) -> Label<'_> {
        match &self.kind {
            TruthKind::Benign => Label::Benign,
            TruthKind::Attack(category) => Label::Attack { category, id: category },
            TruthKind::Labelled { labels, strict: false } => labels.label(key, start),
            TruthKind::Labelled { labels, strict: true } => labels.label(key, start).strict(key.protocol),
            TruthKind::Packets(labels) => labels.label(key, start, end),
        }
    }

    /// The attacks of the recording, in the order of their first packets. A row of the label file that no packet fits is none.
    pub fn episodes(&self) -> &[Episode] {
        &self.episodes
    }

    /// Labels every packet by its own time, as the label file describes attacks.
    fn read_episodes(&self, recording: &Recording, config: &SessionConfig) -> Result<Vec<Episode>> {
        let mut found: BTreeMap<String, Episode> = BTreeMap::new();
        for capture in recording.captures() {
            let (mut capture, mut decoder) = (capture?, Decoder::new().with_tunnels(config.tunnels));
            while let Some(frame) = capture.next_frame()? {
                let Ok(packet) = decoder.decode(&frame) else { continue };
                let (key, time) = (FlowKey::of(&packet, KeyKind::FiveTuple), packet.time);
                if !recording.holds(time) {
                    continue;
                }
                let Label::Attack { category, id } = self.label_of(&key, time, time) else { continue };
                match found.get_mut(id) {
                    Some(episode) => episode.packets.push(time),
                    None => drop(found.insert(id.to_owned(), Episode::new(id, category, vec![time]))),
                }
            }
        }
        Ok(in_order(found.into_values().collect()))
    }
}

/// Episodes by their first packets, each with its packets in the order of time.
pub(super) fn in_order(mut episodes: Vec<Episode>) -> Vec<Episode> {
    episodes.iter_mut().for_each(|episode| episode.packets.sort_unstable());
    episodes.sort_by_key(Episode::first);
    episodes
}

impl Episode {
    pub(super) fn new(id: &str, category: &str, packets: Vec<Timestamp>) -> Self {
        Self { id: id.to_owned(), category: category.to_owned(), packets }
    }

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
    use crate::evaluate::testing::pcap_file;
    use nf_tests::eth;
    use std::io::Write;

    fn capture() -> tempfile::NamedTempFile {
        let tcp = |a: u8, port| eth().ipv4([10, 0, 0, a], [10, 0, 0, 9]).tcp(port, 80).syn().build();
        pcap_file([
            (1.0, tcp(1, 1000)),
            (2.0, tcp(6, 1001)),
            (3.0, tcp(6, 1002)),
            (4.0, eth().arp_request([10, 0, 0, 6], [10, 0, 0, 9]).build()),
            (5.0, tcp(6, 1003)),
            (30.0, tcp(6, 1004)),
        ])
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
        let (config, file) = (SessionConfig::default(), capture());
        let recording = Recording::new(file.path());
        let seconds = |episode: &Episode| -> Vec<i64> {
            episode.packets.iter().map(|time| time.as_nanos() / 1_000_000_000).collect()
        };
        let loose = Truth::labelled(labels(), false, &recording, &config).unwrap();
        let seen: Vec<_> = loose.episodes().iter().map(|e| (e.id.as_str(), e.category.as_str(), seconds(e))).collect();
        assert_eq!(seen, [("7", "scan", vec![2, 3, 4, 5]), ("9", "late", vec![30])]);
        let strict = Truth::labelled(labels(), true, &recording, &config).unwrap();
        assert_eq!(seconds(&strict.episodes()[0]), [2, 3, 5], "address resolution is no scan of ports");
        let whole = Truth::attack("tunnel", &recording, &config).unwrap();
        assert_eq!(seconds(&whole.episodes()[0]), [1, 2, 3, 4, 5, 30]);
        assert_eq!(
            (whole.episodes()[0].id.as_str(), whole.episodes()[0].first()),
            ("tunnel", Timestamp::from_parts(1, 0))
        );
        let late = recording.since(Timestamp::from_parts(10, 0));
        let late = Truth::labelled(labels(), false, &late, &config).unwrap();
        assert_eq!(late.episodes().iter().map(|e| e.id.as_str()).collect::<Vec<_>>(), ["9"]);
        assert!(Truth::benign().episodes().is_empty());
    }
}
