//! The wire format of Protocol Buffers, as far as writing takes it (protobuf.dev, "Encoding"): a field is its number and kind,
//! then a number or bytes with their length. A generator of code for the whole of ONNX would be far more than this.

/// Bytes of a message, field after field.
#[derive(Debug, Clone, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn tag(&mut self, field: u32, kind: u32) {
        self.varint(u64::from(field << 3 | kind));
    }

    pub(super) fn int(mut self, field: u32, value: i64) -> Self {
        self.tag(field, 0);
        self.varint(value.cast_unsigned());
        self
    }

    pub(super) fn bytes(mut self, field: u32, bytes: &[u8]) -> Self {
        self.tag(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn text(self, field: u32, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    pub(super) fn message(self, field: u32, message: &Self) -> Self {
        self.bytes(field, &message.0)
    }

    /// The same field for each of some messages.
    pub(super) fn messages<'a>(self, field: u32, messages: impl IntoIterator<Item = &'a Self>) -> Self {
        messages.into_iter().fold(self, |all, message| all.message(field, message))
    }

    /// Numbers in one field.
    pub(super) fn ints(self, field: u32, values: impl IntoIterator<Item = i64>) -> Self {
        let mut packed = Self::default();
        values.into_iter().for_each(|value| packed.varint(value.cast_unsigned()));
        self.message(field, &packed)
    }

    pub(super) fn floats(self, field: u32, values: &[f32]) -> Self {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.bytes(field, &bytes)
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_bytes_of_the_specification() {
        // The examples of "Encoding": 150 in field 1, "testing" in field 2, that message in field 3, packed numbers in field 6.
        assert_eq!(Message::default().int(1, 150).finish(), [0x08, 0x96, 0x01]);
        let text = Message::default().text(2, "testing").finish();
        assert_eq!(text, [0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67]);
        let inner = Message::default().int(1, 150);
        assert_eq!(Message::default().message(3, &inner).finish(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        let packed = Message::default().ints(6, [3, 270, 86942]).finish();
        assert_eq!(packed, [0x32, 0x06, 0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05]);
        assert_eq!(Message::default().int(1, -2).finish()[1..], [0xfe, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
        assert_eq!(Message::default().floats(2, &[1.0]).finish(), [0x12, 4, 0, 0, 0x80, 0x3f]);
    }
}
