//! Buffers of packet records that go from session to session.

use super::{record::PacketRecord, store::ALLOCATION};

/// Records that the buffers kept here hold. A session moves to the next size where it is full; that of a flood has one.
const SIZES: [usize; 4] = [1, 4, 16, 64];

/// Buffers that sessions outgrew or ended with. The allocator would have to find, cut and join their memory, far apart as
/// sessions end, for each session several times over: an eighth of the time from a capture to rows.
#[derive(Debug)]
pub(super) struct Spare {
    buffers: [Vec<Vec<PacketRecord>>; SIZES.len()],
    bytes: usize,
    limit: usize,
}

impl Spare {
    /// Keeps up to `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { buffers: Default::default(), bytes: 0, limit }
    }

    /// Bytes that wait here.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
            + self.buffers.iter().map(|of_size| of_size.capacity() * size_of::<Vec<PacketRecord>>()).sum::<usize>()
    }

    /// Moves records that fill their buffer to a larger one, for at most `most` of them.
    pub(super) fn grow(&mut self, records: &mut Vec<PacketRecord>, most: usize) {
        let larger = SIZES.iter().position(|&size| size > records.len());
        let kept = larger.and_then(|at| self.buffers[at].pop());
        let mut buffer = match kept {
            Some(buffer) => {
                self.bytes -= bytes(&buffer);
                buffer
            }
            None => {
                let room = larger.map_or(records.len().saturating_mul(4), |at| SIZES[at]).min(most);
                Vec::with_capacity(room.max(records.len() + 1))
            }
        };
        buffer.extend_from_slice(records);
        self.keep(std::mem::replace(records, buffer));
    }

    /// Moves records that nothing will be added to into memory of their own size.
    pub(super) fn trim(&mut self, records: &mut Vec<PacketRecord>) {
        if records.len() < records.capacity() {
            let exact = records.as_slice().into();
            self.keep(std::mem::replace(records, exact));
        }
    }

    fn keep(&mut self, mut buffer: Vec<PacketRecord>) {
        let Some(at) = SIZES.iter().position(|&size| size == buffer.capacity()) else { return };
        if self.bytes + bytes(&buffer) <= self.limit {
            buffer.clear();
            self.bytes += bytes(&buffer);
            self.buffers[at].push(buffer);
        }
    }
}

fn bytes(buffer: &Vec<PacketRecord>) -> usize {
    buffer.capacity() * size_of::<PacketRecord>() + ALLOCATION
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Timestamp,
        decode::Protocol,
        session::{Direction, Order},
    };

    fn record(nanos: i64) -> PacketRecord {
        PacketRecord {
            time: Timestamp::from_nanos(nanos),
            payload_len: 0,
            network_len: 0,
            entropy: 0.0,
            ports: [0; 2],
            protocol: Protocol::Tcp,
            window: 0,
            control: 0,
            code: 0,
            direction: Direction::Orig,
            order: Order::Fresh,
        }
    }

    /// Records added one by one, and the capacities on the way.
    fn fill(spare: &mut Spare, count: i64, most: usize) -> (Vec<PacketRecord>, Vec<usize>) {
        let (mut records, mut capacities) = (Vec::new(), Vec::new());
        for i in 0..count {
            if records.len() == records.capacity() {
                spare.grow(&mut records, most);
                capacities.push(records.capacity());
            }
            records.push(record(i));
        }
        assert!(records.iter().zip(0..).all(|(record, i)| record.time.as_nanos() == i));
        (records, capacities)
    }

    #[test]
    fn buffers_grow_within_what_is_kept_and_come_again() {
        let mut spare = Spare::new(1 << 20);
        let (mut records, capacities) = fill(&mut spare, 300, 300);
        assert_eq!(capacities, [1, 4, 16, 64, 256, 300]);
        spare.trim(&mut records);
        assert_eq!(records.capacity(), 300);
        let before = spare.bytes();
        assert!(before > (1 + 4 + 16 + 64) * size_of::<PacketRecord>());
        let (mut again, capacities) = fill(&mut spare, 20, 300);
        assert_eq!(capacities, [1, 4, 16, 64]);
        let kept = again.as_ptr();
        spare.trim(&mut again);
        assert_eq!((again.len(), again.capacity(), spare.bytes()), (20, 20, before));
        // The buffer that was given back is the next to be used.
        assert_eq!(fill(&mut spare, 20, 300).0.as_ptr(), kept);
        assert_eq!(fill(&mut Spare::new(1 << 20), 5, 5).1, [1, 4, 5]);
    }

    #[test]
    fn nothing_is_kept_beyond_the_limit() {
        let mut spare = Spare::new(200);
        fill(&mut spare, 20, 64);
        fill(&mut spare, 20, 64);
        assert_eq!(spare.bytes, 5 * size_of::<PacketRecord>() + 2 * ALLOCATION);
    }
}
