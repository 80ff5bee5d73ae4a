//! How a network is trained.

use crate::{Device, Error, Result, setters::setters};
use serde::{Deserialize, Serialize};
use std::{f64::consts::PI, path::PathBuf};

/// How a network is trained. The defaults are those of each network's own `Default`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TrainingParams {
    /// How often each row is seen, at least 1.
    pub epochs: u32,
    /// About how many steps an update is computed from, padding included (for a flat table rows). At least 1; an update takes at least one
    /// row.
    pub batch: usize,
    /// Steps whose gradient is computed at once, where a batch has more: the gradients of the parts are added up. A bound on
    /// memory, for each thread. At least 1.
    pub micro_batch: usize,
    /// How many threads compute the parts of a batch; 0 for one a core, or for one where the device is a card. The trained
    /// network is the same with any number, so this is not stored with it.
    #[serde(skip)]
    pub threads: usize,
    /// Where it is trained, and judges afterwards; not stored with what was trained, which judges on the CPU when it is read.
    #[serde(skip)]
    pub device: Device,
    /// The largest step of the optimiser, reached after the warm-up; above 0.
    pub learning_rate: f64,
    /// Share of a matrix that decays each update, times the learning rate; 0 or more, gains and biases do not decay
    /// (Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019).
    pub weight_decay: f64,
    /// Gradients are scaled down to this norm over all weights together; above 0
    /// (Pascanu et al., "On the difficulty of training recurrent neural networks", ICML 2013).
    pub clip: f64,
    /// Share of all updates over which the learning rate rises from 0, 0 to 1; behind it falls as a half cosine to 0.
    pub warm_up: f64,
    /// Share of the rows, the last ones in order, that are not trained on but tell when to stop: 0 to 0.5.
    /// Rows come in time order, so this is the latest traffic.
    pub held_out: f64,
    /// Epochs without a better held-out loss until training stops; at least 1. The best weights are kept.
    pub patience: u32,
    /// Where the random numbers start: the same seed gives the same weights, on [`Device::Cpu`] bit for bit.
    pub seed: u64,
    /// Where the training keeps its state, so that it can go on after a stop; not stored with what was trained.
    #[serde(skip)]
    pub checkpoint: Option<Checkpoint>,
}

/// A file in which a training keeps its state, so that it goes on after it was stopped or its process killed.
///
/// It is written whole or not at all: when training starts, every few updates, after each epoch, and where the closure that
/// watches says stop. A later fit with the same parameters on the same rows goes on from there and gives what one that was
/// never stopped gives, on the CPU bit for bit. A fit that ends removes it; one whose loss becomes infinite leaves the last good state, from
/// which a fit with a smaller `learning_rate`, the one parameter that may differ, goes on. It holds three numbers a weight, four
/// once an epoch is over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkpoint {
    /// The file; its folder must exist.
    pub path: PathBuf,
    /// Updates from one write to the next, at least 1. Default 100.
    pub every: u32,
}

impl Checkpoint {
    /// Kept in `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), every: 100 }
    }
}

setters!(Checkpoint { every: u32 });

impl TrainingParams {
    /// Checks the ranges, and that the device is there.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) with name, value and allowed range,
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where there is no such device.
    pub fn check(&self) -> Result<()> {
        let at_least_one = [
            ("epochs", self.epochs as usize),
            ("batch", self.batch),
            ("micro_batch", self.micro_batch),
            ("patience", self.patience as usize),
            ("checkpoint.every", self.checkpoint.as_ref().map_or(1, |checkpoint| checkpoint.every as usize)),
        ];
        if let Some((name, value)) = at_least_one.into_iter().find(|(_, value)| *value == 0) {
            return Err(Error::config(name, value, "at least 1"));
        }
        for (name, value) in [("learning_rate", self.learning_rate), ("clip", self.clip)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::config(name, value, "above 0 and finite"));
            }
        }
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            return Err(Error::config("weight_decay", self.weight_decay, "0 or more and finite"));
        }
        if !(0.0..=1.0).contains(&self.warm_up) {
            return Err(Error::config("warm_up", self.warm_up, "0 to 1"));
        }
        if !(0.0..=0.5).contains(&self.held_out) {
            return Err(Error::config("held_out", self.held_out, "0 to 0.5"));
        }
        self.device.check()
    }

    /// Steps whose gradient is computed at once.
    pub(super) fn at_once(&self) -> usize {
        self.micro_batch.min(self.batch)
    }

    /// Threads that compute, 0 for one a core: one card is not shared by several.
    pub(super) fn workers(&self) -> usize {
        match (self.threads, self.device) {
            (0, Device::Cuda(_) | Device::Wgpu(_)) => 1,
            (threads, _) => threads,
        }
    }

    /// The learning rate of update `step` of `steps`.
    pub(super) fn rate(&self, step: usize, steps: usize) -> f64 {
        let warm = (self.warm_up * steps as f64).ceil() as usize;
        if step < warm {
            return self.learning_rate * (step + 1) as f64 / warm as f64;
        }
        let place = (step - warm) as f64 / (steps - warm) as f64;
        self.learning_rate * 0.5 * (1.0 + (PI * place).cos())
    }
}
