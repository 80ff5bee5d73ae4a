//! A packet built layer by layer, outermost first.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Starts a packet with an Ethernet header, 02:00:00:00:00:01 to 02:00:00:00:00:02.
pub fn eth() -> PacketBuilder {
    PacketBuilder { macs: Some([[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]]), ..PacketBuilder::new() }
}

/// Starts a packet without link header, for raw IP link types or to stand behind a header of one's own.
pub fn ip() -> PacketBuilder {
    PacketBuilder::new()
}

/// A packet under construction: link, network, transport, payload. Lengths and checksums are right unless overridden.
///
/// ```
/// use nf_tests::eth;
/// let query = eth().vlan(7).ipv4([10, 0, 0, 1], [10, 0, 0, 53]).udp(40_000, 53).payload(b"?").build();
/// assert_eq!(query.len(), 14 + 4 + 20 + 8 + 1);
/// ```
#[derive(Debug, Clone)]
pub struct PacketBuilder {
    macs: Option<[[u8; 6]; 2]>,
    tags: Vec<(u16, u16)>,
    ether_type: Option<u16>,
    network: Network,
    ttl: u8,
    id: u32,
    fragment: Option<(u16, bool)>,
    extensions: Vec<(u8, Vec<u8>)>,
    total_length: Option<u16>,
    transport: Transport,
    payload: Vec<u8>,
    padding: usize,
}

#[derive(Debug, Clone)]
enum Network {
    None,
    V4(Ipv4Addr, Ipv4Addr),
    V6(Ipv6Addr, Ipv6Addr),
    Arp { operation: u16, sender: Ipv4Addr, target: Ipv4Addr },
}

#[derive(Debug, Clone)]
enum Transport {
    None { protocol: u8 },
    Tcp { ports: [u16; 2], seq: u32, ack: u32, flags: u8, window: u16, options: Vec<u8> },
    Udp { ports: [u16; 2] },
    Icmp { kind: u8, code: u8, rest: [u8; 4] },
}

impl PacketBuilder {
    fn new() -> Self {
        Self {
            macs: None,
            tags: Vec::new(),
            ether_type: None,
            network: Network::None,
            ttl: 64,
            id: 0,
            fragment: None,
            extensions: Vec::new(),
            total_length: None,
            transport: Transport::None { protocol: 253 },
            payload: Vec::new(),
            padding: 0,
        }
    }

    /// Hardware addresses, sender first.
    pub fn macs(mut self, src: [u8; 6], dst: [u8; 6]) -> Self {
        self.macs = Some([src, dst]);
        self
    }

    /// Adds a VLAN tag (802.1Q) inside those already there.
    pub fn vlan(self, id: u16) -> Self {
        self.tag(0x8100, id)
    }

    /// Adds a tag with a tag protocol of one's own: 0x88a8 is 802.1ad.
    pub fn tag(mut self, protocol: u16, id: u16) -> Self {
        self.tags.push((protocol, id));
        self
    }

    /// Overrides the EtherType; the payload follows it where no network layer was given.
    pub fn ether_type(mut self, ether_type: u16) -> Self {
        self.ether_type = Some(ether_type);
        self
    }

    /// IPv4 without options.
    pub fn ipv4(mut self, src: impl Into<Ipv4Addr>, dst: impl Into<Ipv4Addr>) -> Self {
        self.network = Network::V4(src.into(), dst.into());
        self
    }

    /// IPv6.
    pub fn ipv6(mut self, src: impl Into<Ipv6Addr>, dst: impl Into<Ipv6Addr>) -> Self {
        self.network = Network::V6(src.into(), dst.into());
        self
    }

    /// IPv4 or IPv6, by the addresses.
    ///
    /// # Panics
    /// Where one address is of each kind.
    pub fn ip(self, src: impl Into<IpAddr>, dst: impl Into<IpAddr>) -> Self {
        match (src.into(), dst.into()) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => self.ipv4(src, dst),
            (IpAddr::V6(src), IpAddr::V6(dst)) => self.ipv6(src, dst),
            (src, dst) => panic!("{src} and {dst} are not of one kind"),
        }
    }

    /// ARP: `sender` asks who has `target`.
    pub fn arp_request(mut self, sender: impl Into<Ipv4Addr>, target: impl Into<Ipv4Addr>) -> Self {
        self.network = Network::Arp { operation: 1, sender: sender.into(), target: target.into() };
        self
    }

    /// ARP: `sender` tells `target` its hardware address.
    pub fn arp_reply(mut self, sender: impl Into<Ipv4Addr>, target: impl Into<Ipv4Addr>) -> Self {
        self.network = Network::Arp { operation: 2, sender: sender.into(), target: target.into() };
        self
    }

    /// Time to live or hop limit; 64 unless given.
    pub fn ttl(mut self, ttl: u8) -> Self {
        self.ttl = ttl;
        self
    }

    /// Identification, of which IPv4 writes the lower half.
    pub fn id(mut self, id: u32) -> Self {
        self.id = id;
        self
    }

    /// Makes the packet a fragment at `offset` bytes (a multiple of 8). Where `offset` is above 0 the transport header
    /// is left out and the payload is what the fragment carries.
    pub fn fragment(mut self, offset: u16, more: bool) -> Self {
        self.fragment = Some((offset, more));
        self
    }

    /// Adds an IPv6 extension header: its number, and its bytes with the first (the next header) filled in on building.
    pub fn extension(mut self, number: u8, bytes: &[u8]) -> Self {
        self.extensions.push((number, bytes.to_vec()));
        self
    }

    /// Overrides IPv4's total length or IPv6's payload length.
    pub fn total_length(mut self, length: u16) -> Self {
        self.total_length = Some(length);
        self
    }

    /// TCP: no flags, sequence and acknowledgement 0, window 64240.
    pub fn tcp(mut self, src_port: u16, dst_port: u16) -> Self {
        let ports = [src_port, dst_port];
        self.transport = Transport::Tcp { ports, seq: 0, ack: 0, flags: 0, window: 64_240, options: Vec::new() };
        self
    }

    /// UDP.
    pub fn udp(mut self, src_port: u16, dst_port: u16) -> Self {
        self.transport = Transport::Udp { ports: [src_port, dst_port] };
        self
    }

    /// ICMP, or ICMPv6 behind IPv6, with the four bytes behind the checksum.
    pub fn icmp(mut self, kind: u8, code: u8, rest: [u8; 4]) -> Self {
        self.transport = Transport::Icmp { kind, code, rest };
        self
    }

    /// An ICMP or ICMPv6 echo request.
    pub fn echo_request(self, id: u16, seq: u16) -> Self {
        let kind = if self.is_v6() { 128 } else { 8 };
        self.echo(kind, id, seq)
    }

    /// An ICMP or ICMPv6 echo reply.
    pub fn echo_reply(self, id: u16, seq: u16) -> Self {
        let kind = if self.is_v6() { 129 } else { 0 };
        self.echo(kind, id, seq)
    }

    fn echo(self, kind: u8, id: u16, seq: u16) -> Self {
        let ([a, b], [c, d]) = (id.to_be_bytes(), seq.to_be_bytes());
        self.icmp(kind, 0, [a, b, c, d])
    }

    /// Any other IP protocol, the payload directly behind the IP header.
    pub fn protocol(mut self, protocol: u8) -> Self {
        self.transport = Transport::None { protocol };
        self
    }

    /// Adds TCP flag bits.
    ///
    /// # Panics
    /// This and the other TCP methods: where [`tcp`](Self::tcp) was not called before.
    pub fn flags(self, bits: u8) -> Self {
        self.with_tcp(|_, _, flags, _, _| *flags |= bits)
    }

    /// Sets SYN.
    pub fn syn(self) -> Self {
        self.flags(0x02)
    }

    /// Sets FIN.
    pub fn fin(self) -> Self {
        self.flags(0x01)
    }

    /// Sets RST.
    pub fn rst(self) -> Self {
        self.flags(0x04)
    }

    /// Sets PSH.
    pub fn psh(self) -> Self {
        self.flags(0x08)
    }

    /// Sets ACK and the acknowledgement number.
    pub fn ack(self, number: u32) -> Self {
        self.with_tcp(|_, ack, flags, _, _| (*ack, *flags) = (number, *flags | 0x10))
    }

    /// Sequence number.
    pub fn seq(self, number: u32) -> Self {
        self.with_tcp(|seq, _, _, _, _| *seq = number)
    }

    /// Window.
    pub fn window(self, size: u16) -> Self {
        self.with_tcp(|_, _, _, window, _| *window = size)
    }

    /// TCP options, padded to 32 bits; at most 40 bytes.
    pub fn options(self, bytes: &[u8]) -> Self {
        self.with_tcp(|_, _, _, _, options| {
            *options = bytes.to_vec();
            options.resize(bytes.len().next_multiple_of(4), 0);
        })
    }

    fn with_tcp(mut self, change: impl FnOnce(&mut u32, &mut u32, &mut u8, &mut u16, &mut Vec<u8>)) -> Self {
        match &mut self.transport {
            Transport::Tcp { seq, ack, flags, window, options, .. } => change(seq, ack, flags, window, options),
            other => panic!("a TCP field was set on {other:?}"),
        }
        self
    }

    /// Payload bytes behind the transport header.
    pub fn payload(mut self, bytes: &[u8]) -> Self {
        self.payload = bytes.to_vec();
        self
    }

    /// Zeros behind the packet up to a frame of `size` bytes, as Ethernet pads to 60.
    pub fn padded_to(mut self, size: usize) -> Self {
        self.padding = size;
        self
    }

    /// The bytes.
    pub fn build(&self) -> Vec<u8> {
        let (ether_type, network) = match &self.network {
            Network::None => (0x88b5, self.payload.clone()),
            Network::V4(src, dst) => (0x0800, self.build_v4(*src, *dst)),
            Network::V6(src, dst) => (0x86dd, self.build_v6(*src, *dst)),
            Network::Arp { operation, sender, target } => (0x0806, self.build_arp(*operation, *sender, *target)),
        };
        let mut frame = Vec::new();
        if let Some([src, dst]) = self.macs {
            frame.extend_from_slice(&dst);
            frame.extend_from_slice(&src);
            for (protocol, id) in &self.tags {
                put16(&mut frame, [*protocol, *id]);
            }
            put16(&mut frame, [self.ether_type.unwrap_or(ether_type)]);
        }
        frame.extend(network);
        frame.resize(frame.len().max(self.padding), 0);
        frame
    }

    fn is_v6(&self) -> bool {
        matches!(self.network, Network::V6(..))
    }

    fn protocol_number(&self) -> u8 {
        match self.transport {
            Transport::None { protocol } => protocol,
            Transport::Tcp { .. } => 6,
            Transport::Udp { .. } => 17,
            Transport::Icmp { .. } if self.is_v6() => 58,
            Transport::Icmp { .. } => 1,
        }
    }

    fn build_v4(&self, src: Ipv4Addr, dst: Ipv4Addr) -> Vec<u8> {
        let body = self.build_transport(&[&src.octets()[..], &dst.octets()].concat());
        let (offset, more) = self.fragment.unwrap_or_default();
        let mut header = vec![0x45, 0];
        let length = self.total_length.unwrap_or((20 + body.len()) as u16);
        put16(&mut header, [length, self.id as u16, (offset / 8) | (u16::from(more) << 13)]);
        header.extend_from_slice(&[self.ttl, self.protocol_number(), 0, 0]);
        header.extend_from_slice(&src.octets());
        header.extend_from_slice(&dst.octets());
        let sum = checksum(&header);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        [header, body].concat()
    }

    fn build_v6(&self, src: Ipv6Addr, dst: Ipv6Addr) -> Vec<u8> {
        let mut extensions = self.extensions.clone();
        if let Some((offset, more)) = self.fragment {
            let mut bytes = vec![0, 0];
            put16(&mut bytes, [offset | u16::from(more)]);
            bytes.extend_from_slice(&self.id.to_be_bytes());
            extensions.push((44, bytes));
        }
        let protocol = self.protocol_number();
        let mut body = Vec::new();
        for (i, (_, bytes)) in extensions.iter().enumerate() {
            let at = body.len();
            body.extend_from_slice(bytes);
            body[at] = extensions.get(i + 1).map_or(protocol, |next| next.0);
        }
        body.extend(self.build_transport(&[&src.octets()[..], &dst.octets()].concat()));
        let mut header = vec![0x60, 0, 0, 0];
        put16(&mut header, [self.total_length.unwrap_or(body.len() as u16)]);
        header.extend_from_slice(&[extensions.first().map_or(protocol, |first| first.0), self.ttl]);
        header.extend_from_slice(&src.octets());
        header.extend_from_slice(&dst.octets());
        [header, body].concat()
    }

    fn build_arp(&self, operation: u16, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
        let [src, dst] = self.macs.unwrap_or_default();
        let mut bytes = vec![0, 1, 8, 0, 6, 4];
        put16(&mut bytes, [operation]);
        bytes.extend_from_slice(&src);
        bytes.extend_from_slice(&sender.octets());
        bytes.extend_from_slice(if operation == 1 { &[0; 6] } else { &dst });
        bytes.extend_from_slice(&target.octets());
        bytes
    }

    fn build_transport(&self, addresses: &[u8]) -> Vec<u8> {
        if self.fragment.is_some_and(|(offset, _)| offset > 0) {
            return self.payload.clone();
        }
        let (mut bytes, checksum_at) = match &self.transport {
            Transport::None { .. } => return self.payload.clone(),
            Transport::Tcp { ports, seq, ack, flags, window, options } => {
                let mut bytes = Vec::new();
                put16(&mut bytes, *ports);
                bytes.extend_from_slice(&seq.to_be_bytes());
                bytes.extend_from_slice(&ack.to_be_bytes());
                bytes.extend_from_slice(&[((20 + options.len()) as u8 / 4) << 4, *flags]);
                put16(&mut bytes, [*window, 0, 0]);
                bytes.extend_from_slice(options);
                (bytes, 16)
            }
            Transport::Udp { ports } => {
                let mut bytes = Vec::new();
                put16(&mut bytes, [ports[0], ports[1], (8 + self.payload.len()) as u16, 0]);
                (bytes, 6)
            }
            Transport::Icmp { kind, code, rest } => {
                let mut bytes = vec![*kind, *code, 0, 0];
                bytes.extend_from_slice(rest);
                (bytes, 2)
            }
        };
        bytes.extend_from_slice(&self.payload);
        let mut covered = Vec::new();
        // RFC 1071; ICMP over IPv4 alone has no pseudo header.
        if self.protocol_number() != 1 {
            covered.extend_from_slice(addresses);
            covered.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
            covered.extend_from_slice(&[0, 0, 0, self.protocol_number()]);
        }
        covered.extend_from_slice(&bytes);
        let sum = match checksum(&covered) {
            0 if checksum_at == 6 => 0xffff, // RFC 768: 0 would say that there is none
            sum => sum,
        };
        bytes[checksum_at..checksum_at + 2].copy_from_slice(&sum.to_be_bytes());
        bytes
    }
}

fn put16<const N: usize>(bytes: &mut Vec<u8>, numbers: [u16; N]) {
    for number in numbers {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| (u32::from(pair[0]) << 8) | pair.get(1).map_or(0, |&low| u32::from(low)));
    let sum = words.fold(0u32, |sum, word| ((sum + word) & 0xffff) + ((sum + word) >> 16));
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_packet_comes_out_byte_for_byte() {
        let bytes = eth().ipv4([10, 0, 0, 1], [10, 0, 0, 2]).id(1).tcp(1234, 80).syn().seq(1).payload(b"hi").build();
        let known = [
            &[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0][..],
            &[0x45, 0, 0, 42, 0, 1, 0, 0, 64, 6, 0x66, 0xcb, 10, 0, 0, 1, 10, 0, 0, 2],
            &[4, 0xd2, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xfa, 0xf0, 0x33, 0x61, 0, 0, b'h', b'i'],
        ]
        .concat();
        assert_eq!(bytes, known);
    }

    #[test]
    fn checksums_verify() {
        let v4 = ip().ipv4([192, 0, 2, 1], [192, 0, 2, 2]).udp(5, 6).payload(b"odd").build();
        assert_eq!(checksum(&v4[..20]), 0);
        let pseudo = [&v4[12..20], &[0, 17, 0, 11], &v4[20..]].concat();
        assert_eq!(checksum(&pseudo), 0);
        let echo = ip().ipv4([192, 0, 2, 1], [192, 0, 2, 2]).echo_request(7, 1).payload(b"abc").build();
        assert_eq!(checksum(&echo[20..]), 0);
    }

    #[test]
    fn extensions_are_chained() {
        let bytes = ip().ipv6([1; 16], [2; 16]).extension(0, &[0; 8]).fragment(0, true).id(9).udp(1, 2).build();
        assert_eq!((bytes[6], bytes[40], bytes[48]), (0, 44, 17));
        assert_eq!(&bytes[50..56], [0, 1, 0, 0, 0, 9]);
    }
}
