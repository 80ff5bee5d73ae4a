//! What the fuzz targets do with their bytes; `tests/fuzz.rs` replays seeds and corpus through the same functions.

use nf_core::{
    SessionConfig, Timestamp,
    capture::{Capture, Frame, LinkType},
    decode::Decoder,
    session::SessionTable,
};
use std::io::Cursor;

/// Every link type that is decoded, and one that is not.
pub const LINK_TYPES: [u16; 25] =
    [0, 1, 9, 12, 14, 50, 51, 101, 104, 105, 107, 108, 113, 117, 127, 147, 192, 228, 229, 239, 276, 281, 282, 284, 285];

/// Frames that one capture may have: a few bytes of compressed zeros are many records.
const MAX_FRAMES: u64 = 10_000;

/// Reads a capture to its end or its error.
pub fn capture(bytes: &[u8]) {
    let mut capture = match Capture::from_reader(Cursor::new(bytes.to_vec())) {
        Ok(capture) => capture,
        Err(error) => return assert_names_byte(&error),
    };
    loop {
        match capture.next_frame() {
            Ok(Some(frame)) => assert!(frame.data.len() <= Frame::MAX_CAPTURED_LEN as usize),
            Ok(None) => return,
            Err(error) => {
                assert_names_byte(&error);
                assert!(matches!(capture.next_frame(), Ok(None)), "something follows an error");
                return;
            }
        }
        if capture.frames() == MAX_FRAMES {
            return;
        }
    }
}

fn assert_names_byte(error: &nf_core::Error) {
    let text = error.to_string();
    assert!(text.contains("byte") || text.contains("compressed"), "{text}");
}

/// Decodes frames and cuts them into sessions. The bytes: a link type's place in [`LINK_TYPES`], how many tunnels are
/// entered, then frames, each behind a length of two bytes and a time of one.
pub fn frames(bytes: &[u8]) {
    let [link_type, tunnels, ref frames @ ..] = *bytes else { return };
    let mut rest = frames;
    let link_type = LinkType(LINK_TYPES[usize::from(link_type) % LINK_TYPES.len()]);
    let tunnels = tunnels % 9;
    let mut decoder = Decoder::new().with_tunnels(tunnels);
    let config = SessionConfig::default().memory_limit(1 << 20).tunnels(tunnels).vlan_in_key(tunnels % 2 == 1);
    let mut table = SessionTable::new(config).expect("valid");
    let (mut pushed, mut popped, mut time) = (0, 0, 0i64);
    while let [high, low, step, ref behind @ ..] = *rest {
        let length = usize::from(u16::from_be_bytes([high, low])).min(behind.len());
        let (data, behind) = behind.split_at(length);
        rest = behind;
        // From far back to far ahead.
        let step = i64::from(step as i8);
        time = time.saturating_add(step * step.abs() * 1_000_000 * if step.abs() > 120 { 1 << 40 } else { 1 });
        let frame = Frame {
            time: Timestamp::from_nanos(time),
            link_type,
            wire_len: length as u32 + step.unsigned_abs() as u32 * 7,
            data,
        };
        if let Ok(packet) = decoder.decode(&frame) {
            assert!(packet.payload.len() <= packet.payload_len as usize);
            assert!(packet.payload_len <= packet.network_len);
            assert!(packet.truncated || packet.payload.len() == packet.payload_len as usize);
        }
        table.push(&frame);
        pushed += 1;
        assert!(table.bytes() <= 1 << 20);
    }
    table.finish();
    while let Some(session) = table.pop() {
        popped += session.stats().packets();
    }
    let stats = table.stats();
    assert_eq!(stats.packets + stats.skipped.total(), pushed);
    assert!(popped <= stats.packets && (stats.dropped > 0 || popped == stats.packets));
}
