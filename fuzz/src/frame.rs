//! Decoding frames of every link type.

use nf_core::{
    Timestamp,
    capture::{Frame, LinkType},
    decode::{Decoder, Packet, Skip, SkipCounts},
};

/// Every link type that is decoded, and one that is not.
pub const LINK_TYPES: [u16; 25] =
    [0, 1, 9, 12, 14, 50, 51, 101, 104, 105, 107, 108, 113, 117, 127, 147, 192, 228, 229, 239, 276, 281, 282, 284, 285];

/// Decodes frames. The bytes: a link type's place in [`LINK_TYPES`], how many tunnels are entered, then frames, each
/// behind a length of two bytes and a time of one. The first frame is decoded under every other link type as well.
pub fn frames(bytes: &[u8]) {
    let [place, tunnels, ref frames @ ..] = *bytes else { return };
    let link_type = LinkType(LINK_TYPES[usize::from(place) % LINK_TYPES.len()]);
    let mut decoder = Decoder::new().with_tunnels(tunnels % 9);
    let mut skipped = SkipCounts::new();
    let (mut rest, mut time, mut first) = (frames, 0i64, true);
    while let [high, low, step, ref behind @ ..] = *rest {
        let length = usize::from(u16::from_be_bytes([high, low])).min(behind.len());
        let (data, behind) = behind.split_at(length);
        rest = behind;
        time = time.saturating_add(self::step(step));
        let frame = Frame {
            time: Timestamp::from_nanos(time),
            link_type,
            wire_len: length as u32 + u32::from((step as i8).unsigned_abs()) * 7,
            data,
        };
        check(decoder.decode(&frame), &frame, &mut skipped);
        if std::mem::take(&mut first) {
            let mut decoder = Decoder::new().with_tunnels(tunnels % 9);
            for number in LINK_TYPES {
                let frame = Frame { link_type: LinkType(number), ..frame };
                check(decoder.decode(&frame), &frame, &mut skipped);
            }
        }
    }
}

/// Nanoseconds that a byte stands for: from far back to far ahead.
pub(crate) fn step(byte: u8) -> i64 {
    let step = i64::from(byte as i8);
    let scale = if step.abs() > 120 { 1 << 50 } else { 1_000_000 };
    (step * step.abs()).saturating_mul(scale)
}

/// What holds of every packet.
fn check(decoded: Result<Packet<'_>, Skip>, frame: &Frame<'_>, skipped: &mut SkipCounts) {
    let packet = match decoded {
        Ok(packet) => packet,
        Err(skip) => {
            skipped.add(skip);
            assert!(!skip.to_string().is_empty());
            return;
        }
    };
    assert!(packet.payload.len() <= packet.payload_len as usize);
    assert!(packet.payload_len <= packet.network_len);
    assert!(packet.truncated || packet.payload.len() == packet.payload_len as usize);
    assert!(packet.payload.is_empty() || frame.data.as_ptr_range().contains(&packet.payload.as_ptr()));
    assert_eq!(packet.captured_len as usize, frame.data.len());
    assert!(packet.wire_len >= packet.captured_len);
}
