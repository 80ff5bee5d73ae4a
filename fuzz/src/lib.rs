//! What the fuzz targets do with their bytes; `tests/fuzz.rs` replays seeds and corpus through the same functions.

mod capture;
mod frame;
mod model;
mod session;

pub use capture::capture;
pub use frame::{LINK_TYPES, frames};
pub use model::{model, seal};
pub use session::{sessions, training};
