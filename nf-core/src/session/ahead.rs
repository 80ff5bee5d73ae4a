//! Frames read and decoded ahead of the session table, by threads that were asked for.
//!
//! Each thread in turn reads a batch of frames while it holds the capture, and lets go of it to decode them and to
//! measure their entropy. It queues for the result before it lets go, so that results come in the order of the capture,
//! whichever thread is done first. What depends on other frames is left to the table, which takes them one by one: the
//! sessions are those of one thread.

use super::{SessionConfig, SessionTable, entropy::Entropy};
use crate::{
    Error, Result, Timestamp,
    capture::{Capture, Frame, LinkType},
    decode::{Decoder, Packet, Skip},
};
use std::{
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
};

/// A batch ends with the frame that reaches one of these: enough that handing it on costs little, and little enough to
/// stay in the cache.
const BATCH_BYTES: usize = 128 * 1024;
const BATCH_FRAMES: usize = 512;

/// The results of the threads, in order.
#[derive(Debug)]
pub(super) struct Ahead {
    results: Receiver<Receiver<Batch>>,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    batch: Batch,
    /// The next frame of `batch`.
    next: usize,
}

/// What the threads share.
#[derive(Debug)]
struct Shared {
    /// `None` when it ended or nobody asks for its frames any more.
    capture: Mutex<Option<Capture>>,
    /// Batches that were taken in, for their memory.
    spare: Mutex<Vec<Batch>>,
    decoder: Decoder,
    entropy: Entropy,
}

/// Frames in a row, and what came behind them.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    frames: Vec<Place>,
    decoded: Vec<Decoded>,
    /// The capture ended, with an error or without.
    end: Option<Option<Error>>,
}

/// A frame whose bytes are at a place in a batch.
#[derive(Debug)]
struct Place {
    time: Timestamp,
    link_type: LinkType,
    wire_len: u32,
    data: Range<usize>,
}

/// What became of a frame.
#[derive(Debug)]
enum Decoded {
    /// A packet, the place of its payload in the batch, and the entropy of that.
    Packet(Packet<'static>, Range<usize>, f32),
    Skipped(Skip),
    /// A fragment, which must be decoded in its turn.
    InTurn,
}

impl Ahead {
    /// Starts so many threads, or as many as the system gives; without any, the caller's does the work.
    pub(super) fn new(capture: Capture, threads: usize, config: &SessionConfig) -> Self {
        let shared = Arc::new(Shared {
            capture: Mutex::new(Some(capture)),
            spare: Mutex::default(),
            decoder: Decoder::new().with_tunnels(config.tunnels),
            entropy: Entropy::new(config.entropy_bytes),
        });
        let (queue, results) = sync_channel(threads);
        let spawn = |_| {
            let (shared, queue) = (shared.clone(), queue.clone());
            thread::Builder::new().name("nf-decode".to_owned()).spawn(move || shared.work(&queue)).ok()
        };
        let threads = (0..threads).map_while(spawn).collect();
        Self { results, shared, threads, batch: Batch::default(), next: 0 }
    }

    /// Pushes the next frame to the table, and says whether there was one.
    ///
    /// # Errors
    /// As the capture's, behind its last frame.
    pub(super) fn push_to(&mut self, table: &mut SessionTable) -> Result<bool> {
        while self.next == self.batch.frames.len() {
            if let Some(end) = self.batch.end.take() {
                self.join();
                return end.map_or(Ok(false), Err);
            }
            self.receive();
        }
        self.batch.push_to(self.next, table);
        self.next += 1;
        Ok(true)
    }

    /// Waits for the next batch.
    fn receive(&mut self) {
        self.next = 0;
        if self.threads.is_empty() {
            return self.shared.read_and_decode(&mut self.batch);
        }
        if let Ok(batch) = self.results.recv().and_then(|result| result.recv()) {
            let old = std::mem::replace(&mut self.batch, batch);
            lock(&self.shared.spare).push(old);
        } else {
            // A thread panicked, as a reader that was handed in may: the panic goes on here.
            self.join();
            self.batch = Batch { end: Some(None), ..Batch::default() };
        }
    }

    fn join(&mut self) {
        // Whoever still waits to hand on a result need not.
        self.results = sync_channel(0).1;
        for thread in self.threads.drain(..) {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

impl Shared {
    /// Reads and decodes batches until the capture ends or nobody takes them.
    fn work(&self, queue: &SyncSender<Receiver<Batch>>) {
        loop {
            let mut batch = lock(&self.spare).pop().unwrap_or_default();
            let (sender, result) = sync_channel(1);
            {
                // Poisoned where a reader panicked: the thread that held it has the panic.
                let Ok(mut slot) = self.capture.lock() else { return };
                let Some(capture) = slot.as_mut() else { return };
                batch.read(capture);
                let wanted = queue.send(result).is_ok();
                if batch.end.is_some() || !wanted {
                    *slot = None;
                }
            }
            batch.decode(&self.decoder, &self.entropy);
            if sender.send(batch).is_err() {
                return;
            }
        }
    }

    /// The same on one thread.
    fn read_and_decode(&self, batch: &mut Batch) {
        match &mut *lock(&self.capture) {
            Some(capture) => batch.read(capture),
            None => batch.end = Some(None),
        }
        batch.decode(&self.decoder, &self.entropy);
    }
}

impl Batch {
    fn read(&mut self, capture: &mut Capture) {
        self.bytes.clear();
        self.frames.clear();
        while self.end.is_none() && self.bytes.len() < BATCH_BYTES && self.frames.len() < BATCH_FRAMES {
            match capture.next_frame() {
                Ok(Some(Frame { time, link_type, wire_len, data })) => {
                    let start = self.bytes.len();
                    self.bytes.extend_from_slice(data);
                    self.frames.push(Place { time, link_type, wire_len, data: start..self.bytes.len() });
                }
                end => self.end = Some(end.err()),
            }
        }
    }

    fn decode(&mut self, decoder: &Decoder, entropy: &Entropy) {
        self.decoded.clear();
        for place in &self.frames {
            let frame = place.frame(&self.bytes);
            self.decoded.push(match decoder.decode_apart(&frame) {
                Some(Ok(packet)) => {
                    // The payload is a part of the frame, or empty and anywhere.
                    let before = (packet.payload.as_ptr() as usize).wrapping_sub(frame.data.as_ptr() as usize);
                    let start = if packet.payload.is_empty() { 0 } else { place.data.start + before };
                    let payload = start..start + packet.payload.len();
                    Decoded::Packet(packet.headers(), payload, entropy.of(packet.payload))
                }
                Some(Err(skip)) => Decoded::Skipped(skip),
                None => Decoded::InTurn,
            });
        }
    }

    fn push_to(&self, index: usize, table: &mut SessionTable) {
        let frame = || self.frames[index].frame(&self.bytes);
        match &self.decoded[index] {
            Decoded::Packet(headers, payload, entropy) => {
                let packet = Packet { payload: &self.bytes[payload.clone()], ..headers.clone() };
                table.push_measured(&packet, *entropy);
            }
            Decoded::Skipped(skip) => table.push_skipped(&frame(), *skip),
            Decoded::InTurn => table.push(&frame()),
        }
    }
}

impl Place {
    fn frame<'a>(&self, bytes: &'a [u8]) -> Frame<'a> {
        let Self { time, link_type, wire_len, ref data } = *self;
        Frame { time, link_type, wire_len, data: &bytes[data.clone()] }
    }
}

/// Locks what no panic leaves half done.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
