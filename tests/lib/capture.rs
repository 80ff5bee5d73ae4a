//! Capture files written to memory.

/// Bytes of a 32- or 16-bit number in the byte order of a file.
trait Put {
    fn put(self, bytes: &mut Vec<u8>, big_endian: bool);
}

macro_rules! put {
    ($($number:ty),*) => {$(
        impl Put for $number {
            fn put(self, bytes: &mut Vec<u8>, big_endian: bool) {
                bytes.extend_from_slice(&if big_endian { self.to_be_bytes() } else { self.to_le_bytes() });
            }
        }
    )*};
}

put!(u16, u32, u64, i64);

/// Writes classic pcap: little-endian with nanoseconds and Ethernet unless told otherwise, before the first packet.
#[derive(Debug, Clone)]
pub struct PcapWriter {
    big_endian: bool,
    micros: bool,
    link_type: u32,
    packets: Vec<(u64, u32, Vec<u8>)>,
}

impl Default for PcapWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl PcapWriter {
    /// A file without packets.
    pub fn new() -> Self {
        Self { big_endian: false, micros: false, link_type: 1, packets: Vec::new() }
    }

    /// Writes numbers with the highest byte first.
    pub fn big_endian(self) -> Self {
        Self { big_endian: true, ..self }
    }

    /// Writes times in microseconds.
    pub fn micros(self) -> Self {
        Self { micros: true, ..self }
    }

    /// The link type field, 32 bits with flags.
    pub fn link_type(self, link_type: u32) -> Self {
        Self { link_type, ..self }
    }

    /// Adds a packet at `time` nanoseconds since the epoch.
    pub fn packet(self, time: u64, bytes: &[u8]) -> Self {
        self.cut_packet(time, bytes, bytes.len() as u32)
    }

    /// Adds a packet of which `wire_len` bytes were on the wire.
    pub fn cut_packet(mut self, time: u64, bytes: &[u8], wire_len: u32) -> Self {
        self.packets.push((time, wire_len, bytes.to_vec()));
        self
    }

    /// The bytes of the file.
    pub fn finish(&self) -> Vec<u8> {
        let (mut bytes, big) = (Vec::new(), self.big_endian);
        let magic: u32 = if self.micros { 0xa1b2_c3d4 } else { 0xa1b2_3c4d };
        magic.put(&mut bytes, big);
        2u16.put(&mut bytes, big);
        4u16.put(&mut bytes, big);
        for field in [0, 0, 262_144, self.link_type] {
            field.put(&mut bytes, big);
        }
        for (time, wire_len, packet) in &self.packets {
            let fraction = (time % 1_000_000_000) / if self.micros { 1000 } else { 1 };
            for field in [(time / 1_000_000_000) as u32, fraction as u32, packet.len() as u32, *wire_len] {
                field.put(&mut bytes, big);
            }
            bytes.extend_from_slice(packet);
        }
        bytes
    }
}

/// Writes pcapng block by block; each method adds one block of the section begun last.
#[derive(Debug, Clone, Default)]
pub struct PcapngWriter {
    bytes: Vec<u8>,
    big_endian: bool,
}

impl PcapngWriter {
    /// An empty file.
    pub fn new() -> Self {
        Self::default()
    }

    /// A section header; it sets the byte order of what follows.
    pub fn section(mut self, big_endian: bool) -> Self {
        self.big_endian = big_endian;
        let mut body = Vec::new();
        0x1a2b_3c4du32.put(&mut body, big_endian);
        1u16.put(&mut body, big_endian);
        0u16.put(&mut body, big_endian);
        (-1i64).put(&mut body, big_endian);
        self.block(0x0a0d_0d0a, &body)
    }

    /// An interface with `if_tsresol` and `if_tsoffset` (seconds) where given; `snaplen` 0 is no limit.
    pub fn interface(self, link_type: u16, snaplen: u32, resolution: Option<u8>, offset: Option<i64>) -> Self {
        let (mut body, big) = (Vec::new(), self.big_endian);
        link_type.put(&mut body, big);
        0u16.put(&mut body, big);
        snaplen.put(&mut body, big);
        if let Some(resolution) = resolution {
            9u16.put(&mut body, big);
            1u16.put(&mut body, big);
            body.extend_from_slice(&[resolution, 0, 0, 0]);
        }
        if let Some(offset) = offset {
            14u16.put(&mut body, big);
            8u16.put(&mut body, big);
            offset.put(&mut body, big);
        }
        0u32.put(&mut body, big);
        self.block(1, &body)
    }

    /// An enhanced packet block; `time` in the interface's units, with an option behind the bytes.
    pub fn enhanced(self, interface: u32, time: u64, bytes: &[u8], wire_len: u32) -> Self {
        let (mut body, big) = (Vec::new(), self.big_endian);
        for field in [interface, (time >> 32) as u32, time as u32, bytes.len() as u32, wire_len] {
            field.put(&mut body, big);
        }
        padded(&mut body, bytes);
        2u16.put(&mut body, big); // epb_flags
        4u16.put(&mut body, big);
        1u32.put(&mut body, big);
        0u32.put(&mut body, big);
        self.block(6, &body)
    }

    /// A simple packet block.
    pub fn simple(self, bytes: &[u8], wire_len: u32) -> Self {
        let mut body = Vec::new();
        wire_len.put(&mut body, self.big_endian);
        padded(&mut body, bytes);
        self.block(3, &body)
    }

    /// An obsolete packet block.
    pub fn obsolete(self, interface: u16, time: u64, bytes: &[u8], wire_len: u32) -> Self {
        let (mut body, big) = (Vec::new(), self.big_endian);
        interface.put(&mut body, big);
        7u16.put(&mut body, big); // drops
        for field in [(time >> 32) as u32, time as u32, bytes.len() as u32, wire_len] {
            field.put(&mut body, big);
        }
        padded(&mut body, bytes);
        self.block(2, &body)
    }

    /// Any block: `body` without lengths, padded to 32 bits.
    pub fn block(mut self, kind: u32, body: &[u8]) -> Self {
        let total_length = (12 + body.len().next_multiple_of(4)) as u32;
        let big = self.big_endian;
        kind.put(&mut self.bytes, big);
        total_length.put(&mut self.bytes, big);
        padded(&mut self.bytes, body);
        total_length.put(&mut self.bytes, big);
        self
    }

    /// The bytes of the file.
    pub fn finish(&self) -> Vec<u8> {
        self.bytes.clone()
    }
}

fn padded(bytes: &mut Vec<u8>, content: &[u8]) {
    bytes.extend_from_slice(content);
    bytes.extend_from_slice(&[0; 3][..content.len().next_multiple_of(4) - content.len()]);
}
