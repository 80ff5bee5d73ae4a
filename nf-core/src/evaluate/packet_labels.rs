//! Ground truth packet by packet: a list of the frames of a capture and the attack that each belongs to.

use super::{
    labels::Label,
    recording::Recording,
    truth::{Episode, in_order},
};
use crate::{
    Error, ErrorKind, Result, Timestamp,
    decode::Decoder,
    session::{FlowKey, KeyKind, SessionConfig},
};
use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    path::Path,
    time::Duration,
};

/// Labelled packets of one kind with less silence than this between them are one episode.
const EPISODE_GAP: Duration = Duration::from_secs(60);

/// The attacks that the packets of a capture belong to. A session is an attack where one of its packets is, of the kind of the
/// first that is.
#[derive(Debug, Clone)]
pub struct PacketLabels {
    /// Labelled packets of each flow in the order of time, by the number of their episode.
    packets: HashMap<FlowKey, Vec<(Timestamp, usize)>>,
    episodes: Vec<Episode>,
}

impl PacketLabels {
    /// Reads a CSV file with a column `frame` (numbers from 1) and the column named, which holds the kind of attack or
    /// nothing, and the recording that it labels: one file. Of labelled packets of one kind those with less than 60 s of
    /// silence between them are one episode.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] where a file cannot be read, [`ErrorKind::Data`] with path and line where a row is not of that form;
    /// as [`Capture::next_frame`](crate::Capture::next_frame).
    pub fn read(labels: impl AsRef<Path>, column: &str, recording: &Recording, config: &SessionConfig) -> Result<Self> {
        let kinds = read_kinds(labels.as_ref(), column)?;
        // Of each kind the episode that goes on.
        let mut open: HashMap<&str, usize> = HashMap::new();
        let mut found = Self { packets: HashMap::new(), episodes: Vec::new() };
        for capture in recording.captures() {
            let (mut capture, mut decoder) = (capture?, Decoder::new().with_tunnels(config.tunnels));
            while let Some(frame) = capture.next_frame()? {
                let Ok(packet) = decoder.decode(&frame) else { continue };
                let time = packet.time;
                let key = FlowKey::of(&packet, KeyKind::FiveTuple).canonical();
                let Some(kind) = kinds.get(&capture.frames()) else { continue };
                if !recording.holds(time) {
                    continue;
                }
                let goes_on = open.get(kind.as_str()).copied();
                let goes_on = goes_on.filter(|&place| time.since(found.episodes[place].last()) < EPISODE_GAP);
                let place = goes_on.unwrap_or_else(|| {
                    let count = found.episodes.iter().filter(|episode| episode.category == *kind).count();
                    found.episodes.push(Episode::new(&format!("{kind}-{}", count + 1), kind, Vec::new()));
                    found.episodes.len() - 1
                });
                open.insert(kind, place);
                found.episodes[place].packets.push(time);
                found.packets.entry(key).or_default().push((time, place));
            }
        }
        found.packets.values_mut().for_each(|packets| packets.sort_unstable());
        Ok(found)
    }

    /// The label of a session that lasts from `start` to `end`.
    pub(super) fn label(&self, key: &FlowKey, start: Timestamp, end: Timestamp) -> Label<'_> {
        let packets = self.packets.get(&FlowKey { vlans: [0; 2], ..key.canonical() }).map_or(&[][..], Vec::as_slice);
        let first = packets.partition_point(|(time, _)| *time < start);
        match packets.get(first) {
            Some((time, place)) if *time <= end => {
                let episode = &self.episodes[*place];
                Label::Attack { category: &episode.category, id: &episode.id }
            }
            _ => Label::Benign,
        }
    }

    /// The attack episodes, in the order of their first packets.
    pub(super) fn episodes(&self) -> Vec<Episode> {
        in_order(self.episodes.clone())
    }
}

/// The kind of attack of each labelled frame, by its number.
fn read_kinds(path: &Path, column: &str) -> Result<BTreeMap<u64, String>> {
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    let refuse =
        |line: u64, message: String| Error::new(ErrorKind::Data, format!("{}, line {line}: {message}", path.display()));
    let mut reader = csv::Reader::from_reader(file);
    let header = reader.headers().map_err(|error| refuse(1, error.to_string()))?.clone();
    let place = |name: &str| {
        let place = header.iter().position(|field| field == name);
        place.ok_or_else(|| refuse(1, format!("there is no column {name}, there must be")))
    };
    let (frame, kind) = (place("frame")?, place(column)?);
    let mut kinds = BTreeMap::new();
    for record in reader.records() {
        let record =
            record.map_err(|error| refuse(error.position().map_or(1, csv::Position::line), error.to_string()))?;
        let line = record.position().map_or(1, csv::Position::line);
        let (number, kind) = (record.get(frame).unwrap_or_default(), record.get(kind).unwrap_or_default());
        let number: u64 =
            number.parse().map_err(|_| refuse(line, format!("frame is \"{number}\", it must be a number from 1")))?;
        if !kind.is_empty() {
            kinds.insert(number, kind.to_owned());
        }
    }
    Ok(kinds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::{Truth, testing::pcap_file};
    use nf_tests::eth;
    use std::io::Write;

    fn labels(rows: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "frame,time,class\n{rows}").unwrap();
        file
    }

    #[test]
    fn sessions_with_a_labelled_packet_are_attacks_and_silence_parts_episodes() {
        let packet = |port| eth().ipv4([10, 0, 0, 1], [10, 0, 0, 2]).udp(port, 9).payload(b"x").build();
        let back = |port| eth().ipv4([10, 0, 0, 2], [10, 0, 0, 1]).udp(9, port).payload(b"x").build();
        // Port 1 twice, more than its idle timeout apart; only the second session is labelled, by its second packet.
        let packets = [
            (0.0, packet(1)),
            (1.0, packet(2)),
            (2.0, packet(3)),
            (70.0, packet(1)),
            (71.0, back(1)),
            (72.0, packet(3)),
        ];
        let file = pcap_file(packets);
        let (recording, config) = (Recording::new(file.path()), SessionConfig::default());
        let csv = labels("1,0,\n2,1,scan\n3,2,\n4,70,\n5,71,scan\n6,72,flood\n");
        let truth = Truth::packets(PacketLabels::read(csv.path(), "class", &recording, &config).unwrap());
        let sessions = recording.sessions(&config).unwrap();
        let mut seen: Vec<_> = sessions
            .iter()
            .map(|session| match truth.label_session(session) {
                Label::Attack { id, .. } => (session.start().as_nanos() / 1_000_000_000, session.key().orig.port, id),
                _ => (session.start().as_nanos() / 1_000_000_000, session.key().orig.port, ""),
            })
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, [(0, 1, ""), (1, 2, "scan-1"), (2, 3, ""), (70, 1, "scan-2"), (72, 3, "flood-1")]);
        let episodes: Vec<_> = truth.episodes().iter().map(|e| (e.id.as_str(), e.packets.len())).collect();
        assert_eq!(episodes, [("scan-1", 1), ("scan-2", 1), ("flood-1", 1)]);
    }

    #[test]
    fn refuses_with_path_line_and_what_would_be_right() {
        let file = pcap_file([]);
        let (recording, config) = (Recording::new(file.path()), SessionConfig::default());
        let refuse = |rows: &str, column: &str| {
            let csv = labels(rows);
            let error = PacketLabels::read(csv.path(), column, &recording, &config).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Data);
            error.to_string().replace(&csv.path().display().to_string(), "labels.csv")
        };
        assert_eq!(refuse("", "kind"), "labels.csv, line 1: there is no column kind, there must be");
        assert_eq!(refuse("1,0,a\nx,0,a\n", "class"), "labels.csv, line 3: frame is \"x\", it must be a number from 1");
    }
}
