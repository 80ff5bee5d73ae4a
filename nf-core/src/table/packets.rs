//! A table of the packets of a capture.

use super::{Table, Values};
use crate::decode::{Fragment, Packet, Transport};

/// Packets of a capture on their way to a table, a row each.
///
/// ```
/// use nf_core::{Capture, decode::Decoder, table::PacketTable};
/// # let frame = nf_tests::eth().ipv4([1; 4], [2; 4]).udp(5000, 53).build();
/// # let bytes = nf_tests::PcapWriter::new().packet(1_000, &frame).finish();
/// let mut capture = Capture::from_reader(std::io::Cursor::new(bytes))?;
/// let (mut decoder, mut packets) = (Decoder::new(), PacketTable::default());
/// while let Some(frame) = capture.next_frame()? {
///     packets.push(&decoder.decode(&frame).expect("a packet"), 1);
/// }
/// assert_eq!(packets.len(), 1);
/// let table = packets.finish();
/// assert!(table.column("protocol").is_some());
/// # Ok::<(), nf_core::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct PacketTable {
    frame: Vec<Option<u64>>,
    time: Vec<i64>,
    protocol: Vec<Option<String>>,
    addresses: [Vec<Option<String>>; 2],
    ports: [Vec<Option<u64>>; 2],
    vlan: Vec<Option<u64>>,
    ttl: Vec<Option<u64>>,
    lengths: [Vec<Option<u64>>; 4],
    flags: Vec<Option<u64>>,
    numbers: [Vec<Option<u64>>; 2],
    window: Vec<Option<u64>>,
    icmp: [Vec<Option<u64>>; 2],
    arp: Vec<Option<u64>>,
    fragment: Vec<Option<String>>,
    truncated: Vec<bool>,
}

impl PacketTable {
    /// Adds a packet; `frame` is the number of its frame in the capture, from 1 as in error messages.
    pub fn push(&mut self, packet: &Packet<'_>, frame: u64) {
        self.frame.push(Some(frame));
        self.time.push(packet.time.as_nanos());
        self.protocol.push(Some(packet.protocol().to_string()));
        self.addresses[0].push(Some(packet.src.to_string()));
        self.addresses[1].push(Some(packet.dst.to_string()));
        let ports = match packet.transport {
            Transport::Tcp(tcp) => Some([tcp.src_port, tcp.dst_port]),
            Transport::Udp { src_port, dst_port } | Transport::Ports { src_port, dst_port, .. } => {
                Some([src_port, dst_port])
            }
            Transport::Icmp { .. } | Transport::Arp { .. } | Transport::Other { .. } => None,
        };
        for (place, column) in self.ports.iter_mut().enumerate() {
            column.push(ports.map(|ports| ports[place].into()));
        }
        self.vlan.push(Some(packet.vlans[0]).filter(|vlan| *vlan != 0).map(u64::from));
        self.ttl.push(Some(packet.ttl).filter(|_| !matches!(packet.transport, Transport::Arp { .. })).map(u64::from));
        let lengths = [packet.wire_len, packet.captured_len, packet.network_len, packet.payload_len];
        self.lengths.iter_mut().zip(lengths).for_each(|(column, length)| column.push(Some(length.into())));
        let tcp = match packet.transport {
            Transport::Tcp(tcp) if !packet.later_fragment() => Some(tcp),
            _ => None,
        };
        self.flags.push(tcp.map(|tcp| tcp.flags.0.into()));
        self.numbers[0].push(tcp.map(|tcp| tcp.seq.into()));
        self.numbers[1].push(tcp.map(|tcp| tcp.ack.into()));
        self.window.push(tcp.map(|tcp| tcp.window.into()));
        let icmp = match packet.transport {
            Transport::Icmp { kind, code, .. } => Some([kind, code]),
            _ => None,
        };
        for (place, column) in self.icmp.iter_mut().enumerate() {
            column.push(icmp.map(|icmp| icmp[place].into()));
        }
        self.arp.push(match packet.transport {
            Transport::Arp { operation } => Some(operation.into()),
            _ => None,
        });
        self.fragment.push(match packet.fragment {
            Fragment::Whole => None,
            Fragment::First => Some("first".to_owned()),
            Fragment::Later => Some("later".to_owned()),
        });
        self.truncated.push(packet.truncated);
    }

    /// How many packets there are.
    pub fn len(&self) -> usize {
        self.frame.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.frame.is_empty()
    }

    /// The table: number of the frame, time, ends, lengths in bytes and what the transport header says. Values of another
    /// protocol's header are none; `vlan` is the outermost.
    pub fn finish(self) -> Table {
        let [src, dst] = self.addresses;
        let [src_port, dst_port] = self.ports;
        let [wire, captured, network, payload] = self.lengths;
        let [seq, ack] = self.numbers;
        let [icmp_type, icmp_code] = self.icmp;
        let mut table = Table::default();
        let columns = [
            ("frame", Values::Count(self.frame)),
            ("time", Values::Time(self.time)),
            ("protocol", Values::Text(self.protocol)),
            ("src_addr", Values::Text(src)),
            ("src_port", Values::Count(src_port)),
            ("dst_addr", Values::Text(dst)),
            ("dst_port", Values::Count(dst_port)),
            ("vlan", Values::Count(self.vlan)),
            ("ttl", Values::Count(self.ttl)),
            ("wire_len", Values::Count(wire)),
            ("captured_len", Values::Count(captured)),
            ("network_len", Values::Count(network)),
            ("payload_len", Values::Count(payload)),
            ("tcp_flags", Values::Count(self.flags)),
            ("tcp_seq", Values::Count(seq)),
            ("tcp_ack", Values::Count(ack)),
            ("tcp_window", Values::Count(self.window)),
            ("icmp_type", Values::Count(icmp_type)),
            ("icmp_code", Values::Count(icmp_code)),
            ("arp_operation", Values::Count(self.arp)),
            ("fragment", Values::Text(self.fragment)),
            ("truncated", Values::Flag(self.truncated)),
        ];
        columns.into_iter().for_each(|(name, values)| table.add(name, values));
        table
    }
}
