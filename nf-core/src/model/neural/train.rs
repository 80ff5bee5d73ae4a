//! The training loop of every network: AdamW with warm-up and cosine decay, clipping by the global norm, early stopping.

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
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, f64::consts::PI, ops::ControlFlow};

/// How a network is trained. The defaults are those of each network's own `Default`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TrainingParams {
    /// How often each row is seen, at least 1.
    pub epochs: u32,
    /// Steps an update is computed from, padding included (for a flat table rows). At least 1; an update takes at least one
    /// row.
    pub batch: usize,
    /// Steps whose gradient is computed at once, where a batch has more: the gradients of the parts are added up. A bound on
    /// memory, for each thread. At least 1.
    pub micro_batch: usize,
    /// How many threads compute the parts of a batch; 0 for one a core. The trained network is the same with any number, so
    /// this is not stored with it.
    #[serde(skip)]
    pub threads: usize,
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
    /// Where the random numbers start: the same seed gives the same weights, bit for bit.
    pub seed: u64,
}

impl TrainingParams {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with name, value and allowed range.
    pub fn check(&self) -> Result<()> {
        let at_least_one = [
            ("epochs", self.epochs as usize),
            ("batch", self.batch),
            ("micro_batch", self.micro_batch),
            ("patience", self.patience as usize),
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
        Ok(())
    }

    /// Steps whose gradient is computed at once.
    fn at_once(&self) -> usize {
        self.micro_batch.min(self.batch)
    }

    /// The learning rate of update `step` of `steps`.
    fn rate(&self, step: usize, steps: usize) -> f64 {
        let warm = (self.warm_up * steps as f64).ceil() as usize;
        if step < warm {
            return self.learning_rate * (step + 1) as f64 / warm as f64;
        }
        let place = (step - warm) as f64 / (steps - warm) as f64;
        self.learning_rate * 0.5 * (1.0 + (PI * place).cos())
    }
}

/// What the training loop needs to know of a network.
pub(super) trait Network: Sync {
    /// The name for messages and progress.
    const KIND: &'static str;

    /// The weights, in reading order.
    fn slots(&self) -> Slots;

    /// How many steps a row of this length is padded to.
    fn padded(&self, length: u32) -> usize;

    /// The sum of squared errors over the real values of a batch, shape (1). `noise` is there in training: dropout and
    /// input noise are drawn from it.
    fn squared_error(&self, weights: &[Tensor<2>], batch: &Batch, noise: Option<&Random>, device: &Device)
    -> Tensor<1>;
}

/// Trains a network on `rows`.
pub(super) fn train<N: Network>(
    network: &N,
    params: &TrainingParams,
    rows: &Rows,
    watch: &mut Watch,
) -> Result<Weights> {
    params.check()?;
    if rows.len() < 2 {
        return Err(Error::new(ErrorKind::Data, format!("{} rows, training needs at least 2", rows.len())));
    }
    let held_out = (params.held_out * rows.len() as f64).ceil() as usize;
    let trained = rows.len() - held_out.min(rows.len() - 1);
    let random = Random::new(params.seed);
    let mut weights = Weights::random(network.slots(), &random.stream(0));
    let mut optimiser = AdamW::new(&weights);
    let held_out = batches(network, rows, trained..rows.len(), params.at_once(), None);
    let each = params.batch.div_ceil(params.at_once());
    let steps_an_epoch = batches(network, rows, 0..trained, params.at_once(), None).len().div_ceil(each);
    let steps = steps_an_epoch * params.epochs as usize;
    let mut best: Option<(f64, u32, Weights)> = None;
    let mut progress = Progress { epoch: 1, ..Progress::new(N::KIND, 0.0) };
    tell(watch, &progress)?;
    for epoch in 1..=params.epochs {
        let random = random.stream(u64::from(epoch));
        let (mut error, mut count) = (0.0, 0);
        progress.epoch = epoch;
        let parts = batches(network, rows, 0..trained, params.at_once(), Some(&random));
        for (i, parts) in parts.chunks(each).enumerate() {
            let step = (epoch - 1) as usize * steps_an_epoch + i;
            let work = Work { network, weights: &weights, rows, parts, random: &random, first: i * each };
            let update = work.gradient(params.threads, &mut || tell(watch, &progress))?;
            let norm = update.gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
            if !update.loss.is_finite() || !norm.is_finite() {
                return Err(diverged(N::KIND, update.loss, epoch, i + 1, params));
            }
            let scale = (params.clip / norm).min(1.0);
            optimiser.update(&mut weights, &update.gradient, params, params.rate(step, steps), scale);
            error += update.loss * update.real_values as f64;
            count += update.real_values;
            progress.loss = Some((error / count.max(1) as f64) as f32);
            progress.gradient_norm = Some(norm as f32);
            progress.updates += 1;
            progress.steps += update.real_values as u64 / rows.width().max(1) as u64;
            progress.padded_steps += parts.iter().map(|part| (part.steps * part.rows.len()) as u64).sum::<u64>();
            progress.done = (step + 1) as f32 / steps as f32;
            tell(watch, &progress)?;
        }
        if held_out.is_empty() {
            continue;
        }
        let loss = mean_squared_error(network, &weights, &held_out, rows, &mut || tell(watch, &progress))?;
        if !loss.is_finite() {
            return Err(diverged(N::KIND, loss, epoch, steps_an_epoch, params));
        }
        progress.held_out_loss = Some(loss as f32);
        match &best {
            Some((least, at, _)) if loss >= *least => {
                if epoch - at >= params.patience {
                    break;
                }
            }
            _ => best = Some((loss, epoch, weights.clone())),
        }
        tell(watch, &progress)?;
    }
    progress.done = 1.0;
    tell(watch, &progress)?;
    let weights = best.map_or(weights, |(_, _, weights)| weights);
    match weights.values.iter().all(|value| value.is_finite()) {
        true => Ok(weights),
        false => Err(diverged(N::KIND, f64::NAN, params.epochs, steps_an_epoch, params)),
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

fn diverged(kind: &str, loss: f64, epoch: u32, step: usize, params: &TrainingParams) -> Error {
    let message = format!(
        "the loss of {kind} became {loss} in epoch {epoch}, step {step}; a learning_rate below {:?} may help",
        params.learning_rate
    );
    Error::new(ErrorKind::Training, message)
}

/// Rows whose gradient is computed at once.
pub(super) struct Part {
    pub(super) steps: usize,
    pub(super) rows: Vec<usize>,
}

impl Part {
    pub(super) fn gather(&self, rows: &Rows) -> Batch {
        Batch::gather(rows, &self.rows, self.steps, self.rows.len())
    }
}

/// Rows of one padded length together, at most `size` steps a part, so that padding costs little; in a random order
/// where there is a generator.
fn batches<N: Network>(
    network: &N,
    rows: &Rows,
    range: std::ops::Range<usize>,
    size: usize,
    random: Option<&Random>,
) -> Vec<Part> {
    let mut order: Vec<usize> = range.collect();
    if let Some(random) = random {
        order = random.stream(0).permutation(order.len()).into_iter().map(|i| order[i]).collect();
    }
    let mut buckets: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for row in order {
        buckets.entry(network.padded(rows.lengths()[row])).or_default().push(row);
    }
    let mut parts: Vec<Part> = Vec::new();
    for (steps, rows) in buckets {
        parts.extend(rows.chunks((size / steps).max(1)).map(|rows| Part { steps, rows: rows.to_vec() }));
    }
    if let Some(random) = random {
        let mut shuffled = random.stream(0).stream(0).permutation(parts.len());
        let mut taken: Vec<Option<Part>> = parts.into_iter().map(Some).collect();
        parts = shuffled.drain(..).filter_map(|i| taken[i].take()).collect();
    }
    parts
}

/// The mean squared error over several batches, without noise; `tell` is called after each.
fn mean_squared_error<N: Network>(
    network: &N,
    weights: &Weights,
    parts: &[Part],
    rows: &Rows,
    tell: &mut impl FnMut() -> Result<()>,
) -> Result<f64> {
    let device = device::judging();
    let tensors = weights.tensors(&device);
    let (mut error, mut count) = (0.0, 0);
    for part in parts {
        let batch = part.gather(rows);
        error += scalar(network.squared_error(&tensors, &batch, None, &device));
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

/// AdamW (Kingma and Ba, "Adam", ICLR 2015; decay as Loshchilov and Hutter, 2019).
struct AdamW {
    mean: Vec<f32>,
    square: Vec<f32>,
    decays: Vec<bool>,
    step: i32,
}

impl AdamW {
    const MEAN_DECAY: f64 = 0.9;
    const SQUARE_DECAY: f64 = 0.999;
    const EPSILON: f32 = 1e-8;

    fn new(weights: &Weights) -> Self {
        let zeros = vec![0.0; weights.values.len()];
        Self { mean: zeros.clone(), square: zeros, decays: weights.decaying(), step: 0 }
    }

    /// One update with the gradient times `scale`.
    fn update(&mut self, weights: &mut Weights, gradient: &[f32], params: &TrainingParams, rate: f64, scale: f64) {
        self.step = self.step.saturating_add(1);
        let (b1, b2) = (Self::MEAN_DECAY as f32, Self::SQUARE_DECAY as f32);
        let mean_scale = (rate / (1.0 - Self::MEAN_DECAY.powi(self.step))) as f32;
        let square_scale = (1.0 / (1.0 - Self::SQUARE_DECAY.powi(self.step))) as f32;
        let (decay, scale) = ((rate * params.weight_decay) as f32, scale as f32);
        let state = self.mean.iter_mut().zip(&mut self.square).zip(&self.decays);
        for ((value, gradient), ((mean, square), &decays)) in weights.values.iter_mut().zip(gradient).zip(state) {
            let gradient = gradient * scale;
            *mean = b1 * *mean + (1.0 - b1) * gradient;
            *square = b2 * *square + (1.0 - b2) * gradient * gradient;
            let shrink = if decays { decay * *value } else { 0.0 };
            *value -= shrink + mean_scale * *mean / ((*square * square_scale).sqrt() + Self::EPSILON);
        }
    }
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

    /// Holds that every weight's gradient is that of central differences, for some weights of every matrix.
    pub(in crate::model::neural) fn check_gradient<N: Network>(network: &N, weights: &Weights, batch: &Batch) {
        let noise = Random::new(9);
        let (_, found) = gradient(network, weights, batch, &noise, batch.real_values());
        let zeros = found.iter().filter(|g| **g == 0.0).count();
        assert!(zeros * 20 < found.len(), "{zeros} of {} gradients are zero", found.len());
        let loss = |values: Vec<f32>| {
            let mut moved = weights.clone();
            moved.values = values;
            gradient(network, &moved, batch, &noise, batch.real_values()).0
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
            assert!(error < 0.02 * f64::from(largest), "weight {at}: {difference} {}", found[at]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::neural::{Autoencoder, AutoencoderParams, testing::*};

    fn rows(count: usize) -> Rows {
        let mut random = Random::new(1);
        Rows::flat(schema(4), (0..count * 4).map(|_| random.normal()).collect()).unwrap()
    }

    fn params() -> AutoencoderParams {
        Autoencoder::params().hidden([8]).latent(2).epochs(4)
    }

    fn training(change: impl Fn(&mut TrainingParams)) -> AutoencoderParams {
        let mut training = params().training;
        change(&mut training);
        params().training(training)
    }

    #[test]
    fn the_rate_rises_and_falls() {
        let params = training(|t| (t.learning_rate, t.warm_up) = (2.0, 0.1)).training;
        let rates: Vec<f64> = (0..100).map(|step| params.rate(step, 100)).collect();
        assert!((rates[0] - 0.2).abs() < 1e-12 && (rates[9] - 2.0).abs() < 1e-12 && (rates[10] - 2.0).abs() < 1e-12);
        assert!((rates[55] - 1.0).abs() < 1e-12 && rates[99] > 0.0 && rates[99] < 0.001);
        assert!(rates[10..].windows(2).all(|pair| pair[0] > pair[1]));
        assert!(training(|t| t.warm_up = 1.0).training.rate(99, 100) > 0.0);
    }

    #[test]
    fn an_update_is_adams_with_decay_on_matrices() {
        let mut slots = Slots::default();
        slots.linear(1, 1);
        let mut weights = Weights::random(slots, &Random::new(1));
        weights.values = vec![2.0, 2.0];
        let params = training(|t| t.weight_decay = 0.5).training;
        let mut optimiser = AdamW::new(&weights);
        // The first step of Adam is the rate, whatever the size of the gradient; the matrix shrinks by 0.1 * 0.5 * 2 as well.
        optimiser.update(&mut weights, &[3.0, -0.01], &params, 0.1, 0.7);
        assert!((weights.values[0] - 1.8).abs() < 1e-5 && (weights.values[1] - 2.1).abs() < 1e-5, "{weights:?}");
    }

    #[test]
    fn progress_goes_from_0_to_1_with_falling_loss() {
        let mut seen = Vec::new();
        params()
            .fit_with(&rows(600), &mut |progress| {
                seen.push(progress.clone());
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!((seen[0].done, seen[0].loss, seen[0].head.as_str()), (0.0, None, "autoencoder"));
        assert!(seen.windows(2).all(|pair| pair[0].done <= pair[1].done && pair[0].epoch <= pair[1].epoch));
        let last = seen.last().unwrap();
        assert_eq!((last.done, last.epoch), (1.0, 4));
        // 540 rows in batches of 64 make 9 updates an epoch, 60 held-out rows 1; with the ends of epochs and of training
        // and the start.
        assert_eq!(seen.len(), 1 + 4 * (9 + 1 + 1) + 1);
        let first = seen.iter().find_map(|progress| progress.held_out_loss).unwrap();
        assert!(last.held_out_loss.unwrap() < first && last.loss.unwrap() < 1.5);
    }

    #[test]
    fn stops_when_told() {
        let mut calls = 0;
        let error = params().fit_with(&rows(600), &mut |_| {
            calls += 1;
            if calls == 13 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let error = error.unwrap_err();
        assert_eq!((error.kind(), calls), (ErrorKind::Canceled, 13));
        assert_eq!(error.to_string(), "training autoencoder was stopped in epoch 2");
    }

    #[test]
    fn a_loss_that_is_not_finite_is_an_error() {
        let error = training(|t| t.learning_rate = 1e30).fit(&rows(600)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Training);
        let text = error.to_string();
        assert!(text.starts_with("the loss of autoencoder became "), "{text}");
        assert!(text.contains(" in epoch 1, step ") && text.ends_with("a learning_rate below 1e30 may help"), "{text}");
    }

    #[test]
    fn stops_early_and_keeps_the_best_weights() {
        // The held-out rows are unlike the others, so that learning the others makes them worse.
        let mut random = Random::new(2);
        let value = |i: usize| if i < 1080 * 4 { [1.0, -1.0][i / 4 % 2] } else { 0.0 };
        let unlike = Rows::flat(schema(4), (0..1200 * 4).map(|i| value(i) + 0.3 * random.normal()).collect()).unwrap();
        let params = training(|t| (t.epochs, t.patience, t.learning_rate) = (200, 2, 0.02));
        let mut losses = Vec::new();
        let model = params
            .fit_with(&unlike, &mut |progress| {
                losses.resize(progress.epoch as usize, None);
                losses[progress.epoch as usize - 1] = progress.held_out_loss;
                ControlFlow::Continue(())
            })
            .unwrap();
        assert!(losses.len() < 200, "no early stop");
        let least = losses.iter().flatten().fold(f32::INFINITY, |a, b| a.min(*b));
        assert_eq!(losses[losses.len() - 3], Some(least), "{losses:?}");
        let held_out = unlike.select(1080..1200);
        use crate::model::Model;
        let rebuilt = model.expected(&held_out).unwrap().unwrap();
        let squares = held_out.data().iter().zip(&rebuilt).map(|(x, y)| (x - y).powi(2));
        let mean = squares.sum::<f32>() / rebuilt.len() as f32;
        assert!((mean / least - 1.0).abs() < 1e-3, "{mean} {least}");
    }

    #[test]
    fn parameters_out_of_range_are_refused() {
        let refuse = |change: fn(&mut TrainingParams)| training(change).check().unwrap_err().to_string();
        assert_eq!(refuse(|t| t.batch = 0), "batch is 0, it must be at least 1");
        assert_eq!(refuse(|t| t.micro_batch = 0), "micro_batch is 0, it must be at least 1");
        assert_eq!(refuse(|t| t.patience = 0), "patience is 0, it must be at least 1");
        assert_eq!(refuse(|t| t.learning_rate = 0.0), "learning_rate is 0, it must be above 0 and finite");
        assert_eq!(refuse(|t| t.clip = f64::NAN), "clip is NaN, it must be above 0 and finite");
        assert_eq!(refuse(|t| t.weight_decay = -1.0), "weight_decay is -1, it must be 0 or more and finite");
        assert_eq!(refuse(|t| t.warm_up = 2.0), "warm_up is 2, it must be 0 to 1");
        assert_eq!(refuse(|t| t.held_out = 0.6), "held_out is 0.6, it must be 0 to 0.5");
    }

    #[test]
    fn sets_smaller_than_a_batch_and_without_held_out_rows_are_fine() {
        assert!(params().fit(&rows(2)).is_ok());
        assert!(training(|t| t.held_out = 0.0).fit(&rows(5)).is_ok());
    }
}
