//! A model of one's own in a detector: a gated recurrent unit that tells each packet of a session from those before it.
//! `docs/guide/add-a-model.md` walks through it.

use nf_core::{
    Capture, Detector, Error, ErrorKind, FeatureSpec, Model, Result, Rows, Scaler, Schema, SessionConfig, Sessions,
};
use nf_examples::{data, exit};
use std::process::ExitCode;

fn main() -> ExitCode {
    exit("gru", run())
}

fn run() -> Result<()> {
    let read =
        |name: &str| -> Result<Sessions> { Capture::open(data(name))?.sessions(&SessionConfig::default())?.collect() };
    let benign = read("benign.pcap.zst")?;
    // In time order: the model learns from the past and is calibrated on what came after.
    let (past, later) = benign.split_at(benign.len() * 2 / 3);
    let spec = FeatureSpec::packets(16);
    let rows = spec.extract(past)?;
    let scaler = Scaler::fit(&rows)?;
    let model = Gru::fit(&scaler.apply(rows)?, 16, 10, 7)?;
    let detector = Detector::builder().head("gru", spec, scaler, model).calibrate(later)?;
    let path = std::env::temp_dir().join("gru.nf");
    detector.save(&path)?;

    let load = |kind: &str, schema: &Schema, bytes: &[u8]| -> Result<Option<Box<dyn Model>>> {
        if kind != Gru::KIND {
            return Ok(None);
        }
        Ok(Some(Box::new(Gru::from_bytes(schema.clone(), bytes)?)))
    };
    let detector = Detector::load_with(&path, load)?;
    for (name, sessions) in [("held-out benign", later.to_vec()), ("attacks", read("attacks.pcap.zst")?.to_vec())] {
        let verdicts = detector.judge_all(&sessions)?;
        let alerts = verdicts.iter().filter(|verdict| verdict.is_anomaly()).count();
        println!("{name}: {alerts} of {} sessions alert", sessions.len());
    }
    Ok(())
}

/// A gated recurrent unit (Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014) and a linear
/// layer that tells a packet's columns from the state before it. A row's score is the logarithm of the mean squared error.
#[derive(Debug, Clone)]
struct Gru {
    schema: Schema,
    units: usize,
    /// Three gates of `units` rows, each of `columns + units + 1` numbers; then `columns` rows of `units + 1`.
    weights: Vec<f32>,
}

/// What a step keeps for the way back.
struct Step {
    before: Vec<f32>,
    /// Update gate, reset gate, candidate.
    gates: [Vec<f32>; 3],
    error: Vec<f32>,
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// `row` holds a weight for each of `x`, one for each of `h`, and a bias.
fn sum(row: &[f32], x: &[f32], h: impl Iterator<Item = f32>) -> f32 {
    let inputs = x.iter().copied().chain(h).chain([1.0]);
    row.iter().zip(inputs).map(|(weight, input)| weight * input).sum()
}

impl Gru {
    const KIND: &'static str = "gru";

    fn columns(&self) -> usize {
        self.schema.width()
    }

    /// The weights of one unit's gate, and of one column's output.
    fn gate(&self, gate: usize, unit: usize) -> std::ops::Range<usize> {
        let width = self.columns() + self.units + 1;
        let start = (gate * self.units + unit) * width;
        start..start + width
    }

    fn output(&self, column: usize) -> std::ops::Range<usize> {
        let start = 3 * self.units * (self.columns() + self.units + 1) + column * (self.units + 1);
        start..start + self.units + 1
    }

    fn count(columns: usize, units: usize) -> usize {
        3 * units * (columns + units + 1) + columns * (units + 1)
    }

    /// What is expected of the next packet after the state `h`.
    fn expect(&self, h: &[f32]) -> Vec<f32> {
        (0..self.columns()).map(|c| sum(&self.weights[self.output(c)], &[], h.iter().copied())).collect()
    }

    /// The gates at a packet `x` after the state `h`, and the state behind it.
    fn step(&self, x: &[f32], h: &[f32]) -> ([Vec<f32>; 3], Vec<f32>) {
        let all = |gate: usize, h: &[f32]| -> Vec<f32> {
            (0..self.units).map(|unit| sum(&self.weights[self.gate(gate, unit)], x, h.iter().copied())).collect()
        };
        let [update, reset] = [0, 1].map(|gate| all(gate, h).into_iter().map(sigmoid).collect::<Vec<_>>());
        let faded: Vec<f32> = h.iter().zip(&reset).map(|(h, r)| h * r).collect();
        let candidate: Vec<f32> = all(2, &faded).into_iter().map(f32::tanh).collect();
        let next = (0..self.units).map(|i| (1.0 - update[i]) * h[i] + update[i] * candidate[i]).collect();
        ([update, reset, candidate], next)
    }

    /// The sum of squared errors over the packets of one session, and its gradient over all weights, by back-propagation through time.
    fn gradient(&self, packets: &[f32]) -> (f32, Vec<f32>) {
        let (columns, units) = (self.columns(), self.units);
        let mut state = vec![0.0; units];
        let (mut loss, mut steps) = (0.0, Vec::new());
        for x in packets.chunks_exact(columns) {
            let error: Vec<f32> = self.expect(&state).iter().zip(x).map(|(y, x)| y - x).collect();
            loss += error.iter().map(|e| e * e).sum::<f32>();
            let (gates, next) = self.step(x, &state);
            steps.push(Step { before: std::mem::replace(&mut state, next), gates, error });
        }
        let mut gradient = vec![0.0; self.weights.len()];
        // That for the state behind the step at hand.
        let mut behind = vec![0.0; units];
        for (step, x) in steps.iter().zip(packets.chunks_exact(columns)).rev() {
            let Step { before, gates: [update, reset, candidate], error } = step;
            let mut by_before: Vec<f32> = behind.iter().zip(update).map(|(g, z)| g * (1.0 - z)).collect();
            let slopes: [Vec<f32>; 2] = [
                (0..units).map(|i| behind[i] * (candidate[i] - before[i]) * update[i] * (1.0 - update[i])).collect(),
                (0..units).map(|i| behind[i] * update[i] * (1.0 - candidate[i] * candidate[i])).collect(),
            ];
            let [by_update, by_candidate] = slopes;
            let faded: Vec<f32> = before.iter().zip(reset).map(|(h, r)| h * r).collect();
            let by_faded = self.back(2, &by_candidate, x, &faded, &mut gradient);
            let by_reset: Vec<f32> =
                (0..units).map(|i| by_faded[i] * before[i] * reset[i] * (1.0 - reset[i])).collect();
            let more =
                [self.back(0, &by_update, x, before, &mut gradient), self.back(1, &by_reset, x, before, &mut gradient)];
            for i in 0..units {
                by_before[i] += by_faded[i] * reset[i] + more[0][i] + more[1][i];
            }
            for (column, error) in error.iter().enumerate() {
                let range = self.output(column);
                for (i, at) in range.enumerate() {
                    gradient[at] += 2.0 * error * before.get(i).unwrap_or(&1.0);
                    if let Some(by) = by_before.get_mut(i) {
                        *by += 2.0 * error * self.weights[at];
                    }
                }
            }
            behind = by_before;
        }
        (loss, gradient)
    }

    /// Adds the gradient for a gate's weights from that for its sums, and gives that for the state it read.
    fn back(&self, gate: usize, by: &[f32], x: &[f32], h: &[f32], gradient: &mut [f32]) -> Vec<f32> {
        let mut by_state = vec![0.0; self.units];
        for (unit, by) in by.iter().enumerate() {
            let start = self.gate(gate, unit).start;
            let inputs = x.iter().chain(h).copied().chain([1.0]);
            for (i, input) in inputs.enumerate() {
                gradient[start + i] += by * input;
            }
            for (i, sum) in by_state.iter_mut().enumerate() {
                *sum += by * self.weights[start + x.len() + i];
            }
        }
        by_state
    }

    /// Trains on rows of several steps with Adam (Kingma and Ba, ICLR 2015), sixteen sessions an update.
    fn fit(rows: &Rows, units: usize, epochs: u32, seed: u64) -> Result<Self> {
        if rows.is_empty() {
            return Err(Error::new(ErrorKind::Data, "0 rows, a gru needs at least 1"));
        }
        let schema = rows.schema().as_ref().clone();
        let count = Self::count(schema.width(), units);
        let bound = 1.0 / (units as f32).sqrt();
        let mut random = seed;
        // Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
        let mut uniform = || {
            random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (random ^ (random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) as f32 / u64::MAX as f32
        };
        let weights = (0..count).map(|_| bound * (2.0 * uniform() - 1.0)).collect();
        let mut model = Self { schema, units, weights };
        let (mut mean, mut square, mut updates) = (vec![0.0f32; count], vec![0.0f32; count], 0);
        for _ in 0..epochs {
            let mut order: Vec<usize> = (0..rows.len()).collect();
            (1..order.len()).rev().for_each(|i| order.swap(i, (uniform() * i as f32) as usize));
            for sessions in order.chunks(16) {
                let mut gradient = vec![0.0; count];
                let real: u32 = sessions.iter().map(|&row| rows.lengths()[row]).sum();
                for &row in sessions {
                    let packets = &rows.row(row)[..rows.lengths()[row] as usize * rows.width()];
                    let (_, of_row) = model.gradient(packets);
                    gradient.iter_mut().zip(of_row).for_each(|(sum, g)| *sum += g / real.max(1) as f32);
                }
                updates += 1;
                let (a, b) = (1.0 - 0.9f32.powi(updates), 1.0 - 0.999f32.powi(updates));
                for (i, g) in gradient.into_iter().enumerate() {
                    mean[i] = 0.9 * mean[i] + 0.1 * g;
                    square[i] = 0.999 * square[i] + 0.001 * g * g;
                    model.weights[i] -= 0.005 * (mean[i] / a) / ((square[i] / b).sqrt() + 1e-8);
                }
            }
        }
        match model.weights.iter().all(|weight| weight.is_finite()) {
            true => Ok(model),
            false => Err(Error::new(ErrorKind::Training, "the weights of the gru became infinite")),
        }
    }

    fn from_bytes(schema: Schema, bytes: &[u8]) -> Result<Self> {
        let numbers: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        if let [units, weights @ ..] = &numbers[..]
            && bytes.len().is_multiple_of(4)
            && (1.0..=4096.0).contains(units)
            && weights.len() == Self::count(schema.width(), *units as usize)
            && weights.iter().all(|weight| weight.is_finite())
        {
            return Ok(Self { schema, units: *units as usize, weights: weights.to_vec() });
        }
        Err(Error::new(ErrorKind::ModelFile, format!("{} bytes are no gru over these columns", bytes.len())))
    }
}

impl Model for Gru {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn score(&self, rows: &Rows) -> Result<Vec<f32>> {
        let expected = self.expected(rows)?.unwrap_or_default();
        let size = rows.steps() * rows.width();
        let score = |row: usize| {
            let real = rows.lengths()[row] as usize * rows.width();
            let pairs = rows.row(row)[..real].iter().zip(&expected[row * size..]);
            let error: f64 = pairs.map(|(x, y)| f64::from(x - y).powi(2)).sum();
            ((error / real.max(1) as f64).min(f64::MAX) + 1e-12).ln() as f32
        };
        Ok((0..rows.len()).map(score).collect())
    }

    fn expected(&self, rows: &Rows) -> Result<Option<Vec<f32>>> {
        self.schema.check(rows.schema())?;
        let mut expected = vec![0.0; rows.data().len()];
        for row in 0..rows.len() {
            let mut state = vec![0.0; self.units];
            let packets = rows.row(row).chunks_exact(rows.width()).take(rows.lengths()[row] as usize);
            let size = rows.steps() * rows.width();
            for (x, to) in packets.zip(expected[row * size..].chunks_exact_mut(rows.width())) {
                to.copy_from_slice(&self.expect(&state));
                state = self.step(x, &state).1;
            }
        }
        Ok(Some(expected))
    }

    fn to_bytes(&self) -> Vec<u8> {
        [self.units as f32].iter().chain(&self.weights).flat_map(|number| number.to_le_bytes()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nf_core::Column;
    use std::sync::Arc;

    /// A wave and its echo; in strange sessions the echo is turned over.
    fn waves(count: usize, strange: bool) -> Rows {
        let columns = ["wave", "echo"].map(|name| Column::new(name, "", "")).into();
        let mut data = Vec::new();
        for row in 0..count {
            let wave = |step: f32| (row as f32 * 1.7 + 0.7 * step).sin();
            let sign = if strange { -1.0 } else { 1.0 };
            data.extend((0..12).flat_map(|step| [wave(step as f32), sign * wave(step as f32 - 1.0)]));
        }
        let lengths = (0..count).map(|row| 4 + row as u32 % 9).collect();
        Rows::sequences(Arc::new(Schema::new("waves", columns).expect("columns")), 12, data, lengths).expect("rows")
    }

    #[test]
    fn the_gradient_is_that_of_differences() {
        let rows = waves(1, false);
        let model = Gru::fit(&rows, 3, 1, 1).expect("a model");
        let (_, gradient) = model.gradient(rows.row(0));
        for (at, own) in gradient.into_iter().enumerate() {
            let moved = |by: f32| {
                let mut moved = model.clone();
                moved.weights[at] += by;
                moved.gradient(rows.row(0)).0
            };
            let difference = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((difference - own).abs() < 0.02 * (1.0 + difference.abs()), "{at}: {difference} {own}");
        }
    }

    #[test]
    fn tells_what_follows_and_comes_back_from_bytes() {
        let model = Gru::fit(&waves(300, false), 8, 15, 1).expect("a model");
        let (usual, strange) =
            (model.score(&waves(50, false)).expect("scores"), model.score(&waves(50, true)).expect("scores"));
        let beaten = usual.iter().filter(|usual| strange.iter().all(|strange| strange > usual)).count();
        assert!(beaten > 45, "{beaten} of 50");
        let bytes = model.to_bytes();
        let schema = || model.schema().clone();
        assert_eq!(Gru::from_bytes(schema(), &bytes).expect("a gru").score(&waves(50, false)).expect("scores"), usual);
        for damaged in [&bytes[..bytes.len() - 4], &bytes[..5], &[]] {
            assert_eq!(Gru::from_bytes(schema(), damaged).expect_err("damaged").kind(), ErrorKind::ModelFile);
        }
    }
}
