//! Exact and windowed attention as one operation, forward and backward.

use super::tensor;
use crate::model::neural::kernel::{
    attention::{self, Layout},
    lanes::Level,
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

/// Queries, keys and values of all heads side by side, shape (rows x steps, 3 x heads x size), to mixed values, shape
/// (rows x steps, heads x size), zero behind a row's length.
pub(in crate::model::neural) fn attention(joint: Tensor<2>, layout: Layout) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as FusedAttention>::fused_attention(joint.into_dispatch(), layout))
}

#[backend_extension(Flex, Autodiff)]
trait FusedAttention: Backend {
    fn fused_attention(joint: FloatTensor<Self>, layout: Layout) -> FloatTensor<Self>;
}

fn forward(joint: &FlexTensor, layout: &Layout) -> (FlexTensor, Vec<f32>) {
    let (mixed, sums) = attention::forward(Level::best(), joint.storage(), layout);
    (tensor(mixed, layout.size * layout.heads), sums)
}

impl FusedAttention for Flex {
    fn fused_attention(joint: FlexTensor, layout: Layout) -> FlexTensor {
        forward(&joint.to_contiguous(), &layout).0
    }
}

impl<C: CheckpointStrategy> FusedAttention for Autodiff<Flex, C> {
    fn fused_attention(joint: FloatTensor<Self>, layout: Layout) -> FloatTensor<Self> {
        match Retrace.prepare::<C>([joint.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let joint = joint.into_primitive().to_contiguous();
                let (mixed, sums) = forward(&joint, &layout);
                prepared.finish(Saved { joint, mixed: mixed.clone(), sums, layout }, mixed)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(Flex::fused_attention(joint.into_primitive(), layout)),
        }
    }
}

#[derive(Debug)]
struct Retrace;

/// What the backward pass needs.
#[derive(Debug, Clone)]
struct Saved {
    joint: FlexTensor,
    mixed: FlexTensor,
    sums: Vec<f32>,
    layout: Layout,
}

impl Backward<Flex, 1> for Retrace {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [parent] = ops.parents;
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let Saved { joint, mixed, sums, layout } = ops.state;
        if let Some(parent) = parent {
            let width = 3 * layout.size * layout.heads;
            let level = Level::best();
            let (joint, mixed, gradient) = (joint.storage(), mixed.storage(), gradient.storage());
            let result = attention::backward(level, joint, &layout, mixed, &sums, gradient);
            gradients.register::<Flex>(parent.id, tensor(result, width));
        }
    }
}
