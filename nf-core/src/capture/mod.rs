//! Bytes to frames.

mod frame;

pub use frame::{Frame, LinkType};
