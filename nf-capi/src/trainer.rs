//! Fitting a detector.

use crate::{
    argument::owned,
    config::{nf_session_config, sessions_over},
    detector::{Loaded, nf_detector},
    frame::nf_frame,
    handle::{Handle, give},
    sessions::threads,
    status::nf_status,
    version::switch,
};
use nf_core::{
    Capture, Detector, Progress, Session, SessionConfig, SessionTable,
    detector::{Recipe, Source},
};
use std::{
    ffi::{CString, c_char, c_void},
    ops::ControlFlow,
};

/// Learns a detector from benign traffic.
pub struct nf_trainer(Handle<Trainer>);
opaque!(nf_trainer, Trainer, "trainer");

/// What a detector is to be. 0 in any field is the recipe's default.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct nf_trainer_config {
    /// `sizeof(nf_trainer_config)`; `NF_TRAINER_CONFIG_INIT` sets it.
    pub struct_size: usize,
    /// How packets are cut into sessions; null for the defaults. The program's, while the call lasts.
    pub sessions: *const nf_session_config,
    /// The names of the heads, in UTF-8; null for the default ones. The program's, while the call lasts.
    pub heads: *const *const c_char,
    /// How many heads are named.
    pub head_count: usize,
    /// The budget: the share of benign sessions that may be called anomalies, above 0 and at most 0.5.
    pub false_positive_rate: f64,
    /// The budget as false alerts an hour instead. Not both.
    pub alerts_per_hour: f64,
    /// The share of the sessions, the latest, that it is calibrated on, between 0 and 1.
    pub calibration_share: f64,
    /// The share of attacks that the sessions may hold, up to 0.25.
    pub contamination: f64,
    /// Where random numbers start: the same sessions and seed give the same detector.
    pub seed: u64,
    /// Whether scores add up over the sessions of a pair of hosts: an `nf_switch`.
    pub evidence: i32,
    /// How many threads fit, the calling one among them; 0 for that alone, `NF_ALL_CORES` for one a core. The detector does not
    /// depend on it.
    pub threads: u32,
}
sized!(nf_trainer_config, 80);

/// How far a fit has come.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct nf_progress {
    /// How large the library's struct is: fields beyond it are not there.
    pub struct_size: usize,
    /// What is being fitted: the head's name. The library's, while the callback lasts.
    pub head: *const c_char,
    /// Updates of the weights so far.
    pub updates: u64,
    /// The share of this head's work that is done, 0 to 1.
    pub done: f32,
    /// The mean loss of the epoch so far; NaN for heads without a loss.
    pub loss: f32,
    /// The loss on held-out rows after the last whole epoch; NaN where there was none.
    pub held_out_loss: f32,
    /// The epoch, from 1; 0 for heads without epochs.
    pub epoch: u32,
}

/// Told how far a fit has come, on the calling thread; anything but 0 stops it. It must return: no `longjmp`, no exception.
pub type nf_progress_fn = Option<unsafe extern "C" fn(progress: *const nf_progress, user: *mut c_void) -> i32>;

/// Sessions of the past, and those that were told to be held out.
#[derive(Debug)]
pub(crate) struct Trainer {
    recipe: Recipe,
    table: SessionTable,
    sessions: Vec<Session>,
    past: Option<Vec<Session>>,
    sources: Vec<Source>,
}

impl Trainer {
    fn take(&mut self) {
        while let Some(session) = self.table.pop() {
            self.sessions.push(session);
        }
    }

    fn finish(&mut self) {
        self.table.finish();
        self.take();
    }

    fn fit(&mut self, watch: impl FnMut(&Progress) -> ControlFlow<()>) -> nf_core::Result<Detector> {
        self.finish();
        let detector = match &self.past {
            Some(past) => self.recipe.fit_on(past, &self.sessions, watch)?,
            None => self.recipe.fit_with(&self.sessions, watch)?,
        };
        Ok(self.sources.iter().cloned().fold(detector, Detector::with_source))
    }
}

impl nf_trainer_config {
    fn recipe(&self) -> crate::boundary::Outcome<Recipe> {
        let mut recipe = Detector::recipe();
        let names = array!(self.heads, self.head_count, "heads")?;
        if !names.is_empty() {
            let names = names.iter().enumerate().map(|(i, name)| text!(*name, &format!("head {i}")));
            recipe = recipe.heads(&names.collect::<Result<Vec<&str>, _>>()?)?;
        }
        let given = |value: f64| (value != 0.0).then_some(value);
        recipe = given(self.false_positive_rate).into_iter().fold(recipe, Recipe::false_positive_rate);
        if let Some(alerts) = given(self.alerts_per_hour) {
            if self.false_positive_rate != 0.0 {
                let message = "false_positive_rate and alerts_per_hour are both set, one of them must be 0";
                return Err(crate::boundary::Failure::argument(message));
            }
            recipe = recipe.alerts_per_hour(alerts);
        }
        recipe = given(self.calibration_share).into_iter().fold(recipe, Recipe::calibration_share);
        recipe = given(self.contamination).into_iter().fold(recipe, Recipe::contamination);
        if switch(self.evidence, "evidence")? == Some(false) {
            recipe = recipe.evidence(None);
        }
        Ok(recipe.seed(self.seed).threads(threads(self.threads)))
    }
}

/// Makes a trainer without sessions.
///
/// `config`: null for the defaults. Ownership: `*trainer` is the caller's, to be freed with `nf_trainer_free`. Errors:
/// `NF_ERR_CONFIG` with name, value and range; `NF_ERR_UNSUPPORTED` where a head is not built in; `NF_ERR_ARGUMENT`.
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_trainer_new(config: *const nf_trainer_config, trainer: *mut *mut nf_trainer) -> nf_status {
    boundary!({
        let out = out!(trainer)?;
        let base = SessionConfig::default();
        let (recipe, sessions) = if config.is_null() {
            (Detector::recipe().threads(threads(0)), base)
        } else {
            let config = given!(config, "config")?;
            (config.recipe()?, sessions_over(config.sessions, &base)?)
        };
        let recipe = recipe.session_config(&sessions);
        recipe.check()?;
        let table = SessionTable::new(sessions)?;
        out.set(give(Trainer { recipe, table, sessions: Vec::new(), past: None, sources: Vec::new() }));
        Ok(nf_status::NF_OK)
    })
}

/// Takes in a benign frame; frames come in the order of time. Sessions are kept until the trainer is freed.
///
/// `frame->data` is the caller's and not kept. A frame that cannot be used is left out. Errors: `NF_ERR_ARGUMENT`. Threads: one at a
/// time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_trainer_push(trainer: *mut nf_trainer, frame: *const nf_frame) -> nf_status {
    boundary!({
        let frame = given!(frame, "frame")?.frame()?;
        let mut trainer = exclusive!(trainer)?;
        trainer.table.push(&frame);
        trainer.take();
        Ok(nf_status::NF_OK)
    })
}

/// Takes in all frames of a benign capture file, as those that follow what was taken in before.
///
/// Errors: as `nf_capture_open` and `nf_capture_next`; what came before the damage was taken in. Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_trainer_add_capture(trainer: *mut nf_trainer, path: *const c_char) -> nf_status {
    boundary!({
        let path = path!(path)?;
        let mut trainer = exclusive!(trainer)?;
        let mut capture = Capture::open(path)?;
        while let Some(frame) = capture.next_frame()? {
            trainer.table.push(&frame);
            trainer.take();
        }
        let name = path.file_name().map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy());
        let source = Source::new(name, trainer.table.stats());
        trainer.sources.push(source);
        Ok(nf_status::NF_OK)
    })
}

/// Ends all sessions, and keeps those that follow apart: they are calibrated on, whole, and not fitted on. Called once, or never:
/// then the latest are held out.
///
/// Errors: `NF_ERR_ARGUMENT` where it was called before. Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_trainer_hold_out(trainer: *mut nf_trainer) -> nf_status {
    boundary!({
        let mut trainer = exclusive!(trainer)?;
        if trainer.past.is_some() {
            let message = "sessions are held out since the first call, it must be called once";
            return Err(crate::boundary::Failure::argument(message));
        }
        trainer.finish();
        let table = SessionTable::new(trainer.table.config().clone())?;
        trainer.table = table;
        trainer.past = Some(std::mem::take(&mut trainer.sessions));
        Ok(nf_status::NF_OK)
    })
}

/// Says how many sessions have ended so far, of those in memory.
///
/// Errors: null pointers. Threads: may be shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_trainer_sessions(trainer: *const nf_trainer, count: *mut usize) -> nf_status {
    boundary!({
        let out = out!(count)?;
        let trainer = shared!(trainer)?;
        out.set(trainer.sessions.len() + trainer.past.as_ref().map_or(0, Vec::len));
        Ok(nf_status::NF_OK)
    })
}

/// Ends all sessions and fits a detector on them. More may be taken in afterwards, and fitted anew; what follows of a session that
/// went on is another session then, also where the fit failed.
///
/// `progress`: may be null; called on this thread with `user`. Ownership: `*detector` is the caller's, to be freed with
/// `nf_detector_free`. Errors: `NF_ERR_DATA` where there are too few sessions to learn from or to promise the budget (the text says
/// how many more), `NF_ERR_TRAINING`, `NF_ERR_CANCELED` where `progress` said stop; the trainer keeps its sessions.
/// Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_trainer_fit(
    trainer: *mut nf_trainer,
    progress: nf_progress_fn,
    user: *mut c_void,
    detector: *mut *mut nf_detector,
) -> nf_status {
    boundary!({
        let out = out!(detector)?;
        let mut trainer = exclusive!(trainer)?;
        let (mut head, mut name) = (CString::default(), String::new());
        let fitted = trainer.fit(|told| {
            let Some(progress) = progress else { return ControlFlow::Continue(()) };
            if name != told.head {
                (head, name) = (owned(told.head.as_str()), told.head.clone());
            }
            let told = nf_progress {
                struct_size: size_of::<nf_progress>(),
                head: head.as_ptr(),
                updates: told.updates,
                done: told.done,
                loss: told.loss.unwrap_or(f32::NAN),
                held_out_loss: told.held_out_loss.unwrap_or(f32::NAN),
                epoch: told.epoch,
            };
            // SAFETY: the program gave a function of this type.
            match unsafe { progress(&raw const told, user) } {
                0 => ControlFlow::Continue(()),
                _ => ControlFlow::Break(()),
            }
        })?;
        out.set(give(Loaded::new(fitted)));
        Ok(nf_status::NF_OK)
    })
}

/// Frees a trainer. Null is fine; detectors that it fitted stay.
///
/// Threads: one at a time; not from within `progress`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_trainer_free(trainer: *mut nf_trainer) {
    boundary!(or () => free!(trainer));
}
