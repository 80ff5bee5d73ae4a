//! The weights of a network: one run of numbers, cut into matrices in the order in which the network reads them.

use super::{device, fused, kernel::norm};
use crate::{
    Result,
    model::{
        bytes::{Reader, Writer},
        random::Random,
    },
};
use burn::tensor::{Device, Tensor, TensorData, activation, module};

/// What a network asks for, in reading order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Slots(Vec<Slot>);

#[derive(Debug, Clone, Copy, PartialEq)]
struct Slot {
    shape: [usize; 2],
    role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Role {
    /// Starts uniform within `sqrt(6 / (inputs + outputs))` (Glorot and Bengio, AISTATS 2010), and decays.
    Matrix,
    /// Starts at zero.
    Bias,
    /// Starts at one.
    Gain,
}

impl Slots {
    /// A linear layer.
    pub(super) fn linear(&mut self, inputs: usize, outputs: usize) {
        self.0.push(Slot { shape: [inputs, outputs], role: Role::Matrix });
        self.0.push(Slot { shape: [1, outputs], role: Role::Bias });
    }

    /// A matrix alone.
    pub(super) fn matrix(&mut self, inputs: usize, outputs: usize) {
        self.0.push(Slot { shape: [inputs, outputs], role: Role::Matrix });
    }

    /// A layer normalisation.
    pub(super) fn norm(&mut self, width: usize) {
        self.0.push(Slot { shape: [1, width], role: Role::Gain });
        self.0.push(Slot { shape: [1, width], role: Role::Bias });
    }

    fn len(&self) -> usize {
        self.0.iter().map(Slot::len).sum()
    }
}

impl Slot {
    fn len(&self) -> usize {
        self.shape[0] * self.shape[1]
    }
}

/// The values of a network's weights.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Weights {
    slots: Slots,
    pub(super) values: Vec<f32>,
}

impl Weights {
    /// Weights to start training from.
    pub(super) fn random(slots: Slots, random: &Random) -> Self {
        let mut values = Vec::with_capacity(slots.len());
        for (place, slot) in slots.0.iter().enumerate() {
            let mut random = random.stream(place as u64);
            let bound = (6.0 / (slot.shape[0] + slot.shape[1]) as f32).sqrt();
            values.extend((0..slot.len()).map(|_| match slot.role {
                Role::Matrix => bound * (2.0 * random.uniform() - 1.0),
                Role::Bias => 0.0,
                Role::Gain => 1.0,
            }));
        }
        Self { slots, values }
    }

    /// The tensors, one a matrix.
    pub(super) fn tensors(&self, device: &Device) -> Vec<Tensor<2>> {
        let mut rest = self.values.as_slice();
        let cut = |slot: &Slot| {
            let (values, behind) = rest.split_at(slot.len());
            rest = behind;
            Tensor::from_data(TensorData::new(values.to_vec(), slot.shape), device)
        };
        self.slots.0.iter().map(cut).collect()
    }

    /// The matrices, each with its shape, row-major.
    pub(super) fn matrices(&self) -> impl Iterator<Item = ([usize; 2], &[f32])> {
        let mut rest = self.values.as_slice();
        self.slots.0.iter().map(move |slot| {
            let (values, behind) = rest.split_at(slot.len());
            rest = behind;
            (slot.shape, values)
        })
    }

    /// The runs of values that weight decay applies to: matrices, not gains and biases.
    pub(super) fn decaying(&self) -> Vec<bool> {
        self.slots.0.iter().flat_map(|slot| std::iter::repeat_n(slot.role == Role::Matrix, slot.len())).collect()
    }

    /// The shape of each matrix, in reading order.
    pub(super) fn shapes(&self) -> impl ExactSizeIterator<Item = [usize; 2]> {
        self.slots.0.iter().map(|slot| slot.shape)
    }

    /// The same network with other values, as many.
    pub(super) fn with_values(&self, values: Vec<f32>) -> Self {
        debug_assert_eq!(values.len(), self.values.len());
        Self { slots: self.slots.clone(), values }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.f32s(&self.values);
    }

    pub(super) fn read(slots: Slots, reader: &mut Reader) -> Result<Self> {
        let values = reader.f32s(slots.len())?;
        Ok(Self { slots, values })
    }
}

/// Hands out the tensors of [`Weights`] in the order of the [`Slots`].
#[derive(Debug)]
pub(super) struct Cursor<'a>(std::slice::Iter<'a, Tensor<2>>);

impl<'a> Cursor<'a> {
    pub(super) fn new(tensors: &'a [Tensor<2>]) -> Self {
        Self(tensors.iter())
    }

    fn next(&mut self) -> Tensor<2> {
        self.0.next().expect("a network reads the slots it asked for").clone()
    }

    /// The next linear layer: (rows, inputs) to (rows, outputs).
    pub(super) fn linear(&mut self, x: Tensor<2>) -> Tensor<2> {
        let (matrix, bias) = (self.next(), self.next());
        x.matmul(matrix) + bias
    }

    /// As [`linear`](Self::linear), fused where the device can.
    pub(super) fn fast_linear(&mut self, x: Tensor<2>) -> Tensor<2> {
        match device::fused(&x.device()) {
            true => fused::linear(x, self.next(), self.next()),
            false => self.linear(x),
        }
    }

    /// The next two linear layers, with a GELU between them.
    pub(super) fn mlp(&mut self, x: Tensor<2>) -> Tensor<2> {
        match device::fused(&x.device()) {
            true => fused::mlp(x, [self.next(), self.next()], [self.next(), self.next()]),
            false => self.plain_mlp(x),
        }
    }

    fn plain_mlp(&mut self, x: Tensor<2>) -> Tensor<2> {
        let inner = activation::gelu(self.linear(x));
        self.linear(inner)
    }

    /// The next matrix alone.
    pub(super) fn matrix(&mut self) -> Tensor<2> {
        self.next()
    }

    /// The next layer normalisation, over each row.
    pub(super) fn norm(&mut self, x: Tensor<2>) -> Tensor<2> {
        match device::fused(&x.device()) {
            true => fused::norm(x, self.next(), self.next()),
            false => self.plain_norm(x),
        }
    }

    fn plain_norm(&mut self, x: Tensor<2>) -> Tensor<2> {
        let (gain, bias) = (self.next(), self.next());
        let width = gain.dims()[1];
        module::layer_norm(x, gain.reshape([width]), Some(bias.reshape([width])), f64::from(norm::EPSILON))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::neural::train;

    fn slots() -> Slots {
        let mut slots = Slots::default();
        slots.linear(3, 2);
        slots.norm(2);
        slots
    }

    #[test]
    fn layers_read_what_they_asked_for() {
        let mut weights = Weights::random(slots(), &Random::new(1));
        assert_eq!(weights.values.len(), 12);
        assert!(weights.values[..6].iter().all(|value| value.abs() <= (6f32 / 5.0).sqrt() && *value != 0.0));
        assert_eq!(weights.values[6..], [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
        assert_eq!(weights.decaying().iter().filter(|&&decays| decays).count(), 6);
        weights.values = vec![1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 10.0, 2.0, 2.0, 1.0, 1.0];
        let tensors = weights.tensors(&device::cpu());
        let mut cursor = Cursor::new(&tensors);
        let x = Tensor::from_data([[1.0, 2.0, 3.0]], &device::cpu());
        let y = cursor.linear(x);
        assert_eq!(y.to_data().try_to_vec::<f32>().unwrap(), [1.0, 12.0]);
        let z = cursor.norm(y).to_data().try_to_vec::<f32>().unwrap();
        assert!((z[0] + 1.0).abs() < 1e-4 && (z[1] - 3.0).abs() < 1e-4, "{z:?}");
    }

    #[test]
    fn seeds_give_other_weights() {
        let draw = |seed| Weights::random(slots(), &Random::new(seed));
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn fused_layers_are_the_plain_ones() {
        let (count, inputs, hidden) = (9, 20, 37);
        let mut slots = Slots::default();
        slots.norm(inputs);
        slots.linear(inputs, hidden);
        slots.linear(hidden, inputs);
        slots.linear(inputs, 3);
        let mut random = Random::new(1);
        let mut weights = Weights::random(slots, &random);
        weights.values.iter_mut().for_each(|w| *w += 0.1 * random.normal());
        let mut draw = |width: usize| {
            let values: Vec<f32> = (0..count * width).map(|_| 2.0 * random.normal()).collect();
            Tensor::<2>::from_data(TensorData::new(values, [count, width]), &device::cpu().autodiff())
        };
        let (x, gradient) = (draw(inputs), draw(3));
        let both = |fused: bool| -> Vec<Vec<f32>> {
            let x = x.clone().require_grad();
            let tensors: Vec<_> =
                weights.tensors(&device::cpu().autodiff()).into_iter().map(Tensor::require_grad).collect();
            let mut cursor = Cursor::new(&tensors);
            let y = if fused {
                let normed = cursor.norm(x.clone());
                let y = cursor.mlp(normed);
                cursor.fast_linear(y)
            } else {
                let normed = cursor.plain_norm(x.clone());
                let y = cursor.plain_mlp(normed);
                cursor.linear(y)
            };
            let mut gradients = (y.clone() * gradient.clone()).sum().backward();
            let of = [x].into_iter().chain(tensors).map(|tensor| tensor.grad_remove(&mut gradients).unwrap());
            of.chain([y]).map(train::values).collect()
        };
        for (fused, plain) in both(true).iter().zip(both(false)) {
            let largest = plain.iter().fold(1f32, |a, b| a.max(b.abs()));
            assert_eq!(fused.len(), plain.len());
            assert!(fused.iter().zip(&plain).all(|(a, b)| (a - b).abs() < 5e-6 * largest), "{fused:?} {plain:?}");
        }
    }
}
