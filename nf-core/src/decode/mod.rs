//! Frame to packet.

mod decoder;
mod dns;
mod fragments;
mod ip;
mod link;
mod packet;
mod plain;
mod skip;
mod transport;
mod tunnel;
mod wireless;

pub use decoder::Decoder;
pub use dns::{DnsFacts, parent_domain};
pub use packet::{Fragment, Packet, Protocol, TcpFacts, TcpFlags, Transport};
pub use skip::{Skip, SkipCounts};
