//! Classic pcap (draft-ietf-opsawg-pcap): a file header, then records.

use super::{Frame, LinkType, Record, Source, check_captured_len, cut_off};
use crate::{Error, ErrorKind, Result, Timestamp};
use pcap_parser::parse_pcap_header;

const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

/// Reads the records of a classic pcap file.
#[derive(Debug)]
pub(super) struct PcapReader {
    link_type: LinkType,
    big_endian: bool,
    nanos_per_unit: i64,
}

impl PcapReader {
    /// Whether a file that starts so is classic pcap.
    pub(super) fn knows(head: &[u8]) -> bool {
        matches!(
            head.first_chunk(),
            Some(
                [0xa1, 0xb2, 0xc3, 0xd4]
                    | [0xd4, 0xc3, 0xb2, 0xa1]
                    | [0xa1, 0xb2, 0x3c, 0x4d]
                    | [0x4d, 0x3c, 0xb2, 0xa1]
            )
        )
    }

    /// Reads the file header.
    pub(super) fn new(source: &mut Source) -> Result<Self> {
        source.want(FILE_HEADER)?;
        let (_, header) = parse_pcap_header(source.ahead()).map_err(|_| {
            let found = source.ahead().len();
            let message = format!("the pcap file header is cut off at byte {found}, it must have {FILE_HEADER} bytes");
            Error::new(ErrorKind::Capture, message)
        })?;
        if header.version_major != 2 {
            let (major, minor) = (header.version_major, header.version_minor);
            let message = format!("pcap version {major}.{minor} at byte 4, it must be 2.x");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        source.consume(FILE_HEADER);
        Ok(Self {
            // The upper half holds flags and the size of a frame check sequence, which no network header counts.
            link_type: LinkType(header.network.0 as u16),
            big_endian: header.is_bigendian(),
            nanos_per_unit: if header.is_nanosecond_precision() { 1 } else { 1000 },
        })
    }

    /// The next record, the `number`-th of the file; `None` at its end.
    #[inline]
    pub(super) fn next(&mut self, source: &mut Source, number: u64) -> Result<Option<Record>> {
        match self.take(source) {
            Some(record) => Ok(Some(record)),
            None => self.wait(source, number),
        }
    }

    /// The next record, where the source's buffer holds all of it.
    #[inline]
    fn take(&self, source: &mut Source) -> Option<Record> {
        let ahead = source.ahead();
        let [seconds, fraction, captured_len, wire_len] = self.fields(*ahead.first_chunk()?);
        if captured_len > Frame::MAX_CAPTURED_LEN || ahead.len() - RECORD_HEADER < captured_len as usize {
            return None;
        }
        // Fractions above a second are seen in the wild; they carry over.
        let fraction = i64::from(fraction) * self.nanos_per_unit;
        let nanos = (i64::from(seconds) * 1_000_000_000).saturating_add(fraction);
        source.consume(RECORD_HEADER);
        let data = source.consume(captured_len as usize);
        Some(Record { time: Timestamp::from_nanos(nanos), link_type: self.link_type, wire_len, data })
    }

    /// Reads until the source's buffer holds the next record.
    #[inline(never)]
    fn wait(&self, source: &mut Source, number: u64) -> Result<Option<Record>> {
        if !source.want(RECORD_HEADER)? {
            return match source.ahead().len() {
                0 => Ok(None),
                found => Err(cut_off(number, source.offset(), RECORD_HEADER, found)),
            };
        }
        let header = source.ahead().first_chunk().copied().unwrap_or_default();
        let [_, _, captured_len, _] = self.fields(header);
        check_captured_len(captured_len, number, source.offset())?;
        let size = RECORD_HEADER + captured_len as usize;
        if !source.want(size)? {
            return Err(cut_off(number, source.offset(), size, source.ahead().len()));
        }
        Ok(self.take(source))
    }

    /// The four numbers of a record header.
    fn fields(&self, header: [u8; RECORD_HEADER]) -> [u32; 4] {
        let (fields, _) = header.as_chunks::<4>();
        let number =
            |i: usize| if self.big_endian { u32::from_be_bytes(fields[i]) } else { u32::from_le_bytes(fields[i]) };
        std::array::from_fn(number)
    }
}
