//! How far a point is from a cloud of points: a Gaussian with a shrunk covariance.

use crate::{
    Result,
    model::bytes::{Reader, Writer},
};

/// Mean and covariance of points, the covariance as its Cholesky factor.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Gaussian {
    mean: Vec<f64>,
    /// Lower triangle with the diagonal, row after row.
    factor: Vec<f64>,
}

impl Gaussian {
    /// Fits to points of the given width, at least one. The covariance is shrunk towards a multiple of the identity by
    /// the amount of Ledoit and Wolf ("A well-conditioned estimator for large-dimensional covariance matrices", Journal of
    /// Multivariate Analysis 88, 2004), so that it is never singular, however few the points.
    pub(super) fn fit(points: &[f32], width: usize) -> Self {
        let count = (points.len() / width) as f64;
        let mut mean = vec![0.0; width];
        for point in points.chunks_exact(width) {
            mean.iter_mut().zip(point).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        mean.iter_mut().for_each(|sum| *sum /= count);
        let mut covariance = vec![0.0; width * (width + 1) / 2];
        let mut fourth = 0.0;
        let mut centred = vec![0.0; width];
        for point in points.chunks_exact(width) {
            let values = point.iter().zip(&mean).map(|(value, mean)| f64::from(*value) - mean);
            centred.iter_mut().zip(values).for_each(|(to, value)| *to = value);
            fourth += centred.iter().map(|value| value * value).sum::<f64>().powi(2);
            let mut at = 0;
            for i in 0..width {
                let row = &mut covariance[at..=at + i];
                row.iter_mut().zip(&centred).for_each(|(sum, value)| *sum += centred[i] * value);
                at += i + 1;
            }
        }
        covariance.iter_mut().for_each(|sum| *sum /= count);
        shrink(&mut covariance, width, count, fourth);
        Self { mean, factor: cholesky(covariance, width) }
    }

    /// The Mahalanobis distance of a point from the mean.
    pub(super) fn distance(&self, point: &[f32]) -> f64 {
        let mut solved: Vec<f64> = Vec::with_capacity(self.mean.len());
        let mut rows = self.factor.as_slice();
        for (i, (value, mean)) in point.iter().zip(&self.mean).enumerate() {
            let (row, rest) = rows.split_at(i + 1);
            let known: f64 = row.iter().zip(&solved).map(|(factor, value)| factor * value).sum();
            solved.push((f64::from(*value) - mean - known) / row[i]);
            rows = rest;
        }
        solved.iter().map(|value| value * value).sum::<f64>().sqrt()
    }

    /// The mean, and the matrix that a centred point, as a row, is multiplied with so that its length is its distance.
    #[cfg(feature = "onnx")]
    pub(super) fn whitening(&self) -> (Vec<f32>, Vec<f32>) {
        let width = self.mean.len();
        let factor = |i: usize, j: usize| self.factor[i * (i + 1) / 2 + j];
        // The inverse of the factor, column by column, by substitution; its transpose is what a row is multiplied with.
        let mut inverse = vec![0.0; width * width];
        for column in 0..width {
            for i in column..width {
                let known: f64 = (column..i).map(|j| factor(i, j) * inverse[column * width + j]).sum();
                let own = if i == column { 1.0 } else { 0.0 };
                inverse[column * width + i] = (own - known) / factor(i, i);
            }
        }
        let single = |values: &[f64]| values.iter().map(|value| *value as f32).collect();
        (single(&self.mean), single(&inverse))
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.f64s(&self.mean);
        writer.f64s(&self.factor);
    }

    pub(super) fn read(width: usize, reader: &mut Reader) -> Result<Self> {
        let mean = reader.f64s(width)?;
        let factor = reader.f64s(width * (width + 1) / 2)?;
        if (0..width).any(|i| factor[i * (i + 1) / 2 + i] <= 0.0) {
            return Err(reader.error("the covariance's factor has a diagonal that is not above 0"));
        }
        Ok(Self { mean, factor })
    }
}

/// Shrinks a lower triangle towards its mean variance times the identity; `fourth` is the sum of the fourth powers of the
/// centred points' norms.
fn shrink(covariance: &mut [f64], width: usize, count: f64, fourth: f64) {
    let diagonal = |i: usize| i * (i + 1) / 2 + i;
    let variance = (0..width).map(|i| covariance[diagonal(i)]).sum::<f64>() / width as f64;
    let doubled: f64 = covariance.iter().map(|value| 2.0 * value * value).sum();
    let norm = doubled - (0..width).map(|i| covariance[diagonal(i)].powi(2)).sum::<f64>();
    let distance = norm - width as f64 * variance * variance;
    let noise = ((fourth / count - norm) / count).clamp(0.0, distance.max(0.0));
    let share = if distance > 0.0 { noise / distance } else { 1.0 };
    covariance.iter_mut().for_each(|value| *value *= 1.0 - share);
    // The floor keeps the factor regular: for a direction without any variance, and for points that are all alike.
    let floor = (share * variance).max(1e-9 * variance).max(1e-18);
    (0..width).for_each(|i| covariance[diagonal(i)] += floor);
}

/// The lower factor of a positive definite lower triangle, in place.
fn cholesky(mut matrix: Vec<f64>, width: usize) -> Vec<f64> {
    let row = |i: usize| i * (i + 1) / 2;
    for i in 0..width {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| matrix[row(i) + k] * matrix[row(j) + k]).sum();
            let rest = matrix[row(i) + j] - dot;
            let least = f64::MIN_POSITIVE.sqrt();
            matrix[row(i) + j] = if i == j { rest.max(least).sqrt() } else { rest / matrix[row(j) + j] };
        }
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::random::Random;

    /// Points with covariance [[4, 1], [1, 1]] around (5, -5).
    fn points(count: usize) -> Vec<f32> {
        let mut random = Random::new(3);
        let mut draw = || {
            let (a, b) = (random.normal(), random.normal());
            [5.0 + 2.0 * a, -5.0 + 0.5 * a + 0.75f32.sqrt() * b]
        };
        (0..count).flat_map(|_| draw()).collect()
    }

    #[test]
    fn distance_is_that_of_the_true_covariance() {
        let gaussian = Gaussian::fit(&points(50_000), 2);
        // Inverse of [[4, 1], [1, 1]] is [[1, -1], [-1, 4]] / 3.
        for (point, square) in [([7.0, -5.0], 4.0 / 3.0), ([5.0, -3.0], 16.0 / 3.0), ([7.0, -3.0], 12.0 / 3.0)] {
            let distance = gaussian.distance(&point);
            assert!((distance * distance / square - 1.0).abs() < 0.03, "{point:?} {distance}");
        }
        assert!(gaussian.distance(&[5.0, -5.0]) < 0.05);
    }

    #[test]
    fn few_points_and_equal_points_give_finite_distances() {
        for points in [vec![1.0f32; 40], points(2), vec![0.0; 4]] {
            let gaussian = Gaussian::fit(&points, 4);
            let distance = gaussian.distance(&[1e3, 0.0, 1.0, 2.0]);
            assert!(distance.is_finite() && distance > 1.0, "{distance}");
        }
    }

    #[test]
    fn shrinkage_is_ledoit_and_wolfs() {
        // Distances by scikit-learn 1.9, `LedoitWolf().fit(points).mahalanobis(..)` with a shrinkage of 0.2619.
        let points = [
            [10.0, 2.0, 0.0],
            [0.0, 1.0, 3.0],
            [20.0, 3.0, 1.0],
            [-14.0, -2.0, -2.0],
            [1.0, 1.0, 1.0],
            [5.0, 2.0, -1.0],
            [-22.0, -2.0, 0.0],
            [-3.0, 1.0, 0.0],
        ];
        let gaussian = Gaussian::fit(points.as_flattened(), 3);
        let expected =
            [([1.0, 1.0, 1.0], 0.220_587_75), ([5.0, 0.0, 0.0], 0.615_197_56), ([0.0, 4.0, 0.0], 0.859_303_96)];
        for (point, distance) in expected {
            assert!((gaussian.distance(&point) - distance).abs() < 1e-6, "{point:?} {}", gaussian.distance(&point));
        }
        // Three points whose noise exceeds their structure: the share is 1 and the covariance 2/3 of the identity.
        let gaussian = Gaussian::fit(&[1.0, 0.0, 0.0, 1.0, -1.0, -1.0], 2);
        assert!((gaussian.distance(&[1.0, 0.0]) - 1.5f64.sqrt()).abs() < 1e-12);
    }

    #[cfg(feature = "onnx")]
    #[test]
    fn a_whitened_point_is_as_long_as_its_distance() {
        let gaussian = Gaussian::fit(&points(1000), 2);
        let (mean, matrix) = gaussian.whitening();
        for point in [[7.0, -5.0], [5.0, -3.0], [0.0, 0.0]] {
            let centred = [point[0] - mean[0], point[1] - mean[1]];
            let whitened = |j: usize| centred[0] * matrix[j] + centred[1] * matrix[2 + j];
            let length = whitened(0).hypot(whitened(1));
            assert!((f64::from(length) / gaussian.distance(&point) - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn comes_back_from_bytes() {
        let gaussian = Gaussian::fit(&points(100), 2);
        let mut writer = Writer::default();
        gaussian.write(&mut writer);
        let bytes = writer.finish();
        assert_eq!(Gaussian::read(2, &mut Reader::new("test", &bytes)).unwrap(), gaussian);
        let mut zero = bytes.clone();
        zero[4 + 16 + 4..][..8].fill(0);
        let error = Gaussian::read(2, &mut Reader::new("test", &zero)).unwrap_err().to_string();
        assert!(error.ends_with("the covariance's factor has a diagonal that is not above 0"), "{error}");
    }
}
