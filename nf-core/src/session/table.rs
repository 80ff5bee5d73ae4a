//! Packets to sessions, in packet time and bounded memory.

mod end;
mod hosted;
mod look;

use super::{
    FlowKey, KeyKind, SessionConfig,
    clock::Clock,
    counts::TableStats,
    entropy::Entropy,
    held::Origin,
    host::{HostTable, Party},
    key::packed,
    keyed::{Index, Key, Keyed, same},
    looks::Plan,
    node::{Agenda, Due, Node},
    session::{EndReason, Outcome, Session},
    slots::Slots,
    spare::Spare,
    store::FORGET,
};
use crate::{
    Result, Timestamp,
    capture::Frame,
    decode::{Decoder, DnsFacts, Packet, Protocol, Skip, TcpFlags, Transport},
};
pub(crate) use hosted::Hosted;
pub(crate) use look::Happened;
use look::Waiting;
use std::{collections::VecDeque, time::Duration};

/// Share of the memory limit that context may take: 1 / this.
const CONTEXT_SHARE: usize = 4;

/// Share of the memory limit that buffers for the packets of later sessions may take: 1 / this.
const SPARE_SHARE: usize = 64;

/// More open sessions than this are not all in the cache: what a packet needs of its session is read at once then, not line
/// by line as it is used.
const CROWD: usize = 4096;

/// Silence after which a SYN with another initial sequence number is another connection although the end of the last
/// was not captured: how long Linux keeps a port from being used again (`TCP_TIMEWAIT_LEN`).
const REUSE_SILENCE: Duration = Duration::from_secs(60);

/// How long context counters look back: until then they know less than they will.
const WARM_UP: Duration = Duration::from_secs(super::series::SPAN as u64);

/// UDP ports whose payload is read as DNS: DNS (RFC 1035) and multicast DNS (RFC 6762).
const DNS_PORTS: [u16; 2] = [53, 5353];

/// Cuts packets into sessions. Frames go in with [`push`](Self::push), ended sessions come out of [`pop`](Self::pop).
///
/// There is no clock but that of the packets: time is that of the newest packet, or what [`advance`](Self::advance) says.
/// The same frames give the same sessions in the same order, live or replayed. Times that go back, or lie far in the
/// future, do not stop the timeouts: where all times of a minute are more than a minute late, time goes on with them.
#[derive(Debug)]
pub struct SessionTable {
    config: SessionConfig,
    decoder: Decoder,
    entropy: Entropy,
    clock: Clock,
    /// When the first packet came, by the clock.
    began: Timestamp,
    keyed: Keyed,
    index: Index,
    nodes: Slots<Node>,
    agenda: Agenda,
    /// The slot of the latest packet's session: in most captures the next packet is more often of it than not.
    latest: u32,
    hosts: HostTable,
    ended: VecDeque<Waiting>,
    spare: Spare,
    /// Looks wait to be popped among ended sessions.
    following: bool,
    /// How often something became known.
    turn: u64,
    /// Bytes that whoever follows keeps for sessions.
    charged: usize,
    /// Bytes that it keeps for those that ended.
    charged_ended: usize,
    /// Bytes of open sessions, without their slots.
    bytes: usize,
    /// Those of them that answered ones hold.
    answered_bytes: usize,
    ended_bytes: usize,
    /// More memory is held than when it was last compared with its limit.
    grown: bool,
    stats: TableStats,
}

impl SessionTable {
    /// An empty table.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) where a value of the configuration is out of its range.
    pub fn new(config: SessionConfig) -> Result<Self> {
        config.check()?;
        let longest = config.idle_timeouts().into_iter().chain([config.active]).flatten().max().unwrap_or_default();
        Ok(Self {
            decoder: Decoder::new().with_tunnels(config.tunnels),
            entropy: Entropy::new(config.entropy_bytes),
            clock: Clock::new(longest.max(FORGET)),
            began: Timestamp::default(),
            keyed: Keyed::default(),
            index: Index::default(),
            nodes: Slots::default(),
            agenda: Agenda::new(&config),
            latest: 0,
            hosts: HostTable::new(if config.context { config.memory_limit / CONTEXT_SHARE } else { 0 }),
            ended: VecDeque::new(),
            spare: Spare::new(config.memory_limit / SPARE_SHARE),
            following: false,
            turn: 0,
            charged: 0,
            charged_ended: 0,
            bytes: 0,
            answered_bytes: 0,
            ended_bytes: 0,
            grown: false,
            stats: TableStats::default(),
            config,
        })
    }

    /// How packets are cut into sessions here.
    pub fn config(&self) -> &SessionConfig {
        &self.config
    }

    /// What went in and came out so far.
    pub fn stats(&self) -> &TableStats {
        &self.stats
    }

    /// Sessions that have not ended.
    pub fn open(&self) -> usize {
        (self.stats.started - self.stats.ended) as usize
    }

    /// Bytes held by open sessions, ended ones that wait, context, and the room that all these keep for more.
    pub fn bytes(&self) -> usize {
        let slots = self.nodes.ever() * Node::SLOT_BYTES + self.ended.capacity() * size_of::<Waiting>();
        let context = if self.config.context { self.hosts.bytes() } else { 0 };
        let kept = slots + self.index.bytes() + context + self.spare.bytes();
        self.charged + self.charged_ended + self.bytes + self.ended_bytes + kept
    }

    /// Takes in one frame. A frame that cannot be used is counted under its reason, never an error.
    #[inline]
    pub fn push(&mut self, frame: &Frame<'_>) {
        match self.decoder.decode_plain(frame) {
            Some(packet) => self.push_packet(&packet),
            None => self.push_any(frame),
        }
    }

    /// Takes in a frame that is not plain.
    #[inline(never)]
    fn push_any(&mut self, frame: &Frame<'_>) {
        match self.decoder.decode(frame) {
            Ok(packet) => self.push_packet(&packet),
            Err(skip) => self.push_skipped(frame, skip),
        }
    }

    /// Takes in a frame that gave no packet.
    pub(super) fn push_skipped(&mut self, frame: &Frame<'_>, skip: Skip) {
        self.count(frame.time, frame.wire_len);
        self.stats.skipped.add(skip);
    }

    /// Takes in a packet that the caller decoded; it counts as a frame.
    pub fn push_packet(&mut self, packet: &Packet<'_>) {
        self.push_measured(packet, self.entropy.of(packet.payload));
    }

    /// Takes in a packet whose payload has this entropy.
    pub(super) fn push_measured(&mut self, packet: &Packet<'_>, entropy: f32) {
        self.count(packet.time, packet.wire_len);
        self.take(packet, entropy);
    }

    fn count(&mut self, time: Timestamp, wire_len: u32) {
        self.clock.tell(time);
        if self.stats.frames == 0 {
            self.began = self.clock.now();
        }
        self.stats.frames += 1;
        self.stats.wire_bytes += u64::from(wire_len);
        if self.agenda.next <= self.clock.now() {
            self.run();
        }
    }

    /// Says that it is `now`, so that silence can end sessions, by the clock that packet times are of. A moment before the
    /// newest known one is ignored, as a packet's would be; more than a minute before, it is counted
    /// ([`late_advances`](TableStats::late_advances)).
    pub fn advance(&mut self, now: Timestamp) {
        self.stats.late_advances += u64::from(self.clock.is_late(now));
        self.clock.tell(now);
        self.run();
    }

    /// The newest known time by the table's clock, as [`Session::ended`] has it.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Does what is due by now.
    #[inline(never)]
    fn run(&mut self) {
        while self.agenda.next <= self.clock.now() {
            // What ends takes memory until it is popped, and this may be no packet that would see to it.
            if self.grown {
                self.keep_within_memory();
            }
            match self.agenda.due(&self.nodes) {
                Some((at, due, slot)) if at <= self.clock.now() => self.run_one(at, due, slot),
                later => {
                    self.agenda.next = later.map_or(Timestamp::from_nanos(i64::MAX), |(at, ..)| at);
                    break;
                }
            }
        }
    }

    fn run_one(&mut self, at: Timestamp, due: Due, slot: u32) {
        match (due, self.node(slot).tcp.closed()) {
            (Due::Settle, _) => self.rest(slot, at),
            (Due::Idle, closed) => {
                if self.nodes.len() > CROWD {
                    self.fetch_next(slot);
                }
                self.end(slot, closed.unwrap_or(EndReason::Idle), at);
            }
            // It is over: trailing packets stay with it until its silence is long enough.
            (Due::Active, Some(_)) => self.agenda.stay(&mut self.nodes, slot),
            (Due::Active, None) => self.cut(slot, at),
        }
    }

    fn node(&self, slot: u32) -> &Node {
        &self.nodes[slot]
    }

    /// Ends all open sessions, oldest start first.
    pub fn finish(&mut self) {
        let mut slots: Vec<u32> = (0..self.nodes.ever() as u32).filter(|&slot| self.node(slot).is_open()).collect();
        slots.sort_by_key(|&slot| (self.node(slot).opened, slot));
        for slot in slots {
            let reason = self.node(slot).tcp.closed().unwrap_or(EndReason::Flushed);
            self.end(slot, reason, self.clock.now());
        }
    }

    /// The next ended session, in the order in which they ended.
    pub fn pop(&mut self) -> Option<Session> {
        loop {
            if let Happened::End { session, .. } = self.pop_any()? {
                return Some(session);
            }
        }
    }

    fn take(&mut self, packet: &Packet<'_>, entropy: f32) {
        let dns = dns_of(packet, self.config.key);
        let (key, swapped) = packed(packet, &self.config);
        let slot = match self.latest {
            slot if self.nodes.get(slot).is_some_and(|node| node.is_open() && same(&node.canonical.0, &key)) => {
                Some(slot)
            }
            _ => self.find(&key, packet),
        };
        match slot {
            Some(slot) if self.is_renewed(slot, swapped, packet) => {
                let reason = self.node(slot).tcp.closed().unwrap_or(EndReason::Idle);
                self.end(slot, reason, self.clock.now());
                self.latest = self.open_session(key, swapped, packet, entropy, dns);
            }
            Some(slot) => {
                self.update(slot, swapped, packet, entropy, dns);
                self.latest = slot;
            }
            None => self.latest = self.open_session(key, swapped, packet, entropy, dns),
        }
        if self.grown {
            self.keep_within_memory();
        }
    }

    /// The slot of a packet's session.
    fn find(&self, key: &Key, packet: &Packet<'_>) -> Option<u32> {
        let hash = self.keyed.hash(key);
        let nodes = &self.nodes;
        let crowd = nodes.len() > CROWD;
        if crowd {
            self.index.fetch(hash);
            if self.config.context {
                self.hosts.fetch_source(packet.src, packet.protocol());
            }
        }
        let slot = self.index.find(hash, |slot| {
            if crowd {
                nodes.fetch(Some(slot));
            }
            same(&nodes[slot].canonical.0, key)
        });
        if let Some(slot) = slot.filter(|_| crowd) {
            self.node(slot).held().fetch();
        }
        slot
    }

    /// Whether the packet opens another TCP connection between the same ends: a SYN after a reset; a SYN with another
    /// initial sequence number after both FINs, or after a silence so long that the end was not captured.
    fn is_renewed(&self, slot: u32, swapped: bool, packet: &Packet<'_>) -> bool {
        let Transport::Tcp(tcp) = packet.transport else { return false };
        if !opens(tcp.flags) || packet.later_fragment() {
            return false;
        }
        let node = self.node(slot);
        if node.protocol != Protocol::Tcp {
            return false;
        }
        let direction = node.direction(swapped);
        match node.tcp.closed() {
            Some(EndReason::Rst) => true,
            Some(_) => node.tcp.is_renewed_by(direction, &tcp),
            None => {
                self.clock.now().since(node.touched) >= REUSE_SILENCE
                    && node.tcp.has_begun(direction)
                    && node.tcp.is_renewed_by(direction, &tcp)
            }
        }
    }

    fn open_session(
        &mut self,
        canonical: Key,
        mut swapped: bool,
        packet: &Packet<'_>,
        entropy: f32,
        dns: Option<DnsFacts>,
    ) -> u32 {
        let mut key = FlowKey::in_table(packet, &self.config);
        let sender = swapped;
        let mut macs = packet.macs;
        let answers = match packet.transport {
            Transport::Tcp(tcp) => tcp.flags.contains(TcpFlags::SYN | TcpFlags::ACK),
            _ => dns.as_ref().is_some_and(|dns| dns.is_response && !DNS_PORTS.contains(&key.resp.port)),
        };
        if answers {
            // The packet that asked was not captured: who answers did not start the session.
            swapped = swapped != (key.orig != key.resp);
            key = key.reversed();
            macs = macs.map(|[a, b]| [b, a]);
        }
        let mac = macs.map(|[sender, _]| sender);
        let party = Party::new(key.orig.addr, key.resp.addr, key.resp.port, key.protocol, dns.as_ref(), mac);
        let now = self.clock.now();
        let origin = Origin { key, macs, start: packet.time, cold: now.since(self.began) < WARM_UP };
        let hash = self.keyed.hash(&canonical);
        let slot = self.nodes.put(Node::new(origin, party, (canonical, hash), swapped, now));
        self.index.insert(hash, slot);
        self.begin(slot, true);
        if answers || dns.is_some() {
            let node = &mut self.nodes[slot];
            node.party.last();
            node.plan = Some(Plan::new(&self.config.looks, 0, false, now, now));
        }
        self.add(slot, sender, packet, entropy, dns);
        slot
    }

    /// Counts the session as started now; `new`: it does not continue one that was cut.
    fn begin(&mut self, slot: u32, new: bool) {
        self.stats.started += 1;
        self.nodes[slot].id = self.stats.started;
        self.agenda.open(&mut self.nodes, slot, new);
        if self.config.context {
            self.hosts.begin(&mut self.nodes[slot].party, self.clock.now());
            self.grown = true;
        }
    }

    /// Takes in a later packet of a session.
    fn update(&mut self, slot: u32, swapped: bool, packet: &Packet<'_>, entropy: f32, dns: Option<DnsFacts>) {
        if self.node(slot).dormant {
            self.wake(slot, packet.time);
        }
        let now = self.clock.now();
        let node = &mut self.nodes[slot];
        node.touched = now;
        node.party.last();
        if node.plan.is_none() {
            let seen = node.held().known().is_some();
            node.plan = Some(Plan::new(&self.config.looks, 1, seen, node.opened, now));
        }
        self.add(slot, swapped, packet, entropy, dns);
    }

    /// Takes in a packet of a session, the first or a later one.
    fn add(&mut self, slot: u32, swapped: bool, packet: &Packet<'_>, entropy: f32, dns: Option<DnsFacts>) {
        self.stats.packets += 1;
        let now = self.clock.now();
        let node = &mut self.nodes[slot];
        let direction = node.direction(swapped);
        let was_closed = node.tcp.closed().is_some();
        let order = node.order(direction, packet);
        let closed = node.tcp.closed().is_some();
        let mut grown = node.held_mut().keep_look() || dns.is_some();
        let most = self.config.max_packets as usize;
        grown |= node.held_mut().push(packet, (direction, order), entropy, most, &mut self.spare);
        if let Some(dns) = dns {
            if self.config.context && !dns.is_response {
                self.hosts.query(packet.src, &dns, now);
            }
            node.held_mut().note_dns(dns);
        }
        let answered = self.config.context && !closed && node.held().known_outcome() == Some(Outcome::Answered);
        let due = node.plan.is_some_and(|plan| plan.is_due(node.held().packets(), now));
        if grown {
            self.recount(slot);
        }
        if closed && !was_closed {
            self.settle(slot, now);
        } else if answered {
            self.count_outcome(slot, Outcome::Answered, now);
        }
        self.touch(slot);
        if due {
            self.look_at_packet(slot);
        }
    }
}

/// A SYN that starts a connection.
fn opens(flags: TcpFlags) -> bool {
    flags.contains(TcpFlags::SYN) && !flags.contains(TcpFlags::ACK)
}

fn dns_of(packet: &Packet<'_>, kind: KeyKind) -> Option<DnsFacts> {
    let Transport::Udp { src_port, dst_port } = packet.transport else { return None };
    let dns_port = DNS_PORTS.contains(&src_port) || DNS_PORTS.contains(&dst_port);
    (dns_port && kind == KeyKind::FiveTuple && !packet.later_fragment())
        .then(|| DnsFacts::parse(packet.payload))
        .flatten()
}
