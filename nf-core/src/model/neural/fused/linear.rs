//! A linear layer as one operation.

use super::{input_gradient, product, weight_gradients};
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

/// (rows, inputs) times (inputs, outputs) plus (1, outputs).
pub(in crate::model::neural) fn linear(x: Tensor<2>, matrix: Tensor<2>, bias: Tensor<2>) -> Tensor<2> {
    let [x, matrix, bias] = [x, matrix, bias].map(Tensor::into_dispatch);
    Tensor::from_dispatch(<Dispatch as FusedLinear>::fused_linear(x, matrix, bias))
}

#[backend_extension(Flex, Autodiff)]
trait FusedLinear: Backend {
    fn fused_linear(x: FloatTensor<Self>, matrix: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl FusedLinear for Flex {
    fn fused_linear(x: FlexTensor, matrix: FlexTensor, bias: FlexTensor) -> FlexTensor {
        let [x, matrix, bias] = [x, matrix, bias].map(|tensor| tensor.to_contiguous());
        product(&x, &matrix, &bias)
    }
}

impl<C: CheckpointStrategy> FusedLinear for Autodiff<Flex, C> {
    fn fused_linear(x: FloatTensor<Self>, matrix: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [x.node(), matrix.node(), bias.node()];
        let [x, matrix, bias] = [x, matrix, bias].map(|tensor| tensor.into_primitive().to_contiguous());
        let result = product(&x, &matrix, &bias);
        match Retrace.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish([x, matrix], result),
            OpsKind::UnTracked(prepared) => prepared.finish(result),
        }
    }
}

#[derive(Debug)]
struct Retrace;

impl Backward<Flex, 3> for Retrace {
    /// Input and matrix.
    type State = [FlexTensor; 2];

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [x, matrix] = ops.state;
        let [by_x, by_matrix, by_bias] = ops.parents;
        if let Some(parent) = by_x {
            gradients.register::<Flex>(parent.id, input_gradient(&matrix, &gradient));
        }
        for (parent, gradient) in [by_matrix, by_bias].into_iter().zip(weight_gradients(&x, &gradient)) {
            if let Some(parent) = parent {
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
    }
}
