//! Reading a capture: plain, compressed, in reads of any size.

use nf_core::capture::{Capture, Frame};
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Cursor, Read, Write},
};

/// Frames that one capture may have: a few bytes of compressed zeros are many records.
const MAX_FRAMES: u64 = 10_000;

/// What was read: frames, a hash of them all, the error that ended them.
type Seen = (u64, u64, Option<String>);

/// Reads a capture to its end or its error: at once, in small reads, and compressed. All three must say the same.
pub fn capture(bytes: &[u8]) {
    let seen = read(Cursor::new(bytes.to_vec()));
    if matches!(*bytes, [0x1f, 0x8b, ..] | [0x28, 0xb5, ..] | [0x50..=0x5f, 0x2a, ..]) {
        // How much of damaged data comes out before the error is the decompressor's affair.
        return;
    }
    let step = 1 + bytes.len() % 13;
    assert_eq!(read(Split { bytes: Cursor::new(bytes.to_vec()), step }), seen, "in reads of {step} bytes");
    if bytes.len().is_multiple_of(4) {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        gzip.write_all(bytes).expect("memory takes all");
        assert_eq!(read(Cursor::new(gzip.finish().expect("memory takes all"))), seen, "compressed");
    }
}

fn read(reader: impl Read + Send + 'static) -> Seen {
    let mut hasher = DefaultHasher::new();
    let mut capture = match Capture::from_reader(reader) {
        Ok(capture) => capture,
        Err(error) => return (0, 0, Some(named(&error))),
    };
    let mut read = 0;
    let error = loop {
        if capture.frames() == MAX_FRAMES {
            break None;
        }
        match capture.next_frame() {
            Ok(Some(frame)) => {
                assert!(frame.data.len() <= Frame::MAX_CAPTURED_LEN as usize);
                (frame.time, frame.link_type, frame.wire_len, frame.data).hash(&mut hasher);
                read += 1;
            }
            Ok(None) => break None,
            Err(error) => {
                assert!(matches!(capture.next_frame(), Ok(None)), "something follows an error");
                break Some(named(&error));
            }
        }
    };
    assert_eq!(capture.frames(), read);
    (read, hasher.finish(), error)
}

/// The error's text, which must name the byte.
fn named(error: &nf_core::Error) -> String {
    let text = error.to_string();
    assert!(text.contains("byte") || text.contains("compressed"), "{text}");
    assert!(!text.contains('\n'), "{text}");
    text
}

/// Gives at most so many bytes a read.
struct Split {
    bytes: Cursor<Vec<u8>>,
    step: usize,
}

impl Read for Split {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let step = self.step.min(buffer.len());
        self.bytes.read(&mut buffer[..step])
    }
}
