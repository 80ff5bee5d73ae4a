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
