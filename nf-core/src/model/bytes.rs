//! Fitted state as little-endian bytes, read back with every length checked.

use crate::{Error, ErrorKind, Result};

/// Appends numbers to the bytes of a model.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn f32(&mut self, value: f32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    #[cfg(any(feature = "neural", test))]
    pub(crate) fn f64s(&mut self, values: &[f64]) {
        self.u32(values.len() as u32);
        self.0.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }

    #[cfg(any(feature = "neural", test))]
    pub(crate) fn f32s(&mut self, values: &[f32]) {
        self.u32(values.len() as u32);
        self.0.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }

    #[cfg(any(feature = "neural", test))]
    pub(crate) fn text(&mut self, text: &str) {
        self.u32(text.len() as u32);
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Takes numbers from the bytes of a model; every error names the model and the byte offset.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    kind: &'static str,
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// A reader of the bytes of a model of the given kind, which error messages name.
    pub(crate) fn new(kind: &'static str, bytes: &'a [u8]) -> Self {
        Self { kind, bytes, offset: 0 }
    }

    /// An error at the present place: `what` says what is wrong and what would be right.
    pub(crate) fn error(&self, what: impl std::fmt::Display) -> Error {
        Error::new(ErrorKind::ModelFile, format!("model {}, byte {}: {what}", self.kind, self.offset))
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let left = self.bytes.len() - self.offset;
        if n > left {
            return Err(self.error(format_args!("{n} bytes wanted, {left} left")));
        }
        let taken = &self.bytes[self.offset..self.offset + n];
        self.offset += n;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// A finite number.
    pub(crate) fn f32(&mut self) -> Result<f32> {
        let value = f32::from_le_bytes(self.array()?);
        if value.is_finite() { Ok(value) } else { Err(self.error(format_args!("{value} is not finite"))) }
    }

    #[cfg(any(feature = "neural", test))]
    /// Exactly `n` finite numbers, stored with their count.
    pub(crate) fn f32s(&mut self, n: usize) -> Result<Vec<f32>> {
        self.count(n)?;
        (0..n).map(|_| self.f32()).collect()
    }

    #[cfg(any(feature = "neural", test))]
    /// Exactly `n` finite numbers, stored with their count.
    pub(crate) fn f64s(&mut self, n: usize) -> Result<Vec<f64>> {
        self.count(n)?;
        let finite = |value: f64| value.is_finite().then_some(value);
        let values = self.take(n * 8)?.chunks_exact(8).map(|c| f64::from_le_bytes(c.try_into().unwrap_or_default()));
        values.map(finite).collect::<Option<_>>().ok_or_else(|| self.error("a number is not finite"))
    }

    #[cfg(any(feature = "neural", test))]
    /// Text, stored with its length.
    pub(crate) fn text(&mut self) -> Result<&'a str> {
        let n = self.u32()? as usize;
        std::str::from_utf8(self.take(n)?).map_err(|_| self.error("text is not UTF-8"))
    }

    #[cfg(any(feature = "neural", test))]
    fn count(&mut self, n: usize) -> Result<()> {
        let stored = self.u32()? as usize;
        if stored != n {
            return Err(self.error(format_args!("{stored} numbers stored where the model needs {n}")));
        }
        Ok(())
    }

    /// How many bytes are left; bounds what a stored count can make us allocate.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.offset
    }

    /// Checks that nothing is left.
    pub(crate) fn finish(self) -> Result<()> {
        match self.left() {
            0 => Ok(()),
            left => Err(self.error(format_args!("{left} bytes left over, none expected"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_was_written() {
        let mut writer = Writer::default();
        writer.u32(7);
        writer.f32(-0.5);
        writer.f32s(&[1.0, 2.0]);
        writer.f64s(&[1e300]);
        writer.text("größe");
        let bytes = writer.finish();
        let mut reader = Reader::new("test", &bytes);
        assert_eq!((reader.u32().unwrap(), reader.f32().unwrap()), (7, -0.5));
        assert_eq!(reader.f32s(2).unwrap(), [1.0, 2.0]);
        assert_eq!(reader.f64s(1).unwrap(), [1e300]);
        assert_eq!(reader.text().unwrap(), "größe");
        reader.finish().unwrap();
    }

    #[test]
    fn errors_name_the_model_and_the_byte() {
        let bytes = [[2, 0, 0, 0], f32::NAN.to_le_bytes()].concat();
        let refuse = |error: Error| {
            assert_eq!(error.kind(), ErrorKind::ModelFile);
            error.to_string()
        };
        let mut reader = Reader::new("test", &bytes);
        assert_eq!(refuse(reader.f32s(3).unwrap_err()), "model test, byte 4: 2 numbers stored where the model needs 3");
        assert_eq!(refuse(reader.f32().unwrap_err()), "model test, byte 8: NaN is not finite");
        assert_eq!(refuse(reader.u32().unwrap_err()), "model test, byte 8: 4 bytes wanted, 0 left");
        let reader = Reader::new("test", &bytes);
        assert_eq!(refuse(reader.finish().unwrap_err()), "model test, byte 0: 8 bytes left over, none expected");
    }
}
