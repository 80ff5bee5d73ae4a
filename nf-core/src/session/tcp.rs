//! What TCP's sequence numbers and flags say about a session: order of segments, and when it is over.

use super::{
    record::{Direction, Order},
    session::EndReason,
};
use crate::decode::{TcpFacts, TcpFlags};

/// How far from the next expected sequence number a segment may be that ends or moves a stream. A receiver takes those within
/// its window (RFC 9293 section 3.10.7.4), whose scale a capture may not show; this lets one in 128 of random numbers pass.
const WINDOW: u32 = 1 << 24;

/// Follows both directions of one TCP connection.
#[derive(Debug, Clone, Default)]
pub(super) struct TcpTracker {
    sides: [Side; 2],
    closed: Option<EndReason>,
    /// Who opened it acknowledged what the other sent: it is no sender of forged addresses, who would have to guess that.
    established: bool,
}

/// One direction, in 20 bytes: it is read and written at each packet, and lies beside what else a packet needs.
#[derive(Debug, Clone, Default)]
struct Side {
    /// Something was seen of it: without, the numbers mean nothing.
    begun: bool,
    finished: bool,
    /// The initial sequence number: that of the SYN, or the one before the first that was seen.
    initial: u32,
    /// The sequence number that the next new byte has.
    next: u32,
    /// The latest hole: from the byte missing first to the byte behind the last one missing. None where they are one: then
    /// the end of the latest segment too far ahead to be taken.
    hole: [u32; 2],
}

/// `a - b` in sequence space (RFC 9293 section 3.4).
fn ahead(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b) as i32
}

impl TcpTracker {
    /// Takes in one segment, `payload_len` bytes of payload on the wire, and says where it stands in its stream.
    pub(super) fn push(&mut self, direction: Direction, tcp: &TcpFacts, payload_len: u32) -> Order {
        let flag = |flag: TcpFlags| u32::from(tcp.flags.contains(flag));
        if tcp.flags.contains(TcpFlags::RST) {
            // Its sequence number may stand outside of the stream, and its payload is a message about the reset.
            if self.closed.is_none() && self.resets(direction, tcp) {
                self.closed = Some(EndReason::Rst);
            }
            return Order::Fresh;
        }
        let syn = flag(TcpFlags::SYN);
        let [orig, resp] = &self.sides;
        self.established |= direction == Direction::Orig
            && tcp.flags.contains(TcpFlags::ACK)
            && syn == 0
            && orig.begun
            && resp.has_sent(tcp.ack);
        let side = &mut self.sides[direction as usize];
        let near = side.is_near(tcp.seq);
        if !side.begun {
            side.initial = tcp.seq.wrapping_sub(1 - syn);
        }
        let order = side.place(tcp.seq, payload_len.saturating_add(syn).saturating_add(flag(TcpFlags::FIN)));
        side.finished |= near && tcp.flags.contains(TcpFlags::FIN);
        if self.closed.is_none() && self.sides.iter().all(|side| side.finished) {
            self.closed = Some(EndReason::Fin);
        }
        order
    }

    /// Whether a reset is one that its receiver would take (RFC 9293 section 3.10.7): in answer to a segment that
    /// nobody waits for, its numbers are made from that segment; else it is near the end of what its sender sent.
    fn resets(&self, direction: Direction, tcp: &TcpFacts) -> bool {
        let (sender, receiver) = match direction {
            Direction::Orig => (&self.sides[0], &self.sides[1]),
            Direction::Resp => (&self.sides[1], &self.sides[0]),
        };
        let answers = tcp.flags.contains(TcpFlags::ACK) && tcp.seq == 0 && receiver.is_near(tcp.ack);
        answers || sender.is_near(tcp.seq)
    }

    /// Whether a SYN from this side opens another connection than this one: its initial sequence number is new.
    pub(super) fn is_renewed_by(&self, direction: Direction, tcp: &TcpFacts) -> bool {
        let side = &self.sides[direction as usize];
        !side.begun || side.initial != tcp.seq
    }

    /// Whether this side opened with a SYN or was seen later in its stream.
    pub(super) fn has_begun(&self, direction: Direction) -> bool {
        self.sides[direction as usize].begun
    }

    /// Whether both ends are known to be who they say: the handshake is complete, or was before the capture.
    pub(super) fn is_established(&self) -> bool {
        self.established
    }

    /// Why the connection is over, once it is.
    pub(super) fn closed(&self) -> Option<EndReason> {
        self.closed
    }
}

impl Side {
    /// Whether this number may be one of its stream by now.
    fn is_near(&self, number: u32) -> bool {
        !self.begun || ahead(number, self.next).unsigned_abs() <= WINDOW
    }

    /// Whether this acknowledges something of it, and nothing that was not seen.
    fn has_sent(&self, ack: u32) -> bool {
        let sent = self.next.wrapping_sub(self.initial);
        self.begun && (1..=sent).contains(&ack.wrapping_sub(self.initial))
    }

    fn place(&mut self, seq: u32, len: u32) -> Order {
        let end = seq.wrapping_add(len);
        if !self.begun {
            (self.begun, self.next) = (true, end);
            return Order::Fresh;
        }
        if len == 0 {
            return Order::Fresh;
        }
        let beyond = ahead(seq, self.next);
        if beyond > 0 && !self.is_near(seq) && self.hole != [seq; 2] {
            // One segment out of nowhere, as anybody may forge it, moves nothing; one that continues it does.
            self.hole = [end; 2];
            return Order::Gap;
        }
        if ahead(end, self.next) > 0 {
            let next = std::mem::replace(&mut self.next, end);
            if beyond > 0 {
                self.hole = [next, seq];
                return Order::Gap;
            }
            return Order::Fresh;
        }
        let [from, to] = self.hole;
        if from != to && ahead(seq, from) >= 0 && ahead(to, end) >= 0 {
            // What is left of the hole is its later part: reordered segments mostly come in order among themselves.
            self.hole = [end, to];
            return Order::OutOfOrder;
        }
        Order::Retransmission
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(seq: u32, flags: TcpFlags) -> TcpFacts {
        TcpFacts { src_port: 1, dst_port: 2, seq, ack: 0, flags, window: 100 }
    }

    #[test]
    fn tells_fresh_retransmitted_reordered_and_missing_apart_across_the_wrap() {
        let mut tcp = TcpTracker::default();
        let start = u32::MAX - 10;
        let mut push =
            |offset: u32, len| tcp.push(Direction::Orig, &segment(start.wrapping_add(offset), TcpFlags::ACK), len);
        assert_eq!(push(0, 10), Order::Fresh);
        assert_eq!(push(10, 10), Order::Fresh);
        assert_eq!(push(0, 20), Order::Retransmission);
        assert_eq!(push(40, 10), Order::Gap);
        assert_eq!(push(20, 10), Order::OutOfOrder);
        assert_eq!(push(30, 10), Order::OutOfOrder);
        assert_eq!(push(30, 10), Order::Retransmission);
        assert_eq!(push(50, 0), Order::Fresh);
        assert_eq!(push(45, 10), Order::Fresh); // brings new bytes
    }

    #[test]
    fn closes_at_the_second_fin_or_a_reset() {
        let mut tcp = TcpTracker::default();
        tcp.push(Direction::Orig, &segment(0, TcpFlags::FIN | TcpFlags::ACK), 0);
        tcp.push(Direction::Orig, &segment(0, TcpFlags::FIN | TcpFlags::ACK), 0);
        assert_eq!(tcp.closed(), None);
        tcp.push(Direction::Resp, &segment(0, TcpFlags::FIN | TcpFlags::ACK), 0);
        assert_eq!(tcp.closed(), Some(EndReason::Fin));
        tcp.push(Direction::Orig, &segment(1, TcpFlags::RST), 0);
        assert_eq!(tcp.closed(), Some(EndReason::Fin));
        let mut tcp = TcpTracker::default();
        tcp.push(Direction::Resp, &segment(0, TcpFlags::RST | TcpFlags::ACK), 0);
        assert_eq!(tcp.closed(), Some(EndReason::Rst));
    }

    #[test]
    fn one_segment_out_of_nowhere_moves_and_ends_nothing() {
        let far = 1 << 30;
        let mut tcp = TcpTracker::default();
        let mut push = |seq, len, flags| tcp.push(Direction::Orig, &segment(seq, flags), len);
        assert_eq!(push(0, 10, TcpFlags::ACK), Order::Fresh);
        assert_eq!(push(far, 10, TcpFlags::ACK | TcpFlags::FIN), Order::Gap);
        assert_eq!(push(10, 10, TcpFlags::ACK), Order::Fresh);
        assert_eq!(push(20, 10, TcpFlags::ACK), Order::Fresh);
        // Two in a row are a stream of which much was not captured.
        assert_eq!(push(far, 10, TcpFlags::ACK), Order::Gap);
        assert_eq!(push(far + 10, 10, TcpFlags::ACK), Order::Gap);
        assert_eq!(push(far + 20, 10, TcpFlags::ACK), Order::Fresh);
        let finished = |tcp: &TcpTracker| tcp.sides.each_ref().map(|side| side.finished);
        assert_eq!(finished(&tcp), [false, false]);
        tcp.push(Direction::Orig, &segment(far + 30, TcpFlags::ACK | TcpFlags::FIN), 0);
        assert_eq!(finished(&tcp), [true, false]);
    }

    #[test]
    fn is_established_once_the_answer_is_acknowledged() {
        let mut tcp = TcpTracker::default();
        let mut push = |direction, seq, ack, flags| {
            tcp.push(direction, &TcpFacts { ack, ..segment(seq, flags) }, 0);
            tcp.is_established()
        };
        assert!(!push(Direction::Orig, 1000, 0, TcpFlags::SYN));
        assert!(!push(Direction::Orig, 1001, 7, TcpFlags::ACK));
        assert!(!push(Direction::Resp, 5000, 1001, TcpFlags::SYN | TcpFlags::ACK));
        assert!(!push(Direction::Orig, 1000, 5001, TcpFlags::SYN));
        assert!(!push(Direction::Orig, 1001, 5000, TcpFlags::ACK));
        assert!(!push(Direction::Orig, 1001, 5002, TcpFlags::ACK));
        assert!(push(Direction::Orig, 1001, 5001, TcpFlags::ACK));
    }

    #[test]
    fn a_reset_counts_where_its_receiver_would_take_it() {
        let open = || {
            let mut tcp = TcpTracker::default();
            tcp.push(Direction::Orig, &segment(1000, TcpFlags::SYN), 0);
            tcp
        };
        let reset = |mut tcp: TcpTracker, direction, seq, ack, flags| {
            assert_eq!(tcp.push(direction, &TcpFacts { ack, ..segment(seq, flags) }, 0), Order::Fresh);
            tcp.closed()
        };
        let both = TcpFlags::RST | TcpFlags::ACK;
        assert_eq!(reset(open(), Direction::Resp, 0, 1001, both), Some(EndReason::Rst)); // a closed port
        assert_eq!(reset(open(), Direction::Orig, 1001, 0, TcpFlags::RST), Some(EndReason::Rst));
        assert_eq!(reset(open(), Direction::Orig, 1 << 30, 0, TcpFlags::RST), None); // a forged one
        let mut established = open();
        established.push(Direction::Resp, &segment(5000, TcpFlags::SYN | TcpFlags::ACK), 0);
        assert_eq!(reset(established.clone(), Direction::Resp, 5001, 0, TcpFlags::RST), Some(EndReason::Rst));
        assert_eq!(reset(established.clone(), Direction::Resp, 1 << 30, 0, TcpFlags::RST), None);
        assert_eq!(reset(established, Direction::Resp, 0, 1 << 30, both), Some(EndReason::Rst)); // 0 is near 5001
    }

    #[test]
    fn a_repeated_syn_does_not_renew_and_another_does() {
        let mut tcp = TcpTracker::default();
        assert!(!tcp.has_begun(Direction::Orig));
        tcp.push(Direction::Resp, &segment(70, TcpFlags::SYN | TcpFlags::ACK), 0);
        tcp.push(Direction::Orig, &segment(1001, TcpFlags::ACK), 0);
        assert!(!tcp.is_renewed_by(Direction::Orig, &segment(1000, TcpFlags::SYN)));
        assert!(tcp.is_renewed_by(Direction::Orig, &segment(1001, TcpFlags::SYN)));
        assert!(!tcp.is_renewed_by(Direction::Resp, &segment(70, TcpFlags::SYN)));
    }
}
