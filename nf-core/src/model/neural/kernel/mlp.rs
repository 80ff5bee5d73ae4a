//! Two linear layers with a GELU between them, some rows at a time from end to end, so that what stands between the layers need not
//! leave the cache.

use super::{
    gelu,
    lanes::{Kernel, Lanes, Level},
    product::{Matrix, Panels, ROWS, Start, add_transposed, grow, multiply},
    rows,
};

/// The two layers: a matrix and a bias each.
#[derive(Debug, Clone, Copy)]
pub(in crate::model::neural) struct Layers<'a> {
    pub(in crate::model::neural) inner: [&'a [f32]; 2],
    pub(in crate::model::neural) outer: [&'a [f32]; 2],
}

impl Layers<'_> {
    /// Numbers that come in, are between, and come out.
    #[inline(always)]
    fn widths(&self) -> [usize; 3] {
        let [hidden, outputs] = [self.inner[1].len(), self.outer[1].len()];
        [self.inner[0].len() / hidden, hidden, outputs]
    }

    /// How many rows `x` are.
    fn rows(&self, x: &[f32]) -> usize {
        let [inputs, hidden, outputs] = self.widths();
        assert!(self.inner[0].len() == inputs * hidden && self.outer[0].len() == hidden * outputs);
        assert!(x.len().is_multiple_of(inputs));
        x.len() / inputs
    }
}

/// What comes of the rows of `x`; what stands before the GELU is added to `before`, where it is to be kept.
///
/// # Panics
/// Where `x` is no whole number of rows, or the layers do not fit each other.
pub(in crate::model::neural) fn forward(
    level: Level,
    x: &[f32],
    layers: Layers<'_>,
    mut before: Option<&mut Vec<f32>>,
) -> Vec<f32> {
    let rows = layers.rows(x);
    let [_, hidden, outputs] = layers.widths();
    let mut result = Vec::with_capacity(rows * outputs);
    if let Some(before) = &mut before {
        before.reserve_exact(rows * hidden);
    }
    level.run(Forward { x, layers, before, result: &mut result });
    result
}

/// The gradients for the rows and for both layers' matrices and biases, from what stood before the GELU and from the gradient for what
/// came out.
///
/// # Panics
/// As [`forward`], and where there are not as many rows of all.
pub(in crate::model::neural) fn backward(
    level: Level,
    x: &[f32],
    layers: Layers<'_>,
    before: &[f32],
    gradient: &[f32],
) -> [Vec<f32>; 5] {
    let rows = layers.rows(x);
    let [_, hidden, outputs] = layers.widths();
    assert!(before.len() == rows * hidden && gradient.len() == rows * outputs);
    let mut result =
        [x, layers.inner[0], layers.inner[1], layers.outer[0], layers.outer[1]].map(|x| vec![0.0; x.len()]);
    level.run(Backward { x, layers, before, gradient, result: &mut result });
    result
}

struct Forward<'a> {
    x: &'a [f32],
    layers: Layers<'a>,
    before: Option<&'a mut Vec<f32>>,
    result: &'a mut Vec<f32>,
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes, const R: usize>(self, l: L) {
        let Self { x, layers, mut before, result } = self;
        let ([inputs, hidden, outputs], Layers { inner, outer }) = (layers.widths(), layers);
        let [mut to_hidden, mut to_result] = [0, 1].map(|_| Panels::default());
        to_hidden.fill(Matrix::new(inner[0], hidden));
        to_result.fill(Matrix::new(outer[0], outputs));
        let mut active = vec![0.0; ROWS * hidden];
        let mut scratch = vec![0.0; if before.is_none() { ROWS * hidden } else { 0 }];
        for x in x.chunks(ROWS * inputs) {
            let count = x.len() / inputs;
            let before = match &mut before {
                Some(before) => grow(before, count * hidden),
                None => &mut scratch[..count * hidden],
            };
            multiply::<L, R>(l, x, inputs, &to_hidden, Start::Bias(inner[1]), before);
            let active = &mut active[..count * hidden];
            gelu::activate(l, before, active);
            let result = grow(result, count * outputs);
            multiply::<L, R>(l, active, hidden, &to_result, Start::Bias(outer[1]), result);
        }
    }
}

struct Backward<'a> {
    x: &'a [f32],
    layers: Layers<'a>,
    before: &'a [f32],
    gradient: &'a [f32],
    result: &'a mut [Vec<f32>; 5],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes, const R: usize>(self, l: L) {
        let Self { x, layers: Layers { inner, outer }, before, gradient, result } = self;
        let [inputs, hidden, outputs] = self.layers.widths();
        let [mut to_hidden, mut to_x, mut panels] = [0, 1, 2].map(|_| Panels::default());
        to_hidden.fill(Matrix::new(outer[0], outputs).transposed());
        to_x.fill(Matrix::new(inner[0], hidden).transposed());
        let mut tiles = Vec::new();
        let [mut active, mut slopes] = [0, 1].map(|_| vec![0.0; ROWS * hidden]);
        let [by_x, by_inner, by_inner_bias, by_outer, by_outer_bias] = result;
        let parts = x.chunks(ROWS * inputs).zip(by_x.chunks_mut(ROWS * inputs));
        let parts = parts.zip(before.chunks(ROWS * hidden)).zip(gradient.chunks(ROWS * outputs));
        for (((x, by_x), before), gradient) in parts {
            let (active, slopes) = (&mut active[..before.len()], &mut slopes[..before.len()]);
            multiply::<L, R>(l, gradient, outputs, &to_hidden, Start::Zero, slopes);
            gelu::retrace(l, before, slopes, active);
            multiply::<L, R>(l, slopes, hidden, &to_x, Start::Zero, by_x);
            panels.fill(Matrix::new(gradient, outputs));
            add_transposed::<L, R>(l, active, hidden, &panels, &mut tiles, by_outer);
            panels.fill(Matrix::new(slopes, hidden));
            add_transposed::<L, R>(l, x, inputs, &panels, &mut tiles, by_inner);
            rows::add(gradient, by_outer_bias);
            rows::add(slopes, by_inner_bias);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{lanes::levels, product::product},
        *,
    };
    use crate::model::random::Random;

    /// The same, layer by layer.
    #[test]
    fn agrees_with_whole_layers() {
        for (count, [inputs, hidden, outputs]) in
            [(0, [2, 3, 4]), (1, [1, 1, 1]), (96, [16, 24, 16]), (203, [20, 170, 33])]
        {
            let mut random = Random::new(1);
            let mut draw = |count: usize| -> Vec<f32> { (0..count).map(|_| 0.5 * random.normal()).collect() };
            let (x, gradient) = (draw(count * inputs), draw(count * outputs));
            let (w1, b1, w2, b2) = (draw(inputs * hidden), draw(hidden), draw(hidden * outputs), draw(outputs));
            let layers = Layers { inner: [&w1, &b1], outer: [&w2, &b2] };
            for level in levels() {
                let times = |a, b, bias| product(level, a, b, bias);
                let matrix = Matrix::new;
                let before = times(matrix(&x, inputs), matrix(&w1, hidden), Some(&b1[..]));
                let active = gelu::forward(level, &before);
                let result = times(matrix(&active, hidden), matrix(&w2, outputs), Some(&b2[..]));
                let mut kept = Vec::new();
                assert_eq!(forward(level, &x, layers, Some(&mut kept)), result);
                assert_eq!(kept, before);
                assert_eq!(forward(level, &x, layers, None), result);
                let mut slopes = times(matrix(&gradient, outputs), matrix(&w2, outputs).transposed(), None);
                let mut again = vec![0.0; before.len()];
                level.run(gelu::testing::Retrace { x: &before, gradient: &mut slopes, values: &mut again });
                let expected = [
                    times(matrix(&slopes, hidden), matrix(&w1, hidden).transposed(), None),
                    times(matrix(&x, inputs).transposed(), matrix(&slopes, hidden), None),
                    rows::sum(level, &slopes, hidden),
                    times(matrix(&active, hidden).transposed(), matrix(&gradient, outputs), None),
                    rows::sum(level, &gradient, outputs),
                ];
                for (found, expected) in backward(level, &x, layers, &before, &gradient).iter().zip(&expected) {
                    assert_eq!(found, expected, "{level:?} {count}");
                }
            }
        }
    }
}
