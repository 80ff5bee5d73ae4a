//! The isolation forest as a graph of ONNX.

use super::{IsolationForest, Model};
use crate::{
    Error, ErrorKind, Result,
    onnx::{Attribute, Dim, Graph, Kind},
};

impl IsolationForest {
    /// Input `rows`, shape (rows, columns); output `score`, shape (rows).
    pub(super) fn graph(&self) -> Result<Vec<u8>> {
        if self.terms > 0 {
            let message = "an oblique isolation forest has no form in ONNX: its trees cut in one column at a time";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let mut graph = Graph::default();
        let shape = [Dim::Any("rows"), Dim::Fixed(self.schema().width())];
        let rows = graph.input("rows", Kind::Float, &shape);
        let mut nodes = Nodes::default();
        for (tree, number) in self.trees.iter().zip(0..) {
            tree.each(|node, cut| nodes.push(number, node, cut));
        }
        let lengths = graph.node_with(
            "TreeEnsembleRegressor",
            &[&rows],
            &[
                ("n_targets", Attribute::Int(1)),
                ("aggregate_function", Attribute::Text("SUM")),
                ("post_transform", Attribute::Text("NONE")),
                ("nodes_treeids", Attribute::Ints(&nodes.trees)),
                ("nodes_nodeids", Attribute::Ints(&nodes.numbers)),
                ("nodes_modes", Attribute::Texts(&nodes.modes)),
                ("nodes_featureids", Attribute::Ints(&nodes.columns)),
                ("nodes_values", Attribute::Floats(&nodes.values)),
                ("nodes_truenodeids", Attribute::Ints(&nodes.left)),
                ("nodes_falsenodeids", Attribute::Ints(&nodes.right)),
                ("target_treeids", Attribute::Ints(&nodes.leaf_trees)),
                ("target_nodeids", Attribute::Ints(&nodes.leaves)),
                ("target_ids", Attribute::Ints(&vec![0; nodes.leaves.len()])),
                ("target_weights", Attribute::Floats(&nodes.lengths)),
            ],
        );
        // 2 to the power of minus the mean path length over the expected one.
        let scale = graph.float((-std::f64::consts::LN_2 / (self.trees.len() as f64 * self.average)) as f32);
        let exponent = graph.node("Mul", &[&lengths, &scale]);
        let score = graph.node("Exp", &[&exponent]);
        let flat = graph.ints(&[-1]);
        let score = graph.node("Reshape", &[&score, &flat]);
        graph.output("score", &score, &shape[..1]);
        Ok(graph.finish(Self::KIND))
    }
}

/// The nodes of all trees, an attribute a list.
#[derive(Default)]
struct Nodes {
    trees: Vec<i64>,
    numbers: Vec<i64>,
    modes: Vec<&'static str>,
    columns: Vec<i64>,
    values: Vec<f32>,
    left: Vec<i64>,
    right: Vec<i64>,
    leaf_trees: Vec<i64>,
    leaves: Vec<i64>,
    lengths: Vec<f32>,
}

impl Nodes {
    /// A cut, as column, value and left child, or the path length of a leaf.
    fn push(&mut self, tree: i64, number: i64, node: Result<(u32, f32, u32), f32>) {
        let (column, value, left) = *node.as_ref().unwrap_or(&(0, 0.0, 0));
        self.trees.push(tree);
        self.numbers.push(number);
        self.modes.push(if node.is_ok() { "BRANCH_LEQ" } else { "LEAF" });
        self.columns.push(column.into());
        self.values.push(value);
        self.left.push(left.into());
        self.right.push(if node.is_ok() { i64::from(left) + 1 } else { 0 });
        if let Err(length) = node {
            self.leaf_trees.push(tree);
            self.leaves.push(number);
            self.lengths.push(length);
        }
    }
}
