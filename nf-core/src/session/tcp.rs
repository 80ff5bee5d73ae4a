//! What TCP's sequence numbers and flags say about a session: order of segments, and when it is over.

use super::session::{Direction, EndReason, Order};
use crate::decode::{TcpFacts, TcpFlags};

/// Follows both directions of one TCP connection.
#[derive(Debug, Clone, Default)]
pub(super) struct TcpTracker {
    sides: [Side; 2],
    closed: Option<EndReason>,
}

#[derive(Debug, Clone, Default)]
struct Side {
    /// The sequence number that the next new byte has.
    next: Option<u32>,
    /// The latest hole: from the byte missing first to the byte behind the last one missing.
    hole: Option<(u32, u32)>,
    finished: bool,
}

/// `a - b` in sequence space (RFC 9293 section 3.4).
fn ahead(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b) as i32
}

impl TcpTracker {
    /// Takes in one segment, `payload_len` bytes of payload on the wire, and says where it stands in its stream.
    pub(super) fn push(&mut self, direction: Direction, tcp: &TcpFacts, payload_len: u32) -> Order {
        let side = &mut self.sides[direction as usize];
        let flag = |flag: TcpFlags| u32::from(tcp.flags.contains(flag));
        let order =
            side.place(tcp.seq, payload_len.saturating_add(flag(TcpFlags::SYN)).saturating_add(flag(TcpFlags::FIN)));
        side.finished |= tcp.flags.contains(TcpFlags::FIN);
        if self.closed.is_none() {
            if tcp.flags.contains(TcpFlags::RST) {
                self.closed = Some(EndReason::Rst);
            } else if self.sides.iter().all(|side| side.finished) {
                self.closed = Some(EndReason::Fin);
            }
        }
        order
    }

    /// Why the connection is over, once it is.
    pub(super) fn closed(&self) -> Option<EndReason> {
        self.closed
    }
}

impl Side {
    fn place(&mut self, seq: u32, len: u32) -> Order {
        let end = seq.wrapping_add(len);
        let Some(next) = self.next else {
            self.next = Some(end);
            return Order::Fresh;
        };
        if len == 0 {
            return Order::Fresh;
        }
        if ahead(end, next) > 0 {
            self.next = Some(end);
            if ahead(seq, next) > 0 {
                self.hole = Some((next, seq));
                return Order::Gap;
            }
            return Order::Fresh;
        }
        match self.hole {
            Some((from, to)) if ahead(seq, from) >= 0 && ahead(to, end) >= 0 => {
                // What is left of the hole is its later part: reordered segments mostly come in order among themselves.
                self.hole = (end != to).then_some((end, to));
                Order::OutOfOrder
            }
            _ => Order::Retransmission,
        }
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
}
