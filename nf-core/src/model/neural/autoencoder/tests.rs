use super::*;
use crate::{
    ErrorKind,
    model::{neural::testing::*, testing::auroc},
};

/// Rows of 12 columns that follow from 3 hidden numbers; strange ones follow from nothing, with the same spread.
fn rows(count: usize, seed: u64, strange: bool) -> Rows {
    let mut random = Random::new(seed);
    let mut data = Vec::new();
    for _ in 0..count {
        let hidden = [random.normal(), random.normal(), random.normal()];
        let mut value = |i: usize| match strange {
            true => random.normal(),
            false => hidden[i % 3] * if i < 6 { 1.0 } else { -1.0 } + 0.1 * random.normal(),
        };
        data.extend((0..12).map(&mut value));
    }
    Rows::flat(schema(12), data).unwrap()
}

fn params() -> AutoencoderParams {
    Autoencoder::params().latent(3).epochs(10)
}

#[test]
fn learns_what_columns_have_in_common() {
    let model = params().epochs(30).fit(&rows(2000, 1, false)).unwrap();
    let (usual, strange) = (rows(500, 2, false), rows(500, 3, true));
    let scores = model.score(&usual).unwrap();
    let auroc = auroc(&model.score(&strange).unwrap(), &scores);
    assert!(auroc > 0.95, "{auroc}");
    let expected = model.expected(&usual).unwrap().unwrap();
    let errors = expected[..12].iter().zip(usual.row(0)).zip(&model.scales).map(|((a, b), s)| ((a - b) / s).powi(2));
    let error = errors.sum::<f32>() / 12.0;
    assert!((error.ln() - scores[0]).abs() < 1e-3);
    extreme_rows_have_a_score(&model, &usual);
}

#[test]
fn variational_ones_and_those_that_score_by_density_learn_too() {
    let train = rows(2000, 1, false);
    let (usual, mut strange) = (rows(300, 2, false), rows(300, 3, false));
    strange.map_values(|_, value| 3.0 * value);
    for (variational, score) in
        [(0.0, AutoencoderScore::Density), (0.1, AutoencoderScore::Density), (0.1, AutoencoderScore::Error)]
    {
        let model = params().variational(variational).score(score).fit(&train).unwrap();
        let auroc = auroc(&model.score(&strange).unwrap(), &model.score(&usual).unwrap());
        assert!(auroc > 0.85, "{variational} {score:?}: {auroc}");
        let back = Autoencoder::from_bytes(schema(12).as_ref().clone(), &model.to_bytes()).unwrap();
        assert_eq!(back.score(&usual).unwrap(), model.score(&usual).unwrap());
        bits_do_not_depend_on_the_batch(&model, &usual);
        extreme_rows_have_a_score(&model, &usual);
    }
}

#[test]
fn errors_count_by_how_well_their_column_is_rebuilt() {
    // Four columns that say the same, four that are noise of their own, one that never changes.
    let columns = |random: &mut Random| -> Vec<f32> {
        let common = random.normal();
        let same = (0..4).map(|_| common);
        same.chain([0; 4].map(|_| random.normal())).chain([0.0]).collect()
    };
    let mut random = Random::new(5);
    let data = (0..2000).flat_map(|_| columns(&mut random)).collect();
    let rows = Rows::flat(schema(9), data).unwrap();
    let model = Autoencoder::params().latent(1).hidden([8]).epochs(20).fit(&rows).unwrap();
    assert!(model.scales[0] < 0.5 && model.scales[5] > 0.8, "{:?}", model.scales);
    assert_eq!(model.scales[8], LEAST_SCALE as f32);
    let mut moved = rows.select([0, 0]).data().to_vec();
    moved[0] += 2.0;
    moved[9 + 5] += 2.0;
    let scores = model.score(&Rows::flat(schema(9), moved).unwrap()).unwrap();
    assert!(scores[0] > scores[1] + 0.5, "{scores:?}");
}

#[test]
fn every_weight_has_a_gradient() {
    for (variational, hidden) in [(0.0, &[10][..]), (0.0, &[10, 6]), (0.5, &[10, 6]), (0.0, &[])] {
        let layers = Layers { params: params().hidden(hidden).variational(variational), width: 12 };
        let weights = Weights::random(layers.slots(), &Random::new(1));
        let train = rows(64, 1, false);
        let batch = Batch::gather(&train, &(0..64).collect::<Vec<_>>(), 1, 64);
        train::testing::check_gradient(&layers, &weights, &batch);
    }
}

#[test]
fn bits_depend_neither_on_the_batch_nor_on_the_run_but_on_the_seed() {
    let train = rows(300, 1, false);
    let model = params().epochs(2).fit(&train).unwrap();
    assert_eq!(model.to_bytes(), params().epochs(2).fit(&train).unwrap().to_bytes());
    assert_ne!(model.weights, params().epochs(2).seed(1).fit(&train).unwrap().weights);
    bits_do_not_depend_on_the_batch(&model, &rows(1100, 2, false));
}

#[test]
fn networks_trained_at_the_same_time_do_not_meddle() {
    let train = rows(300, 1, false);
    let fit = &|seed| params().epochs(3).seed(seed).fit(&train).unwrap().to_bytes();
    let alone = [fit(0), fit(1)];
    let together = std::thread::scope(|scope| {
        let threads = [0, 1].map(|seed| scope.spawn(move || fit(seed)));
        threads.map(|thread| thread.join().unwrap())
    });
    assert!(alone == together);
}

#[test]
fn comes_back_from_bytes_and_corrupt_bytes_are_refused() {
    let train = rows(100, 1, false);
    let model = params().epochs(1).fit(&train).unwrap();
    let bytes = model.to_bytes();
    let read = |bytes: &[u8], width| Autoencoder::from_bytes(schema(width).as_ref().clone(), bytes);
    assert_eq!(read(&bytes, 12).unwrap().score(&train).unwrap(), model.score(&train).unwrap());
    for cut in 0..bytes.len() {
        assert_eq!(read(&bytes[..cut], 12).unwrap_err().kind(), ErrorKind::ModelFile, "cut at {cut}");
    }
    let text = read(&bytes, 11).unwrap_err().to_string();
    assert!(text.contains("numbers stored where the model needs"), "{text}");
    let at = bytes.windows(10).position(|window| window == b"\"latent\":3").unwrap();
    let mut damaged = bytes.clone();
    damaged[at + 9] = b'0';
    let text = read(&damaged, 12).unwrap_err().to_string();
    assert!(text.ends_with("parameters: latent is 0, it must be 1 to 65536"), "{text}");
}

#[test]
fn refuses_what_it_cannot_serve() {
    let train = rows(20, 1, false);
    let refuse = |params: AutoencoderParams| params.fit(&train).unwrap_err().to_string();
    assert_eq!(refuse(params().latent(0)), "latent is 0, it must be 1 to 65536");
    assert_eq!(refuse(params().hidden([24, 0])), "hidden is 0, it must be 1 to 65536");
    assert_eq!(refuse(params().noise(f32::NAN)), "noise is NaN, it must be 0 or more and finite");
    assert_eq!(refuse(params().variational(-1.0)), "variational is -1, it must be 0 or more and finite");
    assert_eq!(refuse(params().epochs(0)), "epochs is 0, it must be at least 1");
    for few in [0, 1] {
        let error = params().fit(&train.select(0..few)).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::Data, format!("{few} rows, training needs at least 2"))
        );
    }
    let model = params().epochs(1).fit(&train).unwrap();
    let sequences = Rows::sequences(schema(12), 2, vec![0.0; 24], vec![1]).unwrap();
    assert_eq!(model.score(&sequences).unwrap_err().kind(), ErrorKind::Schema);
    assert_eq!(params().fit(&sequences).unwrap_err().kind(), ErrorKind::Schema);
    let other = Rows::flat(schema(3), vec![0.0; 3]).unwrap();
    assert_eq!(model.expected(&other).unwrap_err().kind(), ErrorKind::Schema);
    assert!(model.score(&train.select([])).unwrap().is_empty());
}
