//! The generated part: sessions of clients with servers, one behind and beside the other.

use crate::{
    messages::{client_hello, http_request, http_response, ntp, rtp, server_hello, tls_data},
    random::Random,
    script::{CLIENT, Payload, SERVER, Script, Step, What},
};
use nf_tests::{DnsMessage, eth};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

/// Sessions in one percent of the whole: with the recorded ones there are about 90 thousand 5-tuples.
const SESSIONS_A_PERCENT: u64 = 600;

/// TCP timestamps behind two bytes that align them, as most segments carry them (RFC 7323).
const TIMESTAMPS: [u8; 12] = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1];

/// What a SYN offers: a segment size of 1460, selective acknowledgements, timestamps, a window scale of 7.
const OFFER: [u8; 20] = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];

/// Frames of all sessions in the order of their time, from the start of the capture.
pub(crate) struct Traffic {
    sessions: u64,
    started: u64,
    span: u64,
    /// Open sessions by their next frame: time in nanoseconds, number.
    open: BTreeMap<(u64, u64), Session>,
}

/// The ends of a session, and what is left of it.
struct Session {
    start: u64,
    addresses: [IpAddr; 2],
    ports: [u16; 2],
    vlan: Option<u16>,
    steps: std::iter::Peekable<std::vec::IntoIter<Step>>,
    sent: u32,
    random: Random,
}

impl Traffic {
    /// `percent` of the whole, sessions starting evenly over `span`.
    pub(crate) fn new(percent: u64, span: Duration) -> Self {
        let span = span.as_nanos() as u64;
        Self { sessions: percent * SESSIONS_A_PERCENT, started: 0, span, open: BTreeMap::new() }
    }

    /// Opens the sessions that start before all that is due.
    fn start_sessions(&mut self) {
        while self.started < self.sessions {
            let start = self.span / self.sessions * self.started;
            if self.open.first_key_value().is_some_and(|((next, _), _)| *next <= start) {
                break;
            }
            self.started += 1;
            let session = Session::new(self.started, start);
            self.open.insert((start, self.started), session);
        }
    }
}

impl Iterator for Traffic {
    type Item = (Duration, Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        self.start_sessions();
        let ((time, number), mut session) = self.open.pop_first()?;
        let frame = session.frame()?;
        if let Some(step) = session.steps.peek() {
            self.open.insert((session.start + step.at, number), session);
        }
        Some((Duration::from_nanos(time), frame))
    }
}

impl Session {
    fn new(number: u64, start: u64) -> Self {
        let mut random = Random::new(number << 20);
        let (port, steps) = plan(&mut random);
        let (client, server) = (random.below(600) as u16, random.heavy(1, 11) as u16);
        let addresses: [IpAddr; 2] = if random.per_mille(120) {
            let v6 = |net, host| IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, net, 0, 0, 0, 0, host));
            [v6(1, client), v6(2, server)]
        } else {
            let v4 = |a, b, host: u16| IpAddr::from(Ipv4Addr::new(a, b, (host >> 8) as u8, host as u8));
            [v4(10, 20, client), v4(198, 18, server)]
        };
        let vlan = random.per_mille(30).then_some(100);
        let ports = [32_768 + random.below(28_232) as u16, port];
        Self { start, addresses, ports, vlan, steps: steps.into_iter().peekable(), sent: 0, random }
    }

    /// The next packet.
    fn frame(&mut self) -> Option<Vec<u8>> {
        let Step { from, what, payload: Payload { head: mut payload, random }, .. } = self.steps.next()?;
        self.random.fill(&mut payload, random);
        self.sent += 1;
        let mac = |side: usize| match self.addresses[side] {
            IpAddr::V4(addr) if side == CLIENT => [2, 0, 0, 20, addr.octets()[2], addr.octets()[3]],
            _ => [2, 0, 0, 0, 0, 1], // the router
        };
        let to = 1 - from;
        let mut frame = eth().macs(mac(from), mac(to));
        if let Some(vlan) = self.vlan {
            frame = frame.vlan(vlan);
        }
        let frame = frame.ip(self.addresses[from], self.addresses[to]).id(self.sent & 0xffff).payload(&payload);
        let ports = [self.ports[from], self.ports[to]];
        let frame = match what {
            What::Tcp { flags, seq, ack } => {
                let options = if flags & 2 == 0 { &TIMESTAMPS[..] } else { &OFFER };
                let tcp = frame.tcp(ports[0], ports[1]).seq(seq).flags(flags).options(options);
                if flags & 16 == 0 { tcp } else { tcp.ack(ack) }
            }
            What::Udp => frame.udp(ports[0], ports[1]),
            What::Echo { number } if from == CLIENT => frame.echo_request(self.ports[CLIENT], number),
            What::Echo { number } => frame.echo_reply(self.ports[CLIENT], number),
        };
        Some(frame.padded_to(60).build())
    }
}

/// What a session does: the server's port, and the steps.
fn plan(random: &mut Random) -> (u16, Vec<Step>) {
    let kind = random.below(1000);
    let name = format!("www{}.example.com", random.below(800));
    let mut script = Script::new(random);
    let port = match kind {
        0..330 => {
            dns(&mut script, &name);
            53
        }
        330..610 => {
            https(&mut script, &name);
            443
        }
        610..680 => {
            http(&mut script, &name);
            80
        }
        680..705 => {
            terminal(&mut script);
            22
        }
        705..730 => {
            media(&mut script);
            5004
        }
        730..760 => {
            upload(&mut script);
            8443
        }
        760..850 => {
            script.udp(CLIENT, ntp(3));
            script.udp_answer(ntp(4));
            123
        }
        850..900 => {
            let count = script.random.between(1, 8) as u16;
            script.echoes(count, 56);
            return (0, script.done());
        }
        900..950 => {
            script.refused();
            script.random.between(1, 1024) as u16
        }
        _ => {
            let repeats = script.random.below(4) as u32;
            script.unanswered(repeats);
            script.random.between(1, 1024) as u16
        }
    };
    (port, script.done())
}

fn dns(script: &mut Script<'_>, name: &str) {
    let id = script.random.bits() as u16;
    let query = DnsMessage::query(name).id(id).build();
    script.udp(CLIENT, query.clone());
    let fate = script.random.below(100);
    if fate < 3 {
        script.pause(5000);
        script.udp(CLIENT, query);
    }
    if fate > 0 {
        let (code, answers) = if fate < 12 { (3, 0) } else { (0, script.random.between(1, 4) as u16) };
        script.udp_answer(DnsMessage::response(name, code, answers).id(id).build());
    }
}

fn https(script: &mut Script<'_>, name: &str) {
    script.open();
    let hello = client_hello(name, script.random);
    let size = hello.len();
    script.send(CLIENT, hello, size);
    let hello = server_hello(script.random);
    script.send(SERVER, hello, 2900);
    script.send(CLIENT, tls_data(59), 64);
    for _ in 0..script.random.heavy(1, 1) {
        let request = script.random.between(300, 900) as usize;
        script.send(CLIENT, tls_data(request as u16 - 5), request);
        script.pause(80);
        let response = script.random.heavy(800, 9) as usize;
        script.send(SERVER, tls_data(1400), response);
        script.pause(3000);
    }
    script.close(CLIENT);
}

fn http(script: &mut Script<'_>, name: &str) {
    script.open();
    let path = script.random.below(500);
    let request = http_request(name, path);
    let size = request.len();
    script.send(CLIENT, request, size);
    script.pause(50);
    let size = script.random.heavy(400, 10) as usize;
    script.send(SERVER, http_response(size), size + 80);
    script.close(SERVER);
}

fn terminal(script: &mut Script<'_>) {
    script.open();
    for side in [SERVER, CLIENT] {
        let banner = b"SSH-2.0-OpenSSH_9.2\r\n".to_vec();
        let size = banner.len();
        script.send(side, banner, size);
    }
    for _ in 0..script.random.heavy(5, 4) {
        script.send(CLIENT, Vec::new(), 36);
        script.pause(30);
        let size = script.random.heavy(36, 4) as usize;
        script.send(SERVER, Vec::new(), size);
        script.pause(900);
    }
    script.close(CLIENT);
}

fn media(script: &mut Script<'_>) {
    let source = script.random.bits() as u32;
    for sequence in 0..script.random.heavy(28, 4) as u16 {
        script.pause(40);
        let size = script.random.between(160, 1200) as usize;
        script.udp(SERVER, Payload::new(rtp(sequence, source), size));
        if sequence % 8 == 0 {
            script.udp(CLIENT, Payload::new(rtp(sequence, !source), 64));
        }
    }
}

fn upload(script: &mut Script<'_>) {
    script.open();
    let size = script.random.heavy(4000, 7) as usize;
    script.send(CLIENT, Vec::new(), size);
    script.send(SERVER, Vec::new(), 200);
    script.close(SERVER);
}
