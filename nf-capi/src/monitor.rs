//! Door A: frames in, events out; the engine keeps the table of sessions.

use crate::{
    detector::nf_detector,
    event::{Last, Watching, nf_event, nf_event_fn, nf_monitor_config, nf_stats, skipped, watching},
    explanation::nf_explanation,
    frame::nf_frame,
    handle::{Handle, Opaque, give},
    status::nf_status,
    verdict::nf_head_verdict,
};
use nf_core::{Monitor, Timestamp};
use std::{
    ffi::{CString, c_char, c_void},
    sync::Arc,
};

/// Judges sessions at each look at them and at their end. Frames go in by `nf_monitor_push`, events come out by `nf_monitor_pop` or
/// `nf_monitor_drain`. There is no clock and no thread: the same frames give the same events.
pub struct nf_monitor(Handle<Watched>);
opaque!(nf_monitor, Watched, "monitor");

/// A monitor with what was last told of.
#[derive(Debug)]
pub(crate) struct Watched {
    monitor: Monitor,
    last: Last,
    heads: Arc<[CString]>,
    skipped: CString,
}

/// Makes a monitor without sessions (door A).
///
/// `config`: null for the defaults. Ownership: `*monitor` is the caller's, to be freed with `nf_monitor_free`; the detector may be
/// freed before it. Errors: `NF_ERR_CONFIG` where a value is out of its range, or sessions cut so would not mean to the
/// detector what those of its training did. Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_monitor_new(
    detector: *const nf_detector,
    config: *const nf_monitor_config,
    monitor: *mut *mut nf_monitor,
) -> nf_status {
    boundary!({
        let out = out!(monitor)?;
        let loaded = shared!(detector)?;
        let Watching { sessions, incidents, drift } = watching(config, &loaded.detector)?;
        let mut monitor = Monitor::new(loaded.detector.clone(), &sessions)?.with_incidents(incidents)?;
        if !drift {
            monitor.set_drift(None);
        }
        let heads = loaded.heads.clone();
        out.set(give(Watched { monitor, last: Last::default(), heads, skipped: CString::default() }));
        Ok(nf_status::NF_OK)
    })
}

/// Takes in one frame. One that cannot be used is counted (`nf_monitor_stats`), never an error.
///
/// `frame->data` is the caller's and not kept. Pop every few frames: what waits is held within the memory limit and dropped
/// beyond it, and counted. Errors: `NF_ERR_ARGUMENT`. Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_monitor_push(monitor: *mut nf_monitor, frame: *const nf_frame) -> nf_status {
    boundary!({
        let frame = given!(frame, "frame")?.frame()?;
        exclusive!(monitor)?.monitor.push(&frame);
        Ok(nf_status::NF_OK)
    })
}

/// Says that it is `now_ns` (nanoseconds since the Unix epoch), so that silence ends sessions; a moment before the newest known
/// one is ignored, and more than a minute before it counted (`nf_stats.late_advances`).
///
/// Errors: null pointers. Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_monitor_advance(monitor: *mut nf_monitor, now_ns: i64) -> nf_status {
    boundary!({
        exclusive!(monitor)?.monitor.advance(Timestamp::from_nanos(now_ns));
        Ok(nf_status::NF_OK)
    })
}

/// Ends all sessions and incidents; what comes of it can be popped, and more frames may follow.
///
/// Errors: null pointers. Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_monitor_finish(monitor: *mut nf_monitor) -> nf_status {
    boundary!({
        exclusive!(monitor)?.monitor.finish();
        Ok(nf_status::NF_OK)
    })
}

/// Gives the next event; `NF_EMPTY` where there is none before more frames come.
///
/// Errors: `NF_ERR_ARGUMENT`. Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_monitor_pop(monitor: *mut nf_monitor, event: *mut nf_event) -> nf_status {
    boundary!({
        let place = place!(event)?;
        let mut monitor = exclusive!(monitor)?;
        let Some(next) = monitor.monitor.pop() else { return Ok(nf_status::NF_EMPTY) };
        place.set(monitor.last.keep(next));
        Ok(nf_status::NF_OK)
    })
}

/// Calls `on_event` with each event there is, with `user`, until it returns something else than 0.
///
/// From within, the monitor may be asked about the event (`nf_monitor_text`, `_heads`, `_explain`), and not freed. The event is
/// as large as the library's struct, at least that of the header. Errors: `NF_ERR_ARGUMENT` where `on_event` is null.
/// Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_monitor_drain(
    monitor: *mut nf_monitor,
    on_event: nf_event_fn,
    user: *mut c_void,
) -> nf_status {
    boundary!({
        let Some(on_event) = on_event else {
            return Err(crate::boundary::Failure::argument("on_event is null, it must be a function"));
        };
        drop(exclusive!(monitor)?);
        // SAFETY: it is a monitor, and while it is held it is not freed.
        let hold = unsafe { &*monitor }.handle().hold();
        loop {
            let mut watched = exclusive!(monitor)?;
            let Some(next) = watched.monitor.pop() else { break };
            let event = watched.last.keep(next);
            drop(watched);
            // SAFETY: the program gave a function of this type.
            if unsafe { on_event(&raw const event, user) } != 0 {
                break;
            }
        }
        drop(hold);
        Ok(nf_status::NF_OK)
    })
}

/// Gives the event last popped in one line of text. `NF_EMPTY` where there is none.
///
/// Ownership: `*text` is the monitor's, until the next event is popped. Errors: null pointers. Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_monitor_text(monitor: *mut nf_monitor, text: *mut *const c_char) -> nf_status {
    boundary!({
        let out = out!(text)?;
        let Some(text) = exclusive!(monitor)?.last.text() else { return Ok(nf_status::NF_EMPTY) };
        out.set(text);
        Ok(nf_status::NF_OK)
    })
}

/// Gives what each head says in the event last popped, in the detector's order. `NF_EMPTY` where it has no verdict.
///
/// Ownership: `*heads`, with `*count` of them, is the monitor's, until the next event is popped. Errors: null pointers.
/// Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_monitor_heads(
    monitor: *mut nf_monitor,
    heads: *mut *const nf_head_verdict,
    count: *mut usize,
) -> nf_status {
    boundary!({
        let (out, counted) = (out!(heads)?, out!(count)?);
        let mut watched = exclusive!(monitor)?;
        let Watched { last, heads: names, .. } = &mut *watched;
        let Some(heads) = last.heads(names) else { return Ok(nf_status::NF_EMPTY) };
        out.set(heads.as_ptr());
        counted.set(heads.len());
        Ok(nf_status::NF_OK)
    })
}

/// Explains the event last popped: a look, a verdict, or the strangest session of an incident. `NF_EMPTY` for another.
///
/// This takes milliseconds: for alerts, not for every session. Ownership: `*explanation` is the caller's, to be freed with
/// `nf_explanation_free`. Errors: null pointers, `NF_ERR_DATA`. Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_monitor_explain(
    monitor: *mut nf_monitor,
    explanation: *mut *mut nf_explanation,
) -> nf_status {
    boundary!({
        let out = out!(explanation)?;
        let watched = exclusive!(monitor)?;
        let Some(told) = watched.last.explain(watched.monitor.detector())? else { return Ok(nf_status::NF_EMPTY) };
        out.set(give(told));
        Ok(nf_status::NF_OK)
    })
}

/// Gives what went in and came out so far.
///
/// Errors: null pointers, `struct_size`. Threads: may be shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_monitor_stats(monitor: *const nf_monitor, stats: *mut nf_stats) -> nf_status {
    boundary!({
        let place = place!(stats)?;
        place.set(nf_stats::of(&shared!(monitor)?.monitor.stats()));
        Ok(nf_status::NF_OK)
    })
}

/// Gives why frames could not be used, and how often, in words: "12 llc, 3 not_ip_or_arp 0x88cc"; "" where all could.
///
/// Ownership: `*text` is the monitor's, until the next call of this function. Errors: null pointers. Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_monitor_skipped(monitor: *mut nf_monitor, text: *mut *const c_char) -> nf_status {
    boundary!({
        let out = out!(text)?;
        let mut watched = exclusive!(monitor)?;
        watched.skipped = skipped(&watched.monitor.stats());
        out.set(watched.skipped.as_ptr());
        Ok(nf_status::NF_OK)
    })
}

/// Frees a monitor, with what it still has to say. Null is fine.
///
/// Threads: one at a time; not from within `on_event`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_monitor_free(monitor: *mut nf_monitor) {
    boundary!(or () => free!(monitor));
}
