//! Damped incremental statistics: mean and deviation of a stream that forgets (section IV-B of the Kitsune paper).

/// How fast the past is forgotten, in 1 / s: the weight of what lies `t` seconds back is `2^(-rate t)`. The five of the paper,
/// windows of about 100 ms to a minute.
pub(super) const RATES: [f64; 5] = [5.0, 3.0, 1.0, 0.1, 0.01];

/// Weight, linear sum and sum of squares of a stream, at one rate of forgetting.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Damped {
    pub(super) weight: f64,
    sum: f64,
    squares: f64,
}

impl Damped {
    /// Lets `seconds` pass.
    pub(super) fn decay(&mut self, rate: f64, seconds: f64) {
        let factor = (-rate * seconds).exp2();
        self.weight *= factor;
        self.sum *= factor;
        self.squares *= factor;
    }

    pub(super) fn add(&mut self, value: f64) {
        self.weight += 1.0;
        self.sum += value;
        self.squares += value * value;
    }

    /// 0 before the first value, and long after the last.
    pub(super) fn mean(&self) -> f64 {
        if self.weight > f64::MIN_POSITIVE { self.sum / self.weight } else { 0.0 }
    }

    pub(super) fn variance(&self) -> f64 {
        if self.weight > f64::MIN_POSITIVE { (self.squares / self.weight - self.mean().powi(2)).abs() } else { 0.0 }
    }

    pub(super) fn deviation(&self) -> f64 {
        self.variance().sqrt()
    }
}

/// Both directions of a channel, and how they vary together, at one rate of forgetting.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pair {
    pub(super) sides: [Damped; 2],
    /// The last difference of each side from its mean.
    residual: [f64; 2],
    /// Sum of products of residuals, and its weight.
    products: f64,
    weight: f64,
}

impl Pair {
    /// Takes in `value` of `side`, `seconds` after the last of either.
    pub(super) fn push(&mut self, side: usize, value: f64, rate: f64, seconds: f64) {
        self.sides.iter_mut().for_each(|damped| damped.decay(rate, seconds));
        let factor = (-rate * seconds).exp2();
        (self.products, self.weight) = (self.products * factor, self.weight * factor);
        self.sides[side].add(value);
        self.residual[side] = value - self.sides[side].mean();
        self.products += self.residual[0] * self.residual[1];
        self.weight += 1.0;
    }

    /// Magnitude, radius, approximate covariance and correlation coefficient of the two sides (table I of the paper).
    pub(super) fn joint(&self) -> [f64; 4] {
        let [a, b] = &self.sides;
        let covariance = self.products / self.weight.max(f64::MIN_POSITIVE);
        let deviations = a.deviation() * b.deviation();
        let correlation = if deviations > 1e-9 { (covariance / deviations).clamp(-1.0, 1.0) } else { 0.0 };
        [a.mean().hypot(b.mean()), a.variance().hypot(b.variance()), covariance, correlation]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9, "{a} is not {b}");
    }

    #[test]
    fn a_second_at_rate_1_halves_the_past() {
        let mut damped = Damped::default();
        assert_eq!((damped.mean(), damped.deviation()), (0.0, 0.0));
        damped.add(10.0);
        damped.decay(1.0, 1.0);
        damped.add(40.0);
        // Weights 1/2 and 1: mean (5 + 40) / 1.5, mean square (50 + 1600) / 1.5.
        near(damped.weight, 1.5);
        near(damped.mean(), 30.0);
        near(damped.variance(), 1100.0 - 900.0);
        damped.decay(5.0, 1e6);
        assert_eq!((damped.mean(), damped.variance()), (0.0, 0.0), "long gone");
    }

    #[test]
    fn sides_that_rise_together_correlate() {
        let (mut together, mut apart) = (Pair::default(), Pair::default());
        for i in 0..200 {
            let value = f64::from(i % 7);
            for side in 0..2 {
                together.push(side, value, 0.01, 0.01);
                apart.push(side, if side == 0 { value } else { 6.0 - value }, 0.01, 0.01);
            }
        }
        let [magnitude, radius, covariance, correlation] = together.joint();
        let mean = together.sides[0].mean();
        near(magnitude, mean.hypot(together.sides[1].mean()));
        assert!(radius > 0.0 && covariance > 0.0 && correlation > 0.4, "{covariance} {correlation}");
        assert!(apart.joint()[3] < together.joint()[3] - 0.2, "{:?}", apart.joint());
        assert_eq!(Pair::default().joint(), [0.0; 4]);
    }
}
