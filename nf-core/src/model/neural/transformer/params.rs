//! What a transformer is trained with, and its training.

use super::{Encoder, Transformer};
use crate::{
    Device, Error, Result,
    features::Rows,
    model::{
        Watch,
        neural::{
            attention::Attention,
            device,
            train::{self, TrainingParams},
        },
    },
    setters::setters,
};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// What a [`Transformer`] learns to tell of each packet, by the squared error of its columns.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Objective {
    /// The packet itself, from all packets and itself: what an autoencoder learns. The default: judged by density, it finds .317 of
    /// attacks at a false-alarm rate of 0.1 %, the other objectives .314 and .280 (docs/detection.md).
    #[default]
    Reconstruct,
    /// A packet whose columns are hidden, from the others (Devlin et al., "BERT", NAACL 2019; He et al., "Masked autoencoders
    /// are scalable vision learners", CVPR 2022). Judging by error takes about `1 / ratio` passes, so that each packet is
    /// hidden once.
    Masked {
        /// Share of the packets that are hidden at a time, 0.01 to 0.9.
        ratio: f32,
    },
    /// A packet from those before it: no packet sees a later one, whatever the attention's reach
    /// (not with [`Attention::LowRank`]).
    NextPacket,
}

/// What a [`Transformer`] takes for strange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum TransformerScore {
    /// The natural logarithm of the mean squared error of what the [`Objective`] expects, over the real packets.
    Error,
    /// The natural logarithm of the Mahalanobis distance of the latent, averaged over the real packets, from those of the
    /// training rows (Lee et al., "A simple unified framework for detecting out-of-distribution samples", NeurIPS 2018).
    /// The default: reconstruction errors are largest on long benign transfers, while attacks are often short. At a false-alarm rate
    /// of 1 % it finds 2.5 to 6 times as much as the error, whatever the objective (docs/detection.md).
    #[default]
    Density,
}

/// What a [`Transformer`] is trained with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TransformerParams {
    /// Width of the latent of a packet, a multiple of `heads` and even. Default 64.
    pub d_model: usize,
    /// Encoder layers, at least 1. Default 2.
    pub layers: usize,
    /// Attention heads. Default 4.
    pub heads: usize,
    /// Units of the hidden layer behind each attention. Default 128.
    pub d_ff: usize,
    /// Share of units left out in training, 0 to below 1. Default 0.1.
    pub dropout: f32,
    /// How packets see each other. Default [`Attention::Full`].
    pub attention: Attention,
    /// What is learned. Default [`Objective::Reconstruct`].
    #[serde(default)]
    pub objective: Objective,
    /// Most packets of a session, 1 to 65536; longer ones are refused. Default 2048.
    pub max_steps: usize,
    /// What is taken for strange. Default [`TransformerScore::Density`].
    pub score: TransformerScore,
    /// How it is trained. Default: 10 epochs in batches of 1024 packets, learning rate 0.001, weight decay 0.01, gradient
    /// norm at most 1, warm-up over 5 % of the updates, 10 % of the rows held out, patience 3 epochs, seed 0.
    pub training: TrainingParams,
}

impl Default for TransformerParams {
    fn default() -> Self {
        let training = TrainingParams {
            epochs: 10,
            batch: 1024,
            micro_batch: 4096,
            threads: 0,
            device: Device::Cpu,
            learning_rate: 1e-3,
            weight_decay: 0.01,
            clip: 1.0,
            warm_up: 0.05,
            held_out: 0.1,
            patience: 3,
            seed: 0,
            checkpoint: None,
        };
        Self {
            d_model: 64,
            layers: 2,
            heads: 4,
            d_ff: 128,
            dropout: 0.1,
            attention: Attention::default(),
            objective: Objective::default(),
            max_steps: 2048,
            score: TransformerScore::default(),
            training,
        }
    }
}

setters!(TransformerParams {
    d_model: usize,
    layers: usize,
    heads: usize,
    d_ff: usize,
    dropout: f32,
    attention: Attention,
    objective: Objective,
    max_steps: usize,
    score: TransformerScore,
    training: TrainingParams
});

impl TransformerParams {
    /// Sets how often each row is seen in training.
    #[must_use]
    pub fn epochs(mut self, epochs: u32) -> Self {
        self.training.epochs = epochs;
        self
    }

    /// Sets where the random numbers start.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.training.seed = seed;
        self
    }

    /// Sets where it is trained and judges.
    #[must_use]
    pub fn device(mut self, device: Device) -> Self {
        self.training.device = device;
        self
    }

    /// Checks the ranges, and that the device is there.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) with name, value and allowed range,
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where there is no such device.
    pub fn check(&self) -> Result<()> {
        if !(1..=256).contains(&self.layers) {
            return Err(Error::config("layers", self.layers, "1 to 256"));
        }
        if !(1..=256).contains(&self.heads) {
            return Err(Error::config("heads", self.heads, "1 to 256"));
        }
        let multiple = self.d_model.is_multiple_of(self.heads) && self.d_model.is_multiple_of(2);
        if !multiple || !(2..=8192).contains(&self.d_model) {
            let allowed = format!("even, a multiple of heads ({}), 2 to 8192", self.heads);
            return Err(Error::config("d_model", self.d_model, &allowed));
        }
        if !(1..=1 << 16).contains(&self.d_ff) {
            return Err(Error::config("d_ff", self.d_ff, "1 to 65536"));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(Error::config("dropout", self.dropout, "0 to below 1"));
        }
        if !(1..=1 << 16).contains(&self.max_steps) {
            return Err(Error::config("max_steps", self.max_steps, "1 to 65536"));
        }
        self.attention.check()?;
        match self.objective {
            Objective::Masked { ratio } if !(0.01..=0.9).contains(&ratio) => {
                return Err(Error::config("ratio", ratio, "0.01 to 0.9"));
            }
            Objective::NextPacket if matches!(self.attention, Attention::LowRank { .. }) => {
                let allowed =
                    "full, window or linear where the objective is the next packet: its keys hold all packets";
                return Err(Error::config("attention", "low rank", allowed));
            }
            _ => {}
        }
        self.training.check()
    }

    /// Trains on rows in time order, a step a packet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) where a parameter is out of range or a row is longer than `max_steps`, [`ErrorKind::Data`](crate::ErrorKind::Data)
    /// where there are fewer than two rows, [`ErrorKind::Training`](crate::ErrorKind::Training) where the loss does not stay finite,
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where the device is not there, and those of
    /// [a checkpoint](crate::model::Checkpoint) that cannot be written, is corrupt or of another training.
    pub fn fit(&self, rows: &Rows) -> Result<Transformer> {
        self.fit_with(rows, &mut |_| ControlFlow::Continue(()))
    }

    /// As [`fit`](Self::fit); `watch` is called after each update and each epoch, and may stop the training.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), and [`ErrorKind::Canceled`](crate::ErrorKind::Canceled) where `watch` says stop.
    pub fn fit_with(&self, rows: &Rows, watch: &mut Watch<'_>) -> Result<Transformer> {
        self.check()?;
        let encoder = Encoder::new(self.clone(), rows.width());
        encoder.check(rows)?;
        let mut last = None;
        let weights = train::train(&encoder, &self.training, rows, &mut |progress| {
            last = Some(progress.clone());
            watch(progress)
        })?;
        let device = device::open(self.training.device)?;
        let model = Transformer::new(rows.schema().as_ref().clone(), encoder, weights, None, &device);
        let model = model.fit_density(rows, &mut || last.as_ref().map_or(Ok(()), |last| train::tell(watch, last)))?;
        train::remove(&self.training)?;
        Ok(model)
    }
}
