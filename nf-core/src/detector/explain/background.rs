//! What benign traffic looks like: a sample of rows, and what each column reaches.

use super::layout::{Layout, Part};
use crate::{Result, detector::head::Head, session::Session};

/// Benign sessions whose values are kept with the detector, at most: expected values are taken from the nearest of them.
/// A quarter or four times as many change little: what a model makes of the nearest row counts more than how near it is.
const SAMPLES: usize = 512;

/// The share of benign values that a column's reach leaves out at either end: one session in a thousand.
const BEYOND: f64 = 0.001;

/// Rows read at once.
const CHUNK: usize = 1024;

/// A sample of benign rows, and between what the values of each column lie in all of them.
#[derive(Debug)]
pub(in crate::detector) struct Background {
    pub(in crate::detector) layout: Layout,
    /// Values of whole sessions as stored in rows, (samples, columns).
    pub(super) samples: Vec<f32>,
    /// The samples on the heads' scale, by column, then sample.
    pub(super) scaled: Vec<f32>,
    /// Between what the stored values of each column lie: those of whole sessions, then those of packets. NaN where benign
    /// traffic has no value.
    pub(super) reach: Vec<[f32; 2]>,
}

impl Background {
    /// The background of some benign sessions.
    pub(in crate::detector) fn of(heads: &[Head], benign: &[&Session]) -> Result<Self> {
        let layout = Layout::of(heads);
        let (flat, packets) = (layout.flat.columns.len(), layout.packets.columns.len());
        let mut values: Vec<Vec<f32>> = vec![Vec::new(); flat + packets];
        let mut samples = Vec::new();
        let count = benign.len().min(SAMPLES);
        // Evenly over time: what is usual at one hour is not at another.
        let mut wanted = (0..count).map(|i| i * benign.len() / count).peekable();
        for (chunk, sessions) in benign.chunks(CHUNK).enumerate() {
            for (i, [whole, steps]) in layout.extract(heads, sessions)?.into_iter().enumerate() {
                if wanted.next_if_eq(&(chunk * CHUNK + i)).is_some() {
                    samples.extend_from_slice(&whole);
                }
                whole.iter().zip(&mut values[..flat]).for_each(|(value, column)| column.push(*value));
                let steps = steps.chunks_exact(packets.max(1));
                steps.for_each(|row| row.iter().zip(&mut values[flat..]).for_each(|(v, column)| column.push(*v)));
            }
        }
        let columns = layout.flat.columns.iter().chain(&layout.packets.columns);
        let reach = columns.zip(values).map(|(column, mut values)| {
            values.retain(|value| column.missing != Some(*value));
            reach_of(values)
        });
        let reach = reach.collect();
        Ok(Self::restore(layout, heads, samples, reach))
    }

    fn restore(layout: Layout, heads: &[Head], samples: Vec<f32>, reach: Vec<[f32; 2]>) -> Self {
        let part = &layout.flat;
        let width = part.columns.len();
        let column = |place: usize| samples.iter().skip(place).step_by(width);
        let scaled = (0..width).flat_map(|place| column(place).map(move |&v| part.scale(heads, place, v))).collect();
        Self { layout, samples, scaled, reach }
    }

    /// The same, where each column is a fact of its own.
    pub(super) fn by_column(&self, heads: &[Head]) -> Self {
        let layout = Layout::of(heads).by_column();
        Self { layout, samples: self.samples.clone(), scaled: self.scaled.clone(), reach: self.reach.clone() }
    }

    /// The numbers to store: those of [`from_numbers`](Self::from_numbers).
    pub(in crate::detector) fn numbers(&self) -> impl Iterator<Item = f32> {
        self.reach.iter().flatten().chain(&self.samples).copied()
    }

    /// The background that was stored; `None` where the numbers are not those of one for these heads.
    pub(in crate::detector) fn from_numbers(heads: &[Head], numbers: &[f32]) -> Option<Self> {
        let layout = Layout::of(heads);
        let width = layout.flat.columns.len();
        let (reach, samples) = numbers.split_at_checked(2 * (width + layout.packets.columns.len()))?;
        let whole = samples.len().checked_rem(width).unwrap_or(samples.len()) == 0;
        let (reach, _) = reach.as_chunks::<2>();
        let in_order = |[least, most]: &[f32; 2]| least <= most || least.is_nan() && most.is_nan();
        let sane = whole && samples.iter().all(|value| value.is_finite()) && reach.iter().all(in_order);
        sane.then(|| Self::restore(layout, heads, samples.to_vec(), reach.to_vec()))
    }

    /// How many rows there are.
    pub(super) fn samples(&self) -> usize {
        self.samples.len().checked_div(self.layout.flat.columns.len()).unwrap_or(0)
    }

    /// The nearest value that benign traffic reaches in a column: what it never reaches is not expected.
    pub(super) fn within_reach(&self, part: &Part, place: usize, stored: f32) -> f32 {
        let [least, most] = self.stored_reach(part, place);
        if least <= most { stored.clamp(least, most) } else { stored }
    }

    fn stored_reach(&self, part: &Part, place: usize) -> [f32; 2] {
        let offset = if std::ptr::eq(part, &self.layout.flat) { 0 } else { self.layout.flat.columns.len() };
        self.reach[offset + place]
    }

    /// Between what the values of a column lie, in its unit.
    pub(super) fn reach(&self, part: &Part, place: usize) -> Option<[f64; 2]> {
        let reach = self.stored_reach(part, place);
        let transform = part.columns[place].transform;
        (!reach[0].is_nan()).then(|| reach.map(|stored| transform.invert(stored)))
    }
}

/// The quantiles at either end, by nearest rank.
fn reach_of(mut values: Vec<f32>) -> [f32; 2] {
    values.sort_unstable_by(f32::total_cmp);
    let beyond = (values.len() as f64 * BEYOND) as usize;
    match (values.get(beyond), values.iter().nth_back(beyond)) {
        (Some(least), Some(most)) => [*least, *most],
        _ => [f32::NAN; 2],
    }
}
