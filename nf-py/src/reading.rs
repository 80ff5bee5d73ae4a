//! Captures to sessions, at once or in batches.

use crate::{config::SessionConfig, error::raised, sessions::Sessions, source::Source, watch::Signals};
use nf_core::{
    Capture, Result, Session, SessionTable,
    session::{SessionReader, TableStats},
};
use pyo3::prelude::*;
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

impl Reading {
    fn new(mut sources: VecDeque<Source>, threads: Option<usize>, config: &nf_core::SessionConfig) -> Result<Self> {
        let current = sources.pop_front().map(Source::open).transpose()?;
        match (current, threads) {
            (Some(capture), Some(threads)) if threads != 1 && sources.is_empty() => {
                Ok(Self::Ahead(Box::new(capture.sessions(config)?.threads(threads))))
            }
            (current, _) => {
                let table = SessionTable::new(config.clone())?;
                let read = InTurn { current, rest: sources, table, frames: 0, ended: false, damage: None };
                Ok(Self::InTurn(Box::new(read)))
            }
        }
    }

    /// The next session; what comes of `signals` before it, where that is not nothing.
    fn next(&mut self, signals: &mut Signals) -> PyResult<Option<Session>> {
        match self {
            Self::Ahead(reader) => {
                signals.check()?;
                reader.next().transpose().map_err(raised)
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

    fn next(&mut self, signals: &mut Signals) -> PyResult<Option<Session>> {
        loop {
            if let Some(session) = self.table.pop() {
                return Ok(Some(session));
            }
            if self.ended {
                return self.damage.take().map_or(Ok(None), Err);
            }
            if self.frames.is_multiple_of(Self::FRAMES) {
                signals.check()?;
            }
            self.frames += 1;
            match self.current.as_mut().map(Capture::next_frame) {
                Some(Ok(Some(frame))) => self.table.push(&frame),
                Some(Err(damage)) => self.end(Some(damage)),
                Some(Ok(None)) | None => match self.rest.pop_front().map(Source::open) {
                    Some(Ok(capture)) => self.current = Some(capture),
                    Some(Err(error)) => self.end(Some(error)),
                    None => self.end(None),
                },
            }
        }
    }

    fn end(&mut self, damage: Option<nf_core::Error>) {
        self.table.finish();
        self.ended = true;
        self.damage = damage.map(raised);
    }
}

/// Reads captures as sessions; see ``neural_filter.read_sessions``.
#[pyfunction]
#[pyo3(signature = (sources, config, threads=None))]
pub(crate) fn read_sessions(
    py: Python<'_>,
    sources: Vec<Source>,
    config: &SessionConfig,
    threads: Option<usize>,
) -> PyResult<Sessions> {
    let config = &config.0;
    let (sessions, damage) = py.detach(|| {
        let (mut sessions, mut signals) = (Vec::new(), Signals::new());
        let read = Reading::new(sources.into(), threads, config).map_err(raised).and_then(|mut reading| {
            while let Some(session) = reading.next(&mut signals)? {
                sessions.push(session);
            }
            Ok(reading.stats().clone())
        });
        match read {
            Ok(stats) => (nf_core::Sessions::new(sessions, stats), None),
            Err(damage) => (sessions.into_iter().collect(), Some(damage)),
        }
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
    reading: Mutex<Reading>,
    config: nf_core::SessionConfig,
    size: usize,
    /// Of a damaged capture, to be raised behind what came before.
    damage: Mutex<Option<PyErr>>,
}

#[pymethods]
impl SessionStream {
    #[new]
    #[pyo3(signature = (sources, config, size, threads=None))]
    fn new(
        py: Python<'_>,
        sources: Vec<Source>,
        config: &SessionConfig,
        size: usize,
        threads: Option<usize>,
    ) -> PyResult<Self> {
        let config = config.0.clone();
        let reading = py.detach(|| Reading::new(sources.into(), threads, &config)).map_err(raised)?;
        Ok(Self { reading: Mutex::new(reading), config, size, damage: Mutex::new(None) })
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Sessions>> {
        py.detach(|| {
            let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
            let mut damage = self.damage.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(damage) = damage.take() {
                return Err(damage);
            }
            let (mut sessions, mut signals) = (Vec::new(), Signals::new());
            while sessions.len() < self.size {
                match reading.next(&mut signals) {
                    Ok(Some(session)) => sessions.push(session),
                    Ok(None) => break,
                    Err(error) if sessions.is_empty() => return Err(error),
                    Err(error) => {
                        *damage = Some(error);
                        break;
                    }
                }
            }
            let batch = nf_core::Sessions::new(sessions, reading.stats().clone());
            Ok((!batch.is_empty()).then(|| Sessions::new(batch, &self.config)))
        })
    }
}
