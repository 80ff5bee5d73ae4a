//! Columns brought to one scale.

use super::{Rows, Schema};
use crate::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// Subtracts each column's mean and divides by its deviation, both learned from benign rows, and clips the result to
/// [`CLIP`](Self::CLIP) deviations; or leaves the rows as they are. Values that say that there is none
/// ([`Column::missing`](super::Column::missing)) take no part in mean and deviation and become 0, the mean.
///
/// ```
/// use nf_core::{Column, Rows, Scaler, Schema};
/// let schema = std::sync::Arc::new(Schema::new("lengths", vec![Column::new("length", "bytes", "")])?);
/// let scaler = Scaler::fit(&Rows::flat(schema.clone(), vec![10.0, 20.0, 30.0, 40.0])?)?;
/// let scaled = scaler.apply(Rows::flat(schema, vec![25.0, 1e9])?)?;
/// assert_eq!(scaled.data(), [0.0, Scaler::CLIP]);
/// # Ok::<(), nf_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scaler {
    schema: Schema,
    /// Mean and deviation of each column; `None` leaves rows as they are.
    columns: Option<Vec<Scale>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Scale {
    mean: f32,
    deviation: f32,
}

impl Scale {
    /// Two passes: the textbook's one-pass formula cancels where the mean is far larger than the deviation.
    fn fit(values: impl Iterator<Item = f32> + Clone) -> Self {
        let count = values.clone().count().max(1) as f64;
        let mean = values.clone().map(f64::from).sum::<f64>() / count;
        let deviation = f64::sqrt(values.clone().map(|value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count);
        // Below the rounding of the values themselves a deviation means nothing.
        let largest = values.fold(0.0, |largest: f64, value| largest.max(f64::from(value).abs()));
        let constant = deviation <= 1e-6 * largest || !(deviation as f32).is_normal();
        Self { mean: mean as f32, deviation: if constant { 1.0 } else { deviation as f32 } }
    }

    /// A value on the common scale; 0 for the one that says that there is none.
    #[inline(always)]
    fn apply(&self, missing: f32, value: f32) -> f32 {
        let scaled = ((value - self.mean) / self.deviation).clamp(-Scaler::CLIP, Scaler::CLIP);
        if value == missing { 0.0 } else { scaled }
    }
}

impl Scaler {
    /// How many deviations from the mean a value may lie; what lies further is moved there.
    pub const CLIP: f32 = 8.0;

    /// Learns means and deviations from the real steps of some rows. A column that is constant in them keeps the
    /// deviation 1, so that a later change stays within its own unit.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] where there is no real step.
    pub fn fit(rows: &Rows) -> Result<Self> {
        let width = rows.width();
        let count = rows.lengths().iter().map(|&length| f64::from(length)).sum::<f64>();
        if count == 0.0 {
            let message = format!("{} rows without a step to learn a scale from, at least 1 is needed", rows.len());
            return Err(Error::new(ErrorKind::Data, message));
        }
        let columns = rows.schema().columns().iter().enumerate();
        let scales = columns.map(|(i, column)| {
            let steps = (0..rows.len()).flat_map(|row| &rows.row(row)[..rows.lengths()[row] as usize * width]);
            Scale::fit(steps.skip(i).step_by(width).copied().filter(|&value| column.missing != Some(value)))
        });
        Ok(Self { schema: Schema::clone(rows.schema()), columns: Some(scales.collect()) })
    }

    /// Leaves rows of this schema as they are, for columns that are on one scale already.
    pub fn identity(schema: &Schema) -> Self {
        Self { schema: schema.clone(), columns: None }
    }

    /// What the columns must be.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The rows on the common scale.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`] where the rows have other columns than those the scale was learned from.
    pub fn apply(&self, mut rows: Rows) -> Result<Rows> {
        self.schema.check(rows.schema())?;
        if let Some(columns) = &self.columns {
            // No value is equal to NaN.
            let missing = self.schema.columns().iter().map(|column| column.missing.unwrap_or(f32::NAN));
            let columns: Vec<(Scale, f32)> = columns.iter().copied().zip(missing).collect();
            for step in rows.steps_mut() {
                step.iter_mut()
                    .zip(&columns)
                    .for_each(|(value, (scale, missing))| *value = scale.apply(*missing, *value));
            }
        }
        Ok(rows)
    }

    /// One value on the common scale.
    ///
    /// # Panics
    /// Where `column` is not below the schema's width.
    pub fn scale(&self, column: usize, value: f32) -> f32 {
        let missing = self.schema.columns()[column].missing.unwrap_or(f32::NAN);
        self.columns.as_ref().map_or(value, |columns| columns[column].apply(missing, value))
    }

    /// The value before [`apply`](Self::apply), up to what the clip took.
    ///
    /// # Panics
    /// Where `column` is not below the schema's width.
    pub fn invert(&self, column: usize, value: f32) -> f32 {
        match &self.columns {
            Some(columns) => columns[column].mean + value * columns[column].deviation,
            None => value,
        }
    }

    /// Whether this scaler, read from a file, has a usable scale for each column.
    pub(crate) fn is_sane(&self) -> bool {
        self.columns.as_ref().is_none_or(|columns| {
            let sane = |scale: &Scale| scale.mean.is_finite() && scale.deviation.is_finite() && scale.deviation > 0.0;
            columns.len() == self.schema.width() && columns.iter().all(sane)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::Column;
    use std::sync::Arc;

    fn schema(names: [&'static str; 2]) -> Arc<Schema> {
        Arc::new(Schema::new("test", names.map(|name| Column::new(name, "", "")).into()).unwrap())
    }

    #[test]
    fn brings_real_steps_to_mean_0_and_deviation_1() {
        let data = vec![1.0, 1e6, 3.0, 1e6 + 1.0, 99.0, 99.0, 5.0, 1e6 + 2.0, 7.0, 1e6 + 3.0, 99.0, 99.0];
        let rows = Rows::sequences(schema(["x", "y"]), 3, data, vec![2, 2]).unwrap();
        let scaler = Scaler::fit(&rows).unwrap();
        let scaled = scaler.apply(rows.clone()).unwrap();
        for column in 0..2 {
            let values = [0, 1].map(|row| [0, 1].map(|step| f64::from(scaled.row(row)[2 * step + column]))).concat();
            let mean = values.iter().sum::<f64>() / 4.0;
            let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 4.0;
            assert!(mean.abs() < 0.05 && (variance - 1.0).abs() < 0.05, "{values:?}");
        }
        assert_eq!(scaled.row(0)[4..], [0.0, 0.0], "padding stays zero");
        assert!((scaler.invert(0, scaled.row(1)[2]) - 7.0).abs() < 1e-5);
    }

    #[test]
    fn missing_values_take_no_part_and_lie_at_the_mean() {
        let columns = vec![Column::new("x", "", "").missing(0.0), Column::new("y", "", "")];
        let schema = Arc::new(Schema::new("test", columns).unwrap());
        let rows = Rows::flat(schema, vec![0.0, 0.0, 4.0, 1.0, 0.0, 0.0, 6.0, 1.0]).unwrap();
        let scaled = Scaler::fit(&rows).unwrap().apply(rows).unwrap();
        assert_eq!(scaled.data(), [0.0, -1.0, -1.0, 1.0, 0.0, -1.0, 1.0, 1.0]);
        let none = Rows::flat(scaled.schema().clone(), vec![0.0, 1.0, 0.0, 2.0]).unwrap();
        assert_eq!(Scaler::fit(&none).unwrap().apply(none).unwrap().data(), [0.0, -1.0, 0.0, 1.0]);
    }

    #[test]
    fn a_constant_column_may_change_later_within_the_clip() {
        let tiny = Rows::flat(schema(["x", "y"]), vec![0.0, 0.0, 1e-45, 0.0]).unwrap();
        assert!(Scaler::fit(&tiny).unwrap().apply(tiny).unwrap().data().iter().all(|value| value.is_finite()));
        for constant in [0.0, 0.1, 1e9] {
            let rows = Rows::flat(schema(["x", "y"]), [constant, 0.0].repeat(1000)).unwrap();
            let scaler = Scaler::fit(&rows).unwrap();
            assert_eq!(scaler.apply(rows).unwrap().row(7), [0.0, 0.0]);
            let later = Rows::flat(schema(["x", "y"]), vec![f32::MAX, 0.5, f32::MIN, -3e30]).unwrap();
            assert_eq!(scaler.apply(later).unwrap().data(), [Scaler::CLIP, 0.5, -Scaler::CLIP, -Scaler::CLIP]);
        }
    }

    #[test]
    fn identity_changes_nothing_and_all_come_back_from_text() {
        let rows = Rows::flat(schema(["x", "y"]), vec![0.1, 700.0, 0.3, -9e9]).unwrap();
        let identity = Scaler::identity(rows.schema());
        assert_eq!(identity.apply(rows.clone()).unwrap().data(), rows.data());
        assert_eq!(identity.invert(1, 700.0), 700.0);
        for scaler in [identity, Scaler::fit(&rows).unwrap()] {
            let text = serde_json::to_string(&scaler).unwrap();
            assert_eq!(serde_json::from_str::<Scaler>(&text).unwrap(), scaler);
            assert!(scaler.is_sane());
        }
    }

    #[test]
    fn refuses_other_columns_and_no_steps() {
        let rows = Rows::flat(schema(["x", "y"]), vec![1.0; 4]).unwrap();
        let error =
            Scaler::fit(&rows).unwrap().apply(Rows::flat(schema(["x", "z"]), vec![1.0; 2]).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Schema);
        assert!(error.to_string().ends_with("first difference at column 1: y [] against z []"), "{error}");
        let error = Scaler::fit(&rows.select([])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        assert_eq!(error.to_string(), "0 rows without a step to learn a scale from, at least 1 is needed");
    }
}
