//! The C and C++ interface of the engine: types, errors and ownership translated, nothing decided.
//!
//! What a C program may rely on stands in `include/nf.h`, which is generated from here. Inside, every exported function is
//! one [`boundary!`](boundary) around a body that gives a result: no panic and no Rust type crosses.

#![allow(unsafe_code, reason = "pointers come from C; each use stands behind a macro of `handle` or `argument`")]
#![allow(non_camel_case_types, reason = "the names are those of the header")]
#![allow(unreachable_pub, reason = "what is exported is reached from C")]
#![allow(clippy::missing_safety_doc, reason = "what callers must keep to is said for C, in the header")]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail"))]

#[cfg(panic = "abort")]
compile_error!("libneural_filter must be built with panic = \"unwind\": a panic is a status, not the end of the host");

// The border.
#[macro_use]
mod boundary;
#[macro_use]
mod handle;
#[macro_use]
mod argument;

// The header, in its order: what calls come to,
mod status;
mod version;

// what goes in,
mod capture;
mod config;
mod frame;
mod sessions;

// what judges, and what is said,
mod detector;
mod explanation;
mod trainer;
mod verdict;

// and the three doors.
mod event;
mod monitor;

mod context;

mod records;
