//! Frame to packet.

mod packet;

pub use packet::{Packet, Protocol, TcpFacts, TcpFlags, Transport};
