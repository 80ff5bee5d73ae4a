//! What adds up over sessions: three strange sessions of one pair of hosts in a minute are stranger than one.
//!
//! A session's *evidence* is the mean score of the last sessions between the same source and destination, itself among
//! them. Benign sessions that look strange mostly stand alone, attacks mostly do not, so the mean tells them apart better than
//! a session's own score (docs/detection.md). So that a single session cannot hide behind usual ones of its pair, half its
//! own score counts where that is more.

mod accumulator;
mod config;

pub use accumulator::{Accumulator, Weighed};
pub use config::{EvidenceConfig, EvidenceKey};
