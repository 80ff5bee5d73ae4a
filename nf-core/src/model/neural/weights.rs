//! The weights of a network: one run of numbers, cut into matrices in the order in which the network reads them.

use crate::{
    Result,
    model::{
        bytes::{Reader, Writer},
        random::Random,
    },
};
use burn::tensor::{Device, Tensor, TensorData, module};

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

    /// The runs of values that weight decay applies to: matrices, not gains and biases.
    pub(super) fn decaying(&self) -> Vec<bool> {
        self.slots.0.iter().flat_map(|slot| std::iter::repeat_n(slot.role == Role::Matrix, slot.len())).collect()
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

    /// The next matrix alone.
    pub(super) fn matrix(&mut self) -> Tensor<2> {
        self.next()
    }

    /// The next layer normalisation, over each row.
    pub(super) fn norm(&mut self, x: Tensor<2>) -> Tensor<2> {
        let (gain, bias) = (self.next(), self.next());
        let width = gain.dims()[1];
        module::layer_norm(x, gain.reshape([width]), Some(bias.reshape([width])), 1e-5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::neural::device;

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
        let tensors = weights.tensors(&device::judging());
        let mut cursor = Cursor::new(&tensors);
        let x = Tensor::from_data([[1.0, 2.0, 3.0]], &device::judging());
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
}
