//! How packets are cut into sessions.

use crate::error::raised;
use nf_core::session::{KeyKind, Looks};
use pyo3::{exceptions::PyValueError, prelude::*};
use std::time::Duration;

/// How packets are cut into sessions. Every default is the engine's; times are in seconds.
///
/// Parameters
/// ----------
/// key : {"five_tuple", "host_pair"}
///     What makes a session: protocol, addresses and ports, or the two addresses alone.
/// vlan_in_key : bool
///     Whether the VLAN identifiers are part of the key.
/// tunnels : int
///     How many tunnels inside each other are entered.
/// idle_tcp, idle_udp, idle_icmp, idle_arp : float or None
///     Silence that ends a session, in seconds; ``None`` for never.
/// active : float or None
///     Age at which a session is cut, in seconds; ``None`` for never.
/// max_packets : int
///     How many packets a session keeps one by one, 1 to 65536.
/// entropy_bytes : int
///     How many payload bytes of a packet its entropy is taken over, 1 to 65535.
/// context : bool
///     Whether sessions know what their hosts did lately.
/// look_packets : list of int
///     At how many packets open sessions are looked at, rising from at least 2.
/// look_silence : bool
///     Whether open sessions are looked at in silence.
/// look_every : float or None
///     How often long sessions are looked at, in seconds, at least 1; ``None`` for never.
/// memory_limit : int
///     Bytes that open sessions and the context may hold together.
///
/// Raises
/// ------
/// ValueError
///     Where a value is out of its range.
///
/// Examples
/// --------
/// >>> import neural_filter as nf
/// >>> nf.SessionConfig(idle_tcp=60).idle_tcp
/// 60.0
#[pyclass(frozen, eq, module = "neural_filter", from_py_object)]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SessionConfig(pub(crate) nf_core::SessionConfig);

fn defaults() -> nf_core::SessionConfig {
    nf_core::SessionConfig::default()
}

fn seconds(duration: Option<Duration>) -> Option<f64> {
    duration.map(|duration| duration.as_secs_f64())
}

pub(crate) fn duration(name: &str, seconds: Option<f64>) -> PyResult<Option<Duration>> {
    let convert = |seconds: f64| {
        Duration::try_from_secs_f64(seconds)
            .map_err(|_| PyValueError::new_err(format!("{name} is {seconds}, it must be seconds, 0 or more, or None")))
    };
    seconds.map(convert).transpose()
}

fn key_name(key: KeyKind) -> &'static str {
    if key == KeyKind::HostPair { "host_pair" } else { "five_tuple" }
}

#[pymethods]
impl SessionConfig {
    #[new]
    #[pyo3(signature = (
        *,
        key=key_name(defaults().key),
        vlan_in_key=defaults().vlan_in_key,
        tunnels=defaults().tunnels,
        idle_tcp=seconds(defaults().idle_tcp),
        idle_udp=seconds(defaults().idle_udp),
        idle_icmp=seconds(defaults().idle_icmp),
        idle_arp=seconds(defaults().idle_arp),
        active=seconds(defaults().active),
        max_packets=defaults().max_packets,
        entropy_bytes=defaults().entropy_bytes,
        context=defaults().context,
        look_packets=defaults().looks.packets,
        look_silence=defaults().looks.silence,
        look_every=seconds(defaults().looks.every),
        memory_limit=defaults().memory_limit,
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords of Python")]
    fn new(
        key: &str,
        vlan_in_key: bool,
        tunnels: u8,
        idle_tcp: Option<f64>,
        idle_udp: Option<f64>,
        idle_icmp: Option<f64>,
        idle_arp: Option<f64>,
        active: Option<f64>,
        max_packets: u32,
        entropy_bytes: u32,
        context: bool,
        look_packets: Vec<u64>,
        look_silence: bool,
        look_every: Option<f64>,
        memory_limit: usize,
    ) -> PyResult<Self> {
        let Some(key) = [KeyKind::FiveTuple, KeyKind::HostPair].into_iter().find(|kind| key_name(*kind) == key) else {
            let message = format!("key is '{key}', it must be 'five_tuple' or 'host_pair'");
            return Err(PyValueError::new_err(message));
        };
        let every = duration("look_every", look_every)?;
        let config = defaults()
            .key(key)
            .vlan_in_key(vlan_in_key)
            .tunnels(tunnels)
            .idle_tcp(duration("idle_tcp", idle_tcp)?)
            .idle_udp(duration("idle_udp", idle_udp)?)
            .idle_icmp(duration("idle_icmp", idle_icmp)?)
            .idle_arp(duration("idle_arp", idle_arp)?)
            .active(duration("active", active)?)
            .max_packets(max_packets)
            .entropy_bytes(entropy_bytes)
            .context(context)
            .looks(Looks { packets: look_packets, silence: look_silence, every })
            .memory_limit(memory_limit);
        config.check().map_err(raised)?;
        Ok(Self(config))
    }

    /// What makes a session.
    #[getter]
    fn key(&self) -> &'static str {
        key_name(self.0.key)
    }

    /// Whether the VLAN identifiers are part of the key.
    #[getter]
    fn vlan_in_key(&self) -> bool {
        self.0.vlan_in_key
    }

    /// How many tunnels inside each other are entered.
    #[getter]
    fn tunnels(&self) -> u8 {
        self.0.tunnels
    }

    /// Silence that ends a TCP session, in seconds.
    #[getter]
    fn idle_tcp(&self) -> Option<f64> {
        seconds(self.0.idle_tcp)
    }

    /// Silence that ends a UDP session, in seconds.
    #[getter]
    fn idle_udp(&self) -> Option<f64> {
        seconds(self.0.idle_udp)
    }

    /// Silence that ends an ICMP session, in seconds.
    #[getter]
    fn idle_icmp(&self) -> Option<f64> {
        seconds(self.0.idle_icmp)
    }

    /// Silence that ends an ARP session, in seconds.
    #[getter]
    fn idle_arp(&self) -> Option<f64> {
        seconds(self.0.idle_arp)
    }

    /// Age at which a session is cut, in seconds.
    #[getter]
    fn active(&self) -> Option<f64> {
        seconds(self.0.active)
    }

    /// How many packets a session keeps.
    #[getter]
    fn max_packets(&self) -> u32 {
        self.0.max_packets
    }

    /// How many payload bytes of a packet its entropy is taken over.
    #[getter]
    fn entropy_bytes(&self) -> u32 {
        self.0.entropy_bytes
    }

    /// Whether sessions know what their hosts did lately.
    #[getter]
    fn context(&self) -> bool {
        self.0.context
    }

    /// At how many packets open sessions are looked at.
    #[getter]
    fn look_packets(&self) -> Vec<u64> {
        self.0.looks.packets.clone()
    }

    /// Whether open sessions are looked at in silence.
    #[getter]
    fn look_silence(&self) -> bool {
        self.0.looks.silence
    }

    /// How often long sessions are looked at, in seconds.
    #[getter]
    fn look_every(&self) -> Option<f64> {
        seconds(self.0.looks.every)
    }

    /// Bytes that open sessions and the context may hold together.
    #[getter]
    fn memory_limit(&self) -> usize {
        self.0.memory_limit
    }

    fn __repr__(&self) -> String {
        let time = |seconds: Option<f64>| seconds.map_or("None".to_owned(), |seconds| format!("{seconds}"));
        let flag = |flag: bool| if flag { "True" } else { "False" };
        let config = &self.0;
        format!(
            "SessionConfig(key='{}', vlan_in_key={}, tunnels={}, idle_tcp={}, idle_udp={}, idle_icmp={}, idle_arp={}, \
            active={}, max_packets={}, entropy_bytes={}, context={}, look_packets={:?}, look_silence={}, look_every={}, \
            memory_limit={})",
            self.key(),
            flag(config.vlan_in_key),
            config.tunnels,
            time(self.idle_tcp()),
            time(self.idle_udp()),
            time(self.idle_icmp()),
            time(self.idle_arp()),
            time(self.active()),
            config.max_packets,
            config.entropy_bytes,
            flag(config.context),
            config.looks.packets,
            flag(config.looks.silence),
            time(self.look_every()),
            config.memory_limit,
        )
    }
}
