//! What a detector says of a session, in numbers.

use crate::argument::zeros;
use nf_core::Verdict;
use std::ffi::{CString, c_char};

/// What a detector says of a session.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct nf_verdict {
    /// `sizeof(nf_verdict)`; `NF_VERDICT_INIT` sets it.
    pub struct_size: usize,
    /// The share of benign sessions at least as strange, above 0 and at most 1: what goes with `score`.
    pub p_value: f64,
    /// The same for `own_score`.
    pub own_p_value: f64,
    /// When it became known, in nanoseconds since the Unix epoch by packet time: at the first look above the cut, where there was
    /// one, else at the last look.
    pub at_ns: i64,
    /// The score that decides: of the session together with others of its pair of hosts, where the detector adds these up.
    /// Higher is stranger, no unit.
    pub score: f32,
    /// The score of the session by itself.
    pub own_score: f32,
    /// The cut: a score above it is an anomaly.
    pub threshold: f32,
    /// Whether it is one: 0 or 1.
    pub anomaly: i32,
    /// How many sessions `score` is made from, this one among them; 0 where each is judged by itself.
    pub sessions: u32,
    /// Whether the session began in the first minute, while its table still learned what hosts do: 0 or 1.
    pub cold: i32,
    /// How many heads the detector has.
    pub heads: u32,
    /// Which head finds the last look at the session strangest, from 0.
    pub strangest_head: u32,
    /// 0; room for what later versions tell.
    pub reserved: [u64; 4],
}
sized!(nf_verdict, 96);

/// What one head of a detector says of a session.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct nf_head_verdict {
    /// The head's name. Of the library: it stands as long as the text of the call that gave it.
    pub name: *const c_char,
    /// The share of benign sessions to which the head gives at least this score, above 0 and at most 1.
    pub p_value: f64,
    /// Its model's score, higher is stranger.
    pub score: f32,
    /// 0.
    pub reserved: i32,
}

impl nf_verdict {
    pub(crate) fn of(verdict: &Verdict) -> Self {
        Self {
            struct_size: size_of::<Self>(),
            p_value: verdict.deciding_p_value(),
            own_p_value: verdict.p_value,
            at_ns: verdict.at().as_nanos(),
            score: verdict.deciding_score(),
            own_score: verdict.score,
            threshold: verdict.threshold,
            anomaly: i32::from(verdict.is_anomaly()),
            sessions: verdict.evidence.map_or(0, |evidence| evidence.sessions),
            cold: i32::from(verdict.cold),
            heads: verdict.heads.len() as u32,
            strangest_head: verdict.last.head as u32,
            reserved: [0; 4],
        }
    }

    /// Zeros, for events without a verdict.
    pub(crate) fn none() -> Self {
        Self { struct_size: size_of::<Self>(), ..zeros() }
    }
}

/// What the heads say; the names are those of the detector, in its order.
pub(crate) fn heads(verdict: &Verdict, names: &[CString]) -> Vec<nf_head_verdict> {
    let told = verdict.heads.iter().zip(names);
    told.map(|(head, name)| nf_head_verdict {
        name: name.as_ptr(),
        p_value: head.p_value,
        score: head.score,
        reserved: 0,
    })
    .collect()
}
