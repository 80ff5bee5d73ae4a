//! The patterns of addresses and ports that label files are written in.

use crate::{Error, ErrorKind, Result};
use std::net::IpAddr;

/// A pattern of addresses.
#[derive(Debug, Clone)]
pub(super) enum Addresses {
    Any,
    Not(Box<Self>),
    One(IpAddr),
    /// Both bounds of a network or of a range, in the order of addresses.
    Between(IpAddr, IpAddr),
}

impl Addresses {
    pub(super) fn new(field: &str, pattern: &str) -> Result<Self> {
        let allowed = "*, an address, !pattern, a network such as 10.0.0.0/24 or a range such as 10.0.0.95-139";
        let refuse = || wrong(field, pattern, allowed);
        if pattern == "*" {
            return Ok(Self::Any);
        }
        if let Some(rest) = pattern.strip_prefix('!') {
            return match rest.starts_with('!') {
                true => Err(refuse()),
                false => Ok(Self::Not(Box::new(Self::new(field, rest)?))),
            };
        }
        if let Some((network, bits)) = pattern.split_once('/') {
            let (network, bits) = (network.parse().map_err(|_| refuse())?, bits.parse().map_err(|_| refuse())?);
            return network_bounds(network, bits).map(|(low, high)| Self::Between(low, high)).ok_or_else(refuse);
        }
        if let Some((low, last)) = pattern.split_once('-') {
            let IpAddr::V4(low) = low.parse().map_err(|_| refuse())? else { return Err(refuse()) };
            let [a, b, c, _] = low.octets();
            let high = IpAddr::from([a, b, c, last.parse().map_err(|_| refuse())?]);
            return Ok(Self::Between(IpAddr::V4(low), high));
        }
        pattern.parse().map(Self::One).map_err(|_| refuse())
    }

    pub(super) fn fit(&self, addr: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Not(pattern) => !pattern.fit(addr),
            Self::One(one) => *one == addr,
            Self::Between(low, high) => low.is_ipv4() == addr.is_ipv4() && (*low..=*high).contains(&addr),
        }
    }
}

/// First and last address of a network; `None` where the prefix is too long or bits behind it are set.
fn network_bounds(network: IpAddr, bits: u32) -> Option<(IpAddr, IpAddr)> {
    match network {
        IpAddr::V4(low) if bits <= 32 => {
            let host = u32::MAX.checked_shr(bits).unwrap_or(0);
            let low = u32::from(low);
            (low & host == 0).then(|| (IpAddr::V4(low.into()), IpAddr::V4((low | host).into())))
        }
        IpAddr::V6(low) if bits <= 128 => {
            let host = u128::MAX.checked_shr(bits).unwrap_or(0);
            let low = u128::from(low);
            (low & host == 0).then(|| (IpAddr::V6(low.into()), IpAddr::V6((low | host).into())))
        }
        _ => None,
    }
}

/// A pattern of ports.
#[derive(Debug, Clone)]
pub(super) enum Ports {
    Any,
    /// Inclusive ranges; none where the pattern holds no number.
    Of(Vec<(u16, u16)>),
}

impl Ports {
    pub(super) fn new(pattern: &str) -> Self {
        if pattern == "*" {
            return Self::Any;
        }
        let range = |part: &str| {
            let (low, high) = part.split_once('-').unwrap_or((part, part));
            Some((low.parse().ok()?, high.parse().ok()?))
        };
        Self::Of(pattern.split(',').filter_map(range).collect())
    }

    pub(super) fn fit(&self, port: u16) -> bool {
        match self {
            Self::Any => true,
            Self::Of(ranges) => ranges.iter().any(|&(low, high)| (low..=high).contains(&port)),
        }
    }
}

/// A field of a label file that holds what it may not.
pub(super) fn wrong(field: &str, value: &str, allowed: &str) -> Error {
    Error::new(ErrorKind::Data, format!("{field} is \"{value}\", it must be {allowed}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(pattern: &str, addr: &str) -> bool {
        Addresses::new("src", pattern).expect("valid").fit(addr.parse().expect("an address"))
    }

    #[test]
    fn addresses() {
        assert!(fit("*", "1.2.3.4") && fit("*", "::1"));
        assert!(fit("1.2.3.4", "1.2.3.4") && !fit("1.2.3.4", "1.2.3.5"));
        assert!(fit("10.1.0.0/16", "10.1.255.255") && !fit("10.1.0.0/16", "10.2.0.0") && fit("0.0.0.0/0", "9.9.9.9"));
        assert!(fit("!10.1.0.0/16", "10.2.0.0") && !fit("!10.1.0.0/16", "10.1.0.1") && fit("!10.1.0.0/16", "fe80::1"));
        assert!(fit("10.0.0.95-139", "10.0.0.95") && fit("10.0.0.95-139", "10.0.0.139"));
        assert!(!fit("10.0.0.95-139", "10.0.0.94") && !fit("10.0.0.95-139", "10.0.1.100"));
        assert!(fit("fe80::/10", "febf::1") && !fit("fe80::/10", "fec0::1") && !fit("0.0.0.0/0", "::1"));
        for pattern in ["", "10.0.0.0/33", "10.0.0.1/24", "10.0.0.1-300", "fe80::1-2", "host"] {
            let error = Addresses::new("dst", pattern).expect_err(pattern).to_string();
            assert!(error.starts_with(&format!("dst is \"{pattern}\", it must be *, an address,")), "{error}");
        }
    }

    #[test]
    fn ports() {
        let fit = |pattern: &str, port| Ports::new(pattern).fit(port);
        assert!(fit("*", 0) && fit("53", 53) && !fit("53", 54));
        assert!(fit("20-25,53,8000", 25) && fit("20-25,53,8000", 8000) && !fit("20-25,53,8000", 26));
        assert!(!fit("top200", 200) && !fit("list45", 45) && !fit("", 0), "names of port lists fit nothing");
    }
}
