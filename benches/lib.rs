//! The captures that the benches read: the lab corpus where the environment variable `NF_DATA` names the folder above it, else
//! the cut that comes with the examples.

use nf_core::{Result, SessionConfig, Sessions, capture::Capture};
use std::{
    fs::File,
    io::{Cursor, Read, Write},
    path::PathBuf,
};

/// A benign capture of the lab: its name, and its bytes uncompressed, so that a bench measures no disk and no zstd.
///
/// # Errors
/// Where the capture cannot be read.
pub fn benign_capture() -> Result<(&'static str, Vec<u8>)> {
    let (name, path) = match std::env::var_os("NF_DATA") {
        Some(root) => ("lab", PathBuf::from(root).join("lab/train.pcap.zst")),
        None => ("cut", PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/lab/train.pcap.zst"))),
    };
    // Written out again frame by frame: what a capture holds, whatever it was packed with.
    let mut capture = Capture::open(path)?;
    let mut bytes = pcap_header();
    while let Some(frame) = capture.next_frame()? {
        let nanos = frame.time.as_nanos();
        let record = [(nanos / 1_000_000_000) as u32, (nanos % 1_000_000_000) as u32, frame.data.len() as u32, frame.wire_len];
        record.iter().try_for_each(|number| bytes.write_all(&number.to_le_bytes()))?;
        bytes.extend_from_slice(frame.data);
    }
    Ok((name, bytes))
}
