//! DNS messages (RFC 1035) as UDP payloads.

/// A DNS message of one question, and answers without content where asked for.
///
/// ```
/// use nf_tests::DnsMessage;
/// assert_eq!(DnsMessage::query("a.example").build().len(), 12 + 11 + 4);
/// ```
#[derive(Debug, Clone)]
pub struct DnsMessage {
    id: u16,
    flags: u16,
    labels: Vec<Vec<u8>>,
    query_type: u16,
    answers: u16,
}

impl DnsMessage {
    /// A recursive query for the IPv4 address of `name`, labels between dots; id 1.
    pub fn query(name: &str) -> Self {
        let labels = name.split('.').filter(|label| !label.is_empty()).map(|label| label.as_bytes().to_vec()).collect();
        Self { id: 1, flags: 0x0100, labels, query_type: 1, answers: 0 }
    }

    /// The response to such a query, with `answers` address records and response code `code` (0 to 15).
    pub fn response(name: &str, code: u8, answers: u16) -> Self {
        Self { flags: 0x8180 | u16::from(code & 0x0f), answers, ..Self::query(name) }
    }

    /// Message id.
    pub fn id(self, id: u16) -> Self {
        Self { id, ..self }
    }

    /// Query type: 1 asks for A, 16 for TXT, 28 for AAAA.
    pub fn query_type(self, query_type: u16) -> Self {
        Self { query_type, ..self }
    }

    /// The name as labels of any bytes.
    pub fn labels(self, labels: &[&[u8]]) -> Self {
        Self { labels: labels.iter().map(|label| label.to_vec()).collect(), ..self }
    }

    /// The bytes.
    pub fn build(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> =
            [self.id, self.flags, 1, self.answers, 0, 0].iter().flat_map(|field| field.to_be_bytes()).collect();
        for label in &self.labels {
            bytes.push(label.len() as u8);
            bytes.extend_from_slice(label);
        }
        bytes.push(0);
        bytes.extend_from_slice(&self.query_type.to_be_bytes());
        bytes.extend_from_slice(&[0, 1]);
        for answer in 0..self.answers {
            // A pointer to the question's name, type A, class IN, 60 s, 4 bytes.
            bytes.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, answer as u8]);
        }
        bytes
    }
}
