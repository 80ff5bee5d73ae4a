//! Packets to sessions, in packet time and bounded memory.

use super::{
    FlowKey, SessionConfig,
    clock::Clock,
    config::IDLE_CLASSES,
    entropy::Entropy,
    host::{FORGET, HostTable, Party, SETTLE},
    list::{SlotList, map_bytes},
    session::{Direction, EndReason, Order, Outcome, PacketRecord, Session},
    stats::SessionStats,
    tcp::TcpTracker,
};
use crate::{
    Result, Timestamp,
    capture::Frame,
    decode::{Decoder, DnsFacts, Packet, Protocol, Skip, SkipCounts, TcpFlags, Transport},
};
use slab::Slab;
use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

/// Share of the memory limit that context may take: 1 / this.
const CONTEXT_SHARE: usize = 4;

/// Share of the memory limit that open sessions leave to ended ones which wait to be popped: 1 / this.
const ENDED_SHARE: usize = 8;

/// Silence after which a SYN with another initial sequence number is another connection although the end of the last
/// was not captured: how long Linux keeps a port from being used again (`TCP_TIMEWAIT_LEN`).
const REUSE_SILENCE: Duration = Duration::from_secs(60);

/// How long context counters look back: until then they know less than they will.
const WARM_UP: Duration = Duration::from_secs(super::window::SPAN as u64);

/// UDP ports whose payload is read as DNS: DNS (RFC 1035) and multicast DNS (RFC 6762).
const DNS_PORTS: [u16; 2] = [53, 5353];

/// Cuts packets into sessions. Frames go in with [`push`](Self::push), ended sessions come out of [`pop`](Self::pop).
///
/// There is no clock but that of the packets: time is that of the newest packet, or what [`advance`](Self::advance) says.
/// The same frames give the same sessions in the same order, live or replayed. Times that go back, or lie far in the
/// future, do not stop the timeouts: where all packets of a minute are more than a minute late, time goes on with them.
#[derive(Debug)]
pub struct SessionTable {
    config: SessionConfig,
    idle: [Option<Duration>; IDLE_CLASSES],
    decoder: Decoder,
    entropy: Entropy,
    clock: Clock,
    /// When the first packet came, by the clock.
    began: Timestamp,
    index: HashMap<FlowKey, usize>,
    nodes: Slab<Node>,
    /// Open sessions by last packet, one list an idle class.
    silent: [SlotList; IDLE_CLASSES],
    /// Open sessions by start.
    aged: SlotList,
    /// Sessions whose outcome and context wait for silence, by last packet.
    unsettled: SlotList,
    /// Nothing is due before this moment.
    next_due: Timestamp,
    hosts: HostTable,
    ended: VecDeque<Box<Session>>,
    /// Slots that were ever in use.
    slots: usize,
    /// Bytes of open sessions, without their slots.
    bytes: usize,
    ended_bytes: usize,
    stats: TableStats,
}

/// What a session table took in, and what became of it.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct TableStats {
    /// Frames pushed.
    pub frames: u64,
    /// Bytes of these frames on the wire.
    pub wire_bytes: u64,
    /// Frames that became packets of a session; the others are in `skipped`.
    pub packets: u64,
    /// Frames that could not be used, by reason.
    pub skipped: SkipCounts,
    /// Sessions started.
    pub started: u64,
    /// Sessions ended.
    pub ended: u64,
    /// Ended early because memory was at its limit; part of `ended`.
    pub evicted: u64,
    /// Ended sessions dropped because nobody popped them and memory was at its limit; part of `ended`.
    pub dropped: u64,
    /// Context counters dropped because memory was at its limit.
    pub context_evicted: u64,
    /// Most bytes held at once.
    pub peak_bytes: usize,
}

#[derive(Debug)]
struct Node {
    /// Apart from its slot, so that the memory of an ended session does not stay with the slot.
    session: Box<Session>,
    canonical: FlowKey,
    party: Party,
    tcp: TcpTracker,
    /// When its last packet came, by the table's clock.
    touched: Timestamp,
    /// When its first packet came, by the table's clock.
    opened: Timestamp,
    /// The outcome as counted in the context, and when.
    counted: Option<(Outcome, Timestamp)>,
    /// Payload bytes counted in the context so far, from orig and resp.
    accounted: [u64; 2],
    /// The session was cut at the active timeout; its next packet continues it with the same direction.
    dormant: bool,
    bytes: usize,
}

impl Node {
    /// Which way a packet with this key went.
    fn direction(&self, key: &FlowKey) -> Direction {
        if key.orig == self.session.key.orig { Direction::Orig } else { Direction::Resp }
    }
}

/// What is due next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Settle,
    Idle,
    Active,
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
            idle: config.idle_timeouts(),
            decoder: Decoder::new().with_tunnels(config.tunnels),
            entropy: Entropy::new(config.entropy_bytes),
            clock: Clock::new(longest.max(FORGET)),
            began: Timestamp::default(),
            index: HashMap::new(),
            nodes: Slab::new(),
            silent: Default::default(),
            aged: SlotList::default(),
            unsettled: SlotList::default(),
            next_due: Timestamp::from_nanos(i64::MAX),
            hosts: HostTable::new(config.memory_limit / CONTEXT_SHARE),
            ended: VecDeque::new(),
            slots: 0,
            bytes: 0,
            ended_bytes: 0,
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
        let slots = self.slots * SLOT_BYTES + self.ended.capacity() * size_of::<Box<Session>>();
        self.bytes + self.ended_bytes + slots + map_bytes(&self.index) + self.hosts.bytes()
    }

    /// Takes in one frame. A frame that cannot be used is counted under its reason, never an error.
    pub fn push(&mut self, frame: &Frame<'_>) {
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
        self.clock.packet(time);
        if self.stats.frames == 0 {
            self.began = self.clock.now();
        }
        self.stats.frames += 1;
        self.stats.wire_bytes += u64::from(wire_len);
        self.run();
    }

    /// Says that it is `now`, so that silence can end sessions; a moment before the newest known one is ignored.
    pub fn advance(&mut self, now: Timestamp) {
        self.clock.advance(now);
        self.run();
    }

    /// Does what is due by now.
    fn run(&mut self) {
        while self.next_due <= self.clock.now() {
            match self.due() {
                Some((at, Due::Settle, slot)) if at <= self.clock.now() => self.settle(slot, at),
                Some((at, Due::Idle, slot)) if at <= self.clock.now() => {
                    let reason = self.nodes[slot].tcp.closed().unwrap_or(EndReason::Idle);
                    self.end(slot, reason, at);
                }
                Some((at, Due::Active, slot)) if at <= self.clock.now() => match self.nodes[slot].tcp.closed() {
                    // It is over: trailing packets stay with it until its silence is long enough.
                    Some(_) => self.aged.remove(slot),
                    None => self.cut(slot, at),
                },
                later => {
                    self.next_due = later.map_or(Timestamp::from_nanos(i64::MAX), |(at, ..)| at);
                    break;
                }
            }
        }
    }

    /// Ends all open sessions, oldest start first.
    pub fn finish(&mut self) {
        let mut slots: Vec<usize> = self.nodes.iter().map(|(slot, _)| slot).collect();
        slots.sort_by_key(|&slot| (self.nodes[slot].opened, slot));
        for slot in slots {
            let reason = self.nodes[slot].tcp.closed().unwrap_or(EndReason::Flushed);
            self.end(slot, reason, self.clock.now());
        }
    }

    /// The next ended session, in the order in which they ended.
    pub fn pop(&mut self) -> Option<Session> {
        let session = self.ended.pop_front()?;
        self.ended_bytes -= session_bytes(&session);
        Some(*session)
    }

    /// The earliest thing that is due, whenever that is.
    fn due(&self) -> Option<(Timestamp, Due, usize)> {
        let settle = self.unsettled.front().map(|slot| (self.nodes[slot].touched + SETTLE, Due::Settle, slot));
        let active = self.config.active.and_then(|age| {
            let slot = self.aged.front()?;
            Some((self.nodes[slot].opened + age, Due::Active, slot))
        });
        let idle = self.silent.iter().zip(self.idle).filter_map(|(list, idle)| {
            let slot = list.front()?;
            Some((self.nodes[slot].touched + idle?, Due::Idle, slot))
        });
        settle.into_iter().chain(active).chain(idle).min()
    }

    fn take(&mut self, packet: &Packet<'_>, entropy: f32) {
        let mut key = FlowKey::of(packet, self.config.key);
        if self.config.vlan_in_key {
            key.vlans = packet.vlans;
        }
        let dns = dns_of(packet, &key);
        let canonical = key.canonical();
        let slot = match self.index.get(&canonical) {
            Some(&slot) if self.is_renewed(slot, &key, packet) => {
                let reason = self.nodes[slot].tcp.closed().unwrap_or(EndReason::Idle);
                self.end(slot, reason, self.clock.now());
                self.open_session(key, packet, dns.as_ref())
            }
            Some(&slot) => slot,
            None => self.open_session(key, packet, dns.as_ref()),
        };
        self.update(slot, &key, packet, entropy, dns);
        self.keep_within_memory();
    }

    /// Whether the packet opens another TCP connection between the same ends: a SYN after a reset; a SYN with another
    /// initial sequence number after both FINs, or after a silence so long that the end was not captured.
    fn is_renewed(&self, slot: usize, key: &FlowKey, packet: &Packet<'_>) -> bool {
        let (Transport::Tcp(tcp), Protocol::Tcp) = (packet.transport, key.protocol) else { return false };
        if !opens(tcp.flags) || packet.later_fragment() {
            return false;
        }
        let node = &self.nodes[slot];
        let direction = node.direction(key);
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

    fn open_session(&mut self, mut key: FlowKey, packet: &Packet<'_>, dns: Option<&DnsFacts>) -> usize {
        let mut macs = packet.macs;
        let answers = match packet.transport {
            Transport::Tcp(tcp) => tcp.flags.contains(TcpFlags::SYN | TcpFlags::ACK),
            _ => dns.is_some_and(|dns| dns.is_response && !DNS_PORTS.contains(&key.resp.port)),
        };
        let canonical = key.canonical();
        if answers {
            // The packet that asked was not captured: who answers did not start the session.
            key = key.reversed();
            macs = macs.map(|[a, b]| [b, a]);
        }
        let mac = macs.map(|[sender, _]| sender);
        let party = Party::new(key.orig.addr, key.resp.addr, key.resp.port, key.protocol, dns, mac);
        let session = Box::new(Session {
            key,
            start: packet.time,
            end: packet.time,
            ended: self.clock.now(),
            cold: self.clock.now().since(self.began) < WARM_UP,
            end_reason: EndReason::Flushed,
            outcome: Outcome::Pending,
            macs,
            packets: Vec::new(),
            stats: SessionStats::default(),
            dns: None,
            context: None,
        });
        let slot = self.nodes.insert(Node {
            session,
            canonical,
            party,
            tcp: TcpTracker::default(),
            touched: self.clock.now(),
            opened: self.clock.now(),
            counted: None,
            accounted: [0; 2],
            dormant: false,
            bytes: 0,
        });
        self.slots = self.slots.max(slot + 1);
        self.index.insert(canonical, slot);
        self.begin(slot);
        slot
    }

    /// Counts the session as started now.
    fn begin(&mut self, slot: usize) {
        self.stats.started += 1;
        self.aged.push_back(slot);
        if self.config.context {
            self.hosts.begin(&self.nodes[slot].party, self.clock.now());
        }
        if let Some(age) = self.config.active {
            self.next_due = self.next_due.min(self.clock.now() + age);
        }
    }

    fn update(&mut self, slot: usize, key: &FlowKey, packet: &Packet<'_>, entropy: f32, dns: Option<DnsFacts>) {
        self.stats.packets += 1;
        if self.nodes[slot].dormant {
            self.wake(slot, packet.time);
        }
        let node = &mut self.nodes[slot];
        node.touched = self.clock.now();
        let direction = node.direction(key);
        let was_closed = node.tcp.closed().is_some();
        let order = match packet.transport {
            _ if packet.later_fragment() => Order::Fragment,
            Transport::Tcp(tcp) if node.session.key.protocol == Protocol::Tcp => {
                node.tcp.push(direction, &tcp, packet.payload_len)
            }
            _ => Order::Fresh,
        };
        let record = record(packet, direction, order, entropy);
        let session = &mut node.session;
        session.end = session.end.max(packet.time);
        let tcp = matches!(packet.transport, Transport::Tcp(_)) && order != Order::Fragment;
        session.stats.push(&record, packet.wire_len, tcp, !packet.payload.is_empty(), packet.truncated);
        if session.packets.len() < self.config.max_packets as usize {
            session.packets.push(record);
        }
        if let Some(dns) = dns {
            if self.config.context && !dns.is_response {
                self.hosts.query(packet.src, &dns, self.clock.now());
            }
            session.note_dns(dns);
        }
        let bytes = session_bytes(&node.session);
        self.bytes = self.bytes + bytes - node.bytes;
        node.bytes = bytes;

        let closes = !was_closed && node.tcp.closed().is_some();
        let answered = node.session.known_outcome() == Some(Outcome::Answered);
        let class = SessionConfig::idle_class(node.session.key.protocol);
        self.silent[class].push_back(slot);
        if let Some(idle) = self.idle[class] {
            self.next_due = self.next_due.min(self.clock.now() + idle);
        }
        if closes {
            self.settle(slot, self.clock.now());
        } else if !was_closed {
            self.unsettled.push_back(slot);
            self.next_due = self.next_due.min(self.clock.now() + SETTLE);
            if answered {
                self.count_outcome(slot, Outcome::Answered, self.clock.now());
            }
        }
    }

    /// The session fell silent or closed: its outcome counts, and its context is taken.
    fn settle(&mut self, slot: usize, at: Timestamp) {
        self.unsettled.remove(slot);
        let outcome = self.nodes[slot].session.known_outcome().unwrap_or(Outcome::Failed);
        self.count_outcome(slot, outcome, at);
        let node = &mut self.nodes[slot];
        node.session.outcome = outcome;
        if self.config.context {
            let stats = &node.session.stats;
            let total = [stats.orig.payload_bytes, stats.resp.payload_bytes];
            let [up, down] = [0, 1].map(|side| total[side] - node.accounted[side]);
            node.accounted = total;
            self.hosts.traffic(&node.party, node.opened, up, down, at);
            let had_context = node.session.context.is_some();
            node.session.context = Some(Box::new(self.hosts.observe(&node.party, outcome, at)));
            if !had_context {
                let bytes = session_bytes(&node.session);
                self.bytes = self.bytes + bytes - node.bytes;
                node.bytes = bytes;
            }
        }
    }

    /// Counts an outcome in the context: once, and once more where it turns out otherwise.
    fn count_outcome(&mut self, slot: usize, outcome: Outcome, at: Timestamp) {
        let node = &mut self.nodes[slot];
        if self.config.context && node.counted.is_none_or(|(counted, _)| counted != outcome) {
            self.hosts.outcome(&node.party, node.counted, outcome, at);
            node.counted = Some((outcome, at));
        }
    }

    /// Ends a session and takes it out of the table.
    fn end(&mut self, slot: usize, reason: EndReason, at: Timestamp) {
        let class = SessionConfig::idle_class(self.nodes[slot].session.key.protocol);
        if !self.nodes[slot].dormant {
            self.leave(slot, at);
        }
        self.unsettled.remove(slot);
        self.silent[class].remove(slot);
        self.aged.remove(slot);
        let node = self.nodes.remove(slot);
        self.index.remove(&node.canonical);
        self.bytes -= node.bytes;
        if !node.dormant {
            self.emit(node.session, reason);
        }
    }

    /// Cuts a session at the active timeout. What is left waits for a packet, so that it keeps its direction.
    fn cut(&mut self, slot: usize, at: Timestamp) {
        if !self.nodes[slot].dormant {
            self.leave(slot, at);
        }
        self.unsettled.remove(slot);
        self.aged.remove(slot);
        let node = &mut self.nodes[slot];
        let rest = Box::new(node.session.rest());
        let session = std::mem::replace(&mut node.session, rest);
        node.dormant = true;
        node.counted = None;
        node.accounted = [0; 2];
        let bytes = session_bytes(&node.session);
        self.bytes = self.bytes + bytes - node.bytes;
        node.bytes = bytes;
        self.emit(session, EndReason::Active);
    }

    /// The first packet after a cut.
    fn wake(&mut self, slot: usize, time: Timestamp) {
        let node = &mut self.nodes[slot];
        node.dormant = false;
        node.opened = self.clock.now();
        (node.session.start, node.session.end) = (time, time);
        self.begin(slot);
    }

    /// What a session leaves behind in the context.
    fn leave(&mut self, slot: usize, at: Timestamp) {
        if self.nodes[slot].session.context.is_none() || self.unsettled_now(slot) {
            self.settle(slot, at);
        }
        if self.config.context {
            self.hosts.end(&self.nodes[slot].party, at);
        }
    }

    fn unsettled_now(&self, slot: usize) -> bool {
        self.nodes[slot].tcp.closed().is_none() && self.unsettled.contains(slot)
    }

    fn emit(&mut self, mut session: Box<Session>, reason: EndReason) {
        session.end_reason = reason;
        session.ended = self.clock.now();
        session.packets.shrink_to_fit();
        self.stats.ended += 1;
        self.ended_bytes += session_bytes(&session);
        self.ended.push_back(session);
    }

    /// Ends what was silent longest, and drops what nobody popped, until memory is within its limit. Ended sessions hold
    /// their memory until they are popped, so that they have a share of their own.
    fn keep_within_memory(&mut self) {
        self.stats.context_evicted = self.hosts.evicted();
        let limit = self.config.memory_limit;
        while self.bytes() - self.ended_bytes > limit - limit / ENDED_SHARE {
            let oldest =
                self.silent.iter().filter_map(SlotList::front).min_by_key(|&slot| (self.nodes[slot].touched, slot));
            let Some(slot) = oldest else { break };
            self.stats.evicted += u64::from(!self.nodes[slot].dormant);
            self.end(slot, EndReason::Evicted, self.clock.now());
        }
        while self.bytes() > limit && self.pop().is_some() {
            self.stats.dropped += 1;
        }
        self.stats.peak_bytes = self.stats.peak_bytes.max(self.bytes());
    }
}

/// A SYN that starts a connection.
fn opens(flags: TcpFlags) -> bool {
    flags.contains(TcpFlags::SYN) && !flags.contains(TcpFlags::ACK)
}

fn dns_of(packet: &Packet<'_>, key: &FlowKey) -> Option<DnsFacts> {
    let dns_port = DNS_PORTS.contains(&key.orig.port) || DNS_PORTS.contains(&key.resp.port);
    (key.protocol == Protocol::Udp && dns_port && !packet.later_fragment())
        .then(|| DnsFacts::parse(packet.payload))
        .flatten()
}

fn record(packet: &Packet<'_>, direction: Direction, order: Order, entropy: f32) -> PacketRecord {
    let (control, code, window) = match packet.transport {
        Transport::Tcp(tcp) => (tcp.flags.0, 0, tcp.window),
        Transport::Icmp { kind, code, .. } => (kind, code, 0),
        Transport::Arp { operation } => (u8::try_from(operation).unwrap_or(u8::MAX), 0, 0),
        Transport::Udp { .. } | Transport::Ports { .. } | Transport::Other { .. } => (0, 0, 0),
    };
    PacketRecord {
        time: packet.time,
        payload_len: packet.payload_len,
        network_len: packet.network_len,
        entropy,
        window,
        control,
        code,
        protocol: packet.protocol(),
        ports: match packet.transport {
            Transport::Tcp(tcp) => [tcp.src_port, tcp.dst_port],
            Transport::Udp { src_port, dst_port } | Transport::Ports { src_port, dst_port, .. } => [src_port, dst_port],
            _ => [0; 2],
        },
        direction,
        order,
    }
}

/// What the allocator adds to each allocation, as glibc does.
const ALLOCATION: usize = 16;

/// Bytes of a slot: the node, and a link in each list.
const SLOT_BYTES: usize = size_of::<Node>() + size_of::<usize>() + (IDLE_CLASSES + 2) * SlotList::LINK_BYTES;

/// Bytes of a session on the heap.
fn session_bytes(session: &Session) -> usize {
    let allocated = |bytes: usize| if bytes == 0 { 0 } else { bytes + ALLOCATION };
    allocated(size_of::<Session>())
        + allocated(session.packets.capacity() * size_of::<PacketRecord>())
        + session.dns.as_ref().map_or(0, |dns| allocated(size_of::<DnsFacts>()) + allocated(dns.name.capacity()))
        + session.context.as_ref().map_or(0, |context| allocated(size_of_val(&**context)))
}
