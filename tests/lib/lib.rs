//! The test kit: packets built as they read on the wire, captures written to memory, and the place of test data.
//!
//! Bytes only: the kit knows nothing of the library that it tests.
//!
//! ```
//! use nf_tests::{PcapWriter, eth};
//! let syn = eth().ipv4([10, 0, 0, 1], [10, 0, 0, 2]).tcp(1234, 80).syn().seq(1).build();
//! let capture = PcapWriter::new().packet(1_000_000_000, &syn).finish();
//! assert_eq!((syn.len(), capture.len()), (54, 24 + 16 + 54));
//! ```

mod capture;
mod data;
mod dns;
mod flood;
mod packet;

pub use capture::{PcapWriter, PcapngWriter};
pub use data::data_dir;
pub use dns::DnsMessage;
pub use flood::{Flood, cpu_time, peak_resident};
pub use packet::{PacketBuilder, eth, ip};
