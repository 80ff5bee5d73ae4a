//! The transport header behind an IP header, read field by field so that packets cut by the snaplen keep what was
//! captured: 4 bytes are enough for ports, 14 for TCP's flags.

use super::{Skip, TcpFacts, TcpFlags, Transport};

/// ICMP: echo, timestamp, information and address mask, requests and replies (RFC 792, RFC 950).
const ICMP_WITH_ID: [u8; 8] = [0, 8, 13, 14, 15, 16, 17, 18];
/// ICMPv6: echo request and reply (RFC 4443).
const ICMPV6_WITH_ID: [u8; 2] = [128, 129];

/// Protocols other than TCP and UDP whose header begins with ports.
const DCCP: u8 = 33;
const SCTP: u8 = 132;
const UDP_LITE: u8 = 136;
const PORTS: u32 = 4;

const UDP_HEADER: u32 = 8;
const TCP_HEADER: u32 = 20;
const ICMP_HEADER: u32 = 8;
const ICMPV6_HEADER: u32 = 4;

/// Reads the transport header at the start of `data`, the captured bytes of `wire_len` bytes behind the IP header.
/// Gives the facts and the length of the header.
///
/// `whole` says that the IP header's length is that of the packet: not so for a first fragment, whose transport header
/// may continue in the next one. Fields that were not captured are 0; without the ports (or ICMP's type and code) it is
/// [`Transport::Other`] and all is payload.
pub(super) fn decode(protocol: u8, data: &[u8], wire_len: u32, whole: bool) -> Result<(Transport, u32), Skip> {
    let smallest = match protocol {
        6 => TCP_HEADER,
        17 => UDP_HEADER,
        1 => ICMP_HEADER,
        DCCP | SCTP | UDP_LITE => PORTS,
        58 => ICMPV6_HEADER,
        _ => 0,
    };
    if whole && wire_len < smallest {
        return Err(Skip::ShortTransportHeader);
    }
    let other = Ok((Transport::Other { protocol }, 0));
    match protocol {
        6 => match tcp(data) {
            Some((facts, header)) => {
                if header < TCP_HEADER || (whole && header > wire_len) {
                    return Err(Skip::BadTransportHeader);
                }
                Ok((Transport::Tcp(facts), header))
            }
            None => other,
        },
        17 => match (be16(data, 0), be16(data, 2)) {
            (Some(src_port), Some(dst_port)) => Ok((Transport::Udp { src_port, dst_port }, UDP_HEADER)),
            _ => other,
        },
        DCCP | SCTP | UDP_LITE => match (be16(data, 0), be16(data, 2)) {
            (Some(src_port), Some(dst_port)) => Ok((Transport::Ports { protocol, src_port, dst_port }, PORTS)),
            _ => other,
        },
        1 | 58 => match *data {
            [kind, code, ..] => {
                let v6 = protocol == 58;
                let has_id = if v6 { ICMPV6_WITH_ID.contains(&kind) } else { ICMP_WITH_ID.contains(&kind) };
                let id = be16(data, 4).filter(|_| has_id);
                Ok((Transport::Icmp { v6, kind, code, id }, ICMP_HEADER))
            }
            _ => other,
        },
        _ => other,
    }
}

/// TCP facts and the header's length in bytes; `None` without the ports.
fn tcp(data: &[u8]) -> Option<(TcpFacts, u32)> {
    let facts = TcpFacts {
        src_port: be16(data, 0)?,
        dst_port: be16(data, 2)?,
        seq: be32(data, 4),
        ack: be32(data, 8),
        flags: TcpFlags(data.get(13).copied().unwrap_or(0)),
        window: be16(data, 14).unwrap_or(0),
    };
    Some((facts, data.get(12).map_or(TCP_HEADER, |words| u32::from(words >> 4) * 4)))
}

fn be16(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

fn be32(data: &[u8], at: usize) -> u32 {
    data.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nf_tests::ip;

    fn segment() -> Vec<u8> {
        let packet =
            ip().ipv4([1; 4], [2; 4]).tcp(5, 6).seq(7).ack(8).psh().window(9).options(&[1; 4]).payload(b"data");
        packet.build().split_off(20)
    }

    #[test]
    fn cut_tcp_headers_keep_what_was_captured() {
        let bytes = segment();
        let whole =
            TcpFacts { src_port: 5, dst_port: 6, seq: 7, ack: 8, flags: TcpFlags::PSH | TcpFlags::ACK, window: 9 };
        let at = |captured: usize| decode(6, &bytes[..captured], 28, true);
        assert_eq!(at(28), Ok((Transport::Tcp(whole), 24)));
        assert_eq!(at(16), Ok((Transport::Tcp(whole), 24)));
        assert_eq!(at(14), Ok((Transport::Tcp(TcpFacts { window: 0, ..whole }), 24)));
        let ports = TcpFacts { seq: 0, ack: 0, flags: TcpFlags::default(), window: 0, ..whole };
        assert_eq!(at(4), Ok((Transport::Tcp(ports), 20)));
        assert_eq!(at(3), Ok((Transport::Other { protocol: 6 }, 0)));
    }

    #[test]
    fn headers_that_cannot_be_are_refused() {
        let mut bytes = segment();
        assert_eq!(decode(6, &bytes, 19, true), Err(Skip::ShortTransportHeader));
        assert_eq!(decode(6, &bytes, 23, true), Err(Skip::BadTransportHeader));
        assert!(decode(6, &bytes[..8], 8, false).is_ok()); // a tiny first fragment (RFC 1858)
        bytes[12] = 0x40;
        assert_eq!(decode(6, &bytes, 28, true), Err(Skip::BadTransportHeader));
        for (protocol, short) in [(17, 7), (1, 7), (58, 3)] {
            assert_eq!(decode(protocol, &[0; 8], short, true), Err(Skip::ShortTransportHeader));
        }
    }

    #[test]
    fn only_queries_of_icmp_have_an_id() {
        let icmp = |protocol, kind| match decode(protocol, &[kind, 1, 0, 0, 0x12, 0x34, 0, 0], 8, true) {
            Ok((Transport::Icmp { v6, kind: found, code: 1, id }, 8)) if found == kind && v6 == (protocol == 58) => id,
            other => panic!("{other:?}"),
        };
        assert_eq!(icmp(1, 8), Some(0x1234));
        assert_eq!(icmp(1, 3), None);
        assert_eq!(icmp(58, 129), Some(0x1234));
        assert_eq!(icmp(58, 8), None);
        assert_eq!(decode(47, &[1; 4], 4, true), Ok((Transport::Other { protocol: 47 }, 0)));
    }
}
