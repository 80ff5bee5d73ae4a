//! Frames and packets as a host has them.

use crate::{
    argument::check_reserved,
    boundary::{Failure, Outcome},
};
use nf_core::{
    Frame, LinkType, Timestamp,
    decode::{Fragment, Packet, TcpFacts, TcpFlags, Transport},
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A frame as captured.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct nf_frame {
    /// `sizeof(nf_frame)`; `NF_FRAME_INIT` sets it.
    pub struct_size: usize,
    /// The bytes that were kept. Of the program while a call lasts, of the capture in what `nf_capture_next` gives.
    pub data: *const u8,
    /// When it was captured, in nanoseconds since the Unix epoch.
    pub time_ns: i64,
    /// How many bytes `data` has. Frames of more than 262144 are counted as skipped.
    pub captured_len: u32,
    /// How many bytes were on the wire; 0 for as many as were captured.
    pub wire_len: u32,
    /// What the first byte begins: a LINKTYPE_* number of a file, or a DLT_* number of libpcap. 1 is Ethernet, 101 (or 12) an IP
    /// packet without link header. Types that are not decoded are counted as skipped.
    pub link_type: i32,
    /// 0.
    pub reserved: i32,
}
sized!(nf_frame, 40);

/// How a packet is a piece of a larger one.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum nf_fragment {
    /// A whole packet.
    NF_FRAGMENT_WHOLE = 0,
    /// The first fragment, with the header of the transport.
    NF_FRAGMENT_FIRST = 1,
    /// A later fragment: its ports are those of the first, where the host knows them.
    NF_FRAGMENT_LATER = 2,
}

/// A packet that the host decoded. All numbers are in the byte order of the machine.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct nf_payload_info {
    /// `sizeof(nf_payload_info)`; `NF_PAYLOAD_INFO_INIT` sets it.
    pub struct_size: usize,
    /// When it was captured, in nanoseconds since the Unix epoch.
    pub time_ns: i64,
    /// The payload behind the header of the transport, as far as it was captured; may be null where `payload_captured` is 0.
    /// Of the program while the call lasts. Entropy and DNS are read from it.
    pub payload: *const u8,
    /// How many bytes `payload` has.
    pub payload_captured: u32,
    /// How many bytes of payload were sent, padding left out; at least `payload_captured`.
    pub payload_len: u32,
    /// Bytes of the IP packet, header and all behind it.
    pub network_len: u32,
    /// Bytes of the frame on the wire, link header included.
    pub wire_len: u32,
    /// Bytes of the frame that were captured; 0 for all.
    pub captured_len: u32,
    /// 4 or 6.
    pub ip_version: i32,
    /// The protocol number of IP: 6 TCP, 17 UDP, 1 ICMP, 58 ICMPv6, or another.
    pub protocol: i32,
    /// How it is a fragment: an `nf_fragment`.
    pub fragment: i32,
    /// Who sent it: of IPv4 the first four bytes, in network order.
    pub src: [u8; 16],
    /// Whom it was sent to.
    pub dst: [u8; 16],
    /// Ports of TCP, UDP, SCTP, DCCP and UDP-Lite; 0 for other protocols.
    pub src_port: u16,
    /// As `src_port`.
    pub dst_port: u16,
    /// VLAN identifiers, the outermost first; 0 where there is none.
    pub vlans: [u16; 2],
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// The flags of TCP as on the wire, FIN 0x01 to CWR 0x80.
    pub tcp_flags: u8,
    /// The window of TCP as on the wire, without scaling.
    pub tcp_window: u16,
    /// The sequence number of TCP.
    pub tcp_seq: u32,
    /// The acknowledgement number of TCP.
    pub tcp_ack: u32,
    /// Type and code of ICMP.
    pub icmp_type: u8,
    /// As `icmp_type`.
    pub icmp_code: u8,
    /// The identifier of an ICMP query or its answer, such as an echo.
    pub icmp_id: u16,
    /// Whether the ICMP message has that identifier: 0 or 1.
    pub icmp_has_id: i32,
}
sized!(nf_payload_info, 120);

/// The LINKTYPE_* number that a number of a host is: a few DLT_* numbers are others, and mean other things elsewhere.
fn link_type(number: i32) -> Outcome<LinkType> {
    let number = u16::try_from(number).map_err(|_| {
        Failure::argument(format!("link_type is {number}, it must be a LINKTYPE_* or DLT_* number, 0 to 65535"))
    })?;
    Ok(match number {
        // DLT_RAW is 14 on OpenBSD, where 12 is DLT_LOOP, and 12 on all other systems.
        12 if cfg!(target_os = "openbsd") => LinkType::LOOP,
        12 | 14 => LinkType::RAW,
        other => LinkType(other),
    })
}

impl nf_frame {
    /// The frame, whose bytes are borrowed for as long as the caller says.
    pub(crate) fn frame<'a>(&self) -> Outcome<Frame<'a>> {
        check_reserved(u64::from(self.reserved.cast_unsigned()))?;
        let data = array!(self.data, self.captured_len as usize, "data")?;
        let wire_len = if self.wire_len == 0 { self.captured_len } else { self.wire_len };
        let (time, link_type) = (Timestamp::from_nanos(self.time_ns), link_type(self.link_type)?);
        Ok(Frame { time, link_type, wire_len, data })
    }

    pub(crate) fn of(frame: &Frame<'_>) -> Self {
        Self {
            struct_size: size_of::<Self>(),
            data: frame.data.as_ptr(),
            time_ns: frame.time.as_nanos(),
            captured_len: frame.data.len() as u32,
            wire_len: frame.wire_len,
            link_type: i32::from(frame.link_type.0),
            reserved: 0,
        }
    }
}

impl nf_payload_info {
    /// The packet, whose payload is borrowed for as long as the caller says.
    pub(crate) fn packet<'a>(&self) -> Outcome<Packet<'a>> {
        if self.payload_captured > self.payload_len {
            let Self { payload_captured, payload_len, .. } = self;
            let message =
                format!("payload_captured is {payload_captured}, it must be at most payload_len, {payload_len}");
            return Err(Failure::argument(message));
        }
        let address = |bytes: [u8; 16]| match self.ip_version {
            4 => Ok(IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]))),
            6 => Ok(IpAddr::V6(Ipv6Addr::from(bytes))),
            other => Err(Failure::argument(format!("ip_version is {other}, it must be 4 or 6"))),
        };
        let captured_len = if self.captured_len == 0 { self.wire_len } else { self.captured_len };
        Ok(Packet {
            time: Timestamp::from_nanos(self.time_ns),
            wire_len: self.wire_len,
            captured_len,
            network_len: self.network_len,
            macs: None,
            vlans: self.vlans,
            src: address(self.src)?,
            dst: address(self.dst)?,
            ttl: self.ttl,
            transport: self.transport()?,
            payload_len: self.payload_len,
            payload: array!(self.payload, self.payload_captured as usize, "payload")?,
            truncated: self.payload_captured < self.payload_len,
            fragment: variant!(self.fragment, "fragment", {
                nf_fragment::NF_FRAGMENT_WHOLE => Fragment::Whole,
                nf_fragment::NF_FRAGMENT_FIRST => Fragment::First,
                nf_fragment::NF_FRAGMENT_LATER => Fragment::Later,
            })?,
        })
    }

    fn icmp_id(&self) -> Outcome<Option<u16>> {
        match self.icmp_has_id {
            0 => Ok(None),
            1 => Ok(Some(self.icmp_id)),
            other => Err(Failure::argument(format!("icmp_has_id is {other}, it must be 0 or 1"))),
        }
    }

    fn transport(&self) -> Outcome<Transport> {
        let Self { src_port, dst_port, tcp_seq: seq, tcp_ack: ack, tcp_window: window, .. } = *self;
        let protocol = u8::try_from(self.protocol)
            .map_err(|_| Failure::argument(format!("protocol is {}, it must be 0 to 255", self.protocol)))?;
        Ok(match protocol {
            6 => Transport::Tcp(TcpFacts { src_port, dst_port, seq, ack, flags: TcpFlags(self.tcp_flags), window }),
            17 => Transport::Udp { src_port, dst_port },
            33 | 132 | 136 => Transport::Ports { protocol, src_port, dst_port },
            1 | 58 => {
                Transport::Icmp { v6: protocol == 58, kind: self.icmp_type, code: self.icmp_code, id: self.icmp_id()? }
            }
            _ => Transport::Other { protocol },
        })
    }
}
