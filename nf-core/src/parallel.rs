//! Work in chunks, over threads that are asked for.

use crate::Result;
use std::{
    num::NonZero,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// Most items of a chunk: bounds what is held at once.
const CHUNK: usize = 1024;

/// Applies `work` to chunks of `items` on `threads` threads (0 for one a core) and joins what it gives, in order; the
/// error of the earliest failing chunk where there is one. `work` must give for a chunk what it gives for its parts.
pub(crate) fn in_chunks<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&[T]) -> Result<Vec<R>> + Sync,
) -> Result<Vec<R>> {
    let threads = if threads == 0 { thread::available_parallelism().map_or(1, NonZero::get) } else { threads };
    let chunk = items.len().div_ceil(threads).clamp(1, CHUNK);
    let chunks: Vec<&[T]> = items.chunks(chunk).collect();
    if threads == 1 || chunks.len() <= 1 {
        let results = chunks.into_iter().map(work).collect::<Result<Vec<_>>>()?;
        return Ok(results.into_iter().flatten().collect());
    }
    let next = AtomicUsize::new(0);
    let run = || {
        let taken = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&i| i < chunks.len());
        std::iter::from_fn(taken).map(|i| (i, work(chunks[i]))).collect::<Vec<_>>()
    };
    let mut results = thread::scope(|scope| {
        // Where the system gives no more threads, those there are do the work: this one at least.
        let spawn = |_| thread::Builder::new().spawn_scoped(scope, run).ok();
        let others: Vec<_> = (1..threads.min(chunks.len())).map_while(spawn).collect();
        let mut results = run();
        for other in others {
            match other.join() {
                Ok(more) => results.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    });
    results.sort_unstable_by_key(|(i, _)| *i);
    let results = results.into_iter().map(|(_, result)| result).collect::<Result<Vec<_>>>()?;
    Ok(results.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, ErrorKind};

    #[test]
    fn keeps_the_order_whatever_the_threads() {
        for n in [0, 1, 7, 5000] {
            let items: Vec<u32> = (0..n).collect();
            for threads in [0, 1, 2, 9] {
                let squares = in_chunks(&items, threads, |chunk| Ok(chunk.iter().map(|i| i * i).collect())).unwrap();
                assert!(squares.into_iter().eq(items.iter().map(|i| i * i)), "{n} items, {threads} threads");
            }
        }
    }

    #[test]
    fn gives_the_earliest_error() {
        let items: Vec<usize> = (0..10_000).collect();
        for threads in [1, 2, 5] {
            let work = |chunk: &[usize]| match chunk.iter().find(|i| **i >= 4000) {
                Some(i) => Err(Error::new(ErrorKind::Data, format!("item {i}"))),
                None => Ok(vec![(); chunk.len()]),
            };
            assert_eq!(in_chunks(&items, threads, work).unwrap_err().to_string(), "item 4000");
        }
    }
}
