//! The IP header and the extension headers behind it.

use super::Skip;
use etherparse::{Ipv6ExtensionSlice, LaxIpv4Slice, LaxIpv6Slice, err};
use std::net::IpAddr;

/// What an IP header says, and what it carries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ip<'a> {
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    pub(super) ttl: u8,
    /// Protocol behind the last extension header (or behind the fragment header of a later fragment).
    pub(super) protocol: u8,
    /// Bytes on the wire, headers included.
    pub(super) network_len: u32,
    /// Bytes on the wire behind all headers.
    pub(super) payload_len: u32,
    /// What was captured of them.
    pub(super) payload: &'a [u8],
    pub(super) fragment: Option<Fragment>,
}

/// A part of a packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fragment {
    pub(super) id: u32,
    /// Whether it holds the transport header.
    pub(super) first: bool,
}

const IPV6_HEADER: u32 = 40;
/// Twice what RFC 8200 section 4.1 has a use for.
const MAX_EXTENSIONS: usize = 16;
/// IEEE 802.3 clause 3.2.8: what is not longer may be padding.
const SMALLEST_ETHERNET_PAYLOAD: u32 = 46;
const NO_NEXT_HEADER: u8 = 59; // RFC 8200 section 4.7

impl<'a> Ip<'a> {
    /// Decodes a packet that took at most `wire_len` bytes on the wire; that length counts where the header gives none,
    /// as it is with segmentation offload and jumbograms. `data` may have link padding behind the packet.
    pub(super) fn decode(data: &'a [u8], wire_len: u32) -> Result<Self, Skip> {
        match data.first().map(|byte| byte >> 4) {
            Some(4) => Self::v4(data, wire_len),
            Some(6) => Self::v6(data, wire_len),
            Some(_) => Err(Skip::BadIpHeader),
            None => Err(Skip::ShortIpHeader),
        }
    }

    fn v4(data: &'a [u8], wire_len: u32) -> Result<Self, Skip> {
        let (packet, _) = LaxIpv4Slice::from_slice(data).map_err(|error| match error {
            err::ipv4::HeaderSliceError::Len(_) => Skip::ShortIpHeader,
            err::ipv4::HeaderSliceError::Content(_) => Skip::BadIpHeader,
        })?;
        let header = packet.header();
        let header_len = header.slice().len() as u32;
        let network_len = match u32::from(header.total_len()) {
            0 => wire_len,
            length if length < header_len => return Err(Skip::BadIpHeader),
            length => length,
        };
        let fragment = header
            .is_fragmenting_payload()
            .then(|| Fragment { id: header.identification().into(), first: header.fragments_offset().value() == 0 });
        let authentication = packet.extensions().auth.map_or(0, |auth| auth.slice().len() as u32);
        let carried = packet.payload();
        Ok(Self {
            src: header.source_addr().into(),
            dst: header.destination_addr().into(),
            ttl: header.ttl(),
            protocol: carried.ip_number.0,
            network_len,
            payload_len: network_len.saturating_sub(header_len + authentication),
            payload: carried.payload,
            fragment,
        }
        .clamped())
    }

    fn v6(data: &'a [u8], wire_len: u32) -> Result<Self, Skip> {
        if has_too_many_extensions(data) {
            return Err(Skip::BadIpHeader);
        }
        let (packet, _) = LaxIpv6Slice::from_slice(data).map_err(|error| match error {
            err::ipv6::HeaderSliceError::Len(_) => Skip::ShortIpHeader,
            err::ipv6::HeaderSliceError::Content(_) => Skip::BadIpHeader,
        })?;
        let header = packet.header();
        let network_len = match header.payload_length() {
            0 if header.next_header().0 != NO_NEXT_HEADER && wire_len > SMALLEST_ETHERNET_PAYLOAD => wire_len,
            length => IPV6_HEADER + u32::from(length),
        };
        let carried = packet.payload();
        let (mut protocol, mut payload, mut fragment) = (carried.ip_number.0, carried.payload, None);
        let extensions = packet.extensions();
        let mut headers_len = IPV6_HEADER + extensions.slice().len() as u32;
        if carried.fragmented {
            let mut at = IPV6_HEADER as usize;
            for extension in extensions.clone() {
                at += length(&extension);
                if let Ipv6ExtensionSlice::Fragment(header) = extension {
                    let first = header.fragment_offset().value() == 0;
                    fragment = Some(Fragment { id: header.identification(), first });
                    if !first {
                        // What follows is the middle of something, whatever the next header says.
                        protocol = header.next_header().0;
                        headers_len = at as u32;
                        payload = data.get(at..).unwrap_or_default();
                    }
                    break;
                }
            }
        }
        Ok(Self {
            src: header.source_addr().into(),
            dst: header.destination_addr().into(),
            ttl: header.hop_limit(),
            protocol,
            network_len,
            payload_len: network_len.saturating_sub(headers_len),
            payload,
            fragment,
        }
        .clamped())
    }

    /// The part of the packet that is within `wire_len` bytes.
    pub(super) fn within(mut self, wire_len: u32) -> Self {
        let excess = self.network_len.saturating_sub(wire_len);
        self.network_len -= excess;
        self.payload_len = self.payload_len.saturating_sub(excess);
        self.clamped()
    }

    /// Leaves link padding out of the payload.
    fn clamped(mut self) -> Self {
        self.payload = &self.payload[..self.payload.len().min(self.payload_len as usize)];
        self
    }
}

/// Whether more than [`MAX_EXTENSIONS`] headers stand before the payload.
fn has_too_many_extensions(data: &[u8]) -> bool {
    const OPTIONS: [u8; 3] = [0, 43, 60];
    const FRAGMENT: u8 = 44;
    const AUTHENTICATION: u8 = 51;
    let (mut next, mut at) = (data.get(6).copied(), IPV6_HEADER as usize);
    for _ in 0..=MAX_EXTENSIONS {
        let (Some(number), Some(&[following, length, offset, low])) =
            (next, data.get(at..).and_then(<[u8]>::first_chunk))
        else {
            return false;
        };
        at += match number {
            AUTHENTICATION => 4 * (2 + usize::from(length)),
            FRAGMENT if offset == 0 && low < 8 => 8,
            _ if OPTIONS.contains(&number) => 8 * (1 + usize::from(length)),
            _ => return false,
        };
        next = Some(following);
    }
    true
}

/// Bytes of an extension header.
fn length(extension: &Ipv6ExtensionSlice<'_>) -> usize {
    use Ipv6ExtensionSlice::{Authentication, DestinationOptions, Fragment, HopByHop, Routing};
    match extension {
        HopByHop(header) | Routing(header) | DestinationOptions(header) => header.slice().len(),
        Fragment(header) => header.slice().len(),
        Authentication(header) => header.slice().len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nf_tests::{PacketBuilder, ip};

    fn v4() -> PacketBuilder {
        ip().ipv4([10, 0, 0, 1], [10, 0, 0, 2]).protocol(99).payload(b"0123456789")
    }

    fn v6() -> PacketBuilder {
        ip().ipv6([1; 16], [2; 16]).protocol(99).payload(b"0123456789")
    }

    fn lengths(bytes: &[u8], wire_len: u32) -> (u32, u32, usize) {
        let ip = Ip::decode(bytes, wire_len).expect("decodes");
        (ip.network_len, ip.payload_len, ip.payload.len())
    }

    #[test]
    fn lengths_come_from_the_header() {
        for (bytes, header) in [(v4().build(), 20), (v6().build(), 40)] {
            let network = header + 10;
            let padded = [&bytes[..], &[0; 9]].concat();
            assert_eq!(lengths(&padded, network + 9), (network, 10, 10));
            assert_eq!(lengths(&bytes[..header as usize + 4], network), (network, 10, 4));
        }
    }

    #[test]
    fn without_a_length_the_wire_counts() {
        assert_eq!(lengths(&v4().total_length(0).build(), 5000), (5000, 4980, 10));
        assert_eq!(lengths(&v6().total_length(0).build(), 70_000), (70_000, 69_960, 10));
        let nothing = ip().ipv6([1; 16], [2; 16]).protocol(59).padded_to(46).build();
        assert_eq!(lengths(&nothing, 46), (40, 0, 0));
        assert_eq!(lengths(&v6().total_length(0).padded_to(46).build()[..46], 46), (40, 0, 0));
    }

    #[test]
    fn refuses_headers_that_are_short_or_wrong() {
        let skip = |bytes: &[u8]| Ip::decode(bytes, 100).expect_err("must refuse");
        assert_eq!(skip(&[]), Skip::ShortIpHeader);
        assert_eq!(skip(&v4().build()[..19]), Skip::ShortIpHeader);
        assert_eq!(skip(&v6().build()[..39]), Skip::ShortIpHeader);
        assert_eq!(skip(&[0x50; 40]), Skip::BadIpHeader);
        assert_eq!(skip(&[0x44; 40]), Skip::BadIpHeader);
        assert_eq!(skip(&v4().total_length(19).build()), Skip::BadIpHeader);
    }

    #[test]
    fn extension_headers_are_passed_and_not_payload() {
        let chain = v6().extension(0, &[0; 8]).extension(43, &[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).build();
        let ip = Ip::decode(&chain, 74).expect("decodes");
        assert_eq!((ip.protocol, ip.network_len, ip.payload_len, ip.payload), (99, 74, 10, &b"0123456789"[..]));
        let cut = Ip::decode(&chain[..50], 74).expect("decodes");
        assert_eq!((cut.protocol, cut.payload_len), (43, 26));
    }

    #[test]
    fn extension_headers_are_walked_up_to_a_bound() {
        let chain = |headers: usize| (0..headers).fold(v6(), |packet, _| packet.extension(60, &[0; 8])).build();
        let bytes = chain(MAX_EXTENSIONS);
        let whole = Ip::decode(&bytes, 178).expect("decodes");
        assert_eq!((whole.protocol, whole.payload), (99, &b"0123456789"[..]));
        for headers in [MAX_EXTENSIONS + 1, 8000] {
            assert_eq!(Ip::decode(&chain(headers), 65_000).expect_err("too many"), Skip::BadIpHeader);
        }
    }

    #[test]
    fn fragments_have_their_id_and_place() {
        for builder in [v4(), v6()] {
            let first = builder.clone().id(77).fragment(0, true).build();
            let found = Ip::decode(&first, 100).expect("decodes").fragment.expect("a fragment");
            assert!(found.first && found.id == 77);
            let later = builder.clone().id(77).fragment(1480, false).build();
            let ip = Ip::decode(&later, 100).expect("decodes");
            assert!(!ip.fragment.expect("a fragment").first);
            assert_eq!((ip.protocol, ip.payload_len, ip.payload), (99, 10, &b"0123456789"[..]));
        }
        // Destination options in the fragmentable part: only the first fragment has their header.
        let later = ip().ipv6([1; 16], [2; 16]).id(5).fragment(8, false).protocol(60).payload(&[9; 16]).build();
        let ip = Ip::decode(&later, 64).expect("decodes");
        assert_eq!((ip.protocol, ip.payload_len, ip.payload), (60, 16, &[9; 16][..]));
    }
}
