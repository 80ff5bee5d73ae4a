//! Models as graphs of ONNX, version 17 of its operators: what other runtimes compute, on devices that this crate is too large for.

mod wire;

use wire::Message;

/// Version of the operators (and of the container that came with it).
const OPERATORS: i64 = 17;
const CONTAINER: i64 = 8;
/// That of the operators on trees.
const TREES: i64 = 3;

/// The domain of the operators on trees.
const ML: &str = "ai.onnx.ml";

/// Name of a value in a graph.
pub(crate) type Value = String;

/// What an input or output holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Float = 1,
    Int = 7,
}

/// One dimension of an input or output.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Dim {
    Fixed(usize),
    /// Any size, the same wherever the name is.
    Any(&'static str),
}

/// An attribute of a node.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Attribute<'a> {
    Int(i64),
    Text(&'a str),
    Ints(&'a [i64]),
    Floats(&'a [f32]),
    Texts(&'a [&'a str]),
}

/// A graph under construction.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    nodes: Vec<Message>,
    constants: Vec<Message>,
    inputs: Vec<Message>,
    outputs: Vec<Message>,
    named: usize,
}

impl Graph {
    fn name(&mut self) -> Value {
        self.named += 1;
        format!("v{}", self.named)
    }

    pub(crate) fn input(&mut self, name: &str, kind: Kind, shape: &[Dim]) -> Value {
        self.inputs.push(described(name, kind, shape));
        name.to_owned()
    }

    /// Gives a value to the outside by a name of its own.
    pub(crate) fn output(&mut self, name: &str, value: &Value, shape: &[Dim]) {
        self.nodes.push(Message::default().text(1, value).text(2, name).text(4, "Identity"));
        self.outputs.push(described(name, Kind::Float, shape));
    }

    /// A constant tensor, row-major.
    pub(crate) fn floats(&mut self, shape: &[usize], values: &[f32]) -> Value {
        debug_assert_eq!(shape.iter().product::<usize>(), values.len());
        let name = self.name();
        let tensor = Message::default().ints(1, shape.iter().map(|size| *size as i64)).int(2, Kind::Float as i64);
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constants.push(tensor.text(8, &name).bytes(9, &raw));
        name
    }

    pub(crate) fn float(&mut self, value: f32) -> Value {
        self.floats(&[], &[value])
    }

    /// A constant list of whole numbers.
    pub(crate) fn ints(&mut self, values: &[i64]) -> Value {
        let name = self.name();
        let tensor = Message::default().ints(1, [values.len() as i64]).int(2, Kind::Int as i64);
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constants.push(tensor.text(8, &name).bytes(9, &raw));
        name
    }

    /// A constant whole number without a dimension.
    #[cfg(feature = "neural")]
    pub(crate) fn int(&mut self, value: i64) -> Value {
        let name = self.name();
        let tensor = Message::default().int(2, Kind::Int as i64).text(8, &name);
        self.constants.push(tensor.bytes(9, &value.to_le_bytes()));
        name
    }

    pub(crate) fn node(&mut self, operator: &str, inputs: &[&Value]) -> Value {
        self.node_with(operator, inputs, &[])
    }

    pub(crate) fn node_with(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        attributes: &[(&str, Attribute<'_>)],
    ) -> Value {
        let output = self.name();
        let mut node = inputs.iter().fold(Message::default(), |node, input| node.text(1, input));
        node = node.text(2, &output).text(3, &format!("{operator} {output}")).text(4, operator);
        node = node.messages(5, &attributes.iter().map(|(name, value)| attribute(name, *value)).collect::<Vec<_>>());
        if operator.starts_with("TreeEnsemble") {
            node = node.text(7, ML);
        }
        self.nodes.push(node);
        output
    }

    /// The model of this graph, as bytes of a file.
    pub(crate) fn finish(self, name: &str) -> Vec<u8> {
        let graph = Message::default().messages(1, &self.nodes).text(2, name).messages(5, &self.constants);
        let graph = graph.messages(11, &self.inputs).messages(12, &self.outputs);
        let versions = [("", OPERATORS), (ML, TREES)];
        let versions = versions.map(|(domain, version)| Message::default().text(1, domain).int(2, version));
        let model = Message::default().int(1, CONTAINER).text(2, "nf-core").text(3, env!("CARGO_PKG_VERSION"));
        model.message(7, &graph).messages(8, &versions).finish()
    }
}

fn described(name: &str, kind: Kind, shape: &[Dim]) -> Message {
    let dim = |dim: &Dim| match dim {
        Dim::Fixed(size) => Message::default().int(1, *size as i64),
        Dim::Any(name) => Message::default().text(2, name),
    };
    let shape = Message::default().messages(1, &shape.iter().map(dim).collect::<Vec<_>>());
    let tensor = Message::default().int(1, kind as i64).message(2, &shape);
    Message::default().text(1, name).message(2, &Message::default().message(1, &tensor))
}

fn attribute(name: &str, value: Attribute<'_>) -> Message {
    let attribute = Message::default().text(1, name);
    match value {
        Attribute::Int(value) => attribute.int(3, value).int(20, 2),
        Attribute::Text(text) => attribute.text(4, text).int(20, 3),
        Attribute::Floats(values) => attribute.floats(7, values).int(20, 6),
        Attribute::Ints(values) => attribute.ints(8, values.iter().copied()).int(20, 7),
        Attribute::Texts(texts) => texts.iter().fold(attribute, |all, text| all.text(9, text)).int(20, 8),
    }
}
