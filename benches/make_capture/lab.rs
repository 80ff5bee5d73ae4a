//! The recorded part: captures of the lab one behind the other, each frame filled up to the length it had on the wire.

use crate::random::Random;
use nf_core::{Capture, Result};
use std::{path::PathBuf, time::Duration};

/// The captures that come with the examples, and how long each lasts. `attacks.pcap.zst` is left out: it is a part of `test`.
const CAPTURES: [(&str, Duration); 4] = [
    ("lab/train.pcap.zst", Duration::from_secs(500)),
    ("lab/val.pcap.zst", Duration::from_secs(243)),
    ("lab/test.pcap.zst", Duration::from_secs(450)),
    ("benign.pcap.zst", Duration::from_secs(300)),
];

/// How long the recorded part lasts, for a `percent` of it.
pub(crate) fn span(percent: u64) -> Duration {
    CAPTURES.iter().map(|(_, span)| share(*span, percent)).sum()
}

/// The first `percent` of each capture's time, in order.
pub(crate) fn frames(percent: u64) -> impl Iterator<Item = Result<(Duration, Vec<u8>)>> {
    let mut begin = Duration::ZERO;
    let starts = CAPTURES.map(|(name, span)| {
        let start = begin;
        begin += share(span, percent);
        (name, start, share(span, percent))
    });
    starts.into_iter().flat_map(|(name, start, span)| match Part::open(name, start, span) {
        Ok(part) => Box::new(part) as Box<dyn Iterator<Item = _>>,
        Err(error) => Box::new(std::iter::once(Err(error))),
    })
}

fn share(span: Duration, percent: u64) -> Duration {
    span * percent as u32 / 100
}

/// A capture moved in time.
struct Part {
    capture: Capture,
    start: Duration,
    span: Duration,
    first: Option<nf_core::Timestamp>,
}

impl Part {
    fn open(name: &str, start: Duration, span: Duration) -> Result<Self> {
        let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data")).join(name);
        Ok(Self { capture: Capture::open(path)?, start, span, first: None })
    }
}

impl Iterator for Part {
    type Item = Result<(Duration, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let number = self.capture.frames();
        let frame = match self.capture.next_frame() {
            Ok(frame) => frame?,
            Err(error) => return Some(Err(error)),
        };
        let age = frame.time.since(*self.first.get_or_insert(frame.time));
        if age >= self.span {
            return None;
        }
        // The cut kept the first bytes alone; a capture that peers are compared on has whole frames.
        let mut bytes = frame.data.to_vec();
        let missing = (frame.wire_len as usize).saturating_sub(bytes.len());
        Random::new(number).fill(&mut bytes, missing);
        Some(Ok((self.start + age, bytes)))
    }
}
