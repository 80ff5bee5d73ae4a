//! How packets are cut into sessions.

use crate::{error::raised, number::Whole};
use nf_core::session::{KeyKind, Looks};
use pyo3::{
    exceptions::PyValueError,
    prelude::*,
    types::{PyDict, PyTuple},
};
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

const KEYWORDS: [&str; 15] = [
    "key",
    "vlan_in_key",
    "tunnels",
    "idle_tcp",
    "idle_udp",
    "idle_icmp",
    "idle_arp",
    "active",
    "max_packets",
    "entropy_bytes",
    "context",
    "look_packets",
    "look_silence",
    "look_every",
    "memory_limit",
];

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

#[pymethods]
impl SessionConfig {
    #[new]
    #[pyo3(signature = (
        *,
        key=defaults().key.to_string(),
        vlan_in_key=defaults().vlan_in_key,
        tunnels=defaults().tunnels.into(),
        idle_tcp=seconds(defaults().idle_tcp),
        idle_udp=seconds(defaults().idle_udp),
        idle_icmp=seconds(defaults().idle_icmp),
        idle_arp=seconds(defaults().idle_arp),
        active=seconds(defaults().active),
        max_packets=defaults().max_packets.into(),
        entropy_bytes=defaults().entropy_bytes.into(),
        context=defaults().context,
        look_packets=defaults().looks.packets.into_iter().map(Whole::from).collect(),
        look_silence=defaults().looks.silence,
        look_every=seconds(defaults().looks.every),
        memory_limit=Whole::from(defaults().memory_limit as u64),
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords of Python")]
    fn new(
        key: String,
        vlan_in_key: bool,
        tunnels: Whole,
        idle_tcp: Option<f64>,
        idle_udp: Option<f64>,
        idle_icmp: Option<f64>,
        idle_arp: Option<f64>,
        active: Option<f64>,
        max_packets: Whole,
        entropy_bytes: Whole,
        context: bool,
        look_packets: Vec<Whole>,
        look_silence: bool,
        look_every: Option<f64>,
        memory_limit: Whole,
    ) -> PyResult<Self> {
        let Some(key) = [KeyKind::FiveTuple, KeyKind::HostPair].into_iter().find(|kind| kind.to_string() == key) else {
            let message = format!("key is '{key}', it must be 'five_tuple' or 'host_pair'");
            return Err(PyValueError::new_err(message));
        };
        let look = |packets: Whole| packets.within("look_packets", 2..=u64::MAX.into());
        let look_packets = look_packets.into_iter().map(look).collect::<PyResult<Vec<u64>>>()?;
        let every = duration("look_every", look_every)?;
        let config = defaults()
            .key(key)
            .vlan_in_key(vlan_in_key)
            .tunnels(tunnels.within("tunnels", 0..=u8::MAX.into())?)
            .idle_tcp(duration("idle_tcp", idle_tcp)?)
            .idle_udp(duration("idle_udp", idle_udp)?)
            .idle_icmp(duration("idle_icmp", idle_icmp)?)
            .idle_arp(duration("idle_arp", idle_arp)?)
            .active(duration("active", active)?)
            .max_packets(max_packets.within("max_packets", 1..=65536)?)
            .entropy_bytes(entropy_bytes.within("entropy_bytes", 1..=65535)?)
            .context(context)
            .looks(Looks { packets: look_packets, silence: look_silence, every })
            .memory_limit(memory_limit.within("memory_limit", 1 << 20..=isize::MAX as i128)?);
        config.check().map_err(raised)?;
        Ok(Self(config))
    }

    /// What makes a session.
    #[getter]
    fn key(&self) -> String {
        self.0.key.to_string()
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

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let keyword = |name: &&str| Ok(format!("{name}={}", slf.getattr(*name)?.repr()?));
        Ok(format!("SessionConfig({})", KEYWORDS.iter().map(keyword).collect::<PyResult<Vec<_>>>()?.join(", ")))
    }

    /// What its pickle holds.
    fn __getnewargs_ex__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
        let keywords = PyDict::new(slf.py());
        KEYWORDS.iter().try_for_each(|name| keywords.set_item(name, slf.getattr(*name)?))?;
        Ok((PyTuple::empty(slf.py()), keywords))
    }
}
