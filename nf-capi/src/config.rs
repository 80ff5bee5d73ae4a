//! How packets are cut into sessions. 0 is the engine's own value: no default stands here.

use crate::{
    boundary::{Failure, Outcome},
    version::{NF_NEVER, switch, switched},
};
use nf_core::{
    SessionConfig,
    session::{KeyKind, Looks},
};
use std::{ptr, time::Duration};

/// What makes a session.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum nf_key {
    /// As the engine, or the detector, has it.
    NF_KEY_DEFAULT = 0,
    /// Protocol, addresses and ports (of ICMP its identifier or type).
    NF_KEY_FIVE_TUPLE = 1,
    /// The two addresses alone.
    NF_KEY_HOST_PAIR = 2,
}

/// How packets are cut into sessions. 0 in any field is the engine's default (docs/sessions.md), or, for a monitor or a
/// context, what the detector was trained with.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct nf_session_config {
    /// `sizeof(nf_session_config)`; `NF_SESSION_CONFIG_INIT` sets it.
    pub struct_size: usize,
    /// What makes a session: an `nf_key`.
    pub key: i32,
    /// Whether VLAN identifiers are part of the key: an `nf_switch`.
    pub vlan_in_key: i32,
    /// Whether sessions know what their hosts did lately: an `nf_switch`.
    pub context: i32,
    /// How many tunnels inside each other are entered, 1 to 255; -1 for none.
    pub tunnels: i32,
    /// Silence that ends a TCP session, in nanoseconds; `NF_NEVER` for never.
    pub idle_tcp_ns: i64,
    /// As `idle_tcp_ns`, of UDP and of all other protocols of IP.
    pub idle_udp_ns: i64,
    /// As `idle_tcp_ns`, of ICMP.
    pub idle_icmp_ns: i64,
    /// As `idle_tcp_ns`, of ARP.
    pub idle_arp_ns: i64,
    /// Age at which a session is cut, to be continued by the next, in nanoseconds; `NF_NEVER` for never.
    pub active_ns: i64,
    /// How often long sessions are looked at, in nanoseconds, at least 1 s; `NF_NEVER` for never.
    pub look_every_ns: i64,
    /// At how many packets open sessions are looked at, rising from at least 2; null for the default, and where `look_counts` is
    /// off. Of the program while the call lasts, of the library in what it gives.
    pub look_packets: *const u64,
    /// How many numbers `look_packets` has, at most 16.
    pub look_packet_count: usize,
    /// Whether open sessions are looked at in silence: an `nf_switch`.
    pub look_silence: i32,
    /// How many packets a session keeps one by one, 1 to 65536.
    pub max_packets: u32,
    /// How many payload bytes of a packet its entropy is taken over, 1 to 65535.
    pub entropy_bytes: u32,
    /// Whether open sessions are looked at when they have so many packets: an `nf_switch`.
    pub look_counts: i32,
    /// Bytes that sessions and context may hold together, at least 1 MiB. Beyond it some end early, those that nobody answered
    /// first, and are counted.
    pub memory_limit: u64,
}
sized!(nf_session_config, 112);

/// A time that C gives; `None` for as it is.
pub(crate) fn time(nanos: i64, name: &str) -> Outcome<Option<Option<Duration>>> {
    match nanos {
        0 => Ok(None),
        NF_NEVER => Ok(Some(None)),
        1.. => Ok(Some(Some(Duration::from_nanos(nanos.unsigned_abs())))),
        _ => {
            Err(Failure::argument(format!("{name} is {nanos}, it must be above 0 ns, 0 for the default, or NF_NEVER")))
        }
    }
}

/// A time that ends.
pub(crate) fn span(nanos: i64, name: &str) -> Outcome<Option<Duration>> {
    match time(nanos, name)? {
        Some(None) => {
            Err(Failure::argument(format!("{name} is NF_NEVER, it must be above 0 ns, or 0 for the default")))
        }
        time => Ok(time.flatten()),
    }
}

fn nanos(time: Option<Duration>) -> i64 {
    time.map_or(NF_NEVER, |time| i64::try_from(time.as_nanos()).unwrap_or(NF_NEVER))
}

impl nf_session_config {
    /// What it says over a base.
    pub(crate) fn over(&self, base: &SessionConfig) -> Outcome<SessionConfig> {
        let mut config = base.clone();
        let key = variant!(self.key, "key", {
            nf_key::NF_KEY_DEFAULT => None,
            nf_key::NF_KEY_FIVE_TUPLE => Some(KeyKind::FiveTuple),
            nf_key::NF_KEY_HOST_PAIR => Some(KeyKind::HostPair),
        })?;
        config.key = key.unwrap_or(config.key);
        config.vlan_in_key = switch(self.vlan_in_key, "vlan_in_key")?.unwrap_or(config.vlan_in_key);
        config.context = switch(self.context, "context")?.unwrap_or(config.context);
        config.looks.silence = switch(self.look_silence, "look_silence")?.unwrap_or(config.looks.silence);
        config.tunnels = match self.tunnels {
            0 => config.tunnels,
            -1 => 0,
            depth => u8::try_from(depth).map_err(|_| {
                Failure::argument(format!("tunnels is {depth}, it must be 1 to 255, 0 for the default, or -1"))
            })?,
        };
        let times = [
            (&mut config.idle_tcp, self.idle_tcp_ns, "idle_tcp_ns"),
            (&mut config.idle_udp, self.idle_udp_ns, "idle_udp_ns"),
            (&mut config.idle_icmp, self.idle_icmp_ns, "idle_icmp_ns"),
            (&mut config.idle_arp, self.idle_arp_ns, "idle_arp_ns"),
            (&mut config.active, self.active_ns, "active_ns"),
            (&mut config.looks.every, self.look_every_ns, "look_every_ns"),
        ];
        for (place, given, name) in times {
            *place = time(given, name)?.unwrap_or(*place);
        }
        // More than so many are refused by the engine, which need not be read for that.
        let looks = array!(self.look_packets, self.look_packet_count.min(17), "look_packets")?;
        config.looks.packets = match (switch(self.look_counts, "look_counts")?, looks) {
            (Some(false), []) => Vec::new(),
            (Some(false), _) => {
                return Err(Failure::argument("look_counts is off, look_packets must be null then"));
            }
            (Some(true), []) if config.looks.packets.is_empty() => Looks::default().packets,
            (_, []) => config.looks.packets,
            (_, looks) => looks.to_vec(),
        };
        if self.max_packets != 0 {
            config.max_packets = self.max_packets;
        }
        if self.entropy_bytes != 0 {
            config.entropy_bytes = self.entropy_bytes;
        }
        if self.memory_limit != 0 {
            config.memory_limit = usize::try_from(self.memory_limit).unwrap_or(usize::MAX);
        }
        config.check()?;
        Ok(config)
    }

    /// What a configuration is; `look_packets` borrows from it.
    pub(crate) fn of(config: &SessionConfig) -> Self {
        Self {
            struct_size: size_of::<Self>(),
            key: if config.key == KeyKind::HostPair { nf_key::NF_KEY_HOST_PAIR } else { nf_key::NF_KEY_FIVE_TUPLE }
                as i32,
            vlan_in_key: switched(config.vlan_in_key),
            context: switched(config.context),
            tunnels: if config.tunnels == 0 { -1 } else { i32::from(config.tunnels) },
            idle_tcp_ns: nanos(config.idle_tcp),
            idle_udp_ns: nanos(config.idle_udp),
            idle_icmp_ns: nanos(config.idle_icmp),
            idle_arp_ns: nanos(config.idle_arp),
            active_ns: nanos(config.active),
            look_every_ns: nanos(config.looks.every),
            look_packets: if config.looks.packets.is_empty() { ptr::null() } else { config.looks.packets.as_ptr() },
            look_packet_count: config.looks.packets.len(),
            look_silence: switched(config.looks.silence),
            max_packets: config.max_packets,
            entropy_bytes: config.entropy_bytes,
            look_counts: switched(!config.looks.packets.is_empty()),
            memory_limit: config.memory_limit as u64,
        }
    }
}

/// What C says over a base; null says nothing.
pub(crate) fn sessions_over(config: *const nf_session_config, base: &SessionConfig) -> Outcome<SessionConfig> {
    if config.is_null() {
        return Ok(base.clone());
    }
    given!(config, "session config")?.over(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Zeros, as `NF_SESSION_CONFIG_INIT` makes them.
    fn init() -> nf_session_config {
        nf_session_config { struct_size: size_of::<nf_session_config>(), ..crate::argument::zeros() }
    }

    #[test]
    fn zeros_are_the_base_and_what_is_given_comes_back() {
        let base = SessionConfig::default().max_packets(7).idle_udp(None).tunnels(0);
        assert_eq!(init().over(&base).unwrap(), base);
        let back = nf_session_config::of(&base);
        assert_eq!((back.idle_udp_ns, back.tunnels, back.max_packets), (NF_NEVER, -1, 7));
        assert_eq!(back.over(&SessionConfig::default()).unwrap(), base);
        let host_pair = nf_session_config { key: 2, idle_tcp_ns: 5_000_000_000, vlan_in_key: 1, ..init() };
        let expected = base.clone().key(KeyKind::HostPair).idle_tcp(Some(Duration::from_secs(5))).vlan_in_key(true);
        assert_eq!(host_pair.over(&base).unwrap(), expected);
    }

    #[test]
    fn looks_at_packet_counts_are_switched_off_and_on() {
        let none = SessionConfig::default().looks(Looks::none());
        let back = nf_session_config::of(&none);
        assert_eq!((back.look_counts, back.look_silence, back.look_packet_count), (2, 2, 0));
        assert_eq!(back.over(&SessionConfig::default()).unwrap(), none);
        let off = nf_session_config { look_counts: 2, ..init() };
        assert!(off.over(&SessionConfig::default()).unwrap().looks.packets.is_empty());
        let on = nf_session_config { look_counts: 1, ..init() };
        assert_eq!(on.over(&none).unwrap().looks.packets, Looks::default().packets);
        let looks = [4_u64, 9];
        let given = nf_session_config { look_packets: looks.as_ptr(), look_packet_count: 2, ..init() };
        assert_eq!(given.over(&none).unwrap().looks.packets, looks);
        let both = nf_session_config { look_counts: 2, ..given };
        let message = both.over(&none).unwrap_err().message;
        assert_eq!(message, "look_counts is off, look_packets must be null then");
    }

    #[test]
    fn mistakes_are_said_by_name() {
        let base = SessionConfig::default();
        let said = |config: nf_session_config| config.over(&base).unwrap_err().message;
        let key = said(nf_session_config { key: 9, ..init() });
        let known = "0 (NF_KEY_DEFAULT), 1 (NF_KEY_FIVE_TUPLE), 2 (NF_KEY_HOST_PAIR)";
        assert_eq!(key, format!("key is 9, it must be {known}"));
        let time = said(nf_session_config { active_ns: -4, ..init() });
        assert_eq!(time, "active_ns is -4, it must be above 0 ns, 0 for the default, or NF_NEVER");
        let packets = said(nf_session_config { max_packets: 1 << 20, ..init() });
        assert_eq!(packets, "max_packets is 1048576, it must be 1 to 65536");
        let looks = [5_u64, 4];
        let looks = nf_session_config { look_packets: looks.as_ptr(), look_packet_count: 2, ..init() };
        assert_eq!(said(looks), "packets of looks is [5, 4], it must be rising from at least 2, at most 16 of them");
    }
}
