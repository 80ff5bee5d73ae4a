//! Why a verdict is what it is.

use crate::{argument::owned, handle::Handle, sessions::beyond, status::nf_status};
use nf_core::Explanation;
use std::ffi::{CString, c_char};

/// Why a verdict is what it is: the fewest facts found that, set to what was expected, turn an alert normal.
pub struct nf_explanation(Handle<Told>);
opaque!(nf_explanation, Told, "explanation");

/// One fact. Its texts are the explanation's.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct nf_fact {
    /// `sizeof(nf_fact)`; `NF_FACT_INIT` sets it.
    pub struct_size: usize,
    /// Its name, as in docs/features.md.
    pub name: *const c_char,
    /// What is strange about it, in words; "" where no value differs from what was expected.
    pub sentence: *const c_char,
    /// The unit of `observed` and `expected`; "" for a plain number.
    pub unit: *const c_char,
    /// The first value that states it: what was seen; NaN where none differs.
    pub observed: f64,
    /// What was expected in its place.
    pub expected: f64,
    /// By how much of the deciding score it falls once this is as expected, beside the facts before: 0 to 1.
    pub contribution: f64,
    /// Which packet of the session it is of, from 0; -1 where it is of the whole session.
    pub packet: i32,
    /// Which of the sessions that carry the verdict it is of; 0 is the session itself.
    pub carrier: u32,
}
sized!(nf_fact, 64);

/// An explanation with its texts for C.
#[derive(Debug)]
pub(crate) struct Told {
    explanation: Explanation,
    text: CString,
    facts: Vec<[CString; 3]>,
    packets: Vec<f64>,
}

impl Told {
    pub(crate) fn new(explanation: Explanation) -> Self {
        let texts = |fact: &nf_core::Fact| {
            let unit = fact.cells.first().map_or("", |cell| cell.unit.as_str());
            [owned(fact.name.as_str()), owned(fact.sentence.as_str()), owned(unit)]
        };
        let facts = explanation.facts.iter().map(texts).collect();
        let (text, packets) = (owned(explanation.to_string()), explanation.packets.clone());
        Self { explanation, text, facts, packets }
    }
}

/// Gives the whole explanation in lines: the verdict, then a fact each, then whether they explain it.
///
/// Ownership: `*text` is the explanation's. Errors: null pointers. Threads: may be shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_explanation_text(
    explanation: *const nf_explanation,
    text: *mut *const c_char,
) -> nf_status {
    boundary!({
        out!(text)?.set(shared!(explanation)?.text.as_ptr());
        Ok(nf_status::NF_OK)
    })
}

/// Says how many facts there are, and whether the verdict is normal with all of them as expected (0 or 1).
///
/// `turned_normal` may be null. Errors: null pointers. Threads: may be shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_explanation_count(
    explanation: *const nf_explanation,
    count: *mut usize,
    turned_normal: *mut i32,
) -> nf_status {
    boundary!({
        let out = out!(count)?;
        let told = shared!(explanation)?;
        if let Ok(normal) = out!(turned_normal) {
            normal.set(i32::from(told.explanation.turned_normal));
        }
        out.set(told.facts.len());
        Ok(nf_status::NF_OK)
    })
}

/// Gives a fact, by falling part in the verdict.
///
/// `index`: from 0. Ownership: its texts are the explanation's. Errors: `NF_ERR_ARGUMENT` where there are not so many.
/// Threads: may be shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_explanation_fact(
    explanation: *const nf_explanation,
    index: usize,
    fact: *mut nf_fact,
) -> nf_status {
    boundary!({
        let place = place!(fact)?;
        let told = shared!(explanation)?;
        let known = told.explanation.facts.get(index).zip(told.facts.get(index));
        let (fact, [name, sentence, unit]) = known.ok_or_else(|| beyond(index, told.facts.len(), "facts"))?;
        let cell = fact.cells.first();
        place.set(nf_fact {
            struct_size: size_of::<nf_fact>(),
            name: name.as_ptr(),
            sentence: sentence.as_ptr(),
            unit: unit.as_ptr(),
            observed: cell.map_or(f64::NAN, |cell| cell.observed),
            expected: cell.map_or(f64::NAN, |cell| cell.expected),
            contribution: fact.contribution,
            packet: fact.packet.map_or(-1, |packet| i32::try_from(packet).unwrap_or(i32::MAX)),
            carrier: fact.carrier as u32,
        });
        Ok(nf_status::NF_OK)
    })
}

/// Gives the part of each of the session's first packets in its score, 0 to 1; all 0 where no head reads packets.
///
/// Ownership: `*parts` is the explanation's, with `*count` numbers. Errors: null pointers. Threads: may be shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_explanation_packets(
    explanation: *const nf_explanation,
    parts: *mut *const f64,
    count: *mut usize,
) -> nf_status {
    boundary!({
        let (out, counted) = (out!(parts)?, out!(count)?);
        let told = shared!(explanation)?;
        out.set(told.packets.as_ptr());
        counted.set(told.packets.len());
        Ok(nf_status::NF_OK)
    })
}

/// Frees an explanation. Null is fine.
///
/// Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_explanation_free(explanation: *mut nf_explanation) {
    boundary!(or () => free!(explanation));
}
