//! Fitted detectors.

use crate::{
    argument::owned,
    boundary::Failure,
    config::nf_session_config,
    handle::{Handle, give},
    sessions::{beyond, nf_sessions},
    status::nf_status,
    verdict::nf_verdict,
};
use nf_core::Detector;
use std::{
    ffi::{CString, c_char},
    sync::{Arc, OnceLock},
};

/// A fitted and calibrated detector. It never changes: any number of threads, monitors and contexts may share it, and each keeps
/// what it needs of it, so that it may be freed before them.
pub struct nf_detector(Handle<Loaded>);
opaque!(nf_detector, Loaded, "detector");

/// A door takes frames: `nf_monitor_new`.
pub const NF_DOOR_FRAMES: u32 = 1;
/// A door takes packets of the host's own flows: `nf_context_new`.
pub const NF_DOOR_SESSIONS: u32 = 2;
/// A door takes flow records: `nf_detector_score_rows`.
pub const NF_DOOR_RECORDS: u32 = 4;

/// A detector with its texts for C.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) detector: Arc<Detector>,
    pub(crate) heads: Arc<[CString]>,
    pub(crate) columns: OnceLock<Vec<[CString; 3]>>,
    card: OnceLock<CString>,
    card_json: OnceLock<CString>,
    card_html: OnceLock<CString>,
}

impl Loaded {
    pub(crate) fn new(detector: Detector) -> Self {
        let heads = detector.head_names().map(owned).collect();
        Self {
            detector: Arc::new(detector),
            heads,
            columns: OnceLock::new(),
            card: OnceLock::new(),
            card_json: OnceLock::new(),
            card_html: OnceLock::new(),
        }
    }
}

/// Reads a detector from a model file (docs/file-format.md).
///
/// Ownership: `*detector` is the caller's, to be freed with `nf_detector_free`. Errors: `NF_ERR_IO`; `NF_ERR_MODEL_FILE` where
/// it is no model file, a damaged or a newer one; `NF_ERR_SCHEMA` where this library takes other columns from sessions;
/// `NF_ERR_UNSUPPORTED` where a model is not built in. All name the path. Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_detector_load(path: *const c_char, detector: *mut *mut nf_detector) -> nf_status {
    boundary!({
        let (path, out) = (path!(path)?, out!(detector)?);
        out.set(give(Loaded::new(Detector::load(path)?)));
        Ok(nf_status::NF_OK)
    })
}

/// As `nf_detector_load`, from the bytes of a model file.
///
/// `bytes`: the caller's, `count` of them; not kept. Ownership, errors, threads: as `nf_detector_load`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_detector_from_bytes(
    bytes: *const u8,
    count: usize,
    detector: *mut *mut nf_detector,
) -> nf_status {
    boundary!({
        let (bytes, out) = (array!(bytes, count, "bytes")?, out!(detector)?);
        out.set(give(Loaded::new(Detector::from_bytes(bytes)?)));
        Ok(nf_status::NF_OK)
    })
}

/// Writes a detector to a model file, whole or not at all: an existing file stays until the new one is complete.
///
/// Errors: `NF_ERR_IO` that names the path. Threads: may be shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_detector_save(detector: *const nf_detector, path: *const c_char) -> nf_status {
    boundary!({
        let path = path!(path)?;
        shared!(detector)?.detector.save(path)?;
        Ok(nf_status::NF_OK)
    })
}

/// Makes the same detector with another budget of false positives.
///
/// `rate`: the share of benign sessions that may be called anomalies, above 0 and at most 0.5. Ownership: `*other` is the
/// caller's. Errors: `NF_ERR_CONFIG` out of that range, `NF_ERR_DATA` where it was calibrated on too few sessions to promise
/// it (the text says how many more). Threads: may be shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_detector_with_rate(
    detector: *const nf_detector,
    rate: f64,
    other: *mut *mut nf_detector,
) -> nf_status {
    boundary!({
        let out = out!(other)?;
        out.set(give(Loaded::new(shared!(detector)?.detector.with_false_positive_rate(rate)?)));
        Ok(nf_status::NF_OK)
    })
}

/// Says which doors the detector serves: `NF_DOOR_*`, added up. Another door gives `NF_ERR_SCHEMA`.
///
/// Errors: null pointers. Threads: may be shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_detector_doors(detector: *const nf_detector, doors: *mut u32) -> nf_status {
    boundary!({
        let out = out!(doors)?;
        let served = shared!(detector)?.detector.doors();
        let door = |open: bool, door: u32| if open { door } else { 0 };
        out.set(
            door(served.frames, NF_DOOR_FRAMES)
                | door(served.sessions, NF_DOOR_SESSIONS)
                | door(served.records, NF_DOOR_RECORDS),
        );
        Ok(nf_status::NF_OK)
    })
}

/// Gives the name of a head.
///
/// `index`: from 0. Ownership: `*name` is the detector's. Errors: `NF_ERR_ARGUMENT` where there are not so many: ask until
/// then. Threads: may be shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_detector_head(
    detector: *const nf_detector,
    index: usize,
    name: *mut *const c_char,
) -> nf_status {
    boundary!({
        let out = out!(name)?;
        let heads = &shared!(detector)?.heads;
        out.set(heads.get(index).ok_or_else(|| beyond(index, heads.len(), "heads"))?.as_ptr());
        Ok(nf_status::NF_OK)
    })
}

/// Gives the budget: the share of benign sessions that may be called anomalies, and the cut that keeps it.
///
/// `rate` and `threshold` may be null. Errors: null `detector`. Threads: may be shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_detector_budget(
    detector: *const nf_detector,
    rate: *mut f64,
    threshold: *mut f32,
) -> nf_status {
    boundary!({
        let detector = &shared!(detector)?.detector;
        if let Ok(out) = out!(rate) {
            out.set(detector.false_positive_rate());
        }
        if let Ok(out) = out!(threshold) {
            out.set(detector.evidence_threshold());
        }
        Ok(nf_status::NF_OK)
    })
}

/// Gives how the packets of its training were cut into sessions.
///
/// Ownership: `config->look_packets` is the detector's. Errors: null pointers, `struct_size`. Threads: may be shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_detector_session_config(
    detector: *const nf_detector,
    config: *mut nf_session_config,
) -> nf_status {
    boundary!({
        let place = place!(config)?;
        place.set(nf_session_config::of(shared!(detector)?.detector.session_config()));
        Ok(nf_status::NF_OK)
    })
}

/// Gives what it was made from, what it promises and what it does not see, in lines of text.
///
/// Ownership: `*text` is the detector's. Errors: null pointers. Threads: may be shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_detector_card(detector: *const nf_detector, text: *mut *const c_char) -> nf_status {
    boundary!({
        let out = out!(text)?;
        let loaded = shared!(detector)?;
        out.set(loaded.card.get_or_init(|| owned(loaded.detector.card().to_string())).as_ptr());
        Ok(nf_status::NF_OK)
    })
}

/// Gives the card as JSON.
///
/// Ownership: `*json` is the detector's. Errors: null pointers. Threads: may be shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_detector_card_json(detector: *const nf_detector, json: *mut *const c_char) -> nf_status {
    boundary!({
        let out = out!(json)?;
        let loaded = shared!(detector)?;
        let card = match loaded.card_json.get() {
            Some(card) => card,
            None => {
                let made = owned(loaded.detector.card().to_json()?);
                loaded.card_json.get_or_init(|| made)
            }
        };
        out.set(card.as_ptr());
        Ok(nf_status::NF_OK)
    })
}

/// Gives the card as a page that needs nothing else.
///
/// Ownership: `*html` is the detector's. Errors: null pointers. Threads: may be shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_detector_card_html(detector: *const nf_detector, html: *mut *const c_char) -> nf_status {
    boundary!({
        let out = out!(html)?;
        let loaded = shared!(detector)?;
        out.set(loaded.card_html.get_or_init(|| owned(loaded.detector.card().to_html("Model card"))).as_ptr());
        Ok(nf_status::NF_OK)
    })
}

/// Judges all sessions of a capture, as a monitor of its frames does: what adds up over the sessions of a pair of hosts decides.
///
/// `verdicts`: room for `count` of them, the caller's, the first with its `struct_size` set; `count` must be that of the sessions. They
/// come in the order of the sessions. Errors: `NF_ERR_ARGUMENT`, `NF_ERR_DATA`. Threads: may be shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_detector_judge_all(
    detector: *const nf_detector,
    sessions: *const nf_sessions,
    verdicts: *mut nf_verdict,
    count: usize,
) -> nf_status {
    boundary!({
        let (loaded, sessions) = (shared!(detector)?, shared!(sessions)?);
        let places = places!(verdicts, count)?;
        if sessions.len() != places.count() {
            let message = format!("count is {count}, it must be {}, as many sessions as there are", sessions.len());
            return Err(Failure::argument(message));
        }
        places.fill(loaded.detector.judge_all(sessions)?.iter().map(nf_verdict::of));
        Ok(nf_status::NF_OK)
    })
}

/// Frees a detector. Null is fine; monitors and contexts made from it go on.
///
/// Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_detector_free(detector: *mut nf_detector) {
    boundary!(or () => free!(detector));
}
