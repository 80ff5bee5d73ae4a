//! Layers as nodes of ONNX.

use super::{TINY, density::Gaussian, kernel::norm, weights::Weights};
use crate::onnx::{Attribute, Graph, Value};

/// The weights of a network as constants, handed out in reading order.
pub(super) struct Constants(std::vec::IntoIter<Value>);

impl Constants {
    pub(super) fn new(graph: &mut Graph, weights: &Weights) -> Self {
        let constants: Vec<Value> = weights.matrices().map(|(shape, values)| graph.floats(&shape, values)).collect();
        Self(constants.into_iter())
    }

    pub(super) fn next(&mut self) -> Value {
        self.0.next().expect("a network reads the slots it asked for")
    }

    pub(super) fn linear(&mut self, graph: &mut Graph, x: &Value) -> Value {
        let (matrix, bias) = (self.next(), self.next());
        let product = graph.node("MatMul", &[x, &matrix]);
        graph.node("Add", &[&product, &bias])
    }

    /// Layer normalisation of the last dimension, in plain operators: some runtimes have no other.
    pub(super) fn norm(&mut self, graph: &mut Graph, x: &Value) -> Value {
        let (gain, bias) = (self.next(), self.next());
        let mean = graph.node_with("ReduceMean", &[x], &[("axes", Attribute::Ints(&[-1]))]);
        let centred = graph.node("Sub", &[x, &mean]);
        let square = graph.node("Mul", &[&centred, &centred]);
        let variance = graph.node_with("ReduceMean", &[&square], &[("axes", Attribute::Ints(&[-1]))]);
        let epsilon = graph.float(norm::EPSILON);
        let variance = graph.node("Add", &[&variance, &epsilon]);
        let deviation = graph.node("Sqrt", &[&variance]);
        let normed = graph.node("Div", &[&centred, &deviation]);
        let scaled = graph.node("Mul", &[&normed, &gain]);
        graph.node("Add", &[&scaled, &bias])
    }

    pub(super) fn mlp(&mut self, graph: &mut Graph, x: &Value) -> Value {
        let hidden = self.linear(graph, x);
        let active = gelu(graph, &hidden);
        self.linear(graph, &active)
    }
}

/// `x` times the share of a standard normal below it.
pub(super) fn gelu(graph: &mut Graph, x: &Value) -> Value {
    let (scale, half, one) = (graph.float(std::f32::consts::FRAC_1_SQRT_2), graph.float(0.5), graph.float(1.0));
    let scaled = graph.node("Mul", &[x, &scale]);
    let error = graph.node("Erf", &[&scaled]);
    let share = graph.node("Add", &[&error, &one]);
    let product = graph.node("Mul", &[x, &share]);
    graph.node("Mul", &[&product, &half])
}

/// The logarithm of a squared error or distance, as a score is.
pub(super) fn log_score(graph: &mut Graph, raw: &Value) -> Value {
    let tiny = graph.float(TINY as f32);
    let raw = graph.node("Add", &[raw, &tiny]);
    graph.node("Log", &[&raw])
}

/// The Mahalanobis distance of each point, shape (rows, width), from a cloud: shape (rows).
pub(super) fn distance(graph: &mut Graph, points: &Value, gaussian: &Gaussian) -> Value {
    let (mean, inverse) = gaussian.whitening();
    let width = mean.len();
    let (mean, inverse) = (graph.floats(&[1, width], &mean), graph.floats(&[width, width], &inverse));
    let centred = graph.node("Sub", &[points, &mean]);
    let solved = graph.node("MatMul", &[&centred, &inverse]);
    let square = graph.node("Mul", &[&solved, &solved]);
    let sum = sum(graph, &square, &[1]);
    graph.node("Sqrt", &[&sum])
}

/// The sum over some dimensions, which are gone then.
pub(super) fn sum(graph: &mut Graph, x: &Value, axes: &[i64]) -> Value {
    let axes = graph.ints(axes);
    graph.node_with("ReduceSum", &[x, &axes], &[("keepdims", Attribute::Int(0))])
}
