//! Columns that name which service a session used: to count how often each was seen, never to measure with.

use super::{schema::Column, spec::FlatColumn};
use crate::{decode::Protocol, session::Session};
use std::net::IpAddr;

/// The first of the ports that no service is assigned to (RFC 6335, section 6).
const DYNAMIC: u16 = 49152;

pub(super) fn columns() -> Vec<FlatColumn> {
    let catches =
        "uses of a service that nobody, or not these two hosts, had: first contacts, scans, shells on odd ports";
    vec![
        (
            Column::new(
                "service",
                "name",
                "protocol * 65536 + the destination's port, ports from 49152 on as one; for ICMP its type, 256 with an identifier; ARP is protocol 255",
            )
            .catches(catches),
            |session| f64::from(service(session)),
        ),
        (
            Column::new("pair_service", "name", "24 bits of a hash of source, destination and service").catches(catches),
            |session| f64::from(pair_service(session)),
        ),
    ]
}

/// 24 bits, which single precision holds exactly.
fn service(session: &Session) -> u32 {
    let key = session.key();
    let (protocol, port) = match key.protocol {
        Protocol::Tcp => (6, key.resp.port.min(DYNAMIC)),
        Protocol::Udp => (17, key.resp.port.min(DYNAMIC)),
        Protocol::Icmp => (1, icmp(key.icmp_type)),
        Protocol::Icmpv6 => (58, icmp(key.icmp_type)),
        // 255 is reserved among IP protocols.
        Protocol::Arp => (255, 0),
        Protocol::Other(number) => (number, key.resp.port.min(DYNAMIC)),
    };
    u32::from(protocol) << 16 | u32::from(port)
}

/// The identifier of other messages stands where ports do, and is another one each time.
fn icmp(kind: Option<u8>) -> u16 {
    kind.map_or(256, u16::from)
}

/// Of 10,000 known pairs one in 1700 new ones is taken for one of them.
fn pair_service(session: &Session) -> u32 {
    // FNV-1a, its 64 bits folded to 24 (Fowler, Noll and Vo).
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut eat = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    for end in [session.key().orig, session.key().resp] {
        match end.addr {
            IpAddr::V4(address) => eat(&address.octets()),
            IpAddr::V6(address) => eat(&address.octets()),
        }
    }
    eat(&service(session).to_le_bytes());
    ((hash ^ hash >> 24 ^ hash >> 48) & 0xff_ffff) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        FeatureSpec,
        detector::testing::{cut, frames},
    };
    use std::net::Ipv4Addr;

    fn names(change: impl Fn(&mut Session)) -> [f32; 2] {
        let mut session = cut(&frames(1, 1)).remove(0);
        change(&mut session);
        FeatureSpec::services().extract([&session]).unwrap().data().try_into().unwrap()
    }

    #[test]
    fn services_have_names_of_their_own_that_single_precision_holds() {
        let with = |protocol, port, kind| {
            names(move |s| (s.key.protocol, s.key.resp.port, s.key.icmp_type) = (protocol, port, kind))[0]
        };
        assert_eq!(with(Protocol::Tcp, 80, None), (6 * 65536 + 80) as f32);
        assert_eq!(with(Protocol::Arp, 0, None), (255 * 65536) as f32);
        assert_eq!(with(Protocol::Udp, 50_000, None), with(Protocol::Udp, 65_535, None));
        assert_ne!(with(Protocol::Udp, 49_151, None), with(Protocol::Udp, 65_535, None));
        assert_eq!(with(Protocol::Icmp, 7, None), with(Protocol::Icmp, 9, None), "identifiers");
        assert_ne!(with(Protocol::Icmp, 0, Some(3)), with(Protocol::Icmp, 0, None));
        assert_ne!(with(Protocol::Other(254), 65_535, None), with(Protocol::Other(254), 49_151, None));
    }

    #[test]
    fn pairs_tell_hosts_and_services_apart_but_not_their_own_port() {
        let host = |last| IpAddr::V4(Ipv4Addr::new(10, 9, 8, last));
        let with = |orig, resp, port, own| {
            names(move |s| {
                (s.key.orig.addr, s.key.resp.addr, s.key.resp.port) = (host(orig), host(resp), port);
                s.key.orig.port = own;
            })[1]
        };
        assert_eq!(with(1, 2, 80, 1000), with(1, 2, 80, 2000));
        let mut seen: Vec<u32> = Vec::new();
        for (orig, resp) in (0..40).flat_map(|orig| (0..40).map(move |resp| (orig, resp))) {
            seen.push(with(orig, resp, 80, 1) as u32);
        }
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() >= 1598 && seen[0] < 1 << 18 && seen[1597] > (1 << 24) - (1 << 18), "{}", seen.len());
        assert_ne!(with(1, 2, 80, 1), with(2, 1, 80, 1));
        assert_ne!(with(1, 2, 80, 1), with(1, 2, 81, 1));
    }
}
