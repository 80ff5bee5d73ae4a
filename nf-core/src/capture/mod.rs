//! Bytes to frames: capture files, compressed or not, told apart by their first bytes.

mod frame;
mod pcap;
mod pcapng;
mod source;

pub use frame::{Frame, LinkType};

use crate::{Error, ErrorKind, Result, Timestamp};
use pcap::PcapReader;
use pcapng::PcapngReader;
use source::Source;
use std::{fs::File, io::Read, ops::Range, path::Path};

/// A capture being read: classic pcap or pcapng, plain or compressed with gzip or zstd.
///
/// Frames come in file order, each borrowing the capture's buffer until the next one is asked for. Memory is bounded by
/// the largest frame or block (at most 16 MiB), for pcapng by 65,536 interfaces of 24 bytes, and for zstd by its window
/// (at most 128 MiB). What comes out does not depend on how the reader splits its reads.
///
/// * pcap: both byte orders, microseconds and nanoseconds. Flags beside the link type are left out.
/// * pcapng: any number of sections, up to 65,536 interfaces each, with a link type and clock of their own; enhanced,
///   simple and obsolete packet blocks, any other block is skipped. A simple packet block has no time: it gets that of
///   the packet before it in its section, or 0.
/// * A frame of more than [`Frame::MAX_CAPTURED_LEN`] bytes is refused: such a length is damage.
///
/// ```
/// use nf_core::capture::Capture;
/// # let bytes = nf_tests::PcapWriter::new().packet(1_000, &[0; 60]).packet(2_000, &[0; 60]).finish();
/// let mut capture = Capture::from_reader(std::io::Cursor::new(bytes))?; // or Capture::open("office.pcap.zst")?
/// while let Some(frame) = capture.next_frame()? {
///     assert_eq!(frame.data.len(), 60);
/// }
/// assert_eq!(capture.frames(), 2);
/// # Ok::<(), nf_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Capture {
    name: String,
    source: Source,
    format: Format,
    frames: u64,
    /// The end was reached, or an error was given: nothing follows.
    ended: bool,
}

#[derive(Debug)]
enum Format {
    Pcap(PcapReader),
    Pcapng(PcapngReader),
}

/// A frame whose bytes are at a place in a buffer.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) time: Timestamp,
    pub(crate) link_type: LinkType,
    pub(crate) wire_len: u32,
    pub(crate) data: Range<usize>,
}

impl Record {
    /// The frame, whose bytes are in this buffer.
    #[inline]
    pub(crate) fn frame<'a>(&self, buffer: &'a [u8]) -> Frame<'a> {
        let Self { time, link_type, wire_len, ref data } = *self;
        Frame { time, link_type, wire_len, data: &buffer[data.clone()] }
    }
}

impl Capture {
    /// Opens a capture file.
    ///
    /// # Errors
    /// * [`ErrorKind::Io`] where the file cannot be read, or is a directory.
    /// * [`ErrorKind::Capture`] where it is empty, cut off in its header, or no capture.
    /// * [`ErrorKind::Unsupported`] for a capture in a format or version that is not read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|error| Error::io(path, error))?;
        if file.metadata().map_err(|error| Error::io(path, error))?.is_dir() {
            let message = format!("{} is a directory, it must be a capture file", path.display());
            return Err(Error::new(ErrorKind::Io, message));
        }
        Self::named(path.display().to_string(), Box::new(file))
    }

    /// Reads a capture from any stream of bytes; messages call it "reader".
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_reader(reader: impl Read + Send + 'static) -> Result<Self> {
        Self::from_named("reader", reader)
    }

    /// Reads a capture from any stream of bytes, by which name messages call it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_named(name: impl Into<String>, reader: impl Read + Send + 'static) -> Result<Self> {
        Self::named(name.into(), Box::new(reader))
    }

    fn named(name: String, reader: Box<dyn Read + Send>) -> Result<Self> {
        let mut source = Source::new(reader).map_err(|error| error.at(&name))?;
        let format = Format::of(&mut source).map_err(|error| error.at(&name))?;
        Ok(Self { name, source, format, frames: 0, ended: false })
    }

    /// The next frame; `None` at the end. After an error nothing follows: every later call gives `None`.
    ///
    /// # Errors
    /// * [`ErrorKind::Capture`] where the capture is cut off or damaged; the message has path, packet number (from 1)
    ///   and byte offset in the uncompressed capture.
    /// * [`ErrorKind::Io`] where reading fails.
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>> {
        let next = self.next_record()?;
        Ok(next.map(|record| record.frame(self.source.buffer())))
    }

    /// The next frame by its place, in the buffer that is handed over when it is [full](Self::full) or the capture
    /// [ended](Self::last).
    #[inline]
    pub(crate) fn next_record(&mut self) -> Result<Option<Record>> {
        if self.ended {
            return Ok(None);
        }
        let number = self.frames + 1;
        let next = match &mut self.format {
            Format::Pcap(reader) => reader.next(&mut self.source, number),
            Format::Pcapng(reader) => reader.next(&mut self.source, number),
        };
        match next {
            Ok(Some(record)) => {
                self.frames = number;
                Ok(Some(record))
            }
            Ok(None) => {
                self.ended = true;
                Ok(None)
            }
            Err(error) => {
                self.ended = true;
                Err(error.at(&self.name))
            }
        }
    }

    /// Has [records](Self::next_record) stay in their places: full buffers are replaced by those that are lent.
    pub(crate) fn lend(&mut self, spare: Vec<u8>) {
        self.source.lend(spare);
    }

    /// The buffer of the records before the newest one; `None` while that is in the same.
    pub(crate) fn full(&mut self) -> Option<Vec<u8>> {
        self.source.full()
    }

    /// The buffer of the last records, behind which nothing comes.
    pub(crate) fn last(&mut self) -> Vec<u8> {
        self.source.take_buffer()
    }

    /// The path as given to [`open`](Self::open), the name given, or "reader".
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Frames given so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Bytes of the uncompressed capture read so far, headers included.
    pub fn bytes(&self) -> u64 {
        self.source.offset()
    }
}

impl Format {
    fn of(source: &mut Source) -> Result<Self> {
        source.want(4)?;
        let head = source.ahead();
        if PcapReader::knows(head) {
            return Ok(Self::Pcap(PcapReader::new(source)?));
        }
        if PcapngReader::knows(head) {
            return Ok(Self::Pcapng(PcapngReader::new()));
        }
        let refuse = |kind, message| Err(Error::new(kind, message));
        match head {
            [] => refuse(ErrorKind::Capture, "empty, no capture header at byte 0".to_owned()),
            [0xa1, 0xb2, 0xcd, 0x34, ..] | [0x34, 0xcd, 0xb2, 0xa1, ..] => refuse(
                ErrorKind::Unsupported,
                "the \"modified\" pcap format (magic a1b2cd34 at byte 0) is not read, convert it to pcap or pcapng"
                    .into(),
            ),
            _ => {
                let start: String = head.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
                refuse(ErrorKind::Capture, format!("no capture: {start} at byte 0 begins neither pcap nor pcapng"))
            }
        }
    }
}

fn check_captured_len(captured_len: u32, number: u64, offset: u64) -> Result<()> {
    if captured_len <= Frame::MAX_CAPTURED_LEN {
        return Ok(());
    }
    let message = format!(
        "packet {number} at byte {offset} has a captured length of {captured_len} bytes, it must be at most {}",
        Frame::MAX_CAPTURED_LEN
    );
    Err(Error::new(ErrorKind::Capture, message))
}

fn cut_off(number: u64, offset: u64, size: usize, found: usize) -> Error {
    let message = format!("packet {number} at byte {offset} is cut off: {found} bytes are there, it must have {size}");
    Error::new(ErrorKind::Capture, message)
}

#[cfg(test)]
mod tests;
