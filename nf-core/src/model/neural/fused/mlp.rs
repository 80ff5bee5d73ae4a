//! Two linear layers with a GELU between them as one operation. The output of the GELU is not kept but computed anew: it is as
//! wide as all else that a layer keeps.

use super::tensor;
use crate::model::neural::kernel::{
    lanes::Level,
    mlp::{self, Layers},
};
use burn::{
    backend::{
        Autodiff, Backend, Dispatch, Flex,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        backend_extension,
        flex::FlexTensor,
        tensor::FloatTensor,
    },
    tensor::Tensor,
};

/// (rows, inputs) through `inner`, a GELU, and `outer`; each a matrix and a bias.
pub(in crate::model::neural) fn mlp(x: Tensor<2>, inner: [Tensor<2>; 2], outer: [Tensor<2>; 2]) -> Tensor<2> {
    let [x, w1, b1, w2, b2] = {
        let ([w1, b1], [w2, b2]) = (inner, outer);
        [x, w1, b1, w2, b2].map(Tensor::into_dispatch)
    };
    Tensor::from_dispatch(<Dispatch as FusedMlp>::fused_mlp(x, w1, b1, w2, b2))
}

#[backend_extension(Flex, Autodiff)]
trait FusedMlp: Backend {
    fn fused_mlp(
        x: FloatTensor<Self>,
        w1: FloatTensor<Self>,
        b1: FloatTensor<Self>,
        w2: FloatTensor<Self>,
        b2: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

fn layers([w1, b1, w2, b2]: [&FlexTensor; 4]) -> Layers<'_> {
    Layers { inner: [w1.storage(), b1.storage()], outer: [w2.storage(), b2.storage()] }
}

/// The result; the hidden units before the GELU are added to `before`, where they are to be kept.
fn forward([x, w1, b1, w2, b2]: &[FlexTensor; 5], before: Option<&mut Vec<f32>>) -> FlexTensor {
    let layers = layers([w1, b1, w2, b2]);
    let outputs = layers.outer[1].len();
    tensor(mlp::forward(Level::best(), x.storage(), layers, before), outputs)
}

impl FusedMlp for Flex {
    fn fused_mlp(x: FlexTensor, w1: FlexTensor, b1: FlexTensor, w2: FlexTensor, b2: FlexTensor) -> FlexTensor {
        forward(&[x, w1, b1, w2, b2].map(|tensor| tensor.to_contiguous()), None)
    }
}

impl<C: CheckpointStrategy> FusedMlp for Autodiff<Flex, C> {
    fn fused_mlp(
        x: FloatTensor<Self>,
        w1: FloatTensor<Self>,
        b1: FloatTensor<Self>,
        w2: FloatTensor<Self>,
        b2: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), w1.node(), b1.node(), w2.node(), b2.node()];
        let all = [x, w1, b1, w2, b2].map(|tensor| tensor.into_primitive().to_contiguous());
        match Retrace.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let mut before = Vec::new();
                let result = forward(&all, Some(&mut before));
                prepared.finish((all, before), result)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(forward(&all, None)),
        }
    }
}

#[derive(Debug)]
struct Retrace;

impl Backward<Flex, 5> for Retrace {
    /// Input, matrices and biases, and hidden units before the GELU.
    type State = ([FlexTensor; 5], Vec<f32>);

    fn backward(self, ops: Ops<Self::State, 5>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let (inputs, before) = ops.state;
        let [x, w1, b1, w2, b2] = &inputs;
        let layers = layers([w1, b1, w2, b2]);
        let results = mlp::backward(Level::best(), x.storage(), layers, &before, gradient.storage());
        for ((parent, result), input) in ops.parents.into_iter().zip(results).zip(&inputs) {
            if let Some(parent) = parent {
                gradients.register::<Flex>(parent.id, tensor(result, input.layout().shape()[1]));
            }
        }
    }
}
