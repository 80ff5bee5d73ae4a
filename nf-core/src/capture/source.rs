//! The bytes of a capture: decompressed, in a buffer that holds one record and grows with what really arrives.

use crate::{Error, ErrorKind, Result};
use std::{
    fmt,
    io::{self, Read},
    ops::Range,
};

type Reader = Box<dyn Read + Send>;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b]; // RFC 1952 section 2.3.1
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd]; // RFC 8878 section 3.1.1
const ZSTD_SKIPPABLE_MAGIC: [u8; 3] = [0x2a, 0x4d, 0x18]; // RFC 8878 section 3.1.2, behind one byte of 0x50 to 0x5f

/// One read asks for at least this much: large enough to make system calls rare, small enough to stay in the cache.
const BUFFER_SIZE: usize = 128 * 1024;

/// How many layers of compression are taken off: `.pcap.gz.zst` is read, a bomb of layers is not.
const COMPRESSION_LAYERS: usize = 2;

/// A stream of uncompressed bytes with look-ahead.
///
/// What the callers see never depends on how the reader splits its reads, since [`want`](Source::want) asks until it
/// has enough. Memory follows the bytes that arrive, not the length that a header claims.
pub(super) struct Source {
    reader: Reader,
    buffer: Vec<u8>,
    unread: Range<usize>,
    offset: u64,
    ended: bool,
    compression: Option<&'static str>,
    turns: Option<Turns>,
}

/// Buffers that are used in turn, so that what was consumed stays where it is.
#[derive(Default)]
struct Turns {
    spare: Vec<Vec<u8>>,
    full: Vec<Vec<u8>>,
}

impl Source {
    /// Reads the first bytes and takes compression off.
    pub(super) fn new(mut reader: Reader) -> Result<Self> {
        let mut compression = None;
        for _ in 0..=COMPRESSION_LAYERS {
            let buffer = vec![0; BUFFER_SIZE];
            let mut source = Self { reader, buffer, unread: 0..0, offset: 0, ended: false, compression, turns: None };
            source.want(ZSTD_MAGIC.len())?;
            let Some(found) = compression_of(source.ahead()) else { return Ok(source) };
            compression = Some(found);
            reader = source.decompressed(found)?;
        }
        let message = format!("compressed more than {COMPRESSION_LAYERS} times over, unpack it first");
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    fn decompressed(self, compression: &str) -> Result<Reader> {
        let head = io::Cursor::new(self.buffer[self.unread].to_vec());
        let whole = head.chain(self.reader);
        Ok(match compression {
            "gzip" => Box::new(flate2::read::MultiGzDecoder::new(io::BufReader::new(whole))),
            _ => Box::new(
                zstd::Decoder::new(whole)
                    .map_err(|error| Error::new(ErrorKind::Io, format!("zstd: {error}")).with_source(error))?,
            ),
        })
    }

    /// Offset of the next unread byte in the uncompressed stream.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The bytes that are in the buffer and unread.
    pub(super) fn ahead(&self) -> &[u8] {
        &self.buffer[self.unread.clone()]
    }

    /// Sees to it that at least `size` bytes are [`ahead`](Self::ahead), and says whether they are: `false` only where
    /// the stream ends before.
    #[inline(always)]
    pub(super) fn want(&mut self, size: usize) -> Result<bool> {
        if self.unread.len() >= size { Ok(true) } else { self.fetch(size) }
    }

    #[inline(never)]
    fn fetch(&mut self, size: usize) -> Result<bool> {
        while self.unread.len() < size {
            if self.ended {
                return Ok(false);
            }
            self.make_room(size);
            match self.reader.read(&mut self.buffer[self.unread.end..]) {
                Ok(0) => self.ended = true,
                Ok(read) => self.unread.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.read_error(error)),
            }
        }
        Ok(true)
    }

    /// Makes room for more behind the unread bytes: at most doubles the buffer, so that a claimed `size` costs memory
    /// only as its bytes arrive.
    fn make_room(&mut self, size: usize) {
        if self.turns.is_some() {
            if self.unread.start > 0 && self.buffer.len() - self.unread.start < size {
                self.turn();
            }
        } else if self.unread.is_empty() {
            self.unread = 0..0;
        } else if self.unread.start > 0 && self.buffer.len() - self.unread.start < size {
            self.buffer.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
        }
        if self.unread.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
    }

    /// Goes on in another buffer, with what is unread.
    fn turn(&mut self) {
        let unread = self.unread.len();
        let turns = self.turns.get_or_insert_default();
        let mut next = turns.spare.pop().unwrap_or_default();
        next.resize(next.len().max(BUFFER_SIZE).max(unread), 0);
        next[..unread].copy_from_slice(&self.buffer[self.unread.clone()]);
        turns.full.push(std::mem::replace(&mut self.buffer, next));
        self.unread = 0..unread;
    }

    /// From now on what was consumed stays in its place, until its buffer is [handed over](Self::full); `spare` is the next
    /// one.
    pub(super) fn lend(&mut self, spare: Vec<u8>) {
        self.turns.get_or_insert_default().spare.push(spare);
    }

    /// The buffer of what was consumed before the first byte of the present one; `None` where that is the first.
    pub(super) fn full(&mut self) -> Option<Vec<u8>> {
        // What was read past without being held may have filled more than one: the first has what was.
        let mut full = std::mem::take(&mut self.turns.as_mut()?.full).into_iter();
        full.next()
    }

    /// The buffer, at the end.
    pub(super) fn take_buffer(&mut self) -> Vec<u8> {
        self.unread = 0..0;
        std::mem::take(&mut self.buffer)
    }

    /// Marks `size` bytes as read; they stay in the buffer, under the returned place, until the next
    /// [`want`](Self::want) unless a buffer was [lent](Self::lend). The bytes must be [`ahead`](Self::ahead).
    #[inline]
    pub(super) fn consume(&mut self, size: usize) -> Range<usize> {
        debug_assert!(size <= self.unread.len());
        let start = self.unread.start;
        self.unread.start = (start + size).min(self.unread.end);
        self.offset += (self.unread.start - start) as u64;
        start..self.unread.start
    }

    /// Reads past `size` bytes without holding them, and says whether the stream had as many.
    pub(super) fn skip(&mut self, mut size: u64) -> Result<bool> {
        while size > 0 {
            if !self.want(1)? {
                return Ok(false);
            }
            let step = usize::try_from(size).unwrap_or(usize::MAX).min(self.unread.len());
            self.consume(step);
            size -= step as u64;
        }
        Ok(true)
    }

    /// Where the places given by [`consume`](Self::consume) are.
    pub(super) fn buffer(&self) -> &[u8] {
        &self.buffer
    }

    /// Damage of compressed data is the capture's fault, anything else the system's.
    fn read_error(&self, error: io::Error) -> Error {
        let at = self.offset + self.unread.len() as u64;
        let new = |kind, message: String| Error::new(kind, message);
        match self.compression {
            Some(name) if error.raw_os_error().is_none() => {
                new(ErrorKind::Capture, format!("the {name} data are damaged or cut off behind byte {at}: {error}"))
            }
            _ => new(ErrorKind::Io, format!("reading failed at byte {at}: {error}")),
        }
        .with_source(error)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("offset", &self.offset).field("compression", &self.compression).finish()
    }
}

fn compression_of(head: &[u8]) -> Option<&'static str> {
    let skippable = head.len() >= 4 && head[0] & 0xf0 == 0x50 && head[1..4] == ZSTD_SKIPPABLE_MAGIC;
    if head.starts_with(&GZIP_MAGIC) {
        Some("gzip")
    } else if head.starts_with(&ZSTD_MAGIC) || skippable {
        Some("zstd")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("memory takes all");
        encoder.finish().expect("memory takes all")
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 1).expect("memory takes all")
    }

    fn source(bytes: Vec<u8>) -> Result<Source> {
        Source::new(Box::new(io::Cursor::new(bytes)))
    }

    fn read_all(bytes: Vec<u8>) -> Vec<u8> {
        let mut source = source(bytes).expect("a source");
        assert!(!source.want(1 << 20).expect("readable"));
        source.ahead().to_vec()
    }

    #[test]
    fn takes_off_members_and_two_layers() {
        assert_eq!(read_all(b"plain".to_vec()), b"plain");
        assert_eq!(read_all([gzip(b"one "), gzip(b"two")].concat()), b"one two");
        assert_eq!(read_all([zstd(b"one "), zstd(b"two")].concat()), b"one two");
        assert_eq!(read_all([b"\x51\x2a\x4d\x18\x02\x00\x00\x00ab".to_vec(), zstd(b"x")].concat()), b"x");
        assert_eq!(read_all(zstd(&gzip(b"both"))), b"both");
        let error = source(gzip(&gzip(&gzip(b"x")))).expect_err("three layers");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn damaged_compression_gives_what_came_before_then_a_capture_error() {
        for whole in [gzip(&[7; 300_000]), zstd(&[7; 300_000])] {
            let mut source = source(whole[..whole.len() - 6].to_vec()).expect("the head is fine");
            assert!(source.want(1).expect("the first bytes are there"));
            let error = source.want(300_001).expect_err("the end is not");
            assert_eq!(error.kind(), ErrorKind::Capture);
            assert!(error.to_string().contains("damaged or cut off behind byte"), "{error}");
        }
    }

    #[test]
    fn a_claimed_size_costs_no_memory() {
        let mut source = source(vec![1; 10]).expect("a source");
        assert!(!source.want(1 << 40).expect("readable"));
        assert_eq!(source.buffer.len(), BUFFER_SIZE);
        assert_eq!(source.consume(4), 0..4);
        assert!(!source.skip(u64::MAX).expect("readable"));
        assert_eq!(source.offset(), 10);
    }

    #[test]
    fn records_across_the_end_of_the_buffer_stay_whole() {
        let bytes: Vec<u8> = (0..400_000u32).map(|i| (i % 251) as u8).collect();
        let mut source = source(bytes.clone()).expect("a source");
        for size in [1, BUFFER_SIZE - 2, 7, BUFFER_SIZE + 1, 100] {
            let offset = source.offset() as usize;
            assert!(source.want(size).expect("readable"));
            let place = source.consume(size);
            assert_eq!(&source.buffer()[place], &bytes[offset..offset + size]);
        }
    }

    #[test]
    fn with_lent_buffers_what_was_consumed_stays_in_its_place() {
        let bytes: Vec<u8> = (0..1_200_000u32).map(|i| (i % 251) as u8).collect();
        let mut source = source(bytes.clone()).expect("a source");
        let (mut places, mut buffers) = (vec![Vec::new()], Vec::new());
        source.lend(Vec::new());
        for size in (0..).map(|i: usize| i * 7919 % (BUFFER_SIZE + BUFFER_SIZE / 2)) {
            let offset = source.offset() as usize;
            if !source.want(size).expect("readable") {
                break;
            }
            let place = source.consume(size);
            if let Some(full) = source.full() {
                buffers.push(full);
                places.push(Vec::new());
                source.lend(Vec::new());
            }
            places.last_mut().expect("never empty").push((place, offset));
        }
        // What is left at the end may have gone to another buffer, in want of more.
        if let Some(full) = source.full() {
            buffers.push(full);
            places.push(Vec::new());
        }
        buffers.push(source.take_buffer());
        assert!(buffers.len() > 5, "{} buffers", buffers.len());
        for (buffer, places) in buffers.iter().zip(places) {
            for (place, offset) in places {
                assert_eq!(buffer[place.clone()], bytes[offset..offset + place.len()]);
            }
        }
    }

    #[test]
    fn a_failing_reader_is_an_io_error_with_its_place() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("cable pulled"))
            }
        }
        let reader = io::Cursor::new(b"abcdef").chain(Broken);
        let mut source = Source::new(Box::new(reader)).expect("the head is fine");
        let error = source.want(100).expect_err("the reader fails");
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Io, "reading failed at byte 6: cable pulled".into()));
    }
}
