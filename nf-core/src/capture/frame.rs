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
    /// Bytes that a frame of a capture file may hold: 256 KiB, the limit of libpcap (`MAXIMUM_SNAPLEN`) and Wireshark.
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
    /// Raw IPv4 or IPv6; LINKTYPE_RAW as some systems write it.
    pub const RAW_12: Self = Self(12);
    /// Raw IPv4 or IPv6; LINKTYPE_RAW as OpenBSD writes it.
    pub const RAW_14: Self = Self(14);
    /// Raw IPv4 or IPv6, told apart by the version field.
    pub const RAW: Self = Self(101);
    /// OpenBSD loopback: four bytes of address family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked capture v1, 16 bytes of header.
    pub const LINUX_SLL: Self = Self(113);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux cooked capture v2, 20 bytes of header.
    pub const LINUX_SLL2: Self = Self(276);

    /// The name without `LINKTYPE_`, where this crate decodes the type.
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::NULL => "NULL",
            Self::ETHERNET => "ETHERNET",
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
