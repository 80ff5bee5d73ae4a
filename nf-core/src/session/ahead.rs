//! Frames read and decoded ahead of the session table, by threads that were asked for.
//!
//! Each thread in turn reads a batch of frames while it holds the capture, and lets go of it to decode them and to
//! measure their entropy. It queues for the result before it lets go, so that results come in the order of the capture,
//! whichever thread is done first. What depends on other frames is left to the table, which takes them one by one: the
//! sessions are those of one thread.

use super::{SessionConfig, SessionTable, entropy::Entropy};
use crate::{
    Error, Result,
    capture::{Capture, Record},
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
    input: Mutex<Option<Input>>,
    /// Batches that were taken in, for their memory.
    spare: Mutex<Vec<Batch>>,
    decoder: Decoder,
    entropy: Entropy,
}

/// The capture, and the first frame of the next batch where it was read behind the last one.
#[derive(Debug)]
struct Input {
    capture: Capture,
    next: Option<Record>,
}

/// Frames in a row, those of one buffer of the capture, and what came behind them.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    frames: Vec<Record>,
    decoded: Vec<Decoded>,
    /// The capture ended, with an error or without.
    end: Option<Option<Error>>,
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
            input: Mutex::new(Some(Input { capture, next: None })),
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
                let Ok(mut slot) = self.input.lock() else { return };
                let Some(input) = slot.as_mut() else { return };
                batch.read(input);
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
        match &mut *lock(&self.input) {
            Some(input) => batch.read(input),
            None => batch.end = Some(None),
        }
        batch.decode(&self.decoder, &self.entropy);
    }
}

impl Batch {
    /// Reads until a buffer of the capture is full, and takes that over: frames are not copied.
    fn read(&mut self, Input { capture, next }: &mut Input) {
        self.frames.clear();
        self.frames.extend(next.take());
        capture.lend(std::mem::take(&mut self.bytes));
        loop {
            let record = capture.next_record();
            if let Some(full) = capture.full() {
                self.bytes = full;
                match record {
                    Ok(record) => *next = record,
                    Err(error) => self.end = Some(Some(error)),
                }
                return;
            }
            match record {
                Ok(Some(record)) => self.frames.push(record),
                end => {
                    self.bytes = capture.last();
                    self.end = Some(end.err());
                    return;
                }
            }
        }
    }

    fn decode(&mut self, decoder: &Decoder, entropy: &Entropy) {
        self.decoded.clear();
        for record in &self.frames {
            let frame = record.frame(&self.bytes);
            self.decoded.push(match decoder.decode_apart(&frame) {
                Some(Ok(packet)) => {
                    // The payload is a part of the frame, or empty and anywhere.
                    let before = (packet.payload.as_ptr() as usize).wrapping_sub(frame.data.as_ptr() as usize);
                    let start = if packet.payload.is_empty() { 0 } else { record.data.start + before };
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

/// Locks what no panic leaves half done.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
