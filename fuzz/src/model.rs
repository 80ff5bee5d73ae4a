//! Loading a model file, and judging with what it gave.

use super::training;
use nf_core::{Detector, Session};
use std::sync::LazyLock;

/// Magic, format, length of the header.
const PREFIX: usize = 8 + 4 + 8;
const CHECKSUM: usize = 4;

/// Bytes of a model that sessions are explained with: an explanation asks the model for every value of the session.
const MAX_EXPLAINED: usize = 20_000;

/// Reads a detector; where there is one, it judges sessions and is written and read again.
pub fn model(bytes: &[u8]) {
    static SESSIONS: LazyLock<Vec<Session>> = LazyLock::new(|| training().into_iter().step_by(9).collect());
    let detector = match Detector::from_bytes(bytes) {
        Ok(detector) => detector,
        Err(error) => {
            let text = error.to_string();
            assert!(!text.is_empty() && !text.contains('\n'), "{text}");
            return;
        }
    };
    let again = Detector::from_bytes(&detector.to_bytes()).expect("what was read can be written and read again");
    for session in &*SESSIONS {
        match detector.judge(session) {
            Ok(verdict) => {
                assert!((0.0..=1.0).contains(&verdict.p_value), "{verdict:?}");
                assert!(!verdict.score.is_nan(), "{verdict:?}");
                assert_eq!(verdict.score.to_bits(), again.judge(session).expect("as before").score.to_bits());
            }
            Err(error) => assert!(again.judge(session).is_err(), "{error}"),
        }
        if bytes.len() < MAX_EXPLAINED {
            drop(detector.explain(session).map(|explanation| explanation.to_string()));
        }
    }
}

/// Makes the bytes of a model file whole again after a change: magic, format, the header's length by its braces, checksum.
pub fn seal(bytes: &mut [u8]) {
    let Some(end) = bytes.len().checked_sub(CHECKSUM).filter(|end| *end > PREFIX) else { return };
    bytes[..12].copy_from_slice(b"NFMODEL\xb5\x01\0\0\0");
    let header = header_len(&bytes[PREFIX..end]) as u64;
    bytes[12..PREFIX].copy_from_slice(&header.to_le_bytes());
    let mut sum = flate2::Crc::new();
    sum.update(&bytes[..end]);
    bytes[end..].copy_from_slice(&sum.sum().to_le_bytes());
}

/// Bytes of the JSON object that these begin with; all where it does not end.
fn header_len(bytes: &[u8]) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0i64, false, false);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b'{' if !quoted => depth += 1,
            b'}' if !quoted => depth -= 1,
            _ => {}
        }
        if depth == 0 && *byte == b'}' {
            return at + 1;
        }
    }
    bytes.len()
}
