//! What monitors and contexts have to say.

use crate::{
    argument::{check_reserved, owned, zeros},
    boundary::Outcome,
    config::{nf_session_config, sessions_over, span},
    explanation::Told,
    sessions::nf_session_summary,
    verdict::{nf_head_verdict, nf_verdict},
    version::switch,
};
use nf_core::{
    Detector, Event, Incident, Session, SessionConfig, Verdict,
    incident::{Change, IncidentConfig},
    monitor::{Judged, MonitorStats},
};
use std::ffi::{CString, c_char, c_void};

/// What an event is.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum nf_event_kind {
    /// A session that goes on is above the cut for the first time: an alert before its end. It stays an anomaly.
    NF_EVENT_LOOK = 1,
    /// A session ended, and was judged.
    NF_EVENT_VERDICT = 2,
    /// A session ended, and a model failed on it; the text says why. Only models of a user's own do.
    NF_EVENT_FAILURE = 3,
    /// The traffic is no longer what the detector was calibrated on; the text says since when, and what moved.
    NF_EVENT_DRIFT = 4,
    /// Alerts that belong together became an incident, or what was one grew, or is over.
    NF_EVENT_INCIDENT = 5,
}

/// What became of an incident.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum nf_change {
    /// It opened.
    NF_CHANGE_OPENED = 1,
    /// It has twice the sessions it had when it was last told of, or came again after a pause.
    NF_CHANGE_GROWN = 2,
    /// It is over.
    NF_CHANGE_CLOSED = 3,
}

/// Something that a monitor or a context has to say. What does not belong to its kind is 0.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct nf_event {
    /// `sizeof(nf_event)`; `NF_EVENT_INIT` sets it.
    pub struct_size: usize,
    /// What it is: an `nf_event_kind`.
    pub kind: i32,
    /// What became of the incident: an `nf_change`.
    pub change: i32,
    /// The incident's number, from 1.
    pub incident_id: u64,
    /// How many of its sessions alerted so far.
    pub incident_sessions: u64,
    /// Its first packet, in nanoseconds since the Unix epoch.
    pub incident_first_ns: i64,
    /// The last packet of its sessions.
    pub incident_last_ns: i64,
    /// The session: of an incident the strangest.
    pub session: nf_session_summary,
    /// What the detector says of it: of looks and verdicts.
    pub verdict: nf_verdict,
}
sized!(nf_event, 320);

/// Told of an event, on the calling thread; anything but 0 leaves those behind it for later. It must return: no `longjmp`, no
/// exception. `event` stands while it lasts.
pub type nf_event_fn = Option<unsafe extern "C" fn(event: *const nf_event, user: *mut c_void) -> i32>;

/// How sessions are watched. 0 in any field is the default.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct nf_monitor_config {
    /// `sizeof(nf_monitor_config)`; `NF_MONITOR_CONFIG_INIT` sets it.
    pub struct_size: usize,
    /// How packets are cut into sessions, and how much memory that may take; null for what the detector was trained with. The program's,
    /// while the call lasts.
    pub sessions: *const nf_session_config,
    /// What the alerts of one source must come to within `incident_within_ns` to be an incident, above 0.
    pub incident_from: f64,
    /// What a single alert must come to where its host is the source of an open incident, at most `incident_from`.
    pub incident_from_suspect: f64,
    /// What the alerts of many sources on one destination must come to, at least `incident_from`.
    pub incident_from_crowd: f64,
    /// How long an alert counts towards opening an incident, in nanoseconds.
    pub incident_within_ns: i64,
    /// Silence that ends an incident, in nanoseconds.
    pub incident_silence_ns: i64,
    /// Most incidents open at once.
    pub incident_most_open: u64,
    /// Most sources and destinations whose alerts wait to become an incident, at least 2.
    pub incident_most_waiting: u64,
    /// Whether the traffic is watched for drift, where the detector can: an `nf_switch`.
    pub drift: i32,
    /// 0.
    pub reserved: i32,
}
sized!(nf_monitor_config, 80);

/// What went in and came out so far.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct nf_stats {
    /// `sizeof(nf_stats)`; `NF_STATS_INIT` sets it.
    pub struct_size: usize,
    /// Frames pushed.
    pub frames: u64,
    /// Bytes of these on the wire.
    pub wire_bytes: u64,
    /// Frames that became packets of a session.
    pub packets: u64,
    /// Frames that could not be used; the others.
    pub skipped: u64,
    /// Sessions started.
    pub started: u64,
    /// Sessions ended.
    pub ended: u64,
    /// Sessions ended early because memory was at its limit; part of `ended`.
    pub evicted: u64,
    /// Ended sessions dropped because nobody popped them and memory was at its limit; part of `ended`. Those of a context may have
    /// been judged.
    pub dropped: u64,
    /// Looks at open sessions, and alerts at them, dropped for the same reason.
    pub looks_dropped: u64,
    /// Counters of context dropped, or not made, because memory was at its limit.
    pub context_evicted: u64,
    /// Most bytes held at once by sessions and context.
    pub peak_bytes: u64,
    /// Looks judged, the last at each session among them.
    pub looks: u64,
    /// Alerts at sessions that went on.
    pub early: u64,
    /// Sessions judged.
    pub judged: u64,
    /// How many of them are anomalies.
    pub anomalies: u64,
    /// Sessions that a model failed on.
    pub failures: u64,
    /// Alarms that the traffic moved.
    pub drift_alarms: u64,
    /// Sessions that went into incidents as alerts.
    pub alerts: u64,
    /// Incidents opened.
    pub incidents: u64,
    /// Incidents not opened because too many were open.
    pub incidents_refused: u64,
    /// What became of incidents, and alarms that the traffic moved, dropped because nobody popped them.
    pub news_dropped: u64,
    /// Bytes held of sessions that may come to carry an alert, to explain it with: at most 64 MiB, beside the memory limit.
    pub remembered_bytes: u64,
    /// Sessions of these forgotten early, as there were too many: explanations count their scores and cannot change them.
    pub forgotten_early: u64,
    /// Times that it was said to be more than a minute before the newest packet; ignored.
    pub late_advances: u64,
    /// Sessions that the watch for drift could not count, known too late or in the block of time that it began in.
    pub drift_late: u64,
    /// Pairs of hosts whose last scores are held, to be added up.
    pub evidence_keys: u64,
    /// Those dropped because there were too many.
    pub evidence_evicted: u64,
    /// Packets of `dropped` sessions.
    pub packets_dropped: u64,
}
sized!(nf_stats, 192);

impl nf_stats {
    pub(crate) fn of(stats: &MonitorStats) -> Self {
        let (table, incidents) = (&stats.table, &stats.incidents);
        Self {
            struct_size: size_of::<Self>(),
            frames: table.frames,
            wire_bytes: table.wire_bytes,
            packets: table.packets,
            skipped: table.skipped.total(),
            started: table.started,
            ended: table.ended,
            evicted: table.evicted,
            dropped: table.dropped,
            looks_dropped: table.looks_dropped,
            context_evicted: table.context_evicted,
            peak_bytes: table.peak_bytes as u64,
            looks: stats.looks,
            early: stats.early,
            judged: stats.judged,
            anomalies: stats.anomalies,
            failures: stats.failures,
            drift_alarms: stats.drift_alarms,
            alerts: incidents.alerts,
            incidents: incidents.opened,
            incidents_refused: incidents.refused,
            news_dropped: stats.news_dropped,
            remembered_bytes: stats.remembered_bytes as u64,
            forgotten_early: stats.forgotten_early,
            late_advances: table.late_advances,
            drift_late: stats.drift_late,
            evidence_keys: stats.evidence_keys as u64,
            evidence_evicted: stats.evidence_evicted,
            packets_dropped: table.packets_dropped,
        }
    }
}

/// Why frames could not be used, and how often, in words.
pub(crate) fn skipped(stats: &MonitorStats) -> CString {
    let reasons: Vec<String> = stats.table.skipped.iter().map(|(skip, count)| format!("{count} {skip}")).collect();
    owned(reasons.join(", "))
}

/// What a configuration says.
pub(crate) struct Watching {
    pub(crate) sessions: SessionConfig,
    pub(crate) incidents: IncidentConfig,
    pub(crate) drift: bool,
}

/// What C says; null says nothing.
pub(crate) fn watching(config: *const nf_monitor_config, detector: &Detector) -> Outcome<Watching> {
    let base = detector.session_config();
    let mut incidents = IncidentConfig::default();
    if config.is_null() {
        return Ok(Watching { sessions: base.clone(), incidents, drift: true });
    }
    let config = given!(config, "config")?;
    check_reserved(u64::from(config.reserved.cast_unsigned()))?;
    let numbers = [
        (&mut incidents.from, config.incident_from),
        (&mut incidents.from_suspect, config.incident_from_suspect),
        (&mut incidents.from_crowd, config.incident_from_crowd),
    ];
    for (place, given) in numbers {
        if given != 0.0 {
            *place = given;
        }
    }
    incidents.within = span(config.incident_within_ns, "incident_within_ns")?.unwrap_or(incidents.within);
    incidents.silence = span(config.incident_silence_ns, "incident_silence_ns")?.unwrap_or(incidents.silence);
    let counts = [
        (&mut incidents.most_open, config.incident_most_open),
        (&mut incidents.most_waiting, config.incident_most_waiting),
    ];
    for (place, given) in counts {
        if given != 0 {
            *place = usize::try_from(given).unwrap_or(usize::MAX);
        }
    }
    incidents.check()?;
    let drift = switch(config.drift, "drift")?.unwrap_or(true);
    Ok(Watching { sessions: sessions_over(config.sessions, base)?, incidents, drift })
}

/// What was last told of, with what C may ask about it.
#[derive(Debug, Default)]
pub(crate) struct Last {
    event: Option<Event>,
    text: Option<CString>,
    heads: Vec<nf_head_verdict>,
}

// SAFETY: the names in `heads` are those of a detector that is kept beside it, and never change.
unsafe impl Send for Last {}
// SAFETY: as above.
unsafe impl Sync for Last {}

impl Last {
    /// Keeps an event, and says it in numbers.
    pub(crate) fn keep(&mut self, event: Event) -> nf_event {
        let numbers = nf_event::of(&event);
        *self = Self { event: Some(event), ..Self::default() };
        numbers
    }

    /// Keeps what was asked about a session.
    pub(crate) fn keep_judged(&mut self, judged: Judged) -> nf_verdict {
        let Judged { session, verdict, .. } = judged;
        self.keep(Event::Verdict { session, verdict }).verdict
    }

    /// The session of what was told, in numbers.
    pub(crate) fn session(&self) -> Option<nf_session_summary> {
        self.event.as_ref().and_then(session).map(nf_session_summary::of)
    }

    /// In one line.
    pub(crate) fn text(&mut self) -> Option<*const c_char> {
        let event = self.event.as_ref()?;
        let text = self.text.get_or_insert_with(|| {
            owned(match event {
                Event::Look { session, verdict } | Event::Verdict { session, verdict } => {
                    format!("{session}: {verdict}")
                }
                Event::Failure { session, error } => format!("{session}: {error}"),
                Event::Drift(alarm) => alarm.to_string(),
                Event::Incident { incident, .. } => incident.to_string(),
                _ => String::new(),
            })
        });
        Some(text.as_ptr())
    }

    /// What the heads say.
    pub(crate) fn heads(&mut self, names: &[CString]) -> Option<&[nf_head_verdict]> {
        let verdict = verdict(self.event.as_ref()?)?;
        if self.heads.is_empty() {
            self.heads = crate::verdict::heads(verdict, names);
        }
        Some(&self.heads)
    }

    /// Why.
    pub(crate) fn explain(&self, detector: &Detector) -> Outcome<Option<Told>> {
        let explanation = match &self.event {
            Some(Event::Look { session, verdict } | Event::Verdict { session, verdict }) => {
                detector.explain_verdict(session, verdict)?
            }
            Some(Event::Incident { incident, .. }) => incident.explain(detector)?,
            _ => return Ok(None),
        };
        Ok(Some(Told::new(explanation)))
    }
}

fn session(event: &Event) -> Option<&Session> {
    match event {
        Event::Look { session, .. } | Event::Verdict { session, .. } | Event::Failure { session, .. } => Some(session),
        Event::Incident { incident, .. } => Some(&incident.session),
        _ => None,
    }
}

fn verdict(event: &Event) -> Option<&Verdict> {
    match event {
        Event::Look { verdict, .. } | Event::Verdict { verdict, .. } => Some(verdict),
        _ => None,
    }
}

impl nf_event {
    fn of(event: &Event) -> Self {
        let kind = match event {
            Event::Look { .. } => nf_event_kind::NF_EVENT_LOOK as i32,
            Event::Verdict { .. } => nf_event_kind::NF_EVENT_VERDICT as i32,
            Event::Failure { .. } => nf_event_kind::NF_EVENT_FAILURE as i32,
            Event::Drift(_) => nf_event_kind::NF_EVENT_DRIFT as i32,
            Event::Incident { .. } => nf_event_kind::NF_EVENT_INCIDENT as i32,
            _ => 0,
        };
        let told = Self {
            struct_size: size_of::<Self>(),
            kind,
            session: session(event).map_or_else(nf_session_summary::none, nf_session_summary::of),
            verdict: verdict(event).map_or_else(nf_verdict::none, nf_verdict::of),
            ..zeros()
        };
        match event {
            Event::Incident { change, incident } => told.with_incident(*change, incident),
            _ => told,
        }
    }

    fn with_incident(self, change: Change, incident: &Incident) -> Self {
        let change = match change {
            Change::Opened => nf_change::NF_CHANGE_OPENED as i32,
            Change::Grown => nf_change::NF_CHANGE_GROWN as i32,
            Change::Closed => nf_change::NF_CHANGE_CLOSED as i32,
            _ => 0,
        };
        Self {
            change,
            incident_id: incident.id,
            incident_sessions: incident.sessions,
            incident_first_ns: incident.first.as_nanos(),
            incident_last_ns: incident.last.as_nanos(),
            ..self
        }
    }
}
