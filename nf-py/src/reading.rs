//! Captures to sessions, at once or in batches.

use crate::{config::SessionConfig, error::raised, sessions::Sessions, source::Source, watch::Signals};
use nf_core::{Capture, Result, Session, SessionTable, session::SessionReader};
use pyo3::prelude::*;
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

/// Sessions of one capture, or of several as parts of one recording: a session may go on in the next.
enum Reading {
    One(Box<SessionReader>),
    Several { current: Option<Box<Capture>>, rest: VecDeque<Source>, table: Box<SessionTable>, ended: bool },
}

impl Reading {
    fn new(mut sources: VecDeque<Source>, threads: Option<usize>, config: &nf_core::SessionConfig) -> Result<Self> {
        if sources.len() == 1
            && let Some(source) = sources.pop_front()
        {
            let reader = source.open()?.sessions(config)?;
            let reader = threads.into_iter().fold(reader, SessionReader::threads);
            return Ok(Self::One(Box::new(reader)));
        }
        let table = Box::new(SessionTable::new(config.clone())?);
        Ok(Self::Several { current: None, rest: sources, table, ended: false })
    }

    /// Frames between two looks at signals.
    const FRAMES: usize = 4096;

    /// The next session; what comes of `signals` before it, where that is not nothing.
    fn next(&mut self, signals: &mut Signals) -> PyResult<Option<Session>> {
        match self {
            Self::One(reader) => {
                signals.check()?;
                reader.next().transpose().map_err(raised)
            }
            Self::Several { current, rest, table, ended } => loop {
                if let Some(session) = table.pop() {
                    return Ok(Some(session));
                }
                if *ended {
                    return Ok(None);
                }
                signals.check()?;
                if current.is_none() {
                    *current = rest.pop_front().map(Source::open).transpose().map_err(raised)?.map(Box::new);
                }
                let Some(capture) = current else {
                    table.finish();
                    *ended = true;
                    continue;
                };
                for _ in 0..Self::FRAMES {
                    match capture.next_frame() {
                        Ok(Some(frame)) => table.push(&frame),
                        Ok(None) => {
                            *current = None;
                            break;
                        }
                        Err(error) => {
                            // What came before the damage is given first, by the sessions that the exception carries.
                            table.finish();
                            *ended = true;
                            return Err(raised(error));
                        }
                    }
                }
            },
        }
    }

    fn stats(&self) -> nf_core::session::TableStats {
        match self {
            Self::One(reader) => reader.stats().clone(),
            Self::Several { table, .. } => table.stats().clone(),
        }
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
            Ok(reading.stats())
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
            let batch = nf_core::Sessions::new(sessions, reading.stats());
            Ok((!batch.is_empty()).then(|| Sessions::new(batch, &self.config)))
        })
    }
}
