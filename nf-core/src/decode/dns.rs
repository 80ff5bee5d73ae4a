//! What a DNS message says in its header and first question.

/// The facts of a DNS message that features read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsFacts {
    /// Whether it answers a query.
    pub is_response: bool,
    /// Message id.
    pub id: u16,
    /// Name of the first question, in lower case without the final dot; "." for the root. At most 255 bytes on the
    /// wire; a byte that is not printable ASCII, and a dot or backslash inside a label, stands as `\DDD` (RFC 1035
    /// section 5.1).
    pub name: String,
    /// Type of the first question: 1 is A, 16 TXT, 28 AAAA.
    pub query_type: u16,
    /// Response code, 0 to 15 (3: there is no such name); `None` for queries.
    pub answer_code: Option<u8>,
    /// Records in the answer section, as the header says.
    pub answers: u16,
}

const HEADER: usize = 12;
const MAX_LABEL: usize = 63; // RFC 1035 section 2.3.4
const MAX_NAME: usize = 255; // idem, with length bytes and the root
/// Opcodes in use: query, inverse query, status, notify, update, stateful operations.
const OPCODES: [u8; 6] = [0, 1, 2, 4, 5, 6];
/// Classes in use: Internet, Chaos, Hesiod, none, any. Multicast DNS uses the highest bit for itself (RFC 6762).
const CLASSES: [u16; 5] = [1, 3, 4, 254, 255];

impl DnsFacts {
    /// Reads a message as UDP carries it (over TCP: without the two bytes of length). The payload may be cut behind the
    /// first question. `None` where it is no DNS message, has no question, or is cut before the question's end.
    ///
    /// ```
    /// use nf_core::decode::DnsFacts;
    /// # let payload = nf_tests::DnsMessage::query("Www.Example.org").build();
    /// let facts = DnsFacts::parse(&payload).expect("a query");
    /// assert_eq!((facts.name.as_str(), facts.query_type, facts.answer_code), ("www.example.org", 1, None));
    /// ```
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let field = |at: usize| payload.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes));
        let (id, flags, questions, answers) = (field(0)?, field(2)?, field(4)?, field(6)?);
        let is_response = flags & 0x8000 != 0;
        let opcode = (flags >> 11 & 0x0f) as u8;
        let reserved = flags & 0x0040 != 0;
        if questions == 0 || questions > 255 || reserved || !OPCODES.contains(&opcode) {
            return None;
        }
        let (name, end) = name(payload)?;
        let (query_type, class) = (field(end)?, field(end + 2)?);
        if !CLASSES.contains(&(class & 0x7fff)) {
            return None;
        }
        let answer_code = is_response.then_some((flags & 0x0f) as u8);
        Some(Self { is_response, id, name, query_type, answer_code, answers })
    }
}

/// The name of the first question, and where it ends. No name stands before it that a pointer could point to, so a
/// pointer there is refused like any other label type.
fn name(payload: &[u8]) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut at = HEADER;
    loop {
        let length = usize::from(*payload.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        if length > MAX_LABEL || at + length + 1 - HEADER > MAX_NAME {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        for &byte in payload.get(at..at + length)? {
            if byte.is_ascii_graphic() && byte != b'.' && byte != b'\\' {
                name.push(char::from(byte.to_ascii_lowercase()));
            } else {
                name.push('\\');
                name.extend([byte / 100, byte / 10 % 10, byte % 10].map(|digit| char::from(b'0' + digit)));
            }
        }
        at += length;
    }
    if name.is_empty() {
        name.push('.');
    }
    Some((name, at))
}

/// The part of a name that one owner registers, so that all names under it share a counter: the last two labels, or the
/// last three where the last has two letters and the one before at most three, as in `example.co.uk`.
///
/// A rule of thumb without the public suffix list: it takes `x.t.co` for three labels, and `example.gouv.fr` for two.
///
/// ```
/// use nf_core::decode::parent_domain;
/// assert_eq!(parent_domain("a.b.example.org"), "example.org");
/// assert_eq!(parent_domain("www.example.co.uk"), "example.co.uk");
/// assert_eq!(parent_domain("localhost"), "localhost");
/// ```
pub fn parent_domain(name: &str) -> &str {
    let mut dots = name.rmatch_indices('.').map(|(at, _)| at);
    let Some(top) = dots.next() else { return name };
    let Some(second) = dots.next() else { return name };
    let country = name.len() - top - 1 == 2 && top - second - 1 <= 3;
    let start = if country { dots.next().map_or(0, |third| third + 1) } else { second + 1 };
    &name[start..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use nf_tests::DnsMessage;
    use proptest::prelude::*;

    #[test]
    fn queries_and_responses() {
        let query = DnsFacts::parse(&DnsMessage::query("A.Example").id(7).query_type(16).build()).expect("a query");
        let expected = DnsFacts {
            is_response: false,
            id: 7,
            name: "a.example".into(),
            query_type: 16,
            answer_code: None,
            answers: 0,
        };
        assert_eq!(query, expected);
        let response = DnsFacts::parse(&DnsMessage::response("a.example", 3, 2).build()).expect("a response");
        assert_eq!(
            response,
            DnsFacts { is_response: true, id: 1, query_type: 1, answer_code: Some(3), answers: 2, ..expected }
        );
    }

    #[test]
    fn a_payload_may_be_cut_behind_the_question() {
        let whole = DnsMessage::response("a.example", 0, 5).build();
        let question = 12 + 11 + 4;
        assert_eq!(DnsFacts::parse(&whole[..question]), DnsFacts::parse(&whole));
        for cut in 0..question {
            assert_eq!(DnsFacts::parse(&whole[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn names_are_escaped_and_bounded() {
        let name = |labels: &[&[u8]]| DnsFacts::parse(&DnsMessage::query("").labels(labels).build()).map(|f| f.name);
        assert_eq!(name(&[]).as_deref(), Some("."));
        assert_eq!(name(&[b"a.b\\", b"\x00\xff Z"]).as_deref(), Some("a\\046b\\092.\\000\\255\\032z"));
        let longest: [&[u8]; 4] = [&[b'x'; 63], &[b'x'; 63], &[b'x'; 63], &[b'x'; 61]];
        assert_eq!(name(&longest).expect("255 bytes").len(), 253);
        assert_eq!(name(&[longest[0], longest[0], longest[0], &[b'x'; 62]]), None);
    }

    #[test]
    fn what_is_not_dns_gives_nothing() {
        let good = DnsMessage::query("a.example").build();
        let with = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            DnsFacts::parse(&bytes)
        };
        assert!(with(0, 9).is_some());
        assert_eq!(with(5, 0), None); // no question
        assert_eq!(with(2, 0x78), None); // opcode 15
        assert_eq!(with(3, 0x40), None); // reserved bit
        assert_eq!(with(12, 0xc0), None); // a pointer to nothing
        assert_eq!(with(26, 9), None); // class 9
        assert_eq!(DnsFacts::parse(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"), None);
    }

    #[test]
    fn parents() {
        for (name, parent) in [
            ("", ""),
            (".", "."),
            ("org", "org"),
            ("example.org", "example.org"),
            ("a.b.c.example.org", "example.org"),
            ("co.uk", "co.uk"),
            ("example.co.uk", "example.co.uk"),
            ("a.example.co.uk", "example.co.uk"),
            ("a.example.de", "example.de"),
            ("1.0.0.127.in-addr.arpa", "in-addr.arpa"),
        ] {
            assert_eq!(parent_domain(name), parent);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_bounded_printable_name_or_nothing(
            head in any::<bool>(),
            tail in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let head: &[u8] = if head { &[0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] } else { &[] };
            if let Some(facts) = DnsFacts::parse(&[head, &tail].concat()) {
                prop_assert!(!facts.name.is_empty() && facts.name.len() <= 4 * 255);
                prop_assert!(facts.name.bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert!(facts.name.ends_with(parent_domain(&facts.name)));
            }
        }

        #[test]
        fn any_text_has_a_parent(name in "\\PC{0,40}") {
            prop_assert!(name.ends_with(parent_domain(&name)));
        }
    }
}
