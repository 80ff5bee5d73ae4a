//! Captures to sessions, at once or in batches.

use crate::{
    config::SessionConfig,
    error::raised,
    number::{Whole, threads},
    sessions::Sessions,
    source::{Source, damaged},
    watch::Signals,
};
use nf_core::{
    Capture, Session, SessionTable,
    session::{SessionReader, TableStats},
};
use pyo3::{exceptions::PyException, prelude::*};
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

/// Sessions of one capture read ahead by threads, or of any number of captures as parts of one recording: a session may go on in
/// the next.
enum Reading {
    Ahead(Box<SessionReader>),
    InTurn(Box<InTurn>),
}

/// Captures one behind the other.
struct InTurn {
    current: Option<Capture>,
    rest: VecDeque<Source>,
    table: SessionTable,
    frames: usize,
    ended: bool,
    /// To be raised behind what came before it.
    damage: Option<PyErr>,
}

/// Why reading does not go on.
enum Stop {
    /// Somebody wants it to stop: nothing comes before this.
    Now(PyErr),
    /// The capture is damaged: what came before is not.
    Damage(PyErr),
}

impl From<Stop> for PyErr {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Now(error) | Stop::Damage(error) => error,
        }
    }
}

impl Reading {
    /// Threads read ahead in files and bytes alone: where a reader may wait, it must be the caller's who looks for Ctrl-C.
    fn new(sources: Vec<Source>, threads: Option<usize>, config: &nf_core::SessionConfig) -> PyResult<Self> {
        let mut sources: VecDeque<Source> = Source::numbered(sources).into();
        let ahead = threads.filter(|threads| *threads != 1 && sources.len() == 1 && !sources[0].waits());
        let current = sources.pop_front().map(Source::open).transpose()?;
        match (current, ahead) {
            (Some(capture), Some(threads)) => {
                Ok(Self::Ahead(Box::new(capture.sessions(config).map_err(raised)?.threads(threads))))
            }
            (current, _) => {
                let table = SessionTable::new(config.clone()).map_err(raised)?;
                let read = InTurn { current, rest: sources, table, frames: 0, ended: false, damage: None };
                Ok(Self::InTurn(Box::new(read)))
            }
        }
    }

    /// The next session; what comes of `signals` before it, where that is not nothing.
    fn next(&mut self, signals: &mut Signals) -> Result<Option<Session>, Stop> {
        match self {
            Self::Ahead(reader) => {
                signals.check().map_err(Stop::Now)?;
                reader.next().transpose().map_err(|error| Stop::Damage(raised(error)))
            }
            Self::InTurn(captures) => captures.next(signals),
        }
    }

    fn stats(&self) -> &TableStats {
        match self {
            Self::Ahead(reader) => reader.stats(),
            Self::InTurn(captures) => captures.table.stats(),
        }
    }
}

impl InTurn {
    /// Frames between two looks at signals.
    const FRAMES: usize = 4096;

    fn next(&mut self, signals: &mut Signals) -> Result<Option<Session>, Stop> {
        loop {
            if let Some(session) = self.table.pop() {
                return Ok(Some(session));
            }
            if self.ended {
                return self.damage.take().map_or(Ok(None), |damage| Err(Stop::Damage(damage)));
            }
            if self.frames.is_multiple_of(Self::FRAMES) {
                signals.check().map_err(Stop::Now)?;
            }
            self.frames += 1;
            match self.current.as_mut().map(Capture::next_frame) {
                Some(Ok(Some(frame))) => self.table.push(&frame),
                Some(Err(damage)) => {
                    let damage = self.current.take().map(|capture| damaged(&capture)(damage));
                    self.end(damage)?;
                }
                Some(Ok(None)) | None => match self.rest.pop_front().map(Source::open) {
                    Some(Ok(capture)) => self.current = Some(capture),
                    Some(Err(error)) => self.end(Some(error))?,
                    None => self.end(None)?,
                },
            }
        }
    }

    /// Ends all sessions; what is no ordinary exception, as Ctrl-C in a file's `read`, waits for none of them.
    fn end(&mut self, damage: Option<PyErr>) -> Result<(), Stop> {
        self.table.finish();
        self.ended = true;
        self.damage = damage;
        let stop = Python::attach(|py| {
            let damage = self.damage.as_ref()?;
            (!damage.is_instance_of::<PyException>(py)).then(|| damage.clone_ref(py))
        });
        stop.map_or(Ok(()), |stop| Err(Stop::Now(stop)))
    }
}

/// Reads captures as sessions; see ``neural_filter.read_sessions``.
#[pyfunction]
#[pyo3(signature = (sources, config, threads=None))]
pub(crate) fn read_sessions(
    py: Python<'_>,
    sources: Vec<Source>,
    config: &SessionConfig,
    threads: Option<Whole>,
) -> PyResult<Sessions> {
    let threads = self::threads(threads)?;
    let config = &config.0;
    let (sessions, damage) = py.detach(|| {
        let (mut sessions, mut signals) = (Vec::new(), Signals::new());
        let mut reading = match Reading::new(sources, threads, config) {
            Ok(reading) => reading,
            Err(error) => return (sessions.into_iter().collect(), Some(error)),
        };
        let damage = loop {
            match reading.next(&mut signals) {
                Ok(Some(session)) => sessions.push(session),
                Ok(None) => break None,
                Err(stop) => break Some(PyErr::from(stop)),
            }
        };
        (nf_core::Sessions::new(sessions, reading.stats().clone()), damage)
    });
    let sessions = Sessions::new(sessions, config);
    match damage {
        None => Ok(sessions),
        Some(damage) => {
            damage.value(py).setattr("sessions", sessions)?;
            Err(damage)
        }
    }
}

/// Sessions of captures in batches, in bounded memory; see ``neural_filter.stream``.
#[pyclass(frozen, module = "neural_filter._native")]
pub(crate) struct SessionStream {
    state: Mutex<Streaming>,
    config: nf_core::SessionConfig,
    size: usize,
}

struct Streaming {
    reading: Reading,
    /// Of the next batch.
    sessions: Vec<Session>,
    /// Of a damaged capture, to be raised behind what came before.
    damage: Option<PyErr>,
}

#[pymethods]
impl SessionStream {
    #[new]
    #[pyo3(signature = (sources, config, size, threads=None))]
    fn new(
        py: Python<'_>,
        sources: Vec<Source>,
        config: &SessionConfig,
        size: Whole,
        threads: Option<Whole>,
    ) -> PyResult<Self> {
        let (size, threads) = (size.within("batch", 1..=u32::MAX.into())?, self::threads(threads)?);
        let config = config.0.clone();
        let reading = py.detach(|| Reading::new(sources, threads, &config))?;
        Ok(Self { state: Mutex::new(Streaming { reading, sessions: Vec::new(), damage: None }), config, size })
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Sessions>> {
        py.detach(|| {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let Streaming { reading, sessions, damage } = &mut *state;
            let mut signals = Signals::new();
            while damage.is_none() && sessions.len() < self.size {
                match reading.next(&mut signals) {
                    Ok(Some(session)) => sessions.push(session),
                    Ok(None) => break,
                    // The sessions wait for whoever goes on.
                    Err(Stop::Now(error)) => return Err(error),
                    Err(Stop::Damage(error)) => *damage = Some(error),
                }
            }
            if sessions.is_empty() {
                return damage.take().map_or(Ok(None), Err);
            }
            let batch = nf_core::Sessions::new(std::mem::take(sessions), reading.stats().clone());
            Ok(Some(Sessions::new(batch, &self.config)))
        })
    }
}
