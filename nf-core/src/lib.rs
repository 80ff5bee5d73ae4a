//! Learns what is normal on a network from its own benign traffic, and says which sessions, and which packets in them,
//! do not fit.

#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod error;
mod time;

pub mod calibration;
pub mod capture;
pub mod decode;
pub mod detector;
#[cfg(feature = "evaluate")]
pub mod evaluate;
pub mod features;
pub mod model;
pub mod monitor;
pub mod session;

pub use capture::Capture;
pub use detector::{Detector, Explanation, Reason, Verdict};
pub use error::{Error, ErrorKind, Result};
pub use features::FeatureSpec;
pub use model::{Model, Progress};
pub use monitor::{Event, Monitor};
pub use session::{Session, SessionConfig};
pub use time::Timestamp;
