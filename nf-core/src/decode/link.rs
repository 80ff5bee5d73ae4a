//! The link header: what lies between the first byte of a frame, or of what a tunnel carries, and its network packet.

use super::{Skip, wireless};
use crate::capture::{Frame, LinkType};
use etherparse::{Ethernet2Slice, SingleVlanSlice};

/// What the link header says, and the network packet behind it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link<'a> {
    /// Hardware addresses, sender first.
    pub(super) macs: Option<[[u8; 6]; 2]>,
    /// Identifiers of the two outermost VLAN tags.
    pub(super) vlans: [u16; 2],
    pub(super) network: Network<'a>,
}

/// A network packet as captured, link padding included.
#[derive(Debug, Clone, Copy)]
pub(super) enum Network<'a> {
    Ip(&'a [u8]),
    Arp(&'a [u8]),
}

/// What the bytes behind begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Header {
    Ip,
    Ethernet,
    /// What this EtherType names.
    EtherType(u16),
    /// IEEE 802.2.
    Llc,
    /// A protocol number, with or without address and control before it (RFC 1661, RFC 1662).
    Ppp,
    /// A label stack (RFC 3032).
    Mpls,
    /// IEEE 802.11, its header padded to four bytes or not.
    Wireless {
        padded: bool,
    },
}

const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;
/// 802.1Q, 802.1ad, and the tag that came before the latter.
const VLAN_TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
const MAX_VLAN_TAGS: usize = 3;
/// Headers of any kind before a packet; real stacks have up to six.
const MAX_HEADERS: usize = 16;
const MAX_MPLS_LABELS: usize = 16;
/// IEEE 802.3 clause 3.2.6: smaller values are lengths.
const SMALLEST_ETHER_TYPE: u16 = 0x0600;

/// Address families of IPv4 and IPv6 as BSD, its descendants, Windows and Linux number them.
const FAMILIES: [u32; 6] = [2, 10, 23, 24, 28, 30];

impl<'a> Link<'a> {
    pub(super) fn decode(frame: &Frame<'a>) -> Result<Self, Skip> {
        let (link_type, data) = match frame.link_type {
            LinkType::PPI => ppi(frame.data)?,
            link_type => (link_type, frame.data),
        };
        let (header, data) = start(link_type, data)?;
        Self::walk(header, data)
    }

    /// Walks from header to header until a network packet begins.
    pub(super) fn walk(mut header: Header, mut data: &'a [u8]) -> Result<Self, Skip> {
        let mut link = Self { macs: None, vlans: [0; 2], network: Network::Ip(data) };
        let mut tags = 0;
        for _ in 0..MAX_HEADERS {
            (header, data) = match header {
                Header::Ip | Header::EtherType(IPV4 | IPV6) => {
                    return Ok(Self { network: Network::Ip(data), ..link });
                }
                Header::EtherType(ARP) => return Ok(Self { network: Network::Arp(data), ..link }),
                Header::EtherType(tag) if VLAN_TAGS.contains(&tag) => {
                    if tags == MAX_VLAN_TAGS {
                        return Err(Skip::TooManyVlanTags);
                    }
                    let tag = SingleVlanSlice::from_slice(data).map_err(|_| Skip::ShortLinkHeader)?;
                    if let Some(vlan) = link.vlans.get_mut(tags) {
                        *vlan = tag.vlan_identifier().value();
                    }
                    tags += 1;
                    (Header::EtherType(tag.ether_type().0), rest(data, tag.header_len())?)
                }
                Header::EtherType(ether_type) => behind_ether_type(ether_type, data)?,
                Header::Ethernet => {
                    let ethernet = Ethernet2Slice::from_slice_without_fcs(data).map_err(|_| Skip::ShortLinkHeader)?;
                    link.macs = Some([ethernet.source(), ethernet.destination()]);
                    (Header::EtherType(ethernet.ether_type().0), ethernet.payload_slice())
                }
                Header::Llc => llc(data)?,
                Header::Ppp => ppp(data)?,
                Header::Mpls => mpls(data)?,
                Header::Wireless { padded } => {
                    let (macs, data) = wireless::data(data, padded)?;
                    link.macs = Some(macs);
                    (Header::Llc, data)
                }
            };
        }
        Err(Skip::TooManyLinkHeaders)
    }
}

/// What the frames of a link type begin with, and where.
fn start(link_type: LinkType, data: &[u8]) -> Result<(Header, &[u8]), Skip> {
    Ok(match link_type {
        LinkType::ETHERNET => (Header::Ethernet, data),
        LinkType::RAW | LinkType::RAW_12 | LinkType::RAW_14 | LinkType::IPV4 | LinkType::IPV6 => (Header::Ip, data),
        LinkType::NULL | LinkType::LOOP => (Header::Ip, loopback(data)?),
        // Linux cooked captures: the EtherType stands last in v1 and first in v2.
        LinkType::LINUX_SLL => (Header::EtherType(be16(data, 14)?), rest(data, 16)?),
        LinkType::LINUX_SLL2 => (Header::EtherType(be16(data, 0)?), rest(data, 20)?),
        LinkType::PPP | LinkType::PPP_SERIAL => (Header::Ppp, data),
        LinkType::PPP_ETHER => (Header::EtherType(0x8864), data),
        // An address byte, a zero, an EtherType.
        LinkType::C_HDLC => (Header::EtherType(be16(data, 2)?), rest(data, 4)?),
        LinkType::FRELAY => frame_relay(data)?,
        LinkType::IEEE802_11 => (Header::Wireless { padded: false }, data),
        LinkType::IEEE802_11_RADIOTAP => wireless::radiotap(data)?,
        LinkType::PFLOG => (Header::Ip, pflog(data)?),
        LinkType::NFLOG => (Header::Ip, nflog(data)?),
        // Tags of Ethernet switches: behind the addresses, or before them.
        LinkType::DSA_TAG_BRCM | LinkType::DSA_TAG_DSA => (Header::EtherType(be16(data, 16)?), rest(data, 18)?),
        LinkType::DSA_TAG_EDSA => (Header::EtherType(be16(data, 20)?), rest(data, 22)?),
        LinkType::DSA_TAG_BRCM_PREPEND => (Header::Ethernet, rest(data, 4)?),
        other => return Err(Skip::UnsupportedLinkType(other)),
    })
}

/// Headers that an EtherType names between the link's and the network's.
fn behind_ether_type(ether_type: u16, data: &[u8]) -> Result<(Header, &[u8]), Skip> {
    Ok(match ether_type {
        0x8847 | 0x8848 => (Header::Mpls, data),
        0x8864 => (Header::Ppp, rest(data, 6)?), // PPPoE session, RFC 2516 section 4
        0x6558 => (Header::Ethernet, data),      // transparent Ethernet bridging, RFC 1701
        0x88e7 => (Header::Ethernet, rest(data, 4)?), // provider backbone bridge, IEEE 802.1ah: its service tag
        0x8903 => (Header::Ethernet, rest(data, 2)?), // Cisco FabricPath
        0x8926 => (Header::EtherType(be16(data, 4)?), rest(data, 6)?), // VN-Tag, IEEE 802.1BR
        0x88be => (Header::Ethernet, rest(data, 8)?), // ERSPAN II without GRE
        0x8909 => (Header::EtherType(be16(data, 6)?), rest(data, 8)?), // Cisco MetaData
        0x894f => nsh(data)?,
        length if length < SMALLEST_ETHER_TYPE => (Header::Llc, data),
        other => return Err(Skip::NotIpOrArp(other)),
    })
}

/// Network service header (RFC 8300 section 2.2).
fn nsh(data: &[u8]) -> Result<(Header, &[u8]), Skip> {
    let words = usize::from(be16(data, 0)? & 0x3f);
    let header = match be16(data, 2)? & 0xff {
        1 | 2 => Header::Ip,
        3 => Header::Ethernet,
        5 => Header::Mpls,
        _ => return Err(Skip::NotIpOrArp(0x894f)),
    };
    Ok((header, rest(data, 4 * words.max(2))?))
}

/// IEEE 802.2: an EtherType behind SNAP (RFC 1042), or IP itself.
fn llc(data: &[u8]) -> Result<(Header, &[u8]), Skip> {
    match *data {
        [0xaa, 0xaa, 3, 0, 0, 0 | 0xf8, ..] => Ok((Header::EtherType(be16(data, 6)?), rest(data, 8)?)),
        [6, 6, 3, ..] => Ok((Header::Ip, rest(data, 3)?)),
        _ => Err(Skip::Llc),
    }
}

/// PPP: address and control may be left out, and the first byte of a protocol number below 256 as well.
fn ppp(data: &[u8]) -> Result<(Header, &[u8]), Skip> {
    let data = match *data {
        [0xff, 3, ref rest @ ..] => rest,
        // Frames of Cisco HDLC may stand among those of PPP (RFC 1547).
        [0x0f | 0x8f, 0, ..] => return Ok((Header::EtherType(be16(data, 2)?), rest(data, 4)?)),
        _ => data,
    };
    let first = *data.first().ok_or(Skip::ShortLinkHeader)?;
    let (protocol, data) =
        if first & 1 == 1 { (first.into(), rest(data, 1)?) } else { (be16(data, 0)?, rest(data, 2)?) };
    match protocol {
        0x0021 | 0x0057 => Ok((Header::Ip, data)),
        0x0281 => Ok((Header::Mpls, data)),
        _ => Err(Skip::NotIp),
    }
}

/// A label stack has no field for what it carries: IP shows its version, an Ethernet pseudowire the zeros of its control
/// word (RFC 4928).
fn mpls(data: &[u8]) -> Result<(Header, &[u8]), Skip> {
    let bottom = data.chunks_exact(4).take(MAX_MPLS_LABELS).position(|label| label[2] & 1 == 1);
    let data = match bottom {
        Some(labels) => rest(data, 4 * (labels + 1))?,
        None if data.len() < 4 * MAX_MPLS_LABELS => return Err(Skip::ShortLinkHeader),
        None => return Err(Skip::TooManyLinkHeaders),
    };
    match data.first().ok_or(Skip::ShortLinkHeader)? >> 4 {
        4 | 6 => Ok((Header::Ip, data)),
        0 => Ok((Header::Ethernet, rest(data, 4)?)),
        _ => Err(Skip::NotIp),
    }
}

/// Frame relay (RFC 2427): an address of two to four bytes, then a protocol number, or Cisco's EtherType.
fn frame_relay(data: &[u8]) -> Result<(Header, &[u8]), Skip> {
    let address = data.iter().take(4).position(|byte| byte & 1 == 1).ok_or(Skip::ShortLinkHeader)? + 1;
    let data = rest(data, address)?;
    match *data {
        [3, 0xcc | 0x8e, ..] => Ok((Header::Ip, rest(data, 2)?)),
        [3, 0, 0x80, 0, 0, 0, ..] => Ok((Header::EtherType(be16(data, 6)?), rest(data, 8)?)),
        [3, 0x80, 0, 0, 0, ..] => Ok((Header::EtherType(be16(data, 5)?), rest(data, 7)?)),
        [3, ..] => Err(Skip::NotIp),
        _ => Ok((Header::EtherType(be16(data, 0)?), rest(data, 2)?)),
    }
}

/// Per-packet information: a header in little-endian order, then a frame of another link type.
fn ppi(data: &[u8]) -> Result<(LinkType, &[u8]), Skip> {
    let field = |at| be16(data, at).map(u16::swap_bytes);
    Ok((LinkType(field(4)?), rest(data, field(2)?.max(8).into())?))
}

/// The packet filter log of OpenBSD: the header says how long it is, and is padded to four bytes.
fn pflog(data: &[u8]) -> Result<&[u8], Skip> {
    let [length, family, ..] = *data else { return Err(Skip::ShortLinkHeader) };
    if !FAMILIES.contains(&family.into()) {
        return Err(Skip::UnknownAddressFamily);
    }
    rest(data, usize::from(length).next_multiple_of(4).max(4))
}

/// The packet log of Linux's netfilter: attributes of type and length in the byte order of the capturing host, one of
/// them the packet.
fn nflog(data: &[u8]) -> Result<&[u8], Skip> {
    const PAYLOAD: u16 = 9;
    if !FAMILIES.contains(&data.first().copied().ok_or(Skip::ShortLinkHeader)?.into()) {
        return Err(Skip::UnknownAddressFamily);
    }
    let mut attributes = rest(data, 4)?;
    // Types are small numbers, so the order shows.
    let swapped = be16(attributes, 2)? > 0xff;
    let field = |bytes, at| be16(bytes, at).map(|field| if swapped { field.swap_bytes() } else { field });
    loop {
        let length = usize::from(field(attributes, 0)?).max(4);
        if field(attributes, 2)? & 0x7fff == PAYLOAD {
            return rest(attributes, 4);
        }
        attributes = rest(attributes, length.next_multiple_of(4))?;
    }
}

/// Four bytes of address family: LOOP writes them in network order, NULL in that of the capturing host. Families are
/// small numbers, so the order shows.
fn loopback(data: &[u8]) -> Result<&[u8], Skip> {
    let family = *data.first_chunk().ok_or(Skip::ShortLinkHeader)?;
    let known = FAMILIES.contains(&u32::from_be_bytes(family)) || FAMILIES.contains(&u32::from_le_bytes(family));
    if !known {
        return Err(Skip::UnknownAddressFamily);
    }
    rest(data, 4)
}

pub(super) fn be16(data: &[u8], at: usize) -> Result<u16, Skip> {
    Ok(u16::from_be_bytes(*rest(data, at)?.first_chunk().ok_or(Skip::ShortLinkHeader)?))
}

pub(super) fn rest(data: &[u8], at: usize) -> Result<&[u8], Skip> {
    data.get(at..).ok_or(Skip::ShortLinkHeader)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use nf_tests::eth;

    fn decode(link_type: LinkType, data: &[u8]) -> Result<Link<'_>, Skip> {
        Link::decode(&Frame { time: Timestamp::default(), link_type, wire_len: data.len() as u32, data })
    }

    fn ip_of(link: Result<Link<'_>, Skip>) -> Vec<u8> {
        match link.expect("decodes").network {
            Network::Ip(bytes) => bytes.to_vec(),
            Network::Arp(_) => panic!("ARP"),
        }
    }

    #[test]
    fn ethernet_through_tags() {
        let base = eth().macs([1; 6], [2; 6]).ipv4([10, 0, 0, 1], [10, 0, 0, 2]).udp(1, 2);
        let plain = base.clone().build();
        assert_eq!(decode(LinkType::ETHERNET, &plain).expect("decodes").macs, Some([[1; 6], [2; 6]]));
        let tagged = base.clone().tag(0x88a8, 100).vlan(7).vlan(9);
        let bytes = tagged.clone().build();
        assert_eq!(decode(LinkType::ETHERNET, &bytes).expect("decodes").vlans, [100, 7]);
        assert_eq!(ip_of(decode(LinkType::ETHERNET, &bytes)), plain[14..]);
        assert_eq!(decode(LinkType::ETHERNET, &tagged.vlan(1).build()).unwrap_err(), Skip::TooManyVlanTags);
        assert_eq!(decode(LinkType::ETHERNET, &bytes[..16]).unwrap_err(), Skip::ShortLinkHeader);
        assert_eq!(decode(LinkType::ETHERNET, &plain[..13]).unwrap_err(), Skip::ShortLinkHeader);
        let lldp = eth().ether_type(0x88cc).payload(&[0; 50]).build();
        assert_eq!(decode(LinkType::ETHERNET, &lldp).unwrap_err(), Skip::NotIpOrArp(0x88cc));
        let stp = eth().ether_type(38).payload(&[0x42; 38]).build();
        assert_eq!(decode(LinkType::ETHERNET, &stp).unwrap_err(), Skip::Llc);
    }

    #[test]
    fn loopback_in_either_byte_order() {
        for family in [[2, 0, 0, 0], [0, 0, 0, 2], [30, 0, 0, 0], [0, 0, 0, 24]] {
            let bytes = [&family[..], b"packet"].concat();
            assert_eq!(ip_of(decode(LinkType::NULL, &bytes)), b"packet");
            assert_eq!(ip_of(decode(LinkType::LOOP, &bytes)), b"packet");
        }
        assert_eq!(decode(LinkType::NULL, &[7, 0, 0, 0, 1]).unwrap_err(), Skip::UnknownAddressFamily);
        assert_eq!(decode(LinkType::NULL, &[2, 0, 0]).unwrap_err(), Skip::ShortLinkHeader);
    }

    #[test]
    fn linux_cooked_v1_and_v2() {
        let v1 = [&[0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 0x08, 0][..], b"packet"].concat();
        assert_eq!(ip_of(decode(LinkType::LINUX_SLL, &v1)), b"packet");
        assert_eq!(decode(LinkType::LINUX_SLL, &v1[..15]).unwrap_err(), Skip::ShortLinkHeader);
        let v2 = [&[0x86, 0xdd, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0][..], b"packet"].concat();
        assert_eq!(ip_of(decode(LinkType::LINUX_SLL2, &v2)), b"packet");
        assert_eq!(decode(LinkType::LINUX_SLL2, &v2[..19]).unwrap_err(), Skip::ShortLinkHeader);
        let arp = [&[0x08, 6][..], &v2[2..]].concat();
        assert!(matches!(decode(LinkType::LINUX_SLL2, &arp).expect("decodes").network, Network::Arp(b"packet")));
    }

    #[test]
    fn raw_ip_under_all_its_numbers() {
        for number in [12, 14, 101, 228, 229] {
            assert_eq!(ip_of(decode(LinkType(number), b"packet")), b"packet");
        }
        assert_eq!(decode(LinkType(147), b"x").unwrap_err(), Skip::UnsupportedLinkType(LinkType(147)));
    }
}
