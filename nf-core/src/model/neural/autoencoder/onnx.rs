//! The autoencoder as a graph of ONNX.

use super::{Autoencoder, AutoencoderScore};
use crate::{
    model::neural::onnx::{Constants, distance, gelu, log_score, sum},
    onnx::{Dim, Graph, Kind},
};

impl Autoencoder {
    /// Input `rows`, shape (rows, columns); outputs `score`, shape (rows), and `expected`, as `rows`.
    pub(super) fn graph(&self) -> Vec<u8> {
        let mut graph = Graph::default();
        let shape = [Dim::Any("rows"), Dim::Fixed(self.layers.width)];
        let rows = graph.input("rows", Kind::Float, &shape);
        let mut constants = Constants::new(&mut graph, &self.weights);
        let hidden = self.layers.params.hidden.len();
        let (mut x, mut latent) = (rows.clone(), rows.clone());
        for layer in 0..2 * hidden + 2 {
            x = constants.linear(&mut graph, &x);
            if layer == hidden && self.layers.params.variational > 0.0 {
                let bounds = [0, self.layers.params.latent as i64, 1].map(|bound| graph.ints(&[bound]));
                x = graph.node("Slice", &[&x, &bounds[0], &bounds[1], &bounds[2]]);
            }
            match layer {
                _ if layer == hidden => latent = x.clone(),
                _ if layer < 2 * hidden + 1 => x = gelu(&mut graph, &x),
                _ => {}
            }
        }
        let raw = match (&self.density, self.layers.params.score) {
            (Some(density), AutoencoderScore::Density) => distance(&mut graph, &latent, density),
            _ => {
                let scales: Vec<f32> = self.scales.iter().map(|scale| 1.0 / scale).collect();
                let (scales, count) = (graph.floats(&[1, scales.len()], &scales), graph.float(scales.len() as f32));
                let error = graph.node("Sub", &[&rows, &x]);
                let error = graph.node("Mul", &[&error, &scales]);
                let square = graph.node("Mul", &[&error, &error]);
                let sum = sum(&mut graph, &square, &[1]);
                graph.node("Div", &[&sum, &count])
            }
        };
        let score = log_score(&mut graph, &raw);
        graph.output("score", &score, &shape[..1]);
        graph.output("expected", &x, &shape);
        graph.finish(Self::KIND)
    }
}
