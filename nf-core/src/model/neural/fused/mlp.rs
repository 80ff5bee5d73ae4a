//! Two linear layers with a GELU between them as one operation. The output of the GELU is not kept but computed anew: it is as
//! wide as all else that a layer keeps.

use super::{input_gradient, product, tensor, weight_gradients};
use crate::model::neural::kernel::{gelu, lanes::Level};
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

/// The hidden units before the GELU, and the result.
fn forward([x, w1, b1, w2, b2]: &[FlexTensor; 5]) -> [FlexTensor; 2] {
    let hidden = product(x, w1, b1);
    let active = gelu::forward(Level::best(), hidden.storage());
    let active = tensor(active, hidden.layout().shape()[1]);
    [hidden, product(&active, w2, b2)]
}

impl FusedMlp for Flex {
    fn fused_mlp(x: FlexTensor, w1: FlexTensor, b1: FlexTensor, w2: FlexTensor, b2: FlexTensor) -> FlexTensor {
        let [_, result] = forward(&[x, w1, b1, w2, b2].map(|tensor| tensor.to_contiguous()));
        result
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
        let [hidden, result] = forward(&all);
        let [x, w1, _, w2, _] = all;
        match Retrace.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish([x, w1, hidden, w2], result),
            OpsKind::UnTracked(prepared) => prepared.finish(result),
        }
    }
}

#[derive(Debug)]
struct Retrace;

impl Backward<Flex, 5> for Retrace {
    /// Input, first matrix, hidden units before the GELU, second matrix.
    type State = [FlexTensor; 4];

    fn backward(self, ops: Ops<Self::State, 5>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [x, w1, hidden, w2] = ops.state;
        let width = hidden.layout().shape()[1];
        let mut inner = input_gradient(&w2, &gradient);
        let active = gelu::backward(Level::best(), hidden.storage(), inner.storage_mut());
        let [by_w2, by_b2] = weight_gradients(&tensor(active, width), &gradient);
        let [by_w1, by_b1] = weight_gradients(&x, &inner);
        let by_x = input_gradient(&w1, &inner);
        for (parent, gradient) in ops.parents.into_iter().zip([by_x, by_w1, by_b1, by_w2, by_b2]) {
            if let Some(parent) = parent {
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
    }
}
