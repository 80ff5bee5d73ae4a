//! Layer normalisation as one operation.

use super::tensor;
use crate::model::neural::kernel::{lanes::Level, norm as kernel};
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

/// Each row of (rows, width) to mean 0 and variance 1, times a gain (1, width), plus a bias (1, width).
pub(in crate::model::neural) fn norm(x: Tensor<2>, gain: Tensor<2>, bias: Tensor<2>) -> Tensor<2> {
    let [x, gain, bias] = [x, gain, bias].map(Tensor::into_dispatch);
    Tensor::from_dispatch(<Dispatch as FusedNorm>::fused_norm(x, gain, bias))
}

#[backend_extension(Flex, Autodiff)]
trait FusedNorm: Backend {
    fn fused_norm(x: FloatTensor<Self>, gain: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self>;
}

fn forward(x: &FlexTensor, gain: &FlexTensor, bias: &FlexTensor) -> (FlexTensor, Vec<[f32; 2]>) {
    let (values, moments) = kernel::forward(Level::best(), x.storage(), gain.storage(), bias.storage());
    (tensor(values, x.layout().shape()[1]), moments)
}

impl FusedNorm for Flex {
    fn fused_norm(x: FlexTensor, gain: FlexTensor, bias: FlexTensor) -> FlexTensor {
        let [x, gain, bias] = [x, gain, bias].map(|tensor| tensor.to_contiguous());
        forward(&x, &gain, &bias).0
    }
}

impl<C: CheckpointStrategy> FusedNorm for Autodiff<Flex, C> {
    fn fused_norm(x: FloatTensor<Self>, gain: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [x.node(), gain.node(), bias.node()];
        let [x, gain, bias] = [x, gain, bias].map(|tensor| tensor.into_primitive().to_contiguous());
        let (values, moments) = forward(&x, &gain, &bias);
        match Retrace.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((x, gain, moments), values),
            OpsKind::UnTracked(prepared) => prepared.finish(values),
        }
    }
}

#[derive(Debug)]
struct Retrace;

impl Backward<Flex, 3> for Retrace {
    /// Input, gain, and the mean and the reciprocal of the standard deviation of each row.
    type State = (FlexTensor, FlexTensor, Vec<[f32; 2]>);

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let (x, gain, moments) = ops.state;
        let width = x.layout().shape()[1];
        let results = kernel::backward(Level::best(), x.storage(), gain.storage(), &moments, gradient.storage());
        for (parent, result) in ops.parents.into_iter().zip(results) {
            if let Some(parent) = parent {
                gradients.register::<Flex>(parent.id, tensor(result, width));
            }
        }
    }
}
