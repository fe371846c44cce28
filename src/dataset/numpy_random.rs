//! NumPy's legacy generator, `numpy.random.RandomState`, value for value.

use rand_mt::Mt;

use super::elementary::Elementary;

/// `RandomState(seed)`: MT19937 seeded by an integer, with the legacy distributions, which NumPy has
/// frozen (NEP 19).
pub(super) struct RandomState {
    bits: Mt,
    /// The second value of the last polar pair, if it has not been handed out.
    cached_gauss: Option<f64>,
    ln: fn(f64) -> f64,
}

impl RandomState {
    pub fn new(seed: u32, elementary: Elementary) -> Self {
        Self { bits: Mt::new(seed), cached_gauss: None, ln: elementary.ln }
    }

    /// `random_sample()`: uniform on `[0, 1)` with 53 random bits.
    pub fn random_sample(&mut self) -> f64 {
        let high = self.bits.next_u32() >> 5;
        let low = self.bits.next_u32() >> 6;
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    /// `uniform(low, high)`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.random_sample()
    }

    /// `normal(loc, scale)`: Marsaglia's polar method, both values of a pair used in turn.
    pub fn normal(&mut self, loc: f64, scale: f64) -> f64 {
        loc + scale * self.gauss()
    }

    fn gauss(&mut self) -> f64 {
        if let Some(gauss) = self.cached_gauss.take() {
            return gauss;
        }
        loop {
            let x1 = 2.0 * self.random_sample() - 1.0;
            let x2 = 2.0 * self.random_sample() - 1.0;
            let r2 = x1 * x1 + x2 * x2;
            if r2 < 1.0 && r2 != 0.0 {
                let f = (-2.0 * (self.ln)(r2) / r2).sqrt();
                self.cached_gauss = Some(f * x1);
                return f * x2;
            }
        }
    }

    /// `shuffle(arange(n))`: where each row of a shuffled array comes from.
    pub fn shuffled_indices(&mut self, n: usize) -> Vec<usize> {
        let mut indices: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            let j = self.interval(i as u64);
            indices.swap(i, j as usize);
        }
        indices
    }

    /// A uniform integer in `0..=max` by masked rejection (`random_interval`).
    fn interval(&mut self, max: u64) -> u64 {
        if max == 0 {
            return 0;
        }
        let mask = u64::MAX >> max.leading_zeros();
        loop {
            let value = match u32::try_from(max) {
                Ok(_) => u64::from(self.bits.next_u32()),
                Err(_) => self.bits.next_u64(),
            } & mask;
            if value <= max {
                return value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_numbers_are_those_of_numpy() {
        // numpy.random.RandomState(42).random_sample(3)
        let mut random = RandomState::new(42, Elementary::numpy());
        let draws = [0; 3].map(|_| random.random_sample());
        assert_eq!(draws, [0.3745401188473625, 0.9507143064099162, 0.7319939418114051]);
    }
}
