//! A linear layer as one operation.

use super::{product, product_gradients};
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
        product(x, matrix, &bias)
    }
}

impl<C: CheckpointStrategy> FusedLinear for Autodiff<Flex, C> {
    fn fused_linear(x: FloatTensor<Self>, matrix: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [x.node(), matrix.node(), bias.node()];
        let [x, matrix, bias] = [x, matrix, bias].map(FloatTensor::<Self>::into_primitive);
        match Retrace.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let result = product(x.clone(), matrix.clone(), &bias);
                prepared.finish([x, matrix], result)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(product(x, matrix, &bias)),
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
        for (parent, gradient) in ops.parents.into_iter().zip(product_gradients(&x, matrix, &gradient)) {
            if let Some(parent) = parent {
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
    }
}
