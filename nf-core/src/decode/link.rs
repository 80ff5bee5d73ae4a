//! The link header: what lies between the first byte of a frame and its network packet.

use super::Skip;
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

const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;
/// 802.1Q, 802.1ad, and the tag that came before the latter.
const VLAN_TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
const MAX_VLAN_TAGS: usize = 3;
/// IEEE 802.3 clause 3.2.6: smaller values are lengths.
const SMALLEST_ETHER_TYPE: u16 = 0x0600;

/// Address families of IPv4 and IPv6 as BSD, its descendants, Windows and Linux number them.
const FAMILIES: [u32; 6] = [2, 10, 23, 24, 28, 30];

impl<'a> Link<'a> {
    pub(super) fn decode(frame: &Frame<'a>) -> Result<Self, Skip> {
        let data = frame.data;
        match frame.link_type {
            LinkType::ETHERNET => ethernet(data),
            LinkType::RAW | LinkType::RAW_12 | LinkType::RAW_14 | LinkType::IPV4 | LinkType::IPV6 => Ok(Self::ip(data)),
            LinkType::NULL | LinkType::LOOP => loopback(data),
            // Linux cooked captures: the EtherType stands last in v1 and first in v2.
            LinkType::LINUX_SLL => Self::ether_type(be16(data, 14)?, rest(data, 16)?),
            LinkType::LINUX_SLL2 => Self::ether_type(be16(data, 0)?, rest(data, 20)?),
            other => Err(Skip::UnsupportedLinkType(other)),
        }
    }

    fn ip(network: &'a [u8]) -> Self {
        Self { macs: None, vlans: [0; 2], network: Network::Ip(network) }
    }

    /// What follows an EtherType, through VLAN tags.
    fn ether_type(mut ether_type: u16, mut data: &'a [u8]) -> Result<Self, Skip> {
        let mut vlans = [0; 2];
        let mut tags = 0;
        while VLAN_TAGS.contains(&ether_type) {
            if tags == MAX_VLAN_TAGS {
                return Err(Skip::TooManyVlanTags);
            }
            let tag = SingleVlanSlice::from_slice(data).map_err(|_| Skip::ShortLinkHeader)?;
            if let Some(vlan) = vlans.get_mut(tags) {
                *vlan = tag.vlan_identifier().value();
            }
            tags += 1;
            ether_type = tag.ether_type().0;
            data = rest(data, tag.header_len())?;
        }
        let network = match ether_type {
            IPV4 | IPV6 => Network::Ip(data),
            ARP => Network::Arp(data),
            length if length < SMALLEST_ETHER_TYPE => return Err(Skip::Llc),
            other => return Err(Skip::NotIpOrArp(other)),
        };
        Ok(Self { macs: None, vlans, network })
    }
}

fn ethernet(data: &[u8]) -> Result<Link<'_>, Skip> {
    let header = Ethernet2Slice::from_slice_without_fcs(data).map_err(|_| Skip::ShortLinkHeader)?;
    let link = Link::ether_type(header.ether_type().0, header.payload_slice())?;
    Ok(Link { macs: Some([header.source(), header.destination()]), ..link })
}

/// Four bytes of address family: LOOP writes them in network order, NULL in that of the capturing host. Families are
/// small numbers, so the order shows.
fn loopback(data: &[u8]) -> Result<Link<'_>, Skip> {
    let family = *data.first_chunk().ok_or(Skip::ShortLinkHeader)?;
    let known = FAMILIES.contains(&u32::from_be_bytes(family)) || FAMILIES.contains(&u32::from_le_bytes(family));
    if !known {
        return Err(Skip::UnknownAddressFamily);
    }
    Ok(Link::ip(rest(data, 4)?))
}

fn be16(data: &[u8], at: usize) -> Result<u16, Skip> {
    Ok(u16::from_be_bytes(*rest(data, at)?.first_chunk().ok_or(Skip::ShortLinkHeader)?))
}

fn rest(data: &[u8], at: usize) -> Result<&[u8], Skip> {
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
