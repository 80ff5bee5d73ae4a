//! Networks, on burn: nothing outside this folder names it.

mod attention;
mod autoencoder;
mod batch;
mod density;
mod device;
mod exchange;
mod fused;
mod gradient;
mod kernel;
#[cfg(feature = "onnx")]
mod onnx;
mod train;
mod transformer;
mod weights;

pub use attention::Attention;
pub use autoencoder::{Autoencoder, AutoencoderParams, AutoencoderScore};
pub(in crate::model) use device::open;
pub use exchange::Matrix;
pub use train::{Checkpoint, TrainingParams};
pub use transformer::{Objective, Transformer, TransformerParams, TransformerScore};

use super::bytes::{Reader, Writer};
use crate::{Result, features::Rows};
use batch::Batch;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

/// Added to a squared error or distance before its logarithm, so that the score of a perfect fit is finite.
const TINY: f64 = 1e-12;

/// Scores are computed in tiles of this many steps (of one row, where that is longer), filled up with empty rows.
///
/// The matrix libraries of other devices choose their path by the shape: a single row goes another way than a batch, and its last bits
/// differ.
/// With the shape fixed by a row's own length alone, its score cannot depend on what it is judged with.
const TILE: usize = 64;

/// The logarithm of a squared error or distance; a value so far out that f32 overflowed counts as the largest one.
fn log_score(raw: f64) -> f32 {
    (if raw.is_finite() { raw } else { f64::MAX } + TINY).ln() as f32
}

/// Writes rebuilt values, those that overflowed as 0, so that what is expected is always a number.
fn put_finite(to: &mut [f32], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = if from.is_finite() { *from } else { 0.0 });
}

/// Calls `judge` with tiles that cover all rows: those of one padded length together, each with the places of its rows.
fn tiles(rows: &Rows, padded: impl Fn(u32) -> usize, mut judge: impl FnMut(&[usize], &Batch)) {
    let mut buckets: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (row, &length) in rows.lengths().iter().enumerate() {
        buckets.entry(padded(length)).or_default().push(row);
    }
    for (steps, indices) in buckets {
        let size = (TILE / steps).max(1);
        for indices in indices.chunks(size) {
            judge(indices, &Batch::gather(rows, indices, steps, size));
        }
    }
}

/// A model's parameters in its bytes.
fn write_params(writer: &mut Writer, params: &impl Serialize) {
    writer.text(&serde_json::to_string(params).expect("parameters are plain numbers"));
}

fn read_params<T: DeserializeOwned>(reader: &mut Reader, check: impl Fn(&T) -> Result<()>) -> Result<T> {
    let text = reader.text()?;
    let params = serde_json::from_str(text).map_err(|error| reader.error(format_args!("parameters: {error}")))?;
    check(&params).map_err(|error| reader.error(format_args!("parameters: {error}")))?;
    Ok(params)
}

#[cfg(test)]
mod testing {
    use crate::{
        features::{Column, Rows, Schema},
        model::{Model, random::Random},
    };
    use std::sync::Arc;

    pub(super) fn schema(width: usize) -> Arc<Schema> {
        let column = |i| Column::new(format!("x{i}"), "", "");
        Arc::new(Schema::new("test", (0..width).map(column).collect()).unwrap())
    }

    /// Sequences of 1 to `longest` steps of three columns that follow one another: a slow wave, its echo one step later,
    /// and a little noise. In strange ones the echo is squared, and one more.
    pub(super) fn waves(count: usize, steps: usize, longest: usize, seed: u64, strange: bool) -> Rows {
        let mut data = vec![0.0; count * steps * 3];
        let mut lengths = Vec::new();
        for (row, values) in data.chunks_exact_mut(steps * 3).enumerate() {
            let mut random = Random::new(seed).stream(row as u64);
            let length = 1 + random.below(longest);
            let phase = 6.3 * random.uniform();
            for (step, value) in values.chunks_exact_mut(3).take(length).enumerate() {
                let wave = |step: f32| (phase + 0.7 * step).sin();
                let echo = wave(step as f32 - 1.0);
                let echo = if strange { echo * echo + 1.0 } else { echo };
                value.copy_from_slice(&[wave(step as f32), echo, 0.1 * random.normal()]);
            }
            lengths.push(length as u32);
        }
        Rows::sequences(schema(3), steps, data, lengths).unwrap()
    }

    /// Holds that rows of the largest numbers score higher than `rows` do, and finite.
    pub(super) fn extreme_rows_have_a_score(model: &dyn Model, rows: &Rows) {
        let highest = model.score(rows).unwrap().into_iter().fold(f32::MIN, f32::max);
        for value in [1e15, 1e30, f32::MAX] {
            let mut extreme = rows.select([0]);
            extreme.map_values(|column, _| if column % 2 == 0 { value } else { -value });
            let score = model.score(&extreme).unwrap()[0];
            assert!(score.is_finite() && score > highest, "{value:e}: {score} {highest}");
            assert!(model.expected(&extreme).unwrap().unwrap().iter().all(|value| value.is_finite()));
        }
    }

    /// Holds that scores and expectations have the same bits in batches of any size and in any order.
    pub(super) fn bits_do_not_depend_on_the_batch(model: &dyn Model, rows: &Rows) {
        let bits = |rows: &Rows| model.score(rows).unwrap().iter().map(|s| s.to_bits()).collect::<Vec<_>>();
        let size = rows.steps() * rows.width();
        let whole = (bits(rows), model.expected(rows).unwrap().unwrap());
        for batch in [1, 7, 64, 1000] {
            for start in (0..rows.len()).step_by(batch) {
                let range = start..(start + batch).min(rows.len());
                let part = rows.select(range.clone());
                assert_eq!(bits(&part), whole.0[range.clone()], "batch {batch} at {start}");
                let expected = model.expected(&part).unwrap().unwrap();
                assert!(expected == whole.1[range.start * size..range.end * size], "batch {batch} at {start}");
            }
        }
        let order = Random::new(5).permutation(rows.len());
        let permuted: Vec<_> = order.iter().map(|&row| whole.0[row]).collect();
        assert_eq!(bits(&rows.select(order)), permuted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;

    #[test]
    fn models_may_be_shared_by_threads() {
        fn shared<T: Send + Sync + std::fmt::Debug + 'static>() {}
        shared::<Autoencoder>();
        shared::<Transformer>();
        shared::<crate::model::IsolationForest>();
    }

    /// Damages every byte of a model's parameters and some of its weights: what is read all the same must judge.
    fn damage(model: &dyn Model, rows: &Rows, read: impl Fn(&[u8]) -> Result<Box<dyn Model>>) {
        let bytes = model.to_bytes();
        let parameters = bytes.iter().rposition(|&byte| byte == b'}').expect("parameters as text") + 64;
        let places = (0..parameters.min(bytes.len())).chain((parameters..bytes.len()).step_by(101));
        let mut served = 0;
        for at in places {
            for value in [0, 0xff, bytes[at] ^ 0x10, bytes[at] ^ 1] {
                let mut damaged = bytes.clone();
                damaged[at] = value;
                match read(&damaged) {
                    Ok(model) => {
                        served += 1;
                        let scores = model.score(rows).unwrap();
                        assert!(scores.iter().all(|score| score.is_finite()), "{value} at {at}");
                        model.expected(rows).unwrap();
                    }
                    Err(error) => assert_eq!(error.kind(), crate::ErrorKind::ModelFile, "{value} at {at}"),
                }
            }
        }
        assert!(served > 10, "{served}");
    }

    #[test]
    fn damaged_bytes_are_refused_or_judge() {
        let rows = testing::waves(20, 8, 8, 1, false);
        for score in [TransformerScore::Error, TransformerScore::Density] {
            let params = Transformer::params().d_model(8).heads(2).layers(1).d_ff(8).epochs(1).score(score);
            let model = params.fit(&rows).unwrap();
            let schema = model.schema().clone();
            damage(&model, &rows, |bytes| Ok(Box::new(Transformer::from_bytes(schema.clone(), bytes)?)));
        }
        let flat = Rows::flat(testing::schema(12), (0..240).map(|i| (i as f32).sin()).collect()).unwrap();
        let model = Autoencoder::params().hidden([8]).latent(3).epochs(1).fit(&flat).unwrap();
        let schema = model.schema().clone();
        damage(&model, &flat, |bytes| Ok(Box::new(Autoencoder::from_bytes(schema.clone(), bytes)?)));
    }

    #[test]
    fn tiles_have_one_shape_a_length() {
        let rows = testing::waves(100, 64, 64, 1, false);
        let mut seen = vec![0; 100];
        tiles(
            &rows,
            |length| length.next_power_of_two().max(8) as usize,
            |indices, batch| {
                assert_eq!(batch.lengths.len(), TILE / batch.steps);
                for (slot, &row) in indices.iter().enumerate() {
                    seen[row] += 1;
                    assert_eq!(batch.lengths[slot], rows.lengths()[row] as usize);
                    assert!(batch.steps >= batch.lengths[slot]);
                }
            },
        );
        assert_eq!(seen, [1; 100]);
    }
}
