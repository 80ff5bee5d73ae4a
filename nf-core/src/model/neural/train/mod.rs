//! The training loop of every network: AdamW with warm-up and cosine decay, clipping by the global norm, early stopping.

mod checkpoint;
mod optimiser;
mod params;
mod parts;

pub use params::{Checkpoint, TrainingParams};
pub(super) use {checkpoint::remove, parts::Part};

use super::{
    batch::Batch,
    device,
    gradient::Work,
    weights::{Slots, Weights},
};
use crate::{
    Error, ErrorKind, Result,
    features::Rows,
    model::{Progress, Watch, random::Random},
};
use burn::tensor::{Device, Tensor};
use checkpoint::{Keeper, State};
use optimiser::AdamW;
use parts::parts;
use std::ops::ControlFlow;

/// What the training loop needs to know of a network.
pub(super) trait Network: Sync {
    /// The name for messages and progress.
    const KIND: &'static str;

    /// All that the trained weights depend on, besides the rows.
    fn parameters(&self) -> serde_json::Value;

    /// The weights, in reading order.
    fn slots(&self) -> Slots;

    /// How many steps a row of this length is padded to.
    fn padded(&self, length: u32) -> usize;

    /// The sum of squared errors over the real values of a batch, or what is to be expected of it from some of them, shape (1).
    /// `noise` is there in training: dropout and input noise are drawn from it.
    fn squared_error(&self, weights: &[Tensor<2>], batch: &Batch, noise: Option<&Random>, device: &Device)
    -> Tensor<1>;
}

/// Trains a network on `rows`; the caller [removes](remove) the checkpoint when all is done.
pub(super) fn train<N: Network>(
    network: &N,
    params: &TrainingParams,
    rows: &Rows,
    watch: &mut Watch,
) -> Result<Weights> {
    params.check()?;
    let device = device::open(params.device)?;
    if rows.len() < 2 {
        return Err(Error::new(ErrorKind::Data, format!("{} rows, training needs at least 2", rows.len())));
    }
    let keeper = Keeper::new(network, params, rows);
    let mut state = keeper.start(network, params)?;
    let held_out = (params.held_out * rows.len() as f64).ceil() as usize;
    let trained = rows.len() - held_out.min(rows.len() - 1);
    let size = params.at_once();
    let held_out = parts(network, rows, trained..rows.len(), size, None);
    let updates_an_epoch = parts::updates(&parts(network, rows, 0..trained, size, None), params.batch);
    let training = Training { network, params, rows, trained, held_out, updates_an_epoch, device, keeper };
    match training.run(&mut state, watch) {
        Ok(()) => state.finish::<N>(),
        Err(error) => {
            if error.kind() == ErrorKind::Canceled {
                training.keeper.write(&state)?;
            }
            Err(error)
        }
    }
}

/// What stays the same throughout a training.
struct Training<'a, N> {
    network: &'a N,
    params: &'a TrainingParams,
    rows: &'a Rows,
    /// Rows before this one are trained on.
    trained: usize,
    held_out: Vec<Part>,
    updates_an_epoch: usize,
    device: Device,
    keeper: Keeper<'a>,
}

impl<N: Network> Training<'_, N> {
    /// Goes on from a state until training is over. Whatever stops it, the state is that after the last whole update.
    fn run(&self, state: &mut State, watch: &mut Watch) -> Result<()> {
        tell(watch, &state.place.progress)?;
        while state.place.epoch <= self.params.epochs {
            self.updates(state, watch)?;
            let better = self.held_out_loss(state, watch)?;
            let (epoch, best) = (state.place.epoch, state.place.best.map_or(0, |(_, epoch)| epoch));
            let over = !better && !self.held_out.is_empty() && epoch - best >= self.params.patience;
            if !over && !self.held_out.is_empty() {
                tell(watch, &state.place.progress)?;
            }
            state.place.epoch = if over { self.params.epochs + 1 } else { epoch + 1 };
            (state.place.updates, state.place.error, state.place.count) = (0, 0.0, 0);
            self.keeper.write(state)?;
        }
        state.place.progress.done = 1.0;
        tell(watch, &state.place.progress)
    }

    /// The updates of an epoch that are left.
    fn updates(&self, state: &mut State, watch: &mut Watch) -> Result<()> {
        let Self { network, params, rows, ref device, .. } = *self;
        let epoch = state.place.epoch;
        let random = Random::new(params.seed).stream(u64::from(epoch));
        state.place.progress.epoch = epoch;
        let parts = parts(network, rows, 0..self.trained, params.at_once(), Some(&random));
        let all = self.updates_an_epoch * params.epochs as usize;
        let updates = parts::split(&parts, self.updates_an_epoch);
        for (i, range) in updates.into_iter().enumerate().skip(state.place.updates) {
            let step = (epoch - 1) as usize * self.updates_an_epoch + i;
            let (first, parts) = (range.start, &parts[range]);
            let work = Work { network, weights: &state.weights, rows, parts, random: &random, first, device };
            let update = work.gradient(params.workers(), &mut || tell(watch, &state.place.progress))?;
            let norm = update.gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
            if !update.loss.is_finite() || !norm.is_finite() {
                return Err(self.diverged(update.loss, epoch, i + 1));
            }
            let scale = (params.clip / norm).min(1.0);
            let rate = params.rate(step, all);
            state.optimiser.update(&mut state.weights, &update.gradient, params, rate, scale);
            let place = &mut state.place;
            place.updates = i + 1;
            place.error += update.loss * update.real_values as f64;
            place.count += update.real_values;
            let progress = &mut place.progress;
            progress.loss = Some((place.error / place.count.max(1) as f64) as f32);
            progress.gradient_norm = Some(norm as f32);
            progress.updates += 1;
            progress.steps += update.real_values as u64 / rows.width().max(1) as u64;
            progress.padded_steps += parts.iter().map(|part| part.size() as u64).sum::<u64>();
            progress.done = (step + 1) as f32 / all as f32;
            self.keeper.updated(state)?;
            tell(watch, &state.place.progress)?;
        }
        Ok(())
    }

    /// The loss of the rows that are not trained on, and whether it is the least so far: then the weights are the best.
    fn held_out_loss(&self, state: &mut State, watch: &mut Watch) -> Result<bool> {
        if self.held_out.is_empty() {
            return Ok(false);
        }
        let tell = &mut || tell(watch, &state.place.progress);
        let loss = mean_squared_error(self.network, &state.weights, &self.held_out, self.rows, &self.device, tell)?;
        let place = &mut state.place;
        if !loss.is_finite() {
            return Err(self.diverged(loss, place.epoch, self.updates_an_epoch));
        }
        place.progress.held_out_loss = Some(loss as f32);
        let better = place.best.is_none_or(|(least, _)| loss < least);
        if better {
            place.best = Some((loss, place.epoch));
            state.best = Some(state.weights.clone());
        }
        Ok(better)
    }

    fn diverged(&self, loss: f64, epoch: u32, step: usize) -> Error {
        let message = format!(
            "the loss of {} became {loss} in epoch {epoch}, step {step}; a learning_rate below {:?} may help{}",
            N::KIND,
            self.params.learning_rate,
            self.keeper.advice()
        );
        Error::new(ErrorKind::Training, message)
    }
}

impl State {
    /// The weights of a training that is over.
    fn finish<N: Network>(self) -> Result<Weights> {
        let weights = self.best.unwrap_or(self.weights);
        if weights.values.iter().all(|value| value.is_finite()) {
            return Ok(weights);
        }
        let message = format!("the weights of {} became infinite", N::KIND);
        Err(Error::new(ErrorKind::Training, message))
    }
}

/// Calls the closure that watches.
pub(super) fn tell(watch: &mut Watch, progress: &Progress) -> Result<()> {
    match watch(progress) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => {
            let message = format!("training {} was stopped in epoch {}", progress.head, progress.epoch);
            Err(Error::new(ErrorKind::Canceled, message))
        }
    }
}

/// The mean squared error over several batches, without noise; `tell` is called after each.
fn mean_squared_error<N: Network>(
    network: &N,
    weights: &Weights,
    parts: &[Part],
    rows: &Rows,
    device: &Device,
    tell: &mut impl FnMut() -> Result<()>,
) -> Result<f64> {
    let tensors = weights.tensors(device);
    let (mut error, mut count) = (0.0, 0);
    for part in parts {
        let batch = part.gather(rows);
        error += scalar(network.squared_error(&tensors, &batch, None, device));
        count += batch.real_values();
        tell()?;
    }
    Ok(error / count.max(1) as f64)
}

pub(super) fn scalar(tensor: Tensor<1>) -> f64 {
    f64::from(tensor.into_scalar::<f32>())
}

/// The numbers of a tensor, row-major.
pub(super) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("tensors of this crate hold f32")
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::model::neural::gradient::gradient;

    /// All rows, padded to `steps`, `size` a part.
    pub(in crate::model::neural) fn parts(rows: &Rows, steps: usize, size: usize) -> Vec<Part> {
        let order: Vec<usize> = (0..rows.len()).collect();
        order.chunks(size).map(|rows| Part { steps, rows: rows.to_vec() }).collect()
    }

    /// Holds that every weight's gradient is that of central differences, for some weights of every matrix, on all devices.
    pub(in crate::model::neural) fn check_gradient<N: Network>(network: &N, weights: &Weights, batch: &Batch) {
        for device in device::testing::all() {
            check_gradient_on(&device, network, weights, batch);
        }
    }

    fn check_gradient_on<N: Network>(device: &Device, network: &N, weights: &Weights, batch: &Batch) {
        let noise = Random::new(9);
        let (_, found) = gradient(network, weights, batch, &noise, batch.real_values(), device);
        let zeros = found.iter().filter(|g| **g == 0.0).count();
        assert!(zeros * 20 < found.len(), "{zeros} of {} gradients are zero", found.len());
        let loss = |values: Vec<f32>| {
            let mut moved = weights.clone();
            moved.values = values;
            gradient(network, &moved, batch, &noise, batch.real_values(), device).0
        };
        let largest = found.iter().fold(0f32, |a, b| a.max(b.abs()));
        for at in (0..found.len()).step_by(found.len() / 40 + 1) {
            let at_offset = |offset: f32| {
                let mut values = weights.values.clone();
                values[at] += offset;
                loss(values)
            };
            let difference = (at_offset(5e-3) - at_offset(-5e-3)) / 1e-2;
            let error = (difference - f64::from(found[at])).abs();
            assert!(error < 0.02 * f64::from(largest), "{device:?}, weight {at}: {difference} {}", found[at]);
        }
    }
}

#[cfg(test)]
mod tests;
