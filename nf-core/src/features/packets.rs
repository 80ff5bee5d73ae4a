//! The columns of a packet.

use super::{
    Transform::{Divide, Gap, Identity, Log},
    schema::Column,
};
use crate::{
    decode::Protocol,
    session::{Direction, Order, PacketRecord, Session},
};
use std::net::IpAddr;

/// Columns a packet, in either set.
const WIDTH: usize = 8;

/// The behavioural columns. No address, port, sequence number or absolute time is among them: these tell one network
/// from another, not strange from normal.
pub(super) fn behaviour_columns() -> Vec<Column> {
    vec![
        Column::new("payload", "bytes", "payload on the wire, behind the transport header").transform(PAYLOAD),
        Column::new("gap", "s", "time since the packet before in the session; 0 for the first packet").transform(Gap),
        Column::new("direction", "", "0 from the end that started the session, 1 from the other"),
        Column::new("class", "", "0 TCP, 1/3 UDP, 2/3 ICMP, 1 anything else"),
        Column::new(
            "control",
            "",
            "TCP flags without the ECN bits, ICMP type, or ARP operation; 0 for other protocols",
        )
        .transform(CONTROL),
        Column::new("window", "bytes", "TCP window without scaling; 0 for other protocols").transform(WINDOW),
        Column::new("entropy", "bits", "entropy of a byte of the first captured payload; 0 without payload")
            .transform(ENTROPY),
        Column::new(
            "order",
            "",
            "0 next in its stream, 1/2 retransmission or fragment, 1 out of order or behind a hole",
        ),
    ]
}

const PAYLOAD: super::Transform = Log { scale: 7.5 };
const CONTROL: super::Transform = Divide { scale: 64.0 };
const WINDOW: super::Transform = Log { scale: 11.1 };
const ENTROPY: super::Transform = Divide { scale: 8.0 };

/// The six flags of RFC 793; ECN's two are a matter of host settings.
const PLAIN_FLAGS: u8 = 0x3f;

/// What a logarithm was last: most packets are as long, and have the window, as the one before in their direction.
#[derive(Clone, Copy, Default)]
struct Last {
    of: u32,
    /// 0 is that of 0.
    is: f32,
}

impl Last {
    fn apply(&mut self, transform: super::Transform, of: u32) -> f32 {
        if of != self.of {
            *self = Self { of, is: transform.apply(f64::from(of)) };
        }
        self.is
    }
}

pub(super) fn behaviour(_: &Session, packets: &[PacketRecord], data: &mut Vec<f32>) {
    let mut latest = packets.first().map(|packet| packet.time).unwrap_or_default();
    let (mut payload, mut window) = ([Last::default(); 2], [Last::default(); 2]);
    for packet in packets {
        let side = packet.direction as usize;
        let control = if packet.protocol == Protocol::Tcp { packet.control & PLAIN_FLAGS } else { packet.control };
        let row: [f32; WIDTH] = [
            payload[side].apply(PAYLOAD, packet.payload_len),
            Gap.apply(packet.time.since(latest).as_secs_f64()),
            f32::from(u8::from(packet.direction == Direction::Resp)),
            class(packet.protocol),
            CONTROL.apply(f64::from(control)),
            window[side].apply(WINDOW, packet.window.into()),
            ENTROPY.apply(f64::from(packet.entropy)),
            order(packet.order),
        ];
        data.extend(row);
        latest = latest.max(packet.time);
    }
}

fn class(protocol: Protocol) -> f32 {
    match protocol {
        Protocol::Tcp => 0.0,
        Protocol::Udp => 1.0 / 3.0,
        Protocol::Icmp | Protocol::Icmpv6 => 2.0 / 3.0,
        _ => 1.0,
    }
}

fn order(order: Order) -> f32 {
    match order {
        Order::Fresh => 0.0,
        Order::Retransmission | Order::Fragment => 0.5,
        Order::OutOfOrder | Order::Gap => 1.0,
    }
}

/// The addressing columns of the first neural-filter project.
pub(super) fn address_columns() -> Vec<Column> {
    let share = |name, unit, meaning| Column::new(name, unit, meaning).transform(Identity);
    vec![
        share("mac_src", "", "hardware address of the sender over 2^48; 0 where the link has none"),
        share("mac_dst", "", "hardware address of the receiver over 2^48; 0 where the link has none"),
        Column::new("ip_len", "bytes", "length of the network packet").transform(LENGTH),
        Column::new("protocol", "", "IP protocol number; 0 for ARP").transform(BYTE),
        share("ip_src", "", "IPv4 address of the sender over 2^32, for IPv6 its upper half over 2^64"),
        share("ip_dst", "", "IPv4 address of the receiver over 2^32, for IPv6 its upper half over 2^64"),
        Column::new("port_src", "", "port of the sender; 0 without ports").transform(LENGTH),
        Column::new("port_dst", "", "port of the receiver; 0 without ports").transform(LENGTH),
    ]
}

const LENGTH: super::Transform = Divide { scale: 65535.0 };
const BYTE: super::Transform = Divide { scale: 255.0 };

pub(super) fn addresses(session: &Session, packets: &[PacketRecord], data: &mut Vec<f32>) {
    let key = session.key();
    let macs = session.macs().map_or([0.0; 2], |macs| macs.map(mac_share));
    for packet in packets {
        let orig = [macs[0], address_share(key.orig.addr)];
        let resp = [macs[1], address_share(key.resp.addr)];
        let [src, dst] = match packet.direction {
            Direction::Orig => [orig, resp],
            Direction::Resp => [resp, orig],
        };
        let row: [f32; WIDTH] = [
            src[0],
            dst[0],
            LENGTH.apply(f64::from(packet.network_len)),
            BYTE.apply(f64::from(number(packet.protocol))),
            src[1],
            dst[1],
            LENGTH.apply(f64::from(packet.ports[0])),
            LENGTH.apply(f64::from(packet.ports[1])),
        ];
        data.extend(row);
    }
}

/// IP protocol number; 0 for ARP.
fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Icmp => 1,
        Protocol::Icmpv6 => 58,
        Protocol::Arp => 0,
        Protocol::Other(number) => number,
    }
}

fn mac_share(mac: [u8; 6]) -> f32 {
    let number = mac.iter().fold(0u64, |number, &byte| number << 8 | u64::from(byte));
    (number as f64 / (1u64 << 48) as f64) as f32
}

fn address_share(addr: IpAddr) -> f32 {
    match addr {
        IpAddr::V4(addr) => (f64::from(addr.to_bits()) / 2f64.powi(32)) as f32,
        IpAddr::V6(addr) => ((addr.to_bits() >> 64) as f64 / 2f64.powi(64)) as f32,
    }
}
