//! How packets are cut into sessions, and how much memory that may take.

use super::{KeyKind, Looks};
use crate::{
    Error, Result,
    decode::{Decoder, Protocol},
    setters::setters,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How packets are cut into sessions.
///
/// ```
/// use nf_core::SessionConfig;
/// use std::time::Duration;
/// let config = SessionConfig::default().max_packets(256).idle_tcp(None).active(Some(Duration::from_secs(300)));
/// assert_eq!(config.max_packets, 256);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SessionConfig {
    /// What makes a session.
    pub key: KeyKind,
    /// Whether the VLAN identifiers are part of the key, for networks that use one address in several VLANs. Off: the
    /// same packets seen with and without a tag are one session.
    pub vlan_in_key: bool,
    /// How many tunnels inside each other are entered, so that sessions are those inside; 0 for the outer sessions
    /// alone. [`Decoder::DEFAULT_TUNNELS`], 4.
    pub tunnels: u8,
    /// Silence that ends a TCP session; `None` for never. 120 s.
    pub idle_tcp: Option<Duration>,
    /// Silence that ends a UDP session or one of another IP protocol; `None` for never. 60 s.
    pub idle_udp: Option<Duration>,
    /// Silence that ends an ICMP session; `None` for never. 20 s.
    pub idle_icmp: Option<Duration>,
    /// Silence that ends an ARP session; `None` for never. 3 s.
    pub idle_arp: Option<Duration>,
    /// Age at which a session is cut, to be continued by the next; `None` for never. 1800 s.
    pub active: Option<Duration>,
    /// How many packets a session keeps one by one, from its first; running statistics cover all. 1 to 65536, 64.
    pub max_packets: u32,
    /// How many captured payload bytes of a packet its entropy is taken over. 1 to 65535, 256.
    pub entropy_bytes: u32,
    /// Whether the context of each session is kept: what its source, its pair and its destination did lately. On.
    pub context: bool,
    /// When open sessions are looked at, so that what is strange about them is known before they end. At 8, 32, 128, 512
    /// and 2048 packets, in silence, and every 60 s.
    pub looks: Looks,
    /// Bytes that open sessions, ended ones that wait to be popped and the context may hold together, at least 1 MiB.
    /// 512 MiB. Beyond it sessions are ended early ([`Evicted`](super::EndReason::Evicted)): the one silent for longest of
    /// those that were not answered or are closed, or of the others where these hold half of what sessions hold.
    pub memory_limit: usize,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            key: KeyKind::FiveTuple,
            vlan_in_key: false,
            tunnels: Decoder::DEFAULT_TUNNELS,
            idle_tcp: Some(Duration::from_secs(120)),
            idle_udp: Some(Duration::from_secs(60)),
            idle_icmp: Some(Duration::from_secs(20)),
            idle_arp: Some(Duration::from_secs(3)),
            active: Some(Duration::from_secs(1800)),
            max_packets: 64,
            entropy_bytes: 256,
            context: true,
            looks: Looks::default(),
            memory_limit: 512 << 20,
        }
    }
}

setters!(SessionConfig {
    key: KeyKind,
    vlan_in_key: bool,
    tunnels: u8,
    idle_tcp: Option<Duration>,
    idle_udp: Option<Duration>,
    idle_icmp: Option<Duration>,
    idle_arp: Option<Duration>,
    active: Option<Duration>,
    max_packets: u32,
    entropy_bytes: u32,
    context: bool,
    looks: Looks,
    memory_limit: usize,
});

/// Sessions share one idle timeout within a class; there are this many classes.
pub(crate) const IDLE_CLASSES: usize = 4;

impl SessionConfig {
    /// Which idle timeout a protocol has, `0..IDLE_CLASSES`.
    pub(crate) fn idle_class(protocol: Protocol) -> usize {
        match protocol {
            Protocol::Tcp => 0,
            Protocol::Udp | Protocol::Other(_) => 1,
            Protocol::Icmp | Protocol::Icmpv6 => 2,
            Protocol::Arp => 3,
        }
    }

    /// The idle timeout of each class.
    pub(crate) fn idle_timeouts(&self) -> [Option<Duration>; IDLE_CLASSES] {
        [self.idle_tcp, self.idle_udp, self.idle_icmp, self.idle_arp]
    }

    /// Whether every value is within its range.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) that names the first value out of its range.
    pub fn check(&self) -> Result<()> {
        let timeouts = [
            ("idle_tcp", self.idle_tcp),
            ("idle_udp", self.idle_udp),
            ("idle_icmp", self.idle_icmp),
            ("idle_arp", self.idle_arp),
            ("active", self.active),
        ];
        for (name, timeout) in timeouts {
            if timeout == Some(Duration::ZERO) {
                return Err(Error::config(name, "0 s", "above 0 s, or None for never"));
            }
        }
        if !(1..=65536).contains(&self.max_packets) {
            return Err(Error::config("max_packets", self.max_packets, "1 to 65536"));
        }
        if !(1..=65535).contains(&self.entropy_bytes) {
            return Err(Error::config("entropy_bytes", self.entropy_bytes, "1 to 65535"));
        }
        self.looks.check()?;
        if self.memory_limit < 1 << 20 {
            return Err(Error::config("memory_limit", self.memory_limit, "at least 1048576 bytes"));
        }
        Ok(())
    }

    /// Whether sessions cut in this way mean what those of a detector's training mean, which were cut as `training` says.
    /// Timeouts, `max_packets`, `context` and `memory_limit` may differ.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) that names the first value that differs.
    pub fn check_alike(&self, training: &Self) -> Result<()> {
        let (given, own) = (self, training);
        let same = [
            ("key", given.key.to_string(), own.key.to_string()),
            ("vlan_in_key", given.vlan_in_key.to_string(), own.vlan_in_key.to_string()),
            ("tunnels", given.tunnels.to_string(), own.tunnels.to_string()),
            ("entropy_bytes", given.entropy_bytes.to_string(), own.entropy_bytes.to_string()),
            ("looks", given.looks.to_string(), own.looks.to_string()),
        ];
        match same.into_iter().find(|(_, given, own)| given != own) {
            Some((name, given, own)) => {
                Err(Error::config(name, given, &format!("{own} as in the detector's training")))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_values_out_of_range_by_name() {
        let message = |config: SessionConfig| config.check().expect_err("must refuse").to_string();
        assert_eq!(
            message(SessionConfig::default().idle_udp(Some(Duration::ZERO))),
            "idle_udp is 0 s, it must be above 0 s, or None for never"
        );
        assert_eq!(message(SessionConfig::default().max_packets(0)), "max_packets is 0, it must be 1 to 65536");
        assert_eq!(
            message(SessionConfig::default().entropy_bytes(70_000)),
            "entropy_bytes is 70000, it must be 1 to 65535"
        );
        assert_eq!(
            message(SessionConfig::default().memory_limit(9)),
            "memory_limit is 9, it must be at least 1048576 bytes"
        );
        SessionConfig::default().idle_tcp(None).active(None).check().expect("None switches a timeout off");
    }
}
