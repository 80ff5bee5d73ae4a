//! Synthetic traffic and a small model, for the tests of detectors and monitors.

use crate::{
    Result, Timestamp,
    capture::{Frame, LinkType},
    features::{FeatureSpec, Rows, Scaler, Schema},
    model::{Model, Random},
    session::{Session, SessionConfig, SessionTable},
};
use nf_tests::eth;

/// One TCP exchange a second between a few clients and a server: handshake, a request, an answer, a close.
pub(crate) fn frames(sessions: usize, seed: u64) -> Vec<(Timestamp, Vec<u8>)> {
    let mut random = Random::new(seed);
    let mut frames = Vec::new();
    for i in 0..sessions {
        let request = 80 + random.below(200);
        let answer = 300 + random.below(900);
        let gap = 5_000_000 + random.below(30_000_000) as i64;
        exchange(&mut frames, i, request, answer, gap);
    }
    frames
}

/// The same with `strange` uploads of 1400 bytes after a minute's wait at the end.
pub(crate) fn frames_with_uploads(sessions: usize, strange: usize, seed: u64) -> Vec<(Timestamp, Vec<u8>)> {
    let mut frames = frames(sessions, seed);
    for i in 0..strange {
        exchange(&mut frames, sessions + 100 * i, 1400, 0, 60_000_000_000);
    }
    frames
}

/// The same with `strange` uploads between one pair of hosts at the end, twelve seconds apart.
pub(crate) fn frames_with_uploads_of_a_pair(sessions: usize, strange: usize, seed: u64) -> Vec<(Timestamp, Vec<u8>)> {
    let mut frames = frames(sessions, seed);
    for i in 0..strange {
        exchange(&mut frames, sessions + 12 * i, 1400, 20, 1_500_000_000);
    }
    frames.sort_by_key(|(time, _)| *time);
    frames
}

/// The same, the last of them with a minute's silence before its fourth packet.
pub(crate) fn frames_with_a_silence(sessions: usize, seed: u64) -> Vec<(Timestamp, Vec<u8>)> {
    let mut frames = frames(sessions, seed);
    let late = frames.len() - 4;
    frames[late..].iter_mut().for_each(|(time, _)| *time = *time + std::time::Duration::from_secs(60));
    frames
}

fn exchange(frames: &mut Vec<(Timestamp, Vec<u8>)>, i: usize, request: usize, answer: usize, gap: i64) {
    let client = [10, 0, 0, (i % 12) as u8 + 1];
    let server = [10, 0, 1, 1];
    let port = 20_000 + (i % 20_000) as u16;
    let up = || eth().ipv4(client, server).tcp(port, 80);
    let down = || eth().ipv4(server, client).tcp(80, port);
    let (asked, told) = (1 + request as u32, 1 + answer as u32);
    let packets = [
        up().syn().seq(0),
        down().syn().ack(1).seq(0),
        up().ack(1).seq(1),
        up().psh().ack(1).seq(1).payload(&vec![b'q'; request]),
        down().psh().ack(asked).seq(1).payload(&vec![b'a'; answer]),
        up().fin().ack(told).seq(asked),
        down().fin().ack(asked + 1).seq(told),
    ];
    for (step, packet) in packets.iter().enumerate() {
        frames.push((Timestamp::from_nanos(i as i64 * 1_000_000_000 + step as i64 * gap), packet.build()));
    }
}

/// Talks of a few packets to some dozens over UDP, several at once, with pauses of up to some seconds.
pub(crate) fn talks(talks: usize, seed: u64) -> Vec<(Timestamp, Vec<u8>)> {
    let mut random = Random::new(seed);
    let mut frames = Vec::new();
    for i in 0..talks {
        let (client, server) = ([10, 0, 2, (i % 9) as u8 + 1], [10, 0, 3, 1]);
        let mut time = i as i64 * 1_500_000_000;
        for packet in 0..2 + random.below(60) {
            let payload = vec![b't'; 40 + random.below(400)];
            let (up, port) = (random.below(2) == 0 || packet == 0, 30_000 + i as u16);
            let udp =
                if up { eth().ipv4(client, server).udp(port, 99) } else { eth().ipv4(server, client).udp(99, port) };
            frames.push((Timestamp::from_nanos(time), udp.payload(&payload).build()));
            let pause = if random.below(12) == 0 { 5_000_000_000 } else { 100_000_000 };
            time += 1_000_000 + random.below(pause) as i64;
        }
    }
    frames
}

pub(crate) fn frame((time, data): &(Timestamp, Vec<u8>)) -> Frame<'_> {
    Frame { time: *time, link_type: LinkType::ETHERNET, wire_len: data.len() as u32, data }
}

pub(crate) fn cut(frames: &[(Timestamp, Vec<u8>)]) -> Vec<Session> {
    let mut table = SessionTable::new(SessionConfig::default()).unwrap();
    frames.iter().for_each(|f| table.push(&frame(f)));
    table.finish();
    std::iter::from_fn(|| table.pop()).collect()
}

/// The mean absolute value of a row's real steps: a user's own model.
#[derive(Debug)]
pub(crate) struct Distance(pub(crate) Schema);

impl Distance {
    pub(crate) const KIND: &'static str = "distance";

    /// The parts of a head that reads `spec`.
    pub(crate) fn head(spec: FeatureSpec, benign: &[Session]) -> (FeatureSpec, Scaler, Self) {
        let scaler = Scaler::fit(&spec.extract(benign).unwrap()).unwrap();
        let schema = scaler.schema().clone();
        (spec, scaler, Self(schema))
    }

    pub(crate) fn load(kind: &str, schema: &Schema, bytes: &[u8]) -> Result<Option<Box<dyn Model>>> {
        assert_eq!(bytes, b"no state");
        Ok((kind == Self::KIND).then(|| Box::new(Self(schema.clone())) as Box<dyn Model>))
    }
}

impl Model for Distance {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn schema(&self) -> &Schema {
        &self.0
    }

    fn score(&self, rows: &Rows) -> Result<Vec<f32>> {
        self.0.check(rows.schema())?;
        let mean = |i: usize| {
            let real = &rows.row(i)[..rows.lengths()[i] as usize * rows.width()];
            real.iter().map(|x| x.abs()).sum::<f32>() / real.len().max(1) as f32
        };
        Ok((0..rows.len()).map(mean).collect())
    }

    fn to_bytes(&self) -> Vec<u8> {
        b"no state".to_vec()
    }
}
