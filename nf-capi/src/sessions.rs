//! Sessions of a capture in memory, and what C is told of a session.

use crate::{
    argument::zeros,
    boundary::{Failure, Outcome},
    config::{nf_session_config, sessions_over},
    handle::{Handle, give},
    status::nf_status,
    version::NF_ALL_CORES,
};
use nf_core::{
    Capture, EndReason, Outcome as Answer, Session, SessionConfig, Sessions, decode::Protocol, session::Endpoint,
};
use std::{ffi::c_char, net::IpAddr};

/// Why a session ended. 1 to 5 are the numbers of IPFIX's flowEndReason (RFC 5102, section 5.11.3), where 6 is 3 as well.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum nf_end_reason {
    /// It has not ended.
    NF_END_OPEN = 0,
    /// Silence for longer than the idle timeout.
    NF_END_IDLE = 1,
    /// It was cut at the active timeout.
    NF_END_ACTIVE = 2,
    /// Both ends sent FIN.
    NF_END_FIN = 3,
    /// The capture ended, or the host said so.
    NF_END_FLUSHED = 4,
    /// Memory was at its limit.
    NF_END_EVICTED = 5,
    /// An end sent RST.
    NF_END_RST = 6,
}

impl nf_end_reason {
    fn of(reason: EndReason) -> Self {
        match reason {
            EndReason::Idle => Self::NF_END_IDLE,
            EndReason::Active => Self::NF_END_ACTIVE,
            EndReason::Fin => Self::NF_END_FIN,
            EndReason::Rst => Self::NF_END_RST,
            EndReason::Evicted => Self::NF_END_EVICTED,
            EndReason::Flushed => Self::NF_END_FLUSHED,
            _ => Self::NF_END_OPEN,
        }
    }
}

/// The reason that C gives for an end.
pub(crate) fn end_reason(number: i32) -> Outcome<EndReason> {
    variant!(number, "reason", {
        nf_end_reason::NF_END_IDLE => EndReason::Idle,
        nf_end_reason::NF_END_ACTIVE => EndReason::Active,
        nf_end_reason::NF_END_FIN => EndReason::Fin,
        nf_end_reason::NF_END_FLUSHED => EndReason::Flushed,
        nf_end_reason::NF_END_EVICTED => EndReason::Evicted,
        nf_end_reason::NF_END_RST => EndReason::Rst,
    })
}

/// Whether anybody answered, as far as is known.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum nf_outcome {
    /// Not yet known.
    NF_OUTCOME_PENDING = 0,
    /// TCP: no completed handshake, or no data in one of the directions; DNS: an error; otherwise: no packet back.
    NF_OUTCOME_FAILED = 1,
    /// TCP: data both ways; otherwise: a packet back.
    NF_OUTCOME_ANSWERED = 2,
}

/// A session in numbers. `orig` is the end that started it, `resp` the other.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct nf_session_summary {
    /// `sizeof(nf_session_summary)`; `NF_SESSION_SUMMARY_INIT` sets it.
    pub struct_size: usize,
    /// Time of the first packet, in nanoseconds since the Unix epoch.
    pub start_ns: i64,
    /// Time of the last packet.
    pub end_ns: i64,
    /// When it was ended, or looked at, by packet time.
    pub ended_ns: i64,
    /// Packets of orig.
    pub orig_packets: u64,
    /// Packets of resp.
    pub resp_packets: u64,
    /// Bytes of the frames of orig on the wire.
    pub orig_wire_bytes: u64,
    /// Bytes of the frames of resp on the wire.
    pub resp_wire_bytes: u64,
    /// Bytes of payload of orig on the wire.
    pub orig_payload_bytes: u64,
    /// Bytes of payload of resp on the wire.
    pub resp_payload_bytes: u64,
    /// 4 or 6; of ARP 4.
    pub ip_version: i32,
    /// The protocol number of IP; 256 for ARP.
    pub protocol: i32,
    /// The address of orig: of IPv4 the first four bytes, in network order.
    pub orig_addr: [u8; 16],
    /// The address of resp.
    pub resp_addr: [u8; 16],
    /// The port of orig; of ICMP queries their identifier; 0 where there is none.
    pub orig_port: u16,
    /// The port of resp.
    pub resp_port: u16,
    /// VLAN identifiers, outermost first, where they are part of the key.
    pub vlans: [u16; 2],
    /// The type of ICMP messages without an identifier; -1 for all others.
    pub icmp_type: i32,
    /// Why it ended: an `nf_end_reason`.
    pub end_reason: i32,
    /// Whether anybody answered: an `nf_outcome`.
    pub outcome: i32,
    /// Whether it began in the first minute of its table, which still learned what hosts do: 0 or 1.
    pub cold: i32,
    /// 0; room for what later versions tell.
    pub reserved: [u64; 4],
}
sized!(nf_session_summary, 176);

impl nf_session_summary {
    pub(crate) fn of(session: &Session) -> Self {
        let (key, stats) = (session.key(), session.stats());
        let (ip_version, orig_addr) = address(&key.orig);
        Self {
            struct_size: size_of::<Self>(),
            start_ns: session.start().as_nanos(),
            end_ns: session.end().as_nanos(),
            ended_ns: session.ended().as_nanos(),
            orig_packets: stats.orig.packets,
            resp_packets: stats.resp.packets,
            orig_wire_bytes: stats.orig.wire_bytes,
            resp_wire_bytes: stats.resp.wire_bytes,
            orig_payload_bytes: stats.orig.payload_bytes,
            resp_payload_bytes: stats.resp.payload_bytes,
            ip_version,
            protocol: protocol(key.protocol),
            orig_addr,
            resp_addr: address(&key.resp).1,
            orig_port: key.orig.port,
            resp_port: key.resp.port,
            vlans: key.vlans,
            icmp_type: key.icmp_type.map_or(-1, i32::from),
            end_reason: nf_end_reason::of(session.end_reason()) as i32,
            outcome: match session.outcome() {
                Answer::Pending => nf_outcome::NF_OUTCOME_PENDING,
                Answer::Failed => nf_outcome::NF_OUTCOME_FAILED,
                Answer::Answered => nf_outcome::NF_OUTCOME_ANSWERED,
            } as i32,
            cold: i32::from(session.is_cold()),
            reserved: [0; 4],
        }
    }

    /// Zeros, for events without a session.
    pub(crate) fn none() -> Self {
        Self { struct_size: size_of::<Self>(), ..zeros() }
    }
}

fn address(end: &Endpoint) -> (i32, [u8; 16]) {
    let mut bytes = [0; 16];
    match end.addr {
        IpAddr::V4(addr) => {
            bytes[..4].copy_from_slice(&addr.octets());
            (4, bytes)
        }
        IpAddr::V6(addr) => (6, addr.octets()),
    }
}

fn protocol(protocol: Protocol) -> i32 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Icmp => 1,
        Protocol::Icmpv6 => 58,
        Protocol::Arp => 256,
        Protocol::Other(number) => i32::from(number),
        _ => -1,
    }
}

/// How many threads C asks for: 0 is the calling one alone.
pub(crate) fn threads(number: u32) -> usize {
    match number {
        0 => 1,
        NF_ALL_CORES => 0,
        number => number as usize,
    }
}

/// The sessions of a capture, in the order in which they ended.
pub struct nf_sessions(Handle<Sessions>);
opaque!(nf_sessions, Sessions, "list of sessions");

/// Reads the sessions of a capture file into memory.
///
/// `config`: null for the defaults. `threads`: how many work, the calling one among them; 0 for that alone, `NF_ALL_CORES` for one
/// a core; the sessions do not depend on it. Ownership: `*sessions` is the caller's, to be freed with
/// `nf_sessions_free`. Errors: as `nf_capture_open` and `nf_capture_next`, and `NF_ERR_CONFIG`. Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_sessions_read(
    path: *const c_char,
    config: *const nf_session_config,
    threads: u32,
    sessions: *mut *mut nf_sessions,
) -> nf_status {
    boundary!({
        let (path, out) = (path!(path)?, out!(sessions)?);
        let config = sessions_over(config, &SessionConfig::default())?;
        let read = Capture::open(path)?.sessions(&config)?.threads(self::threads(threads)).collect()?;
        out.set(give(read));
        Ok(nf_status::NF_OK)
    })
}

/// Says how many sessions there are. Errors: none but null pointers. Threads: may be shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_sessions_count(sessions: *const nf_sessions, count: *mut usize) -> nf_status {
    boundary!({
        out!(count)?.set(shared!(sessions)?.len());
        Ok(nf_status::NF_OK)
    })
}

/// Gives a session in numbers.
///
/// `index`: from 0. Errors: `NF_ERR_ARGUMENT` where there are not so many. Threads: may be shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_sessions_get(
    sessions: *const nf_sessions,
    index: usize,
    summary: *mut nf_session_summary,
) -> nf_status {
    boundary!({
        let place = place!(summary)?;
        let sessions = shared!(sessions)?;
        let session = sessions.get(index).ok_or_else(|| beyond(index, sessions.len(), "sessions"))?;
        place.set(nf_session_summary::of(session));
        Ok(nf_status::NF_OK)
    })
}

/// Frees sessions. Null is fine.
///
/// Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_sessions_free(sessions: *mut nf_sessions) {
    boundary!(or () => free!(sessions));
}

/// There are not so many.
pub(crate) fn beyond(index: usize, count: usize, of: &str) -> Failure {
    Failure::argument(format!("index is {index}, it must be below {count}, as many {of} as there are"))
}
