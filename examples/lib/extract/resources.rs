//! What the process used so far.

use std::time::{Duration, Instant};

/// When the work began.
pub(super) struct Start {
    wall: Instant,
    cpu: Option<Duration>,
}

impl Start {
    pub(super) fn now() -> Self {
        Self { wall: Instant::now(), cpu: cpu() }
    }

    pub(super) fn wall(&self) -> Duration {
        self.wall.elapsed()
    }

    /// Processor time since, of all threads, in user and system mode; `None` where the system does not say.
    pub(super) fn cpu(&self) -> Option<Duration> {
        Some(cpu()?.saturating_sub(self.cpu?))
    }
}

#[cfg(unix)]
fn cpu() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
}

#[cfg(not(unix))]
fn cpu() -> Option<Duration> {
    None
}
