//! A monitor of sessions that a host program keeps.

use super::{BATCH, Event, Monitor, MonitorStats};
use crate::{
    Result, Timestamp,
    capture::Frame,
    decode::{Packet, Skip},
    detector::{Detector, Drift, Explanation, Row, Verdict},
    incident::IncidentConfig,
    session::{EndReason, Hosted, Session, SessionConfig, SessionTable},
};
use std::sync::Arc;

/// Share of the memory limit that events beyond a batch may take: 1 / this, half of what a table leaves to ended sessions.
const READY_SHARE: usize = 16;

/// Judges sessions that a host program keeps, as an IDS with a flow table of its own does: the host says which packets are
/// those of a session and when it ends, and asks what the detector says of it whenever it likes.
///
/// What the sessions of one monitor do around each other is their context, as in a session table; so all that a worker of the
/// host sees belongs into one monitor. The same packets in the same sessions get the verdicts of a [`Monitor`], bit for
/// bit. There is no idle and no active timeout: the host ends sessions. Where memory is at its
/// [limit](SessionConfig::memory_limit) some end early, those that nobody answered first, and their verdicts are among the events.
/// So [`pop`](Self::pop) every now and then, also where each session is [asked](Self::judge) about: of the events that nobody
/// pops the oldest are dropped, and counted, once more than 256 wait and take more than a 16th of that limit.
///
/// ```no_run
/// # fn main() -> nf_core::Result<()> {
/// use nf_core::{Capture, Detector, EndReason, monitor::{HostedMonitor, HostedSession}};
/// let detector = Detector::load("office.nf")?;
/// let config = detector.session_config().clone();
/// let mut monitor = HostedMonitor::new(detector, &config)?;
/// let mut session = HostedSession::default(); // beside the host's own flow
/// let mut capture = Capture::open("one-flow.pcap")?;
/// while let Some(frame) = capture.next_frame()? {
///     let _ = monitor.push(&mut session, &frame); // what cannot be used is counted
/// }
/// if let Some(judged) = monitor.end(session, EndReason::Idle)? {
///     println!("{}: {}", judged.session, judged.verdict);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct HostedMonitor(Monitor);

/// A session of a [`HostedMonitor`], to be kept beside the host's own flow; it has no packet at first.
#[derive(Debug, Default)]
pub struct HostedSession(Option<Hosted>);

/// A session with what the detector says of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Judged {
    /// The session.
    pub session: Session,
    /// What the detector says of it.
    pub verdict: Verdict,
}

impl HostedMonitor {
    /// A monitor without sessions. `config` says what the detector's sessions are made of and how much memory they may
    /// take; its timeouts only say for how long sessions may end late, which the watch for drift waits for.
    ///
    /// # Errors
    /// As [`Monitor::new`].
    pub fn new(detector: impl Into<Arc<Detector>>, config: &SessionConfig) -> Result<Self> {
        let endless = config.clone().idle_tcp(None).idle_udp(None).idle_icmp(None).idle_arp(None).active(None);
        Ok(Self(Monitor::with_table(detector.into(), config, SessionTable::new(endless)?)?))
    }

    /// The same monitor with other rules for incidents.
    ///
    /// # Errors
    /// As [`Monitor::with_incidents`].
    pub fn with_incidents(self, config: IncidentConfig) -> Result<Self> {
        Ok(Self(self.0.with_incidents(config)?))
    }

    /// Replaces the watch for drift, as [`Monitor::set_drift`] does.
    pub fn set_drift(&mut self, drift: Option<Drift>) {
        self.0.set_drift(drift);
    }

    /// Takes in a frame of a session: the first, or one that follows. Which way it goes follows from its addresses. One that
    /// cannot be used is counted, and the reason given.
    ///
    /// Behind a session that ended early for want of memory the frame begins another.
    pub fn push(&mut self, session: &mut HostedSession, frame: &Frame<'_>) -> Result<(), Skip> {
        session.0 = Some(self.0.table.push_hosted_frame(session.0, frame)?);
        Ok(())
    }

    /// As [`push`](Self::push), of a packet that the host decoded. Entropy and DNS are those of the captured payload; without
    /// it they are those of a packet without.
    pub fn push_packet(&mut self, session: &mut HostedSession, packet: &Packet<'_>) {
        session.0 = Some(self.0.table.push_hosted(session.0, packet));
    }

    /// Says that it is `now`, so that silence is known; as [`Monitor::advance`].
    pub fn advance(&mut self, now: Timestamp) {
        self.0.advance(now);
    }

    /// What the detector says of a session as it is; `None` where it has no packet, or ended early for want of memory.
    /// Asking changes nothing of what is said later.
    ///
    /// # Errors
    /// What a model of a user's own returns.
    pub fn judge(&mut self, session: &HostedSession) -> Result<Option<Judged>> {
        self.judge_waiting();
        let Some(hosted) = session.0 else { return Ok(None) };
        let Some(session) = self.0.table.as_is(hosted) else { return Ok(None) };
        let known = self.0.known.get(&hosted.id).and_then(|known| known.standing.clone());
        let standing = match known {
            Some(standing) if self.0.table.is_seen(hosted) => Some(standing),
            known => {
                let row = Row { session: &session, place: 0, look: session.looks().len() };
                let scores = self.0.score(&row)?;
                self.0.detector.preview(known, &row, scores, hosted.id, self.0.weigher.as_ref())
            }
        };
        Ok(standing.map(|standing| Judged { verdict: self.0.detector.verdict(standing, session.is_cold()), session }))
    }

    /// Why a session is as strange as it is; `None` as in [`judge`](Self::judge).
    ///
    /// # Errors
    /// As [`judge`](Self::judge).
    pub fn explain(&mut self, session: &HostedSession) -> Result<Option<Explanation>> {
        let judged = self.judge(session)?;
        judged.map(|judged| self.0.detector.explain_verdict(&judged.session, &judged.verdict)).transpose()
    }

    /// Ends a session and gives the verdict on it, which is not among the events then; `None` as in [`judge`](Self::judge).
    ///
    /// # Errors
    /// As [`judge`](Self::judge).
    pub fn end(&mut self, session: HostedSession, reason: EndReason) -> Result<Option<Judged>> {
        self.judge_waiting();
        let before = self.0.judged + self.0.failures;
        self.release(session, reason);
        self.judge_waiting();
        if self.0.judged + self.0.failures == before {
            return Ok(None);
        }
        match self.0.ready.take_last_end() {
            Some(Event::Verdict { session, verdict }) => Ok(Some(Judged { session, verdict })),
            Some(Event::Failure { error, .. }) => Err(error),
            _ => Ok(None),
        }
    }

    /// Ends a session without waiting for the verdict, which comes among the events. Many judged at once cost less. Says
    /// whether there was one to end: it had packets, and had not ended early for want of memory.
    pub fn release(&mut self, session: HostedSession, reason: EndReason) -> bool {
        session.0.is_some_and(|hosted| self.0.table.end_hosted(hosted, reason))
    }

    /// Ends all sessions and incidents.
    pub fn finish(&mut self) {
        self.0.finish();
    }

    /// The next event, as of [`Monitor::pop`]; those that [`end`](Self::end) gave are not among them.
    pub fn pop(&mut self) -> Option<Event> {
        let event = self.0.pop();
        self.charge();
        event
    }

    /// What went in and came out so far.
    pub fn stats(&self) -> MonitorStats {
        self.0.stats()
    }

    /// The detector that judges.
    pub fn detector(&self) -> &Detector {
        self.0.detector()
    }

    /// What was looked at and ended comes first, as in a [`Monitor`].
    fn judge_waiting(&mut self) {
        loop {
            let more = self.0.judge();
            let most = self.0.table.config().memory_limit / READY_SHARE;
            self.0.ready.keep_within(most, BATCH);
            self.charge();
            if !more {
                return;
            }
        }
    }

    /// Counts events beyond a batch as memory of the table.
    fn charge(&mut self) {
        let ready = &self.0.ready;
        self.0.table.charge_ended(if ready.len() > BATCH { ready.bytes() } else { 0 });
    }
}

#[cfg(test)]
mod tests;
