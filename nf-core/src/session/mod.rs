//! Packets to sessions.

mod ahead;
mod clock;
mod config;
mod context;
mod counters;
mod entropy;
mod host;
mod key;
mod list;
mod reader;
#[expect(clippy::module_inception, reason = "the file of the type Session")]
mod session;
mod stats;
mod table;
mod tcp;
#[cfg(test)]
mod tests;
mod window;

pub use config::SessionConfig;
pub use context::{Activity, Context, Domain, HostPair, Service};
pub(crate) use host::name_entropy;
pub use key::{Endpoint, FlowKey, KeyKind};
pub use reader::{SessionReader, Sessions};
pub use session::{Direction, EndReason, Order, Outcome, PacketRecord, Session};
pub use stats::{DirectionStats, Moments, SessionStats};
pub use table::{SessionTable, TableStats};
