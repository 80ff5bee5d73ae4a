//! The transformer as a graph of ONNX.

use super::{Objective, Transformer, TransformerScore, encoder::stripes};
use crate::{
    model::neural::{
        attention::Attention,
        batch,
        onnx::{Constants, distance, log_score, sum},
    },
    onnx::{Attribute, Dim, Graph, Kind, Value},
};

/// Added to the score of a key that is not seen.
const UNSEEN: f32 = -1e9;
/// Added to the sum of linear attention's weights.
const TINY: f32 = 1e-6;

/// What all layers read.
struct Places {
    /// Number of steps, shape (1).
    steps: Value,
    /// Numbers of the steps, shape (steps).
    range: Value,
    /// 1 for real steps, 0 for padding, shape (rows, steps, 1).
    real: Value,
    /// Whether a query, the last dimension but one, sees a key: shape (rows, 1, steps, steps) or (rows, 1, 1, steps).
    seen: Value,
}

impl Transformer {
    /// Inputs `rows`, shape (rows, steps, columns), and `lengths`, shape (rows); outputs `score`, shape (rows), and `expected`, as
    /// `rows` but not zero behind a row's length.
    pub(super) fn graph(&self) -> Vec<u8> {
        let mut graph = Graph::default();
        let width = self.schema.width();
        let shape = [Dim::Any("rows"), Dim::Any("steps"), Dim::Fixed(width)];
        let rows = graph.input("rows", Kind::Float, &shape);
        let lengths = graph.input("lengths", Kind::Int, &shape[..1]);
        let places = self.places(&mut graph, &rows, &lengths);
        let (latents, expected) = match self.encoder.params.objective {
            Objective::Masked { ratio } => self.masked(&mut graph, &rows, &places, stripes(ratio)),
            _ => self.pass(&mut graph, &rows, &places, None),
        };
        let raw = match (self.encoder.params.score, &self.density) {
            (TransformerScore::Density, Some(density)) => {
                let real = graph.node("Mul", &[&latents, &places.real]);
                let sum = sum(&mut graph, &real, &[1]);
                let count = count(&mut graph, &lengths, 1.0);
                let mean = graph.node("Div", &[&sum, &count]);
                distance(&mut graph, &mean, density)
            }
            _ => {
                let error = graph.node("Sub", &[&rows, &expected]);
                let square = graph.node("Mul", &[&error, &error]);
                let real = graph.node("Mul", &[&square, &places.real]);
                let sum = sum(&mut graph, &real, &[1, 2]);
                let count = count(&mut graph, &lengths, width as f32);
                let flat = graph.ints(&[-1]);
                let count = graph.node("Reshape", &[&count, &flat]);
                graph.node("Div", &[&sum, &count])
            }
        };
        let score = log_score(&mut graph, &raw);
        graph.output("score", &score, &shape[..1]);
        graph.output("expected", &expected, &shape);
        graph.finish(Self::KIND)
    }

    fn places(&self, graph: &mut Graph, rows: &Value, lengths: &Value) -> Places {
        let shape = graph.node("Shape", &[rows]);
        let (zero, one, axis) = (graph.int(0), graph.int(1), graph.ints(&[1]));
        let count = graph.node_with("Gather", &[&shape, &one], &[("axis", Attribute::Int(0))]);
        let range = graph.node("Range", &[&zero, &count, &one]);
        let first = graph.ints(&[0]);
        let steps = graph.node("Unsqueeze", &[&count, &first]);
        let lengths = graph.node("Unsqueeze", &[lengths, &axis]);
        let is_real = graph.node("Less", &[&range, &lengths]);
        let last = graph.ints(&[2]);
        let real = graph.node_with("Cast", &[&is_real], &[("to", Attribute::Int(1))]);
        let real = graph.node("Unsqueeze", &[&real, &last]);
        let middle = graph.ints(&[1, 2]);
        let mut seen = graph.node("Unsqueeze", &[&is_real, &middle]);
        let causal = self.encoder.params.objective == Objective::NextPacket;
        let (left, right, global) = match self.encoder.params.attention {
            Attention::Window { left, right, global } => (left, if causal { 0 } else { right }, global),
            _ => (usize::MAX, if causal { 0 } else { usize::MAX }, false),
        };
        // How far the key is ahead of the query.
        let queries = graph.node("Unsqueeze", &[&range, &axis]);
        let ahead = graph.node("Sub", &[&range, &queries]);
        let mut near = None;
        let mut and = |graph: &mut Graph, operator: &str, limit: i64| {
            let limit = graph.int(limit);
            let within = graph.node(operator, &[&ahead, &limit]);
            near = Some(match near.take() {
                Some(near) => graph.node("And", &[&near, &within]),
                None => within,
            });
        };
        if let Ok(left) = i32::try_from(left) {
            and(graph, "Greater", -i64::from(left) - 1);
        }
        if let Ok(right) = i32::try_from(right) {
            and(graph, "Less", i64::from(right) + 1);
        }
        if let Some(mut near) = near {
            if global {
                let first = graph.node("Equal", &[&range, &zero]);
                near = graph.node("Or", &[&near, &first]);
                if right > 0 {
                    let first = graph.node("Equal", &[&queries, &zero]);
                    near = graph.node("Or", &[&near, &first]);
                }
            }
            seen = graph.node("And", &[&seen, &near]);
        }
        Places { steps, range, real, seen }
    }

    /// Each step rebuilt from a pass in which it was hidden, and the latents of one in which none was.
    fn masked(&self, graph: &mut Graph, rows: &Value, places: &Places, stripes: usize) -> (Value, Value) {
        let count = graph.int(stripes as i64);
        let turn = graph.node("Mod", &[&places.range, &count]);
        let column = graph.ints(&[1]);
        let turn = graph.node("Unsqueeze", &[&turn, &column]);
        let (latents, mut expected) = self.pass(graph, rows, places, None);
        for stripe in 0..stripes {
            let stripe = graph.int(stripe as i64);
            let hidden = graph.node("Equal", &[&turn, &stripe]);
            let (_, rebuilt) = self.pass(graph, rows, places, Some(&hidden));
            expected = graph.node("Where", &[&hidden, &rebuilt, &expected]);
        }
        (latents, expected)
    }

    /// The latents, shape (rows, steps, d_model), and what is expected of the columns; `hidden`, of shape (steps, 1), says
    /// which steps are not read.
    fn pass(&self, graph: &mut Graph, rows: &Value, places: &Places, hidden: Option<&Value>) -> (Value, Value) {
        let params = &self.encoder.params;
        let mut constants = Constants::new(graph, &self.weights);
        let mut x = constants.linear(graph, rows);
        if let Objective::Masked { .. } = params.objective {
            let stand_in = constants.next();
            if let Some(hidden) = hidden {
                x = graph.node("Where", &[hidden, &stand_in, &x]);
            }
        }
        let table = batch::waves(params.max_steps, params.d_model);
        let table = graph.floats(&[params.max_steps, params.d_model], &table);
        let positions = first_rows(graph, &table, &places.steps);
        x = graph.node("Add", &[&x, &positions]);
        for _ in 0..params.layers {
            let normed = constants.norm(graph, &x);
            let mixed = self.attention(graph, &mut constants, &normed, places);
            x = graph.node("Add", &[&x, &mixed]);
            let normed = constants.norm(graph, &x);
            let mixed = constants.mlp(graph, &normed);
            x = graph.node("Add", &[&x, &mixed]);
        }
        let latents = constants.norm(graph, &x);
        let mut expected = constants.linear(graph, &latents);
        if params.objective == Objective::NextPacket {
            // A first step that is a constant, and then all but the last.
            let first = constants.next();
            let (start, end, one, axis) = (graph.ints(&[0]), graph.ints(&[-1]), graph.ints(&[1]), graph.ints(&[1]));
            let zero = graph.node("Slice", &[&expected, &start, &one, &axis]);
            let zero = graph.node("Sub", &[&zero, &zero]);
            let first = graph.node("Add", &[&zero, &first]);
            let before = graph.node("Slice", &[&expected, &start, &end, &axis]);
            expected = graph.node_with("Concat", &[&first, &before], &[("axis", Attribute::Int(1))]);
        }
        (latents, expected)
    }

    fn attention(&self, graph: &mut Graph, constants: &mut Constants, x: &Value, places: &Places) -> Value {
        let params = &self.encoder.params;
        let (heads, size) = (params.heads as i64, (params.d_model / params.heads) as i64);
        let joint = constants.linear(graph, x);
        let by_head = graph.ints(&[0, 0, heads, size]);
        let part = |graph: &mut Graph, i: i64, order: [i64; 4]| {
            let d = heads * size;
            let (start, end, axis) = (graph.ints(&[i * d]), graph.ints(&[(i + 1) * d]), graph.ints(&[2]));
            let part = graph.node("Slice", &[&joint, &start, &end, &axis]);
            let part = graph.node("Reshape", &[&part, &by_head]);
            graph.node_with("Transpose", &[&part], &[("perm", Attribute::Ints(&order))])
        };
        let (steps_first, steps_last) = ([0, 2, 1, 3], [0, 2, 3, 1]);
        // Shapes (rows, heads, steps, size), (rows, heads, size, steps) and as the first.
        let (queries, keys, values) =
            (part(graph, 0, steps_first), part(graph, 1, steps_last), part(graph, 2, steps_first));
        let scale = graph.float(1.0 / (size as f32).sqrt());
        let softmax =
            |graph: &mut Graph, scores: &Value| graph.node_with("Softmax", &[scores], &[("axis", Attribute::Int(-1))]);
        let mixed = match params.attention {
            Attention::LowRank { .. } => {
                let projection = constants.next();
                let projection = first_rows(graph, &projection, &places.steps);
                let across = graph.ints(&[1]);
                let real = graph.node("Unsqueeze", &[&places.real, &across]);
                let backwards = [("perm", Attribute::Ints(&[0, 1, 3, 2]))];
                let real_across = graph.node_with("Transpose", &[&real], &backwards);
                let keys = graph.node("Mul", &[&keys, &real_across]);
                let keys = graph.node("MatMul", &[&keys, &projection]);
                let values = graph.node("Mul", &[&values, &real]);
                let mixtures = graph.node_with("Transpose", &[&projection], &[("perm", Attribute::Ints(&[1, 0]))]);
                let values = graph.node("MatMul", &[&mixtures, &values]);
                let queries = graph.node("Mul", &[&queries, &scale]);
                let scores = graph.node("MatMul", &[&queries, &keys]);
                let weights = softmax(graph, &scores);
                graph.node("MatMul", &[&weights, &values])
            }
            Attention::Linear => {
                let one = graph.float(1.0);
                let feature = |graph: &mut Graph, x: &Value| {
                    let x = graph.node("Elu", &[x]);
                    graph.node("Add", &[&x, &one])
                };
                let (queries, keys) = (feature(graph, &queries), feature(graph, &keys));
                let weights = graph.node("MatMul", &[&queries, &keys]);
                let seen = graph.node_with("Cast", &[&places.seen], &[("to", Attribute::Int(1))]);
                let weights = graph.node("Mul", &[&weights, &seen]);
                let last = graph.ints(&[-1]);
                let all = graph.node_with("ReduceSum", &[&weights, &last], &[("keepdims", Attribute::Int(1))]);
                let tiny = graph.float(TINY);
                let all = graph.node("Add", &[&all, &tiny]);
                let mixed = graph.node("MatMul", &[&weights, &values]);
                graph.node("Div", &[&mixed, &all])
            }
            Attention::Full | Attention::Window { .. } => {
                let queries = graph.node("Mul", &[&queries, &scale]);
                let scores = graph.node("MatMul", &[&queries, &keys]);
                let (shown, hidden) = (graph.float(0.0), graph.float(UNSEEN));
                let hidden = graph.node("Where", &[&places.seen, &shown, &hidden]);
                let scores = graph.node("Add", &[&scores, &hidden]);
                let weights = softmax(graph, &scores);
                graph.node("MatMul", &[&weights, &values])
            }
        };
        let mixed = graph.node_with("Transpose", &[&mixed], &[("perm", Attribute::Ints(&steps_first))]);
        let joined = graph.ints(&[0, 0, heads * size]);
        let mixed = graph.node("Reshape", &[&mixed, &joined]);
        let mixed = graph.node("Mul", &[&mixed, &places.real]);
        constants.linear(graph, &mixed)
    }
}

/// The first `count` rows of a table.
fn first_rows(graph: &mut Graph, table: &Value, count: &Value) -> Value {
    let (start, axis) = (graph.ints(&[0]), graph.ints(&[0]));
    graph.node("Slice", &[table, &start, count, &axis])
}

/// Real steps of each row times `scale`, at least 1: shape (rows, 1).
fn count(graph: &mut Graph, lengths: &Value, scale: f32) -> Value {
    let lengths = graph.node_with("Cast", &[lengths], &[("to", Attribute::Int(1))]);
    let (scale, one, axis) = (graph.float(scale), graph.float(1.0), graph.ints(&[1]));
    let count = graph.node("Mul", &[&lengths, &scale]);
    let count = graph.node("Max", &[&count, &one]);
    graph.node("Unsqueeze", &[&count, &axis])
}
