//! What applications say first, so that those who look into payloads find what they look for.

use crate::random::Random;

/// A TLS ClientHello (RFC 8446 section 4.1.2) that asks for a server by name (RFC 6066 section 3).
pub(crate) fn client_hello(name: &str, random: &mut Random) -> Vec<u8> {
    let name = [&[0][..], &prefixed(name.as_bytes())].concat();
    let extensions = [
        extension(0, &prefixed(&name)),
        extension(10, &[0, 4, 0, 0x1d, 0, 0x17]), // supported_groups: x25519, secp256r1
        extension(13, &[0, 4, 4, 3, 8, 4]),       // signature_algorithms: ECDSA and RSA-PSS with SHA-256
        extension(43, &[2, 3, 4]),                // supported_versions: TLS 1.3
    ];
    let mut body = vec![3, 3];
    random.fill(&mut body, 32);
    body.push(32);
    random.fill(&mut body, 32);
    body.extend(prefixed(&[0x13, 1, 0x13, 2, 0x13, 3]));
    body.extend([1, 0]);
    body.extend(prefixed(&extensions.concat()));
    handshake(1, &body)
}

/// A TLS ServerHello and the head of the first encrypted record behind it.
pub(crate) fn server_hello(random: &mut Random) -> Vec<u8> {
    let mut body = vec![3, 3];
    random.fill(&mut body, 32);
    body.push(32);
    random.fill(&mut body, 32);
    body.extend([0x13, 1, 0]);
    body.extend(prefixed(&extension(43, &[3, 4])));
    [handshake(2, &body), tls_data(1200)].concat()
}

/// The head of a TLS record of application data.
pub(crate) fn tls_data(length: u16) -> Vec<u8> {
    [&[23, 3, 3][..], &length.to_be_bytes()].concat()
}

pub(crate) fn http_request(host: &str, path: u64) -> Vec<u8> {
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
    format!("GET /{path}.html HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nAccept: */*\r\n\r\n").into_bytes()
}

pub(crate) fn http_response(length: usize) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\r\n").into_bytes()
}

/// The head of an RTP packet (RFC 3550 section 5.1).
pub(crate) fn rtp(sequence: u16, source: u32) -> Vec<u8> {
    let time = u32::from(sequence) * 960;
    [&[0x80, 96][..], &sequence.to_be_bytes(), &time.to_be_bytes(), &source.to_be_bytes()].concat()
}

/// An NTP packet of a client (3) or a server (4) (RFC 5905 section 7.3), without times.
pub(crate) fn ntp(mode: u8) -> Vec<u8> {
    let mut packet = vec![0; 48];
    packet[0] = 4 << 3 | mode;
    packet
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let message = [&[kind, 0][..], &prefixed(body)].concat();
    [&[22, 3, 1][..], &prefixed(&message)].concat()
}

fn extension(number: u8, body: &[u8]) -> Vec<u8> {
    [&[0, number][..], &prefixed(body)].concat()
}

/// Bytes behind their length in 16 bits.
fn prefixed(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_agree_at_every_level() {
        let hello = client_hello("www.example.com", &mut Random::new(1));
        let number = |at: usize| usize::from(hello[at]) << 8 | usize::from(hello[at + 1]);
        assert_eq!((hello[0], number(3) + 5), (22, hello.len()));
        assert_eq!((hello[5], hello[6], number(7) + 9), (1, 0, hello.len()));
        let extensions = 9 + 2 + 32 + 33 + 8 + 2;
        assert_eq!(number(extensions) + extensions + 2, hello.len());
        assert!(hello.windows(15).any(|bytes| bytes == b"www.example.com"));
        assert_eq!((ntp(3).len(), ntp(3)[0], rtp(1, 2).len()), (48, 0x23, 12));
    }
}
