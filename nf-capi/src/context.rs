//! Door B: packets of the host's own flows.

use crate::{
    boundary::{Failure, Outcome},
    detector::nf_detector,
    event::{Last, Watching, nf_event, nf_monitor_config, nf_stats, skipped, watching},
    explanation::{Told, nf_explanation},
    frame::{nf_frame, nf_payload_info},
    handle::{Handle, give},
    sessions::{end_reason, nf_session_summary},
    status::nf_status,
    verdict::{nf_head_verdict, nf_verdict},
};
use nf_core::{
    Frame, LinkType, Timestamp,
    monitor::{HostedMonitor, HostedSession},
};
use std::{
    ffi::{CString, c_char},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// What the sessions of one worker share: their detector, and what their hosts did around each other. All that a worker sees
/// belongs into one context.
pub struct nf_context(Handle<Shared>);
opaque!(nf_context, Shared, "context");

/// A session, to be hung on the host's own flow. It belongs to the context that its first packet is pushed with.
pub struct nf_session(Handle<Hosted>);
opaque!(nf_session, Hosted, "session");

/// A monitor of hosted sessions with what was last told of.
#[derive(Debug)]
pub(crate) struct Shared {
    /// No two contexts of a process have the same.
    id: u64,
    monitor: HostedMonitor,
    last: Last,
    heads: Arc<[CString]>,
    skipped: CString,
}

/// A session, and which context it belongs to; 0 for none yet.
#[derive(Debug, Default)]
pub(crate) struct Hosted {
    context: u64,
    session: HostedSession,
}

/// How many contexts were made.
static CONTEXTS: AtomicU64 = AtomicU64::new(0);

impl Hosted {
    fn check(&self, context: &Shared) -> Outcome<()> {
        if self.context == 0 || self.context == context.id {
            return Ok(());
        }
        Err(Failure::argument("session belongs to another context, it must be given with that"))
    }
}

/// Makes a context without sessions (door B). One for each worker thread of the host.
///
/// `config`: null for the defaults; of its sessions the timeouts do not count, as the host ends them. Pop every few sessions, also
/// where each is judged by a call: alerts at open sessions, incidents and drift come by `nf_context_pop` alone. What nobody pops is
/// dropped, the oldest first, once more than 256 events wait and take more than a 16th of the memory limit; `nf_context_stats` counts
/// it. Ownership: `*context` is the
/// caller's, to be freed with `nf_context_free`; the detector may be freed before it. Errors: as `nf_monitor_new`. Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_context_new(
    detector: *const nf_detector,
    config: *const nf_monitor_config,
    context: *mut *mut nf_context,
) -> nf_status {
    boundary!({
        let out = out!(context)?;
        let loaded = shared!(detector)?;
        let Watching { sessions, incidents, drift } = watching(config, &loaded.detector)?;
        let mut monitor = HostedMonitor::new(loaded.detector.clone(), &sessions)?.with_incidents(incidents)?;
        if !drift {
            monitor.set_drift(None);
        }
        let (id, heads) = (CONTEXTS.fetch_add(1, Relaxed) + 1, loaded.heads.clone());
        out.set(give(Shared { id, monitor, last: Last::default(), heads, skipped: CString::default() }));
        Ok(nf_status::NF_OK)
    })
}

/// Makes a session without packets.
///
/// Ownership: `*session` is the caller's, to be freed with `nf_session_free`. Errors: null pointers. Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_session_new(session: *mut *mut nf_session) -> nf_status {
    boundary!({
        out!(session)?.set(give(Hosted::default()));
        Ok(nf_status::NF_OK)
    })
}

fn push(context: &mut Shared, hosted: &mut Hosted, frame: &Frame<'_>) -> Outcome {
    hosted.check(context)?;
    if context.monitor.push(&mut hosted.session, frame).is_err() {
        return Ok(nf_status::NF_SKIPPED);
    }
    hosted.context = context.id;
    Ok(nf_status::NF_OK)
}

/// Takes in a frame of a session. Which way it goes follows from its addresses; the end that sent the first packet is orig.
///
/// `frame->data` is the caller's and not kept. `NF_SKIPPED` where it cannot be used, which is counted. Errors: `NF_ERR_ARGUMENT`, also
/// where the session belongs to another context. Threads: context and session one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_session_push_frame(
    context: *mut nf_context,
    session: *mut nf_session,
    frame: *const nf_frame,
) -> nf_status {
    boundary!({
        let frame = given!(frame, "frame")?.frame()?;
        push(&mut *exclusive!(context)?, &mut *exclusive!(session)?, &frame)
    })
}

/// Takes in a packet of a session, from its IP header on.
///
/// `data`: `captured_len` bytes, the caller's and not kept. `wire_len`: bytes of the whole frame on the wire, link header included, as
/// the detector's training counted them; a host that does not know adds 14 to the length that the IP header says. `time_ns`:
/// nanoseconds since the Unix epoch. News, threads: as `nf_session_push_frame`. Errors: as there, and `NF_ERR_ARGUMENT` where `wire_len`
/// is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_session_push_ip(
    context: *mut nf_context,
    session: *mut nf_session,
    data: *const u8,
    captured_len: u32,
    wire_len: u32,
    time_ns: i64,
) -> nf_status {
    boundary!({
        if wire_len == 0 {
            let message = "wire_len is 0, it must be the bytes of the whole frame on the wire, link header included";
            return Err(Failure::argument(message));
        }
        let link_type = i32::from(LinkType::RAW.0);
        let frame = nf_frame { struct_size: 0, data, time_ns, captured_len, wire_len, link_type, reserved: 0 };
        push(&mut *exclusive!(context)?, &mut *exclusive!(session)?, &frame.frame()?)
    })
}

/// Takes in a packet of a session that the host decoded.
///
/// `info->payload` is the caller's and not kept. Errors, threads: as `nf_session_push_frame`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_session_push_payload_info(
    context: *mut nf_context,
    session: *mut nf_session,
    info: *const nf_payload_info,
) -> nf_status {
    boundary!({
        let packet = given!(info, "info")?.packet()?;
        let (mut context, mut hosted) = (exclusive!(context)?, exclusive!(session)?);
        hosted.check(&context)?;
        context.monitor.push_packet(&mut hosted.session, &packet);
        hosted.context = context.id;
        Ok(nf_status::NF_OK)
    })
}

/// Says what the detector thinks of a session as it is. Asking changes nothing of what is said later. `NF_EMPTY` where it has no
/// packet, or was ended early because memory was at its limit (its verdict is among the events then).
///
/// Errors: `NF_ERR_ARGUMENT`, `NF_ERR_DATA`. Threads: the context one at a time; the session may be shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_session_judge(
    context: *mut nf_context,
    session: *const nf_session,
    verdict: *mut nf_verdict,
) -> nf_status {
    boundary!({
        let place = place!(verdict)?;
        let (mut context, hosted) = (exclusive!(context)?, shared!(session)?);
        hosted.check(&context)?;
        let Some(judged) = context.monitor.judge(&hosted.session)? else { return Ok(nf_status::NF_EMPTY) };
        place.set(context.last.keep_judged(judged));
        Ok(nf_status::NF_OK)
    })
}

/// Explains what the detector thinks of a session as it is. `NF_EMPTY` as `nf_session_judge`.
///
/// This takes milliseconds. Ownership: `*explanation` is the caller's, to be freed with `nf_explanation_free`. Errors, threads: as
/// `nf_session_judge`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_session_explain(
    context: *mut nf_context,
    session: *const nf_session,
    explanation: *mut *mut nf_explanation,
) -> nf_status {
    boundary!({
        let out = out!(explanation)?;
        let (mut context, hosted) = (exclusive!(context)?, shared!(session)?);
        hosted.check(&context)?;
        let Some(explanation) = context.monitor.explain(&hosted.session)? else { return Ok(nf_status::NF_EMPTY) };
        out.set(give(Told::new(explanation)));
        Ok(nf_status::NF_OK)
    })
}

/// Ends a session and judges it. The handle is as new then: the next packet begins another session, of any context.
///
/// `reason`: an `nf_end_reason` but `NF_END_OPEN`. `verdict` may be null: then the verdict comes among the events, and many are judged at
/// once, which costs less. Either way, pop what comes of it (`nf_context_pop`). `NF_EMPTY` as `nf_session_judge`. Errors: `NF_ERR_ARGUMENT`, and then it goes on; `NF_ERR_DATA`. Threads: context and
/// session one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_session_end(
    context: *mut nf_context,
    session: *mut nf_session,
    reason: i32,
    verdict: *mut nf_verdict,
) -> nf_status {
    boundary!({
        let reason = end_reason(reason)?;
        let place = if verdict.is_null() { None } else { Some(place!(verdict)?) };
        let (mut context, mut hosted) = (exclusive!(context)?, exclusive!(session)?);
        hosted.check(&context)?;
        let Hosted { session, .. } = std::mem::take(&mut *hosted);
        let Some(place) = place else {
            let ended = context.monitor.release(session, reason);
            return Ok(if ended { nf_status::NF_OK } else { nf_status::NF_EMPTY });
        };
        let Some(judged) = context.monitor.end(session, reason)? else { return Ok(nf_status::NF_EMPTY) };
        place.set(context.last.keep_judged(judged));
        Ok(nf_status::NF_OK)
    })
}

/// Frees the handle of a session. Null is fine. One that was not ended stays open in its context until that is finished or has no
/// room: end it first.
///
/// Threads: one at a time; any, also after its context is gone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_session_free(session: *mut nf_session) {
    boundary!(or () => free!(session));
}

/// Says that it is `now_ns` (nanoseconds since the Unix epoch), so that silence is known; a moment before the newest known one is
/// ignored.
///
/// Errors: null pointers. Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_context_advance(context: *mut nf_context, now_ns: i64) -> nf_status {
    boundary!({
        exclusive!(context)?.monitor.advance(Timestamp::from_nanos(now_ns));
        Ok(nf_status::NF_OK)
    })
}

/// Ends all sessions and incidents; what comes of it can be popped.
///
/// Errors: null pointers. Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_context_finish(context: *mut nf_context) -> nf_status {
    boundary!({
        exclusive!(context)?.monitor.finish();
        Ok(nf_status::NF_OK)
    })
}

/// Gives the next event: alerts at open sessions, incidents, drift, and the verdicts that no call gave. `NF_EMPTY` where there is
/// none.
///
/// Errors: `NF_ERR_ARGUMENT`. Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_context_pop(context: *mut nf_context, event: *mut nf_event) -> nf_status {
    boundary!({
        let place = place!(event)?;
        let mut context = exclusive!(context)?;
        let Some(next) = context.monitor.pop() else { return Ok(nf_status::NF_EMPTY) };
        place.set(context.last.keep(next));
        Ok(nf_status::NF_OK)
    })
}

/// Gives the session that was last popped, judged or ended, in numbers. `NF_EMPTY` where there is none.
///
/// Errors: null pointers, `struct_size`. Threads: may be shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_context_session(context: *const nf_context, summary: *mut nf_session_summary) -> nf_status {
    boundary!({
        let place = place!(summary)?;
        let Some(session) = shared!(context)?.last.session() else { return Ok(nf_status::NF_EMPTY) };
        place.set(session);
        Ok(nf_status::NF_OK)
    })
}

/// Gives what was last popped, judged or ended in one line of text. `NF_EMPTY` where there is none.
///
/// Ownership: `*text` is the context's, until the next of these. Errors: null pointers. Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_context_text(context: *mut nf_context, text: *mut *const c_char) -> nf_status {
    boundary!({
        let out = out!(text)?;
        let Some(text) = exclusive!(context)?.last.text() else { return Ok(nf_status::NF_EMPTY) };
        out.set(text);
        Ok(nf_status::NF_OK)
    })
}

/// Gives what each head says in what was last popped, judged or ended. `NF_EMPTY` where that has no verdict.
///
/// Ownership: `*heads`, with `*count` of them, is the context's, until the next of these. Errors: null pointers. Threads: one at a
/// time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_context_heads(
    context: *mut nf_context,
    heads: *mut *const nf_head_verdict,
    count: *mut usize,
) -> nf_status {
    boundary!({
        let (out, counted) = (out!(heads)?, out!(count)?);
        let mut shared = exclusive!(context)?;
        let Shared { last, heads: names, .. } = &mut *shared;
        let Some(heads) = last.heads(names) else { return Ok(nf_status::NF_EMPTY) };
        out.set(heads.as_ptr());
        counted.set(heads.len());
        Ok(nf_status::NF_OK)
    })
}

/// Explains what was last popped, judged or ended. `NF_EMPTY` where there is nothing to explain.
///
/// Ownership, errors: as `nf_monitor_explain`. Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_context_explain(
    context: *mut nf_context,
    explanation: *mut *mut nf_explanation,
) -> nf_status {
    boundary!({
        let out = out!(explanation)?;
        let context = exclusive!(context)?;
        let Some(told) = context.last.explain(context.monitor.detector())? else { return Ok(nf_status::NF_EMPTY) };
        out.set(give(told));
        Ok(nf_status::NF_OK)
    })
}

/// Gives what went in and came out so far.
///
/// Errors: null pointers, `struct_size`. Threads: may be shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_context_stats(context: *const nf_context, stats: *mut nf_stats) -> nf_status {
    boundary!({
        let place = place!(stats)?;
        place.set(nf_stats::of(&shared!(context)?.monitor.stats()));
        Ok(nf_status::NF_OK)
    })
}

/// Gives why frames could not be used (`NF_SKIPPED`), and how often, in words: "12 llc, 3 not_ip_or_arp 0x88cc"; "" where all could.
///
/// Ownership: `*text` is the context's, until the next call of this function. Errors: null pointers. Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_context_skipped(context: *mut nf_context, text: *mut *const c_char) -> nf_status {
    boundary!({
        let out = out!(text)?;
        let mut shared = exclusive!(context)?;
        shared.skipped = skipped(&shared.monitor.stats());
        out.set(shared.skipped.as_ptr());
        Ok(nf_status::NF_OK)
    })
}

/// Frees a context, with all sessions that are open in it. Null is fine. The handles of its sessions stay, and those that were not
/// ended can only be freed: any other context refuses them. So a host that loads another detector keeps the context until the flows
/// that began in it have ended, or finishes and pops it, and gives its flows new sessions.
///
/// Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_context_free(context: *mut nf_context) {
    boundary!(or () => free!(context));
}
