//! The capture that the benches read: of the lab corpus where the environment variable `NF_DATA` names the folder above it,
//! else of the cut that comes with the examples.

use std::{fs::File, io, path::PathBuf};

/// A benign capture: where it is from, and its bytes uncompressed, so that a bench measures neither disk nor zstd.
///
/// # Errors
/// Where the capture cannot be read.
pub fn benign_capture() -> io::Result<(&'static str, Vec<u8>)> {
    let (name, path) = match std::env::var_os("NF_DATA") {
        Some(root) => ("lab", PathBuf::from(root).join("lab/train.pcap.zst")),
        None => ("cut", PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/lab/train.pcap.zst"))),
    };
    Ok((name, zstd::decode_all(File::open(path)?)?))
}
