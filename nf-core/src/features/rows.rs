//! A table of numbers, one row a session: what feature specs produce and models read.

use super::schema::Schema;
use crate::{Error, ErrorKind, Result};
use std::sync::Arc;

/// Rows of shape (sessions, steps, columns), dense, row-major `f32`, always finite.
///
/// A sequence spec gives one step a packet; sessions shorter than `steps` are padded with zeros behind their
/// [length](Rows::lengths), and models leave the padding out. A flat spec gives one step.
#[derive(Debug, Clone)]
pub struct Rows {
    schema: Arc<Schema>,
    steps: usize,
    data: Vec<f32>,
    lengths: Vec<u32>,
}

impl Rows {
    /// Rows of one step each, `data` holding `schema.width()` numbers a row.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] where `data` is no whole number of rows, or a value is not finite (row and column are named).
    pub fn flat(schema: Arc<Schema>, data: Vec<f32>) -> Result<Self> {
        let rows = data.len() / schema.width();
        Self::sequences(schema, 1, data, vec![1; rows])
    }

    /// Rows of `steps` steps each, of which the first `lengths[i]` are real; padding is set to zero.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] where the sizes do not agree, a length is above `steps`, or a real value is not finite
    /// (row, step and column are named).
    pub fn sequences(schema: Arc<Schema>, steps: usize, mut data: Vec<f32>, lengths: Vec<u32>) -> Result<Self> {
        let width = schema.width();
        if data.len() != lengths.len() * steps * width {
            let (sessions, values) = (lengths.len(), data.len());
            let message =
                format!("{values} values do not make {sessions} rows of {steps} steps of {width} columns each");
            return Err(Error::new(ErrorKind::Data, message));
        }
        for (row, (values, &length)) in data.chunks_exact_mut((steps * width).max(1)).zip(&lengths).enumerate() {
            let length = length as usize;
            if length > steps {
                let message = format!("row {row} has length {length}, it must be at most {steps}, the number of steps");
                return Err(Error::new(ErrorKind::Data, message));
            }
            let (real, padding) = values.split_at_mut(length * width);
            padding.fill(0.0);
            if let Some(i) = real.iter().position(|value| !value.is_finite()) {
                let column = &schema.columns()[i % width].name;
                let message =
                    format!("row {row}, step {}, column {column} is {}, values must be finite", i / width, real[i]);
                return Err(Error::new(ErrorKind::Data, message));
            }
        }
        Ok(Self { schema, steps, data, lengths })
    }

    /// Rows whose values are finite whatever the packets were, and whose padding is zero: nothing is left to check.
    pub(super) fn of_packets(schema: Arc<Schema>, steps: usize, data: Vec<f32>, lengths: Vec<u32>) -> Self {
        debug_assert!(
            Self::sequences(schema.clone(), steps, data.clone(), lengths.clone())
                .is_ok_and(|checked| checked.data == data)
        );
        Self { schema, steps, data, lengths }
    }

    /// What the columns mean.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Number of rows, one a session.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Number of steps a row, padding included.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Number of columns a step.
    pub fn width(&self) -> usize {
        self.schema.width()
    }

    /// All values, shape (sessions, steps, columns).
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// How many steps of each row are real.
    pub fn lengths(&self) -> &[u32] {
        &self.lengths
    }

    /// The values of one row, shape (steps, columns), padding included.
    ///
    /// # Panics
    /// Where `index` is not below [`len`](Self::len).
    pub fn row(&self, index: usize) -> &[f32] {
        let size = self.steps * self.width();
        &self.data[index * size..(index + 1) * size]
    }

    /// A copy of the rows at the given places, in that order.
    ///
    /// # Panics
    /// Where an index is not below [`len`](Self::len).
    pub fn select(&self, indices: impl IntoIterator<Item = usize>) -> Self {
        let (mut data, mut lengths) = (Vec::new(), Vec::new());
        for index in indices {
            data.extend_from_slice(self.row(index));
            lengths.push(self.lengths[index]);
        }
        Self { schema: self.schema.clone(), steps: self.steps, data, lengths }
    }

    /// Each real step, to be changed; what is put there must be finite.
    pub(super) fn steps_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let width = self.schema.width();
        let rows = self.data.chunks_exact_mut((self.steps * width).max(1)).zip(&self.lengths);
        rows.flat_map(move |(row, &length)| row[..length as usize * width].chunks_exact_mut(width))
    }

    /// Applies `f` to every real value, with its column; the result must be finite.
    #[cfg(test)]
    pub(crate) fn map_values(&mut self, f: impl Fn(usize, f32) -> f32) {
        for step in self.steps_mut() {
            step.iter_mut().enumerate().for_each(|(column, value)| *value = f(column, *value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::schema::Column;

    fn schema() -> Arc<Schema> {
        Arc::new(Schema::new("test", vec![Column::new("x", "", ""), Column::new("y", "", "")]).expect("valid"))
    }

    #[test]
    fn padding_is_zero_and_takes_no_part() {
        let data = vec![1.0, 2.0, f32::NAN, 9.0, 3.0, 4.0, 5.0, 6.0];
        let mut rows = Rows::sequences(schema(), 2, data, vec![1, 2]).expect("padding may hold anything");
        assert_eq!(rows.row(0), [1.0, 2.0, 0.0, 0.0]);
        rows.map_values(|column, value| value + 10.0 * column as f32);
        assert_eq!(rows.row(0), [1.0, 12.0, 0.0, 0.0]);
        assert_eq!(rows.select([1]).row(0), [3.0, 14.0, 5.0, 16.0]);
    }

    #[test]
    fn refuses_wrong_sizes_lengths_and_values() {
        let refuse = |steps, data, lengths| {
            let error = Rows::sequences(schema(), steps, data, lengths).expect_err("must refuse");
            assert_eq!(error.kind(), ErrorKind::Data);
            error.to_string()
        };
        assert_eq!(refuse(1, vec![1.0; 3], vec![1]), "3 values do not make 1 rows of 1 steps of 2 columns each");
        assert_eq!(refuse(1, vec![1.0; 2], vec![2]), "row 0 has length 2, it must be at most 1, the number of steps");
        assert_eq!(
            refuse(2, vec![1.0, 1.0, 1.0, f32::NAN], vec![2]),
            "row 0, step 1, column y is NaN, values must be finite"
        );
        assert!(Rows::flat(schema(), vec![1.0; 3]).is_err());
        assert!(Rows::flat(schema(), vec![]).expect("empty is a table").is_empty());
    }
}
