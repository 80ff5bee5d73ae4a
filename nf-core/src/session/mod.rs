//! Packets to sessions.

mod ahead;
mod clock;
mod config;
mod context;
mod counters;
mod counts;
mod distinct;
mod entropy;
mod held;
mod host;
mod key;
mod keyed;
mod list;
mod look;
mod looks;
mod moments;
mod node;
mod reader;
mod record;
mod series;
#[expect(clippy::module_inception, reason = "the file of the type Session")]
mod session;
mod slots;
mod spare;
mod stats;
mod store;
mod table;
mod tcp;
#[cfg(test)]
mod tests;

pub use config::SessionConfig;
pub use context::{Activity, Context, Domain, HostPair, Service};
pub use counts::TableStats;
pub(crate) use host::name_entropy;
pub use key::{Endpoint, FlowKey, KeyKind};
pub use look::Look;
pub(crate) use look::Moment;
pub use looks::Looks;
pub use moments::Moments;
pub use reader::{SessionReader, Sessions};
pub use record::{Direction, Order, PacketRecord};
pub use session::{EndReason, Outcome, Session};
pub use stats::{DirectionStats, SessionStats};
pub use table::SessionTable;
pub(crate) use table::{Happened, Hosted};
