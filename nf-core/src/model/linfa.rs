//! The models as those of `linfa` 0.8: parameters fit a dataset, models predict scores.
//!
//! ```
//! use linfa::{DatasetBase, traits::{Fit, Predict}};
//! use nf_core::IsolationForest;
//! let records = ndarray::Array2::from_shape_fn((500, 2), |(i, j)| ((i * 7 + j * 3) % 50) as f64);
//! let dataset = DatasetBase::from(records);
//! let forest = Fit::fit(&IsolationForest::params().trees(50), &dataset)?;
//! let scores = forest.predict(&dataset); // higher = stranger
//! let far = forest.predict(&ndarray::array![[1e3, -1e3]]);
//! assert!(scores.iter().all(|score| *score < far[0]));
//! # Ok::<(), nf_core::Error>(())
//! ```
//!
//! A trait's method has the name of a parameter type's own, `fit`, so it is called by its full name.

#[cfg(feature = "neural")]
use super::{Autoencoder, AutoencoderParams};
use super::{IsolationForest, IsolationForestParams, Model};
use crate::{Column, Error, ErrorKind, Result, Rows, Schema};
use linfa::{
    DatasetBase, Float,
    traits::{Fit, PredictInplace},
};
use ndarray::{Array1, ArrayBase, Data, Ix2};
use std::sync::Arc;

impl From<linfa::Error> for Error {
    fn from(error: linfa::Error) -> Self {
        Self::new(ErrorKind::Data, error.to_string()).with_source(error)
    }
}

/// Numbers of any kind as rows.
fn rows<F: Float, D: Data<Elem = F>>(schema: Arc<Schema>, records: &ArrayBase<D, Ix2>) -> Result<Rows> {
    // What has no f32 is not finite, and refused as such.
    let values = records.mapv(|value| value.to_f32().unwrap_or(f32::NAN));
    Rows::from_array(schema, values.view())
}

/// Columns by the names of the dataset, where it has them.
fn schema(width: usize, names: &[String]) -> Result<Arc<Schema>> {
    let name = |i: usize| names.get(i).cloned().unwrap_or_else(|| format!("x{i}"));
    Ok(Arc::new(Schema::new("dataset", (0..width).map(|i| Column::new(name(i), "", "")).collect())?))
}

macro_rules! linfa_model {
    ($params:ty, $model:ty) => {
        /// Fits to the records, whatever the targets.
        impl<F: Float, D: Data<Elem = F>, T> Fit<ArrayBase<D, Ix2>, T, Error> for $params {
            type Object = $model;

            fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<$model> {
                let records = &dataset.records;
                // Its own method, of the same name.
                <$params>::fit(self, &rows(schema(records.ncols(), dataset.feature_names())?, records)?)
            }
        }

        /// One score a record, higher = stranger. The trait knows no errors: where the records have other columns than those
        /// that were fitted to, or values that are not finite, all scores are NaN.
        impl<F: Float, D: Data<Elem = F>> PredictInplace<ArrayBase<D, Ix2>, Array1<f32>> for $model {
            fn predict_inplace(&self, records: &ArrayBase<D, Ix2>, scores: &mut Array1<f32>) {
                let found = rows(Arc::new(self.schema().clone()), records).and_then(|rows| self.score(&rows));
                match found {
                    Ok(found) => *scores = Array1::from(found),
                    Err(_) => *scores = Array1::from_elem(records.nrows(), f32::NAN),
                }
            }

            fn default_target(&self, records: &ArrayBase<D, Ix2>) -> Array1<f32> {
                Array1::zeros(records.nrows())
            }
        }
    };
}

linfa_model!(IsolationForestParams, IsolationForest);
#[cfg(feature = "neural")]
linfa_model!(AutoencoderParams, Autoencoder);

#[cfg(test)]
mod tests {
    use super::*;
    use linfa::traits::Predict;
    use ndarray::{Array2, array};

    fn dataset() -> DatasetBase<Array2<f64>, Array1<()>> {
        DatasetBase::from(Array2::from_shape_fn((300, 3), |(i, j)| ((i * (j + 2)) as f64).sin()))
    }

    #[test]
    fn fits_and_predicts_what_the_crate_does_itself() {
        let dataset = dataset().with_feature_names(vec!["a", "b", "c"]);
        let params = IsolationForest::params().trees(20).seed(3);
        let forest = Fit::fit(&params, &dataset).unwrap();
        assert_eq!(forest.schema().columns()[1].name, "b");
        let own = rows(Arc::new(forest.schema().clone()), &dataset.records).unwrap();
        let scores = params.fit(&own).unwrap().score(&own).unwrap();
        assert_eq!(forest.predict(&dataset).to_vec(), scores);
        let predicted = forest.predict(dataset);
        assert_eq!(predicted.targets.to_vec(), scores);
    }

    #[test]
    fn bad_records_are_errors_in_fitting_and_nan_in_predicting() {
        let params = IsolationForest::params().trees(5);
        let forest = Fit::fit(&params, &dataset()).unwrap();
        assert!(forest.predict(&array![[1.0, 2.0]]).iter().all(|score| score.is_nan()));
        assert!(forest.predict(&array![[1.0, 2.0, f64::INFINITY]])[0].is_nan());
        let error = Fit::fit(&params, &DatasetBase::from(array![[f64::NAN, 1.0], [0.0, 1.0]])).unwrap_err();
        assert_eq!(error.to_string(), "row 0, step 0, column x0 is NaN, values must be finite");
        let one = Fit::fit(&params, &DatasetBase::from(Array2::<f32>::zeros((1, 2)))).unwrap_err();
        assert_eq!(one.kind(), ErrorKind::Data);
        let error = Error::from(linfa::Error::NotEnoughSamples);
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Data, "not enough samples"));
    }
}
