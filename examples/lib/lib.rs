//! What the example programs share: where the captures are, phases that are timed and show how far they are.

mod columns;
#[cfg(feature = "edge")]
pub mod edge;
#[cfg(feature = "tables")]
pub mod extract;
mod figures;
mod inputs;
mod memory;
mod panels;

pub use columns::columns;
pub use figures::{FIGURES, figures};
pub use inputs::{Inputs, Part, TruthSource};
pub use memory::peak_rss;
pub use panels::{Panel, panels};

use indicatif::{ProgressBar, ProgressStyle};
use nf_core::{Capture, Progress, Result, SessionConfig, session::Sessions};
use std::{
    fmt::Display,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

/// How a program of this name ends: an error goes to standard error.
pub fn exit<E: Display>(name: &str, result: std::result::Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A file that comes with the examples.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}

/// The phases of a program: each is timed, and one that takes more than two seconds shows a bar on standard error where that
/// is a terminal.
#[derive(Debug, Default)]
pub struct Phases {
    done: Vec<(String, Duration)>,
}

/// The bar of a phase.
#[derive(Debug)]
pub struct Bar {
    bar: ProgressBar,
    start: Instant,
}

impl Phases {
    /// Runs a phase. `work` may tell the bar how far it is.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn run<T>(&mut self, name: &str, work: impl FnOnce(&Bar) -> Result<T>) -> Result<T> {
        let bar = Bar { bar: ProgressBar::hidden(), start: Instant::now() };
        bar.bar.set_message(name.to_owned());
        let result = work(&bar);
        bar.bar.finish_and_clear();
        self.done.push((name.to_owned(), bar.start.elapsed()));
        result
    }

    /// The phases that were run, in order, and how long each took.
    pub fn done(&self) -> &[(String, Duration)] {
        &self.done
    }
}

impl Bar {
    /// Shows `text`, and how much of the phase is done: 0 to 1, or `None` where nobody knows.
    pub fn set(&self, share: Option<f64>, text: impl FnOnce() -> String) {
        if self.start.elapsed() < Duration::from_secs(2) {
            return;
        }
        if self.bar.is_hidden() {
            let template = match share {
                Some(_) => "{msg} {bar:40} {percent:>3} % {prefix}",
                None => "{msg} {spinner} {prefix}",
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                self.bar.set_style(style);
            }
            self.bar.set_length(1000);
            self.bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
        }
        match share {
            Some(share) => self.bar.set_position((share.clamp(0.0, 1.0) * 1000.0) as u64),
            None => self.bar.tick(),
        }
        self.bar.set_prefix(text());
    }

    /// Shows how far a fit has come.
    pub fn fit(&self, progress: &Progress) {
        self.set(Some(f64::from(progress.done)), || match progress.loss {
            Some(loss) => format!("{}, epoch {}, loss {loss:.4}", progress.head, progress.epoch),
            None => progress.head.clone(),
        });
    }
}

/// Reads the sessions of a capture file.
///
/// # Errors
/// Where the file cannot be read to its end.
pub fn read_sessions(path: &Path, config: &SessionConfig, bar: &Bar) -> Result<Sessions> {
    let mut sessions = Vec::new();
    for session in Capture::open(path)?.sessions(config)? {
        sessions.push(session?);
        if sessions.len() % 256 == 0 {
            bar.set(None, || format!("{} sessions", sessions.len()));
        }
    }
    Ok(sessions.into_iter().collect())
}
