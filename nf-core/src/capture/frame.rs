//! A captured frame and the link type it starts with.

use crate::Timestamp;
use std::fmt;

/// One frame as captured: bytes with the link type they start with, and the time they were seen.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// When the frame was captured.
    pub time: Timestamp,
    /// What the first byte of `data` begins.
    pub link_type: LinkType,
    /// Bytes that were on the wire; at least `data.len()` unless the capture is damaged.
    pub wire_len: u32,
    /// The bytes that were kept (the captured length is `data.len()`).
    pub data: &'a [u8],
}

impl Frame<'_> {
    /// Bytes that a frame may hold: 256 KiB, the limit of libpcap (`MAXIMUM_SNAPLEN`) and Wireshark.
    pub const MAX_CAPTURED_LEN: u32 = 262_144;
}

/// A LINKTYPE_* number, as written in capture files. Hosts that hold a DLT_* number convert it at their border.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: four bytes of address family in the byte order of the capturing host.
    pub const NULL: Self = Self(0);
    /// Ethernet, without preamble and frame check sequence.
    pub const ETHERNET: Self = Self(1);
    /// PPP, with or without address and control.
    pub const PPP: Self = Self(9);
    /// Raw IPv4 or IPv6; LINKTYPE_RAW as some systems write it.
    pub const RAW_12: Self = Self(12);
    /// Raw IPv4 or IPv6; LINKTYPE_RAW as OpenBSD writes it.
    pub const RAW_14: Self = Self(14);
    /// PPP in HDLC-like framing, or Cisco HDLC.
    pub const PPP_SERIAL: Self = Self(50);
    /// PPPoE session packets, from the PPPoE header on.
    pub const PPP_ETHER: Self = Self(51);
    /// Raw IPv4 or IPv6, told apart by the version field.
    pub const RAW: Self = Self(101);
    /// Cisco HDLC.
    pub const C_HDLC: Self = Self(104);
    /// IEEE 802.11.
    pub const IEEE802_11: Self = Self(105);
    /// Frame relay.
    pub const FRELAY: Self = Self(107);
    /// OpenBSD loopback: four bytes of address family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked capture v1, 16 bytes of header.
    pub const LINUX_SLL: Self = Self(113);
    /// The packet filter log of OpenBSD.
    pub const PFLOG: Self = Self(117);
    /// IEEE 802.11 behind a radiotap header.
    pub const IEEE802_11_RADIOTAP: Self = Self(127);
    /// A frame of another link type behind a header of per-packet information.
    pub const PPI: Self = Self(192);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// The packet log of Linux's netfilter.
    pub const NFLOG: Self = Self(239);
    /// Linux cooked capture v2, 20 bytes of header.
    pub const LINUX_SLL2: Self = Self(276);
    /// Ethernet with the tag of a Broadcom switch behind the addresses.
    pub const DSA_TAG_BRCM: Self = Self(281);
    /// Ethernet with the tag of a Broadcom switch before the addresses.
    pub const DSA_TAG_BRCM_PREPEND: Self = Self(282);
    /// Ethernet with the tag of a Marvell switch behind the addresses.
    pub const DSA_TAG_DSA: Self = Self(284);
    /// Ethernet with the tag of a Marvell switch, under an EtherType of its own, behind the addresses.
    pub const DSA_TAG_EDSA: Self = Self(285);

    /// The name without `LINKTYPE_`, where this crate decodes the type.
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::NULL => "NULL",
            Self::ETHERNET => "ETHERNET",
            Self::PPP => "PPP",
            Self::PPP_SERIAL => "PPP_HDLC",
            Self::PPP_ETHER => "PPP_ETHER",
            Self::C_HDLC => "C_HDLC",
            Self::IEEE802_11 => "IEEE802_11",
            Self::FRELAY => "FRELAY",
            Self::PFLOG => "PFLOG",
            Self::IEEE802_11_RADIOTAP => "IEEE802_11_RADIOTAP",
            Self::PPI => "PPI",
            Self::NFLOG => "NFLOG",
            Self::DSA_TAG_BRCM => "DSA_TAG_BRCM",
            Self::DSA_TAG_BRCM_PREPEND => "DSA_TAG_BRCM_PREPEND",
            Self::DSA_TAG_DSA => "DSA_TAG_DSA",
            Self::DSA_TAG_EDSA => "DSA_TAG_EDSA",
            Self::RAW_12 | Self::RAW_14 | Self::RAW => "RAW",
            Self::LOOP => "LOOP",
            Self::LINUX_SLL => "LINUX_SLL",
            Self::IPV4 => "IPV4",
            Self::IPV6 => "IPV6",
            Self::LINUX_SLL2 => "LINUX_SLL2",
            _ => return None,
        })
    }
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "link type {}", self.0),
        }
    }
}
