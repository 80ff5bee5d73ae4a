//! Rows from arrays, and as arrays, of `ndarray` 0.16.

use super::{Rows, Schema};
use crate::Result;
use ndarray::{ArrayView2, ArrayView3};
use std::sync::Arc;

impl Rows {
    /// Rows of one step each, from an array of shape (rows, columns), which is copied.
    ///
    /// # Errors
    /// As [`flat`](Self::flat), and [`ErrorKind::Data`](crate::ErrorKind::Data) where the array has not as many columns as `schema`.
    pub fn from_array(schema: Arc<Schema>, array: ArrayView2<'_, f32>) -> Result<Self> {
        Self::from_sequences(schema, array.insert_axis(ndarray::Axis(1)), vec![1; array.nrows()])
    }

    /// Rows of several steps, from an array of shape (rows, steps, columns), which is copied; the first `lengths[i]` steps of a row are real.
    ///
    /// # Errors
    /// As [`sequences`](Self::sequences), and [`ErrorKind::Data`](crate::ErrorKind::Data) where the array has not as many columns as
    /// `schema`.
    pub fn from_sequences(schema: Arc<Schema>, array: ArrayView3<'_, f32>, lengths: Vec<u32>) -> Result<Self> {
        let (rows, steps, columns) = array.dim();
        if columns != schema.width() {
            let message = format!("an array of {columns} columns, schema {} has {}", schema.name(), schema.width());
            return Err(crate::Error::new(crate::ErrorKind::Data, message));
        }
        if rows != lengths.len() {
            let message = format!("an array of {rows} rows, {} lengths", lengths.len());
            return Err(crate::Error::new(crate::ErrorKind::Data, message));
        }
        Self::sequences(schema, steps, array.iter().copied().collect(), lengths)
    }

    /// All values, shape (rows, steps, columns), not copied.
    pub fn view(&self) -> ArrayView3<'_, f32> {
        ArrayView3::from_shape((self.len(), self.steps(), self.width()), self.data()).expect("rows are dense")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, features::Column};
    use ndarray::{Array2, Array3};

    fn schema() -> Arc<Schema> {
        let columns = ["x", "y"].map(|name| Column::new(name, "", "")).into();
        Arc::new(Schema::new("test", columns).unwrap())
    }

    #[test]
    fn arrays_of_any_order_become_rows_and_rows_are_seen_as_arrays() {
        let by_column = Array2::from_shape_fn((2, 3), |(i, j)| (3 * i + j) as f32);
        let rows = Rows::from_array(schema(), by_column.t()).unwrap();
        assert_eq!(rows.data(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        let view = rows.view();
        assert_eq!((view.dim(), view[[2, 0, 1]], view.as_ptr()), ((3, 1, 2), 5.0, rows.data().as_ptr()));
        let sequences = Rows::from_sequences(schema(), Array3::ones((2, 2, 2)).view(), vec![1, 2]).unwrap();
        assert_eq!(sequences.data(), [1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(Rows::from_array(schema(), Array2::zeros((0, 2)).view()).unwrap().view().dim(), (0, 1, 2));
    }

    #[test]
    fn refuses_arrays_that_do_not_fit() {
        let refuse = |result: Result<Rows>| {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Data);
            error.to_string()
        };
        let wide = Array2::<f32>::zeros((4, 3));
        assert_eq!(refuse(Rows::from_array(schema(), wide.view())), "an array of 3 columns, schema test has 2");
        let few = Rows::from_sequences(schema(), Array3::zeros((2, 1, 2)).view(), vec![1]);
        assert_eq!(refuse(few), "an array of 2 rows, 1 lengths");
        let mut holes = Array2::zeros((4, 2));
        holes[[2, 1]] = f32::NAN;
        let message = refuse(Rows::from_array(schema(), holes.view()));
        assert_eq!(message, "row 2, step 0, column y is NaN, values must be finite");
    }
}
