//! The gradient of one update, added up over the parts of its batch, by several threads.

use super::{
    batch::Batch,
    train::{Network, Part, scalar, values},
    weights::Weights,
};
use crate::{Result, features::Rows, model::random::Random};
use burn::tensor::{Device, Tensor};
use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// The parts of a batch, and all that their gradient depends on.
pub(super) struct Work<'a, N> {
    pub(super) network: &'a N,
    pub(super) weights: &'a Weights,
    pub(super) rows: &'a Rows,
    pub(super) parts: &'a [Part],
    /// Of the epoch.
    pub(super) random: &'a Random,
    /// The place of the first part within the epoch: each has random numbers of its own.
    pub(super) first: usize,
    pub(super) device: &'a Device,
}

/// What an update is made from.
#[derive(Debug, Default)]
pub(super) struct Gradient {
    /// The mean squared error over all real values of the batch.
    pub(super) loss: f64,
    pub(super) real_values: usize,
    /// Over all weights.
    pub(super) gradient: Vec<f32>,
}

/// The sum so far, and the parts that are done before their turn: they are added in their order, whoever is first.
#[derive(Default)]
struct Sum {
    sum: Gradient,
    added: usize,
    waiting: BTreeMap<usize, (f64, Vec<f32>)>,
}

impl Sum {
    fn add(&mut self, place: usize, part: (f64, Vec<f32>)) {
        self.waiting.insert(place, part);
        while let Some((loss, gradient)) = self.waiting.remove(&self.added) {
            self.sum.loss += loss;
            if self.sum.gradient.is_empty() {
                self.sum.gradient = gradient;
            } else {
                self.sum.gradient.iter_mut().zip(gradient).for_each(|(sum, x)| *sum += x);
            }
            self.added += 1;
        }
    }
}

impl<N: Network + Sync> Work<'_, N> {
    /// The gradient over all parts, computed by `threads` threads, 0 for one a core. `tell` is called after each part that
    /// the calling thread has computed, except the last.
    pub(super) fn gradient(&self, threads: usize, tell: &mut impl FnMut() -> Result<()>) -> Result<Gradient> {
        let real_values =
            self.parts.iter().flat_map(|part| &part.rows).map(|&row| self.rows.lengths()[row] as usize).sum::<usize>()
                * self.rows.width();
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { cores() } else { threads }.min(self.parts.len());
        let (next, sum) = (AtomicUsize::new(0), Mutex::new(Sum::default()));
        let one = || {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let part = self.parts.get(place)?;
            let batch = part.gather(self.rows);
            let noise = self.random.stream(1 + (self.first + place) as u64);
            let part = gradient(self.network, self.weights, &batch, &noise, real_values, self.device);
            sum.lock().unwrap_or_else(PoisonError::into_inner).add(place, part);
            Some(place)
        };
        thread::scope(|scope| {
            for _ in 1..threads {
                // Where the system gives no more threads, those there are do the work: this one at least.
                let spawned = thread::Builder::new().spawn_scoped(scope, || while one().is_some() {});
                if spawned.is_err() {
                    break;
                }
            }
            while let Some(place) = one() {
                if place + 1 < self.parts.len()
                    && let Err(error) = tell()
                {
                    next.store(self.parts.len(), Ordering::Relaxed);
                    return Err(error);
                }
            }
            Ok(())
        })?;
        let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner).sum;
        Ok(Gradient { real_values, ..sum })
    }
}

/// The sum of squared errors over a part of a batch, divided by the batch's number of real values, and its gradient over all
/// weights.
pub(super) fn gradient<N: Network>(
    network: &N,
    weights: &Weights,
    batch: &Batch,
    noise: &Random,
    real_values: usize,
    device: &Device,
) -> (f64, Vec<f32>) {
    let device = device.clone().autodiff();
    let tensors: Vec<_> = weights.tensors(&device).into_iter().map(Tensor::require_grad).collect();
    let scale = 1.0 / real_values.max(1) as f64;
    let loss = network.squared_error(&tensors, batch, Some(noise), &device) * scale;
    let mut gradients = loss.backward();
    let mut gradient = Vec::with_capacity(weights.values.len());
    for tensor in &tensors {
        match tensor.grad_remove(&mut gradients) {
            Some(part) => gradient.extend(values(part)),
            None => gradient.extend(std::iter::repeat_n(0.0, tensor.dims().iter().product())),
        }
    }
    (scalar(loss), gradient)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ErrorKind,
        model::{
            Progress, Transformer, TransformerParams,
            neural::{TrainingParams, device, testing::waves},
        },
    };
    use std::ops::ControlFlow;

    fn params(change: impl Fn(&mut TrainingParams)) -> TransformerParams {
        let mut training = Transformer::params().training;
        (training.epochs, training.batch, training.micro_batch) = (2, 256, 64);
        change(&mut training);
        Transformer::params().d_model(16).heads(2).d_ff(24).layers(1).training(training)
    }

    /// The trained model's bytes, and the last that was told of it.
    fn fit(params: &TransformerParams) -> (Vec<u8>, Progress) {
        use crate::model::Model;
        let mut last = None;
        let model = params.fit_with(&waves(90, 16, 16, 1, false), &mut |progress| {
            last = Some(progress.clone());
            ControlFlow::Continue(())
        });
        (model.unwrap().to_bytes(), last.unwrap())
    }

    #[test]
    fn threads_change_nothing() {
        let alone = fit(&params(|t| t.threads = 1));
        for threads in [2, 3, 16] {
            assert_eq!(fit(&params(|t| t.threads = threads)), alone);
        }
    }

    #[test]
    fn parts_add_up_to_the_batch() {
        let network = |whole: bool| {
            let params = params(|t| {
                (t.epochs, t.held_out, t.batch) = (1, 0.0, 100 * 16);
                t.micro_batch = if whole { t.batch } else { 100 };
            });
            fit(&params.dropout(0.0)).1
        };
        let (whole, parts) = (network(true), network(false));
        assert!((whole.loss.unwrap() - parts.loss.unwrap()).abs() < 0.1);
        let rows = waves(90, 16, 16, 1, false);
        let real = rows.lengths().iter().map(|length| u64::from(*length)).sum::<u64>();
        assert_eq!((whole.steps, parts.steps), (real, real));
        assert!(parts.padded_steps > real && parts.real_share().unwrap() > 0.9, "{parts:?}");
        assert_eq!((whole.updates, parts.updates), (1, 1));
    }

    #[test]
    fn the_gradient_of_parts_is_that_of_the_whole() {
        use crate::model::neural::train::testing::parts;
        let rows = waves(40, 16, 16, 1, false);
        let network = crate::model::neural::transformer::testing::encoder(params(|_| {}).dropout(0.0), 3);
        let weights = Weights::random(network.slots(), &Random::new(1));
        let of = |size: usize| {
            let parts = parts(&rows, 16, size);
            let work = Work {
                network: &network,
                weights: &weights,
                rows: &rows,
                parts: &parts,
                random: &Random::new(2),
                first: 0,
                device: &device::cpu(),
            };
            work.gradient(2, &mut || Ok(())).unwrap()
        };
        let (whole, parts) = (of(40), of(7));
        assert!((whole.loss - parts.loss).abs() < 1e-6 && whole.real_values == parts.real_values);
        let largest = whole.gradient.iter().fold(0f32, |a, b| a.max(b.abs()));
        assert!(whole.gradient.iter().zip(&parts.gradient).all(|(a, b)| (a - b).abs() < 1e-5 * largest));
    }

    #[test]
    fn stops_when_told_amid_an_update() {
        let mut calls = 0;
        let error = params(|t| (t.batch, t.threads) = (1 << 20, 1)).fit_with(&waves(90, 16, 16, 1, false), &mut |_| {
            calls += 1;
            if calls == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!((error.unwrap_err().kind(), calls), (ErrorKind::Canceled, 5));
    }
}
