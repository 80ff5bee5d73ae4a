//! Capture files as frames.

use crate::{
    frame::nf_frame,
    handle::{Handle, give},
    status::nf_status,
};
use nf_core::Capture;
use std::ffi::c_char;

/// A capture being read: pcap or pcapng, plain or compressed with gzip or zstd.
pub struct nf_capture(Handle<Capture>);
opaque!(nf_capture, Capture, "capture");

/// Opens a capture file.
///
/// `path`: bytes as the system takes them (on Windows UTF-8), ended by a 0. Ownership: `*capture` is the caller's, to be freed
/// with `nf_capture_free`. Errors: `NF_ERR_IO`, `NF_ERR_CAPTURE` (empty, or no capture), `NF_ERR_UNSUPPORTED`. Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_capture_open(path: *const c_char, capture: *mut *mut nf_capture) -> nf_status {
    boundary!({
        let (path, out) = (path!(path)?, out!(capture)?);
        out.set(give(Capture::open(path)?));
        Ok(nf_status::NF_OK)
    })
}

/// Gives the next frame, in file order.
///
/// `frame->data` is the capture's, and stands until the next call on it. `NF_EMPTY` at the end, for good. Errors:
/// `NF_ERR_CAPTURE` where the capture is cut off or damaged (path, packet number, byte), `NF_ERR_IO`; nothing follows
/// either. Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_capture_next(capture: *mut nf_capture, frame: *mut nf_frame) -> nf_status {
    boundary!({
        let place = place!(frame)?;
        let mut capture = exclusive!(capture)?;
        let Some(next) = capture.next_frame()? else { return Ok(nf_status::NF_EMPTY) };
        place.set(nf_frame::of(&next));
        Ok(nf_status::NF_OK)
    })
}

/// Closes a capture. Null is fine.
///
/// Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_capture_free(capture: *mut nf_capture) {
    boundary!(or () => free!(capture));
}
