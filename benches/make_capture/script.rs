//! What the two ends of a session send, and when.

use crate::random::Random;

const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000_000;

/// Payload of a full segment: 1500 bytes without the headers of IPv4 and TCP and 12 bytes of timestamps.
const SEGMENT: usize = 1448;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;

/// The ends of a session, as they stand in arrays.
pub(crate) const CLIENT: usize = 0;
pub(crate) const SERVER: usize = 1;

/// One packet to be.
#[derive(Debug)]
pub(crate) struct Step {
    /// Nanoseconds from the start of the session.
    pub(crate) at: u64,
    /// [`CLIENT`] or [`SERVER`].
    pub(crate) from: usize,
    pub(crate) what: What,
    pub(crate) payload: Payload,
}

#[derive(Debug)]
pub(crate) enum What {
    Tcp { flags: u8, seq: u32, ack: u32 },
    Udp,
    Echo { number: u16 },
}

/// Bytes that mean something, and how many random ones behind them.
#[derive(Debug, Default, Clone)]
pub(crate) struct Payload {
    pub(crate) head: Vec<u8>,
    pub(crate) random: usize,
}

impl Payload {
    /// `size` bytes that begin with `head`, or with as much of it as fits.
    pub(crate) fn new(mut head: Vec<u8>, size: usize) -> Self {
        head.truncate(size);
        Self { random: size - head.len(), head }
    }

    fn len(&self) -> usize {
        self.head.len() + self.random
    }
}

impl From<Vec<u8>> for Payload {
    fn from(head: Vec<u8>) -> Self {
        Self { head, random: 0 }
    }
}

/// Writes a session step by step; its time goes on with each.
pub(crate) struct Script<'a> {
    pub(crate) random: &'a mut Random,
    steps: Vec<Step>,
    now: u64,
    round_trip: u64,
    seq: [u32; 2],
}

impl<'a> Script<'a> {
    pub(crate) fn new(random: &'a mut Random) -> Self {
        let round_trip = random.heavy(2 * MILLI, 6);
        let seq = [random.bits() as u32, random.bits() as u32];
        Self { random, steps: Vec::new(), now: 0, round_trip, seq }
    }

    /// The steps in the order of their time.
    pub(crate) fn done(mut self) -> Vec<Step> {
        self.steps.sort_by_key(|step| step.at);
        self.steps
    }

    /// Silence of up to `millis` milliseconds.
    pub(crate) fn pause(&mut self, millis: u64) {
        self.now += self.random.below(millis * MILLI);
    }

    pub(crate) fn udp(&mut self, from: usize, payload: impl Into<Payload>) {
        self.step(from, What::Udp, payload.into());
    }

    /// The answer to what was sent last, one round trip later.
    pub(crate) fn udp_answer(&mut self, payload: impl Into<Payload>) {
        self.now += self.round_trip;
        self.udp(SERVER, payload);
    }

    /// An echo request a second, and most answers.
    pub(crate) fn echoes(&mut self, count: u16, size: usize) {
        for number in 0..count {
            self.now = u64::from(number) * 1000 * MILLI;
            self.step(CLIENT, What::Echo { number }, Payload::new(Vec::new(), size));
            if !self.random.per_mille(30) {
                self.now += self.round_trip;
                self.step(SERVER, What::Echo { number }, Payload::new(Vec::new(), size));
            }
        }
    }

    /// The three-way handshake.
    pub(crate) fn open(&mut self) {
        self.tcp(CLIENT, SYN, Payload::default());
        self.now += self.round_trip;
        self.tcp(SERVER, SYN | ACK, Payload::default());
        self.now += self.round_trip / 8;
        self.tcp(CLIENT, ACK, Payload::default());
    }

    /// A port that nobody listens on.
    pub(crate) fn refused(&mut self) {
        self.tcp(CLIENT, SYN, Payload::default());
        self.now += self.round_trip;
        self.tcp(SERVER, RST | ACK, Payload::default());
    }

    /// A SYN that nobody answers, repeated after 1 s, 2 s and so on (RFC 6298 section 5.5).
    pub(crate) fn unanswered(&mut self, repeats: u32) {
        let seq = self.seq[CLIENT];
        for repeat in 0..=repeats {
            self.seq[CLIENT] = seq;
            self.tcp(CLIENT, SYN, Payload::default());
            self.now += (1000 * MILLI) << repeat;
        }
    }

    /// `size` bytes of stream that begin with `head`, in segments, each second one acknowledged. Some are lost before the
    /// capture and come later, some are captured twice, some not at all.
    pub(crate) fn send(&mut self, from: usize, head: Vec<u8>, size: usize) {
        let (mut head, mut left, mut unacknowledged) = (Some(head), size, 0);
        while left > 0 {
            let length = left.min(SEGMENT);
            left -= length;
            let payload = Payload::new(head.take().unwrap_or_default(), length);
            let flags = if left == 0 { ACK | PSH } else { ACK };
            self.now += self.random.between(5, 150) * MICRO;
            match self.random.below(1000) {
                0..3 => {
                    // Sent again when three acknowledgements of what came before have told the sender, or its timer.
                    let now = self.now;
                    self.now += self.round_trip.max(self.random.below(200) * MILLI);
                    self.tcp(from, flags, payload);
                    self.now = now;
                }
                3..6 => {
                    let again = self.seq[from];
                    self.tcp(from, flags, payload.clone());
                    let (now, next) = (self.now, self.seq[from]);
                    self.now += self.round_trip + 200 * MILLI;
                    self.seq[from] = again;
                    self.tcp(from, flags, payload);
                    (self.now, self.seq[from]) = (now, next);
                }
                6 => self.seq[from] = self.seq[from].wrapping_add(length as u32),
                _ => self.tcp(from, flags, payload),
            }
            unacknowledged += 1;
            if unacknowledged == 2 || left == 0 {
                unacknowledged = 0;
                self.now += self.random.between(1, 40) * MICRO;
                self.tcp(1 - from, ACK, Payload::default());
            }
            // A window of segments, then its acknowledgement.
            if self.random.per_mille(60) {
                self.now += self.round_trip;
            }
        }
    }

    /// Both ends say that they are done; some reset instead, some just fall silent.
    pub(crate) fn close(&mut self, first: usize) {
        self.now += self.random.below(50 * MILLI);
        match self.random.below(100) {
            0..3 => {}
            3..8 => self.tcp(first, RST | ACK, Payload::default()),
            _ => {
                self.tcp(first, FIN | ACK, Payload::default());
                self.now += self.round_trip;
                self.tcp(1 - first, FIN | ACK, Payload::default());
                self.now += self.round_trip / 8;
                self.tcp(first, ACK, Payload::default());
            }
        }
    }

    fn tcp(&mut self, from: usize, flags: u8, payload: Payload) {
        let seq = self.seq[from];
        let ack = if flags & ACK == 0 { 0 } else { self.seq[1 - from] };
        let sent = payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        self.seq[from] = seq.wrapping_add(sent);
        self.step(from, What::Tcp { flags, seq, ack }, payload);
    }

    fn step(&mut self, from: usize, what: What, payload: Payload) {
        self.steps.push(Step { at: self.now, from, what, payload });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_opens_carries_its_bytes_and_closes_in_order_of_time() {
        let mut random = Random::new(1);
        let mut script = Script::new(&mut random);
        script.open();
        script.send(SERVER, b"head".to_vec(), 1_000_000);
        script.close(CLIENT);
        let steps = script.done();
        assert!(steps.is_sorted_by_key(|step| step.at));
        assert!(matches!(steps[0].what, What::Tcp { flags: SYN, ack: 0, .. }));
        let begin = match steps[1].what {
            What::Tcp { seq, .. } => seq.wrapping_add(1),
            _ => unreachable!("a transfer is TCP"),
        };
        let mut data: Vec<(u32, usize)> = Vec::new();
        for step in steps.iter().filter(|step| step.payload.len() > 0) {
            let What::Tcp { seq, .. } = step.what else { unreachable!("a transfer is TCP") };
            data.push((seq.wrapping_sub(begin), step.payload.len()));
        }
        let (sent, late) = (data.len(), data.windows(2).filter(|pair| pair[1].0 < pair[0].0).count());
        assert!(late > 0, "some of it is late or comes twice");
        data.sort_unstable();
        data.dedup();
        assert!(data.len() < sent, "some comes twice");
        let covered: usize = data.iter().map(|(_, length)| length).sum();
        assert!((990_000..1_000_000).contains(&covered), "{covered} of a million bytes, some are not captured");
        assert_eq!(data.last().map(|(seq, length)| *seq as usize + length), Some(1_000_000));
    }

    #[test]
    fn a_payload_begins_with_its_head_and_has_its_size() {
        for (size, expected) in [(2, (2, 0)), (9, (4, 5))] {
            let payload = Payload::new(b"head".to_vec(), size);
            assert_eq!((payload.head.len(), payload.random, payload.len()), (expected.0, expected.1, size));
        }
    }
}
