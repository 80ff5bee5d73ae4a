//! What a packet carries of other packets: where the header of the inner one begins.

use super::{Transport, link::Header};

/// Extension headers of a GTP packet.
const MAX_GTP_EXTENSIONS: usize = 8;

type Inner<'a> = Option<(Header, &'a [u8])>;

/// The packet inside a payload, where the protocol or a port says that there is one. A port is no proof: what is not
/// well formed inside is no tunnel.
pub(super) fn inner(transport: Transport, data: &[u8]) -> Inner<'_> {
    match transport {
        Transport::Other { protocol: 4 | 41 } => Some((Header::Ip, data)), // RFC 2003, RFC 4213
        Transport::Other { protocol: 47 } => gre(data),
        Transport::Other { protocol: 97 } => Some((Header::Ethernet, data.get(2..)?)), // EtherIP, RFC 3378
        Transport::Other { protocol: 137 } => Some((Header::Mpls, data)),              // RFC 4023
        Transport::Udp { src_port, dst_port } => match (src_port, dst_port) {
            (_, 4789) => vxlan(data),
            (_, 4790) => vxlan_gpe(data),
            (_, 6081) => geneve(data),
            (_, 4754) => gre(data),                  // RFC 8086
            (_, 6635) => Some((Header::Mpls, data)), // RFC 7510
            (2152, _) | (_, 2152) => gtp(data),
            (3544, _) | (_, 3544) => teredo(data),
            (5072, _) | (_, 5072) => ayiya(data),
            _ => teredo_peers(data),
        },
        _ => None,
    }
}

fn be16(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

/// Generic routing encapsulation (RFC 2784, RFC 2890), that of PPTP (RFC 2637), and port mirrors in it
/// (draft-foschiano-erspan).
fn gre(data: &[u8]) -> Inner<'_> {
    const CHECKSUM: u16 = 0x8000;
    const ROUTING: u16 = 0x4000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    const ACKNOWLEDGEMENT: u16 = 0x0080; // of version 1 only
    let (flags, protocol) = (be16(data, 0)?, be16(data, 2)?);
    let version = flags & 7;
    if flags & ROUTING != 0 || version > 1 {
        return None;
    }
    let present = flags & (CHECKSUM | KEY | SEQUENCE | if version == 1 { ACKNOWLEDGEMENT } else { 0 });
    let body = data.get(4 + 4 * present.count_ones() as usize..)?;
    Some(match protocol {
        0x880b => (Header::Ppp, body),
        // ERSPAN has no header in its first version, which shows by the missing sequence number.
        0x88be if flags & SEQUENCE == 0 => (Header::Ethernet, body),
        0x88be => (Header::Ethernet, body.get(8..)?),
        0x22eb => {
            let subheader = *body.get(11)? & 1 == 1;
            (Header::Ethernet, body.get(if subheader { 20 } else { 12 }..)?)
        }
        // Aruba access points send IEEE 802.11 under numbers of their own.
        0x8200..=0x8240 => (Header::Wireless { padded: false }, body),
        ether_type => (Header::EtherType(ether_type), body),
    })
}

/// RFC 7348 section 5: the flag that says that there is a network identifier, all others 0 but those of the group policy
/// extension.
fn vxlan(data: &[u8]) -> Inner<'_> {
    (*data.first()? & 0x7f == 0x08).then_some(())?;
    Some((Header::Ethernet, data.get(8..)?))
}

/// The generic protocol extension, whose last reserved byte names what follows (draft-ietf-nvo3-vxlan-gpe section 3.1).
fn vxlan_gpe(data: &[u8]) -> Inner<'_> {
    const VERSION: u8 = 0x30;
    let [flags, _, _, next, ..] = *data else { return None };
    (flags & VERSION == 0).then_some(())?;
    let header = match next {
        1 | 2 => Header::Ip,
        0 | 3 => Header::Ethernet,
        4 => Header::EtherType(0x894f), // network service header
        _ => return None,
    };
    Some((header, data.get(8..)?))
}

/// RFC 8926 section 3.4.
fn geneve(data: &[u8]) -> Inner<'_> {
    let first = *data.first()?;
    (first >> 6 == 0).then_some(())?;
    Some((Header::EtherType(be16(data, 2)?), data.get(8 + 4 * usize::from(first & 0x3f)..)?))
}

/// User data of GTP version 1 (3GPP TS 29.281 section 5).
fn gtp(data: &[u8]) -> Inner<'_> {
    const USER_DATA: u8 = 0xff;
    let [flags, USER_DATA, ..] = *data else { return None };
    (flags >> 4 == 3).then_some(())?;
    if flags & 7 == 0 {
        return Some((Header::Ip, data.get(8..)?));
    }
    let (mut next, mut rest) = (if flags & 4 != 0 { *data.get(11)? } else { 0 }, data.get(12..)?);
    for _ in 0..MAX_GTP_EXTENSIONS {
        if next == 0 {
            return Some((Header::Ip, rest));
        }
        // The last byte of an extension names the next.
        let length = 4 * usize::from(*rest.first()?);
        next = *rest.get(length.checked_sub(1)?)?;
        rest = &rest[length..];
    }
    None
}

/// IPv6 behind the indicators of authentication and origin (RFC 4380 section 5.1.1).
fn teredo(mut data: &[u8]) -> Inner<'_> {
    if let [0, 1, id, authentication, ..] = *data {
        data = data.get(13 + usize::from(id) + usize::from(authentication)..)?;
    }
    if let [0, 0, ..] = *data {
        data = data.get(8..)?;
    }
    teredo_packet(data)
}

/// Between its peers Teredo uses any port: an IPv6 packet that fills the payload, with an address of Teredo's own.
fn teredo_peers(data: &[u8]) -> Inner<'_> {
    const PREFIX: [u8; 4] = [0x20, 1, 0, 0];
    let fills = *data.first()? >> 4 == 6 && usize::from(be16(data, 4)?) + 40 == data.len();
    (fills && (data.get(8..12)? == PREFIX || data.get(24..28)? == PREFIX)).then_some(())?;
    teredo_packet(data)
}

/// A packet without a next header is a bubble: it keeps the tunnel itself open (RFC 4380 section 2.8).
fn teredo_packet(data: &[u8]) -> Inner<'_> {
    (*data.first()? >> 4 == 6 && *data.get(6)? != 59).then_some((Header::Ip, data))
}

/// IPv6 of tunnel brokers (draft-massar-v6ops-ayiya): an identity and a signature whose lengths the header tells.
fn ayiya(data: &[u8]) -> Inner<'_> {
    const FORWARD: u8 = 1;
    const IPV6: u8 = 41;
    let [identity, signature, operation, IPV6, ..] = *data else { return None };
    (operation & 0x0f == FORWARD).then_some(())?;
    let identity = 1usize << (identity >> 4);
    Some((Header::Ip, data.get(8 + identity + 4 * usize::from(signature >> 4)..)?))
}
