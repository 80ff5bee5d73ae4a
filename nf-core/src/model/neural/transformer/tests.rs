use super::{testing::*, *};
use crate::{
    ErrorKind,
    model::{Attention, Random, neural::testing::*, testing::auroc},
};
use std::ops::ControlFlow;

fn params() -> TransformerParams {
    Transformer::params().d_model(16).heads(2).d_ff(24).layers(1).epochs(6)
}

#[test]
fn finds_sequences_that_are_out_of_step() {
    let train = waves(1500, 32, 32, 1, false);
    let (usual, strange) = (waves(300, 32, 32, 2, false), waves(300, 32, 32, 3, true));
    for score in [TransformerScore::Density, TransformerScore::Error] {
        let model = params().score(score).fit(&train).unwrap();
        let auroc = auroc(&model.score(&strange).unwrap(), &model.score(&usual).unwrap());
        assert!(auroc > 0.95, "{score:?} {auroc}");
        if score == TransformerScore::Error {
            extreme_rows_have_a_score(&model, &usual);
        }
    }
}

#[test]
fn a_latent_is_of_the_real_steps_of_its_row_alone() {
    let model = params().epochs(1).fit(&waves(200, 32, 32, 1, false)).unwrap();
    let rows = waves(40, 32, 32, 2, false);
    let latents = model.embed(&rows).unwrap();
    assert_eq!(latents.len(), rows.len() * 16);
    for (row, latent) in latents.chunks_exact(16).enumerate() {
        let length = rows.lengths()[row] as usize;
        let steps = rows.row(row)[..length * 3].to_vec();
        let cut = Rows::sequences(schema(3), length, steps, vec![length as u32]).unwrap();
        assert_eq!(model.embed(&cut).unwrap(), latent, "row {row}");
    }
    assert!(latents[..16] != latents[16..32]);
    let none = Rows::sequences(schema(3), 1, vec![0.0; 3], vec![0]).unwrap();
    assert_eq!(model.embed(&none).unwrap(), [0.0; 16]);
    let other = Rows::sequences(schema(2), 1, vec![0.0; 2], vec![1]).unwrap();
    assert_eq!(model.embed(&other).unwrap_err().kind(), ErrorKind::Schema);
}

#[test]
fn every_attention_learns() {
    let train = waves(600, 32, 32, 1, false);
    let (usual, strange) = (waves(150, 32, 32, 2, false), waves(150, 32, 32, 3, true));
    for attention in ATTENTIONS {
        let model = params().epochs(4).attention(attention).max_steps(32).fit(&train).unwrap();
        let auroc = auroc(&model.score(&strange).unwrap(), &model.score(&usual).unwrap());
        assert!(auroc > 0.9, "{attention:?} {auroc}");
        let back = Transformer::from_bytes(schema(3).as_ref().clone(), &model.to_bytes()).unwrap();
        assert_eq!(back.score(&usual).unwrap(), model.score(&usual).unwrap());
    }
}

#[test]
fn every_objective_learns() {
    let train = waves(600, 32, 32, 1, false);
    let (usual, strange) = (waves(150, 32, 32, 2, false), waves(150, 32, 32, 3, true));
    for (objective, attention) in OBJECTIVES {
        for score in [TransformerScore::Error, TransformerScore::Density] {
            let params = params().objective(objective).attention(attention).max_steps(32).score(score);
            let model = params.fit(&train).unwrap();
            let auroc = auroc(&model.score(&strange).unwrap(), &model.score(&usual).unwrap());
            assert!(auroc > 0.9, "{objective:?} {attention:?} {score:?}: {auroc}");
            let back = Transformer::from_bytes(schema(3).as_ref().clone(), &model.to_bytes()).unwrap();
            assert_eq!(back.score(&usual).unwrap(), model.score(&usual).unwrap());
            bits_do_not_depend_on_the_batch(&model, &usual);
        }
    }
}

#[test]
fn no_packet_tells_itself_or_of_what_it_may_not_see() {
    let rows = waves(60, 16, 16, 1, false);
    let row = rows.lengths().iter().position(|&length| length >= 12).unwrap();
    for (objective, attention) in OBJECTIVES {
        let model = params().epochs(1).objective(objective).attention(attention).max_steps(16).fit(&rows).unwrap();
        let one = rows.select([row]);
        let expected = |rows: &Rows| model.expected(rows).unwrap().unwrap();
        let before = expected(&one);
        for step in [0, 5, 11] {
            let mut moved = one.data().to_vec();
            moved[step * 3] += 1.0;
            let moved = Rows::sequences(schema(3), 16, moved, one.lengths().to_vec()).unwrap();
            let changed: Vec<usize> =
                (0..16).filter(|i| expected(&moved)[i * 3..][..3] != before[i * 3..][..3]).collect();
            let seen = match objective {
                Objective::NextPacket => changed.iter().all(|i| *i > step),
                _ => !changed.contains(&step),
            };
            assert!(seen && (step == 11 || !changed.is_empty()), "{objective:?} {attention:?} {step}: {changed:?}");
        }
    }
}

#[test]
fn padding_is_a_small_share() {
    let encoder = Encoder::new(params(), 3);
    for length in 1..=4096u32 {
        let padded = encoder.padded(length) as f64;
        assert!(f64::from(length) > 0.8 * padded, "{length} {padded}");
    }
    assert_eq!([0, 1, 8, 9, 65, 129, 2048].map(|length| encoder.padded(length)), [1, 1, 8, 10, 80, 160, 2048]);
}

#[test]
fn every_weight_has_a_gradient() {
    ATTENTIONS.into_iter().for_each(|attention| check_gradient(Objective::Reconstruct, attention));
    OBJECTIVES.into_iter().for_each(|(objective, attention)| check_gradient(objective, attention));
}

fn check_gradient(objective: Objective, attention: Attention) {
    let encoder = Encoder::new(params().objective(objective).attention(attention).max_steps(16), 3);
    let mut weights = Weights::random(encoder.slots(), &Random::new(1));
    let mut random = Random::new(2);
    weights.values.iter_mut().for_each(|w| *w += 0.05 * random.normal());
    let train = waves(20, 16, 16, 1, false);
    let batch = Batch::gather(&train, &(0..20).collect::<Vec<_>>(), 16, 20);
    train::testing::check_gradient(&encoder, &weights, &batch);
}

#[test]
fn bits_depend_neither_on_the_batch_nor_on_the_padding() {
    let train = waves(200, 16, 16, 1, false);
    let cases = [TransformerScore::Density, TransformerScore::Error].map(|score| (score, Attention::Full));
    for (score, attention) in cases.into_iter().chain(ATTENTIONS.map(|a| (TransformerScore::Density, a))) {
        let model = params().epochs(1).score(score).attention(attention).max_steps(64).fit(&train).unwrap();
        bits_do_not_depend_on_the_batch(&model, &waves(1100, 16, 16, 2, false));
        let mixed = waves(150, 64, 64, 3, false);
        bits_do_not_depend_on_the_batch(&model, &mixed);
        let (narrow, wide) = (waves(100, 16, 16, 4, false), waves(100, 64, 16, 4, false));
        assert_eq!(narrow.lengths(), wide.lengths());
        assert_eq!(model.score(&narrow).unwrap(), model.score(&wide).unwrap());
    }
}

#[test]
fn same_seed_same_bits_and_padding_takes_no_part_in_training() {
    for attention in ATTENTIONS {
        let params = params().epochs(2).attention(attention).max_steps(16);
        let fit = |steps, seed| params.clone().seed(seed).fit(&waves(150, steps, 16, 1, false)).unwrap();
        assert_eq!(fit(16, 0).to_bytes(), fit(64, 0).to_bytes());
        assert_ne!(fit(16, 0).weights, fit(16, 1).weights);
    }
}

#[test]
fn sessions_without_packets_have_a_score() {
    let mut lengths = vec![0; 5];
    lengths.extend([1; 20]);
    let data = (0..25 * 4 * 3).map(|i| (i as f32).sin()).collect();
    let rows = Rows::sequences(schema(3), 4, data, lengths).unwrap();
    for score in [TransformerScore::Density, TransformerScore::Error] {
        let model = params().epochs(1).score(score).fit(&rows).unwrap();
        assert!(model.score(&rows).unwrap().iter().all(|score| score.is_finite()));
        let mut extreme = rows.select(5..7);
        extreme.map_values(|_, _| f32::MAX);
        assert!(model.score(&extreme).unwrap().iter().all(|score| score.is_finite()));
        let expected = model.expected(&rows).unwrap().unwrap();
        assert!(expected.len() == rows.data().len() && expected[..60].iter().all(|value| *value == 0.0));
    }
    let empty = rows.select(0..5);
    assert!(params().epochs(1).fit(&empty).unwrap().score(&rows).unwrap().iter().all(|score| score.is_finite()));
}

#[test]
fn stops_when_told_while_the_density_is_fitted() {
    let train = waves(600, 8, 8, 1, false);
    let mut calls = Vec::new();
    let mut fit = |until: usize| {
        calls.clear();
        let fitted = params().epochs(1).fit_with(&train, &mut |progress| {
            calls.push(progress.done);
            if calls.len() == until { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        (fitted.map(|_| ()), calls.len(), calls.iter().filter(|done| **done == 1.0).count())
    };
    let (fitted, all, behind) = fit(usize::MAX);
    assert!(fitted.is_ok() && behind >= 4, "{behind}");
    let (fitted, calls, _) = fit(all - 1);
    assert_eq!((fitted.unwrap_err().kind(), calls), (ErrorKind::Canceled, all - 1));
}

#[test]
fn comes_back_from_bytes_and_corrupt_bytes_are_refused() {
    let train = waves(60, 8, 8, 1, false);
    for score in [TransformerScore::Density, TransformerScore::Error] {
        let model = params().epochs(1).score(score).fit(&train).unwrap();
        let bytes = model.to_bytes();
        let read = |bytes: &[u8]| Transformer::from_bytes(schema(3).as_ref().clone(), bytes);
        let back = read(&bytes).unwrap();
        assert_eq!(back.to_bytes(), bytes);
        assert_eq!(back.score(&train).unwrap(), model.score(&train).unwrap());
        for cut in (0..bytes.len()).step_by(13) {
            assert_eq!(read(&bytes[..cut]).unwrap_err().kind(), ErrorKind::ModelFile, "cut at {cut}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(read(&longer).unwrap_err().to_string().ends_with("1 bytes left over, none expected"));
    }
}

#[test]
fn refuses_what_it_cannot_serve() {
    let train = waves(20, 32, 32, 1, false);
    let refuse = |params: TransformerParams| {
        let error = params.fit(&train).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    };
    assert_eq!(refuse(params().layers(0)), "layers is 0, it must be 1 to 256");
    assert_eq!(refuse(params().heads(0)), "heads is 0, it must be 1 to 256");
    assert_eq!(refuse(params().heads(3)), "d_model is 16, it must be even, a multiple of heads (3), 2 to 8192");
    assert_eq!(refuse(params().d_ff(0)), "d_ff is 0, it must be 1 to 65536");
    assert_eq!(refuse(params().dropout(1.0)), "dropout is 1, it must be 0 to below 1");
    let rank = params().attention(Attention::LowRank { rank: 0 });
    assert_eq!(refuse(rank), "rank is 0, it must be 1 to 4096");
    let ratio = params().objective(Objective::Masked { ratio: 0.95 });
    assert_eq!(refuse(ratio), "ratio is 0.95, it must be 0.01 to 0.9");
    let next = params().objective(Objective::NextPacket).attention(Attention::LowRank { rank: 4 });
    let allowed = "full, window or linear where the objective is the next packet: its keys hold all packets";
    assert_eq!(refuse(next), format!("attention is low rank, it must be {allowed}"));
    assert_eq!(refuse(params().max_steps(0)), "max_steps is 0, it must be 1 to 65536");
    let row = train.lengths().iter().position(|&length| length > 4).unwrap();
    let long = format!("row {row} has {} steps, max_steps is 4", train.lengths()[row]);
    assert_eq!(refuse(params().max_steps(4)), long);
    assert_eq!(params().fit(&train.select([0])).unwrap_err().kind(), ErrorKind::Data);
    let model = params().epochs(1).fit(&train).unwrap();
    let other = Rows::flat(schema(4), vec![0.0; 4]).unwrap();
    assert_eq!(model.score(&other).unwrap_err().kind(), ErrorKind::Schema);
    assert!(model.score(&train.select([])).unwrap().is_empty());
}
