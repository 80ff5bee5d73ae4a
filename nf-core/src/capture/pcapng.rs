//! pcapng (draft-ietf-opsawg-pcapng): sections of blocks, each with interfaces of its own.

use super::{LinkType, Record, Source, check_captured_len};
use crate::{Error, ErrorKind, Result, Timestamp};
use pcap_parser::{
    InterfaceDescriptionBlock, OptionCode, parse_enhancedpacketblock_be, parse_enhancedpacketblock_le,
    parse_interfacedescriptionblock_be, parse_interfacedescriptionblock_le, parse_sectionheaderblock,
};
use std::ops::Range;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// Bytes of a block before its body: type and total length; the length stands once more behind it.
const BLOCK_HEAD: usize = 8;
const BLOCK_TAIL: usize = 4;

/// Blocks that must be held in memory are refused above this size, as libpcap does. Others are skipped at any size.
const MAX_HELD_BLOCK: u32 = 16 * 1024 * 1024;

/// Interfaces a section may describe; each costs 24 bytes.
const MAX_INTERFACES: usize = 65_536;

/// Reads the packet blocks of a pcapng file.
#[derive(Debug)]
pub(super) struct PcapngReader {
    big_endian: bool,
    interfaces: Vec<Interface>,
    /// Time of the section's last packet that had one.
    last_time: Timestamp,
}

#[derive(Debug, Clone, Copy)]
struct Interface {
    link_type: LinkType,
    /// Capture limit, 0 for none.
    snaplen: u32,
    clock: Clock,
}

/// What a packet's 64-bit time counts: units of a second since an offset from the epoch.
#[derive(Debug, Clone, Copy)]
struct Clock {
    /// `if_tsresol`: a negative power of 10, or of 2 where the highest bit is set.
    resolution: u8,
    /// `if_tsoffset`, seconds.
    offset: i64,
}

impl Clock {
    /// Exact, rounded down to nanoseconds, saturating where `i64` nanoseconds end.
    fn time(self, units: u64) -> Timestamp {
        let units = u128::from(units);
        let exponent = u32::from(self.resolution & 0x7f);
        let nanos = if self.resolution & 0x80 != 0 {
            (units * 1_000_000_000) >> exponent
        } else if exponent <= 9 {
            units * 10u128.pow(9 - exponent)
        } else {
            // 64 bits of units divided by a power above 10^38 leave nothing.
            10u128.checked_pow(exponent - 9).map_or(0, |power| units / power)
        };
        // `units * 10^9` stays below 2^94, and so does the offset: the sum cannot overflow 127 bits.
        let nanos = nanos as i128 + i128::from(self.offset) * 1_000_000_000;
        Timestamp::from_nanos(nanos.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
    }
}

/// A block whose head was read: `total_length` bytes from `offset` on.
#[derive(Clone, Copy)]
struct Block {
    kind: u32,
    offset: u64,
    total_length: u32,
}

impl PcapngReader {
    /// Whether a file that starts so is pcapng.
    pub(super) fn knows(head: &[u8]) -> bool {
        head.starts_with(&SECTION_HEADER.to_be_bytes())
    }

    pub(super) fn new() -> Self {
        Self { big_endian: false, interfaces: Vec::new(), last_time: Timestamp::default() }
    }

    /// The next packet, the `number`-th of the file; `None` at its end.
    pub(super) fn next(&mut self, source: &mut Source, number: u64) -> Result<Option<Record>> {
        while let Some(block) = self.block_head(source, number)? {
            if !block.is_held() {
                self.skip(block, source, number)?;
                continue;
            }
            self.hold(block, source, number)?;
            let bytes = source.ahead();
            let packet = match block.kind {
                SECTION_HEADER => self.begin_section(block, bytes).map(|()| None),
                INTERFACE_DESCRIPTION => self.add_interface(block, bytes).map(|()| None),
                ENHANCED_PACKET => self.enhanced(block, bytes, number).map(Some),
                SIMPLE_PACKET => self.simple(block, bytes, number).map(Some),
                _ => self.obsolete(block, bytes, number).map(Some),
            }?;
            let place = source.consume(block.total_length as usize);
            if let Some(mut record) = packet {
                self.last_time = record.time;
                record.data = place.start + record.data.start..place.start + record.data.end;
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    fn u32(&self, bytes: &[u8], at: usize) -> u32 {
        let field = bytes.get(at..).and_then(|rest| rest.first_chunk().copied()).unwrap_or_default();
        if self.big_endian { u32::from_be_bytes(field) } else { u32::from_le_bytes(field) }
    }

    /// Looks at the head of the next block, without consuming it. A section header sets the byte order first.
    fn block_head(&mut self, source: &mut Source, number: u64) -> Result<Option<Block>> {
        let offset = source.offset();
        // The byte order mark of a section stands behind its length, and no valid block is shorter.
        if !source.want(BLOCK_HEAD + BLOCK_TAIL)? {
            return match source.ahead().len() {
                0 => Ok(None),
                found => {
                    let message = format!(
                        "the block at byte {offset} is cut off before packet {number}: {found} bytes are there, \
                         it must have 12 or more"
                    );
                    Err(Error::new(ErrorKind::Capture, message))
                }
            };
        }
        let head = source.ahead();
        if Self::knows(head) {
            self.big_endian = match head[8..12] {
                [0x1a, 0x2b, 0x3c, 0x4d] => true,
                [0x4d, 0x3c, 0x2b, 0x1a] => false,
                _ => {
                    let message = format!(
                        "the section at byte {offset} has no byte order mark, 1a2b3c4d must stand at byte {}",
                        offset + 8
                    );
                    return Err(Error::new(ErrorKind::Capture, message));
                }
            };
        }
        let block = Block { kind: self.u32(head, 0), offset, total_length: self.u32(head, 4) };
        let allowed = match block.kind {
            SECTION_HEADER => 28..=MAX_HELD_BLOCK,
            INTERFACE_DESCRIPTION => 20..=MAX_HELD_BLOCK,
            ENHANCED_PACKET | OBSOLETE_PACKET => 32..=MAX_HELD_BLOCK,
            SIMPLE_PACKET => 16..=MAX_HELD_BLOCK,
            _ => 12..=u32::MAX,
        };
        if !allowed.contains(&block.total_length) || !block.total_length.is_multiple_of(4) {
            let (low, high) = allowed.into_inner();
            return Err(block.error(format!(
                "has a length of {} bytes, it must be a multiple of 4 from {low} to {high}",
                block.total_length
            )));
        }
        Ok(Some(block))
    }

    /// Brings a whole block into the buffer.
    fn hold(&self, block: Block, source: &mut Source, number: u64) -> Result<()> {
        let size = block.total_length as usize;
        if !source.want(size)? {
            return Err(block.cut_off(number, source.ahead().len() as u64));
        }
        block.check_tail(self.u32(source.ahead(), size - BLOCK_TAIL))
    }

    fn skip(&self, block: Block, source: &mut Source, number: u64) -> Result<()> {
        let whole = source.skip(u64::from(block.total_length) - BLOCK_TAIL as u64)? && source.want(BLOCK_TAIL)?;
        if !whole {
            let found = source.offset() - block.offset + source.ahead().len() as u64;
            return Err(block.cut_off(number, found));
        }
        block.check_tail(self.u32(source.ahead(), 0))?;
        source.consume(BLOCK_TAIL);
        Ok(())
    }

    fn begin_section(&mut self, block: Block, bytes: &[u8]) -> Result<()> {
        let (_, header) =
            parse_sectionheaderblock(bytes).map_err(|_| block.error("is no readable section header".into()))?;
        // Version 1.2 was written by mistake for 1.0 by several programs, and is allowed by the draft.
        if header.major_version != 1 || !matches!(header.minor_version, 0 | 2) {
            let message = format!(
                "pcapng version {}.{} at byte {}, it must be 1.0",
                header.major_version,
                header.minor_version,
                block.offset + 12
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        self.interfaces.clear();
        self.last_time = Timestamp::default();
        Ok(())
    }

    fn add_interface(&mut self, block: Block, bytes: &[u8]) -> Result<()> {
        if self.interfaces.len() == MAX_INTERFACES {
            return Err(block.error(format!("describes one more interface than the {MAX_INTERFACES} allowed")));
        }
        let parse =
            if self.big_endian { parse_interfacedescriptionblock_be } else { parse_interfacedescriptionblock_le };
        let (_, description) = parse(bytes).map_err(|_| block.error("is no readable interface description".into()))?;
        let link_type = LinkType(description.linktype.0 as u16);
        let clock = self.clock(&description);
        self.interfaces.push(Interface { link_type, snaplen: description.snaplen, clock });
        Ok(())
    }

    /// Read from the options, since the parser's own fields know neither base 2 nor the section's byte order.
    fn clock(&self, description: &InterfaceDescriptionBlock<'_>) -> Clock {
        let mut clock = Clock { resolution: 6, offset: 0 };
        for option in &description.options {
            match (option.code, option.as_bytes()) {
                (OptionCode::EndOfOpt, _) => break,
                (OptionCode::IfTsresol, Ok(&[resolution, ..])) => clock.resolution = resolution,
                (OptionCode::IfTsoffset, Ok(value)) => {
                    if let Ok(value) = value.try_into() {
                        clock.offset =
                            if self.big_endian { i64::from_be_bytes(value) } else { i64::from_le_bytes(value) };
                    }
                }
                _ => {}
            }
        }
        clock
    }

    fn interface(&self, block: Block, id: u32, number: u64) -> Result<Interface> {
        self.interfaces.get(id as usize).copied().ok_or_else(|| {
            let known = self.interfaces.len();
            block.error(format!("holds packet {number} of interface {id}, its section describes {known} before it"))
        })
    }

    fn enhanced(&self, block: Block, bytes: &[u8], number: u64) -> Result<Record> {
        // Checked first, since the parser cannot tell a body that is too short from one that is still to come.
        let captured_len = self.u32(bytes, 20);
        let data = block.packet_data(28, captured_len, number)?;
        let parse = if self.big_endian { parse_enhancedpacketblock_be } else { parse_enhancedpacketblock_le };
        let (_, packet) = parse(bytes).map_err(|_| block.error("is no readable enhanced packet".into()))?;
        let interface = self.interface(block, packet.if_id, number)?;
        let time = interface.clock.time(u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low));
        Ok(Record { time, link_type: interface.link_type, wire_len: packet.origlen, data })
    }

    /// A simple packet has no interface number, no time and no captured length: it belongs to interface 0, is given the
    /// time of the section's last packet (0 where there is none), and is cut at the interface's snaplen.
    fn simple(&self, block: Block, bytes: &[u8], number: u64) -> Result<Record> {
        let interface = self.interface(block, 0, number)?;
        let wire_len = self.u32(bytes, 8);
        let captured_len = if interface.snaplen == 0 { wire_len } else { wire_len.min(interface.snaplen) };
        let data = block.packet_data(12, captured_len, number)?;
        Ok(Record { time: self.last_time, link_type: interface.link_type, wire_len, data })
    }

    /// The packet block that the enhanced one replaced: the interface number has 16 bits, a drop count follows it.
    fn obsolete(&self, block: Block, bytes: &[u8], number: u64) -> Result<Record> {
        let word = self.u32(bytes, 8);
        let id = if self.big_endian { word >> 16 } else { word & 0xffff };
        let interface = self.interface(block, id, number)?;
        let time = interface.clock.time(u64::from(self.u32(bytes, 12)) << 32 | u64::from(self.u32(bytes, 16)));
        let data = block.packet_data(28, self.u32(bytes, 20), number)?;
        Ok(Record { time, link_type: interface.link_type, wire_len: self.u32(bytes, 24), data })
    }
}

impl Block {
    /// Whether its content is read; any other block is passed by.
    fn is_held(self) -> bool {
        matches!(self.kind, SECTION_HEADER | INTERFACE_DESCRIPTION | ENHANCED_PACKET | SIMPLE_PACKET | OBSOLETE_PACKET)
    }

    fn error(self, what: String) -> Error {
        Error::new(ErrorKind::Capture, format!("the block of type {:#x} at byte {} {what}", self.kind, self.offset))
    }

    fn cut_off(self, number: u64, found: u64) -> Error {
        let size = self.total_length;
        self.error(format!("is cut off before packet {number}: {found} bytes are there, it must have {size}"))
    }

    fn check_tail(self, tail: u32) -> Result<()> {
        if tail == self.total_length {
            return Ok(());
        }
        let at = self.offset + u64::from(self.total_length) - BLOCK_TAIL as u64;
        let head = self.total_length;
        Err(self
            .error(format!("has a length of {head} bytes at its start but {tail} at byte {at}, they must be equal")))
    }

    /// Place of a packet of `captured_len` bytes that starts at `start` in the block.
    fn packet_data(self, start: usize, captured_len: u32, number: u64) -> Result<Range<usize>> {
        check_captured_len(captured_len, number, self.offset)?;
        let room = self.total_length as usize - BLOCK_TAIL - start;
        if captured_len as usize > room {
            return Err(self.error(format!("holds packet {number} of {captured_len} bytes, it has room for {room}")));
        }
        Ok(start..start + captured_len as usize)
    }
}
