//! The weights of a network, out and in: for averaging networks that were trained apart, and for other frameworks.

use super::{Autoencoder, Transformer, weights::Weights};
use crate::{Error, ErrorKind, Result, features::Rows};

/// One matrix of a network's weights; gains and biases have one row.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Matrix {
    /// Rows and columns: inputs and outputs of a linear layer.
    pub shape: [usize; 2],
    /// The values, row-major.
    pub values: Vec<f32>,
}

impl Matrix {
    /// A matrix.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] where the shape does not have as many values.
    pub fn new(shape: [usize; 2], values: Vec<f32>) -> Result<Self> {
        if shape[0].checked_mul(shape[1]) != Some(values.len()) {
            let message = format!("{} values do not make a matrix of shape {shape:?}", values.len());
            return Err(Error::new(ErrorKind::Data, message));
        }
        Ok(Self { shape, values })
    }
}

/// The weights of the same network with other values.
fn replaced(weights: &Weights, kind: &str, matrices: &[Matrix]) -> Result<Weights> {
    let own: Vec<[usize; 2]> = weights.shapes().collect();
    if matrices.len() != own.len() {
        let message = format!("{} matrices, this {kind} has {}", matrices.len(), own.len());
        return Err(Error::new(ErrorKind::Schema, message));
    }
    for (place, (matrix, shape)) in matrices.iter().zip(own).enumerate() {
        if matrix.shape != shape {
            let message = format!("matrix {place} has shape {:?}, that of this {kind} has {shape:?}", matrix.shape);
            return Err(Error::new(ErrorKind::Schema, message));
        }
        if let Some(at) = matrix.values.iter().position(|value| !value.is_finite()) {
            let message = format!("matrix {place}, value {at} is {}, values must be finite", matrix.values[at]);
            return Err(Error::new(ErrorKind::Data, message));
        }
    }
    Ok(weights.with_values(matrices.iter().flat_map(|matrix| matrix.values.iter().copied()).collect()))
}

fn matrices(weights: &Weights) -> Vec<Matrix> {
    let mut rest = weights.values.as_slice();
    let cut = |shape: [usize; 2]| {
        let (values, behind) = rest.split_at(shape[0] * shape[1]);
        rest = behind;
        Matrix { shape, values: values.to_vec() }
    };
    weights.shapes().map(cut).collect()
}

impl Autoencoder {
    /// The weights of the network, in the order in which it reads them: matrix and bias of each layer. What its errors are
    /// measured by is not among them.
    pub fn weights(&self) -> Vec<Matrix> {
        matrices(self.network_weights())
    }

    /// The same network with other weights. What errors are divided by is kept;
    /// [`adapted`](Self::adapted) learns it anew.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`] where the matrices are not as many or not of the shapes that [`weights`](Self::weights) gives,
    /// [`ErrorKind::Data`] where a value is not finite.
    pub fn with_weights(&self, matrices: &[Matrix]) -> Result<Self> {
        Ok(self.with_network_weights(replaced(self.network_weights(), Self::KIND, matrices)?))
    }

    /// The same network, what its errors are divided by learned anew from benign rows.
    ///
    /// # Errors
    /// As [`score`](crate::Model::score), and [`ErrorKind::Data`] where there is no row.
    pub fn adapted(&self, benign: &Rows) -> Result<Self> {
        some(benign)?;
        self.with_scales_of(benign)
    }
}

impl Transformer {
    /// The weights of the network, in the order in which it reads them. The density of its latents is not among them.
    pub fn weights(&self) -> Vec<Matrix> {
        matrices(self.network_weights())
    }

    /// The same network with other weights. The density that latents are held against is kept;
    /// [`adapted`](Self::adapted) learns it anew.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`] where the matrices are not as many or not of the shapes that [`weights`](Self::weights) gives,
    /// [`ErrorKind::Data`] where a value is not finite.
    pub fn with_weights(&self, matrices: &[Matrix]) -> Result<Self> {
        Ok(self.with_network_weights(replaced(self.network_weights(), Self::KIND, matrices)?))
    }

    /// The same network, the density of its latents learned anew from benign rows, where its score needs one.
    ///
    /// # Errors
    /// As [`score`](crate::Model::score), and [`ErrorKind::Data`] where there is no row.
    pub fn adapted(&self, benign: &Rows) -> Result<Self> {
        some(benign)?;
        self.with_density_of(benign)
    }
}

fn some(rows: &Rows) -> Result<()> {
    if rows.is_empty() {
        return Err(Error::new(ErrorKind::Data, "0 rows to adapt to, at least 1 is needed"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};
    use crate::{Model, features::Rows};

    fn flat(seed: f32) -> Rows {
        Rows::flat(testing::schema(6), (0..600).map(|i| (i as f32 * seed).sin()).collect()).unwrap()
    }

    #[test]
    fn weights_go_out_and_come_back() {
        let rows = flat(1.3);
        let params = || Autoencoder::params().hidden([4]).latent(2).epochs(2);
        let (a, b) = (params().fit(&rows).unwrap(), params().seed(1).fit(&rows).unwrap());
        let shapes: Vec<_> = a.weights().iter().map(|matrix| matrix.shape).collect();
        assert_eq!(shapes, [[6, 4], [1, 4], [4, 2], [1, 2], [2, 4], [1, 4], [4, 6], [1, 6]]);
        let moved = a.with_weights(&b.weights()).unwrap();
        assert_ne!(moved.score(&rows).unwrap(), a.score(&rows).unwrap());
        assert_eq!(moved.expected(&rows).unwrap(), b.expected(&rows).unwrap());
        assert_eq!(moved.adapted(&rows).unwrap().score(&rows).unwrap(), b.score(&rows).unwrap());
        assert_eq!(moved.with_weights(&a.weights()).unwrap().score(&rows).unwrap(), a.score(&rows).unwrap());

        let rows = testing::waves(40, 8, 8, 1, false);
        let params = || Transformer::params().d_model(8).heads(2).layers(1).d_ff(8).epochs(1);
        let (a, b) = (params().fit(&rows).unwrap(), params().seed(1).fit(&rows).unwrap());
        let moved = a.with_weights(&b.weights()).unwrap();
        assert_eq!(moved.adapted(&rows).unwrap().score(&rows).unwrap(), b.score(&rows).unwrap());
        assert_eq!(moved.with_weights(&a.weights()).unwrap().score(&rows).unwrap(), a.score(&rows).unwrap());
    }

    #[test]
    fn refuses_weights_of_another_network() {
        let rows = flat(0.7);
        let model = Autoencoder::params().hidden([4]).latent(2).epochs(1).fit(&rows).unwrap();
        let refuse = |matrices: &[Matrix]| model.with_weights(matrices).unwrap_err().to_string();
        let mut weights = model.weights();
        weights[3] = Matrix::new([1, 2], vec![0.0, f32::NAN]).unwrap();
        assert_eq!(refuse(&weights), "matrix 3, value 1 is NaN, values must be finite");
        weights[3] = Matrix::new([2, 1], vec![0.0; 2]).unwrap();
        assert_eq!(refuse(&weights), "matrix 3 has shape [2, 1], that of this autoencoder has [1, 2]");
        assert_eq!(refuse(&weights[1..]), "7 matrices, this autoencoder has 8");
        let message = Matrix::new([2, 2], vec![0.0; 3]).unwrap_err().to_string();
        assert_eq!(message, "3 values do not make a matrix of shape [2, 2]");
        let none = rows.select([]);
        assert_eq!(model.adapted(&none).unwrap_err().to_string(), "0 rows to adapt to, at least 1 is needed");
    }
}
