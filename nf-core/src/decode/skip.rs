//! Why a frame gave no packet, and how often.

use crate::capture::LinkType;
use std::{collections::BTreeMap, fmt};

/// Why a frame gave no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Skip {
    /// Frames of this link type are not decoded.
    UnsupportedLinkType(LinkType),
    /// Link types beyond those that [`SkipCounts`] counts one by one.
    OtherLinkType,
    /// More than [`Frame::MAX_CAPTURED_LEN`](crate::Frame::MAX_CAPTURED_LEN) bytes: such a length is a mistake.
    TooLong,
    /// The link header or a VLAN tag is cut off.
    ShortLinkHeader,
    /// More than three VLAN tags.
    TooManyVlanTags,
    /// Link headers behind link headers, more than any real network stacks up.
    TooManyLinkHeaders,
    /// IEEE 802.2 LLC that carries no EtherType and no IP (spanning tree, CDP, IS-IS).
    Llc,
    /// The link carries something else, named by its EtherType.
    NotIpOrArp(u16),
    /// The link carries something else, named by a number that is no EtherType (PPP link control, frame relay).
    NotIp,
    /// An IEEE 802.11 frame without data: management, control.
    NoWirelessData,
    /// IEEE 802.11 data under encryption.
    Encrypted,
    /// EtherTypes beyond those that [`SkipCounts`] counts one by one.
    OtherEthertype,
    /// A loopback or logged frame of another address family than IPv4 or IPv6.
    UnknownAddressFamily,
    /// ARP that does not resolve IPv4 addresses.
    UnsupportedArp,
    /// The ARP packet is cut off.
    ShortArp,
    /// The IP header is cut off.
    ShortIpHeader,
    /// An IP version that is neither 4 nor 6, a length field that does not cover the header, or more than 16 IPv6
    /// extension headers.
    BadIpHeader,
    /// The IP header says that there are fewer bytes than a transport header needs.
    ShortTransportHeader,
    /// A TCP data offset below 5 words or beyond the end of the packet.
    BadTransportHeader,
}

impl Skip {
    /// A short name in snake case, without the number of a link type or EtherType.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnsupportedLinkType(_) => "unsupported_link_type",
            Self::OtherLinkType => "other_link_type",
            Self::TooLong => "too_long",
            Self::ShortLinkHeader => "short_link_header",
            Self::TooManyVlanTags => "too_many_vlan_tags",
            Self::TooManyLinkHeaders => "too_many_link_headers",
            Self::Llc => "llc",
            Self::NotIp => "not_ip",
            Self::NoWirelessData => "no_wireless_data",
            Self::Encrypted => "encrypted",
            Self::NotIpOrArp(_) => "not_ip_or_arp",
            Self::OtherEthertype => "other_ethertype",
            Self::UnknownAddressFamily => "unknown_address_family",
            Self::UnsupportedArp => "unsupported_arp",
            Self::ShortArp => "short_arp",
            Self::ShortIpHeader => "short_ip_header",
            Self::BadIpHeader => "bad_ip_header",
            Self::ShortTransportHeader => "short_transport_header",
            Self::BadTransportHeader => "bad_transport_header",
        }
    }
}

impl fmt::Display for Skip {
    /// The name, with the number where there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnsupportedLinkType(LinkType(number)) => write!(f, "{} {number}", self.name()),
            Self::NotIpOrArp(ether_type) => write!(f, "{} {ether_type:#06x}", self.name()),
            _ => f.write_str(self.name()),
        }
    }
}

/// How many frames gave no packet, by reason.
///
/// Senders choose EtherTypes, and writers of captures link types: of either, the first
/// [`MAX_NUMBERED`](Self::MAX_NUMBERED) numbers are counted one by one, all later ones together as
/// [`Skip::OtherEthertype`] and [`Skip::OtherLinkType`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SkipCounts {
    counts: BTreeMap<Skip, u64>,
    link_types: usize,
    ether_types: usize,
}

impl SkipCounts {
    /// How many EtherTypes, and how many link types, are counted one by one.
    pub const MAX_NUMBERED: usize = 64;

    /// Nothing counted.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one frame.
    pub fn add(&mut self, skip: Skip) {
        if let Some(count) = self.counts.get_mut(&skip) {
            *count += 1;
            return;
        }
        let (numbered, pool) = match skip {
            Skip::UnsupportedLinkType(_) => (&mut self.link_types, Skip::OtherLinkType),
            Skip::NotIpOrArp(_) => (&mut self.ether_types, Skip::OtherEthertype),
            _ => {
                self.counts.insert(skip, 1);
                return;
            }
        };
        let key = if *numbered < Self::MAX_NUMBERED {
            *numbered += 1;
            skip
        } else {
            pool
        };
        *self.counts.entry(key).or_default() += 1;
    }

    /// Frames skipped for this reason.
    pub fn get(&self, skip: Skip) -> u64 {
        self.counts.get(&skip).copied().unwrap_or(0)
    }

    /// Frames skipped for any reason.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Whether no frame was skipped.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Reasons and their counts, in the order of [`Skip`].
    pub fn iter(&self) -> impl Iterator<Item = (Skip, u64)> + '_ {
        self.counts.iter().map(|(&skip, &count)| (skip, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_reason_and_pools_what_senders_choose() {
        let mut counts = SkipCounts::new();
        assert!(counts.is_empty());
        for number in 0..1000 {
            counts.add(Skip::NotIpOrArp(number));
            counts.add(Skip::UnsupportedLinkType(LinkType(number)));
        }
        counts.add(Skip::NotIpOrArp(3));
        counts.add(Skip::Llc);
        assert_eq!(counts.total(), 2002);
        assert_eq!(counts.get(Skip::NotIpOrArp(3)), 2);
        assert_eq!(counts.get(Skip::NotIpOrArp(64)), 0);
        assert_eq!(counts.get(Skip::OtherEthertype), 1000 - 64);
        assert_eq!(counts.get(Skip::OtherLinkType), 1000 - 64);
        assert_eq!(counts.iter().count(), 2 * 64 + 3);
    }

    #[test]
    fn shows_the_number() {
        assert_eq!(Skip::NotIpOrArp(0x88cc).to_string(), "not_ip_or_arp 0x88cc");
        assert_eq!(Skip::UnsupportedLinkType(LinkType(105)).to_string(), "unsupported_link_type 105");
        assert_eq!(Skip::BadIpHeader.to_string(), "bad_ip_header");
    }
}
