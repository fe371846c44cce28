//! Named, reproducible random streams.
//!
//! Every concern (network, initial population, each genetic operator) draws from a stream of its own, so
//! that changing one never disturbs another. ChaCha8's output is fixed by its specification; the few
//! derived draws (index, coin, unit interval, normal) are defined here because the `rand` crate does not
//! promise that its distributions give the same values in every version.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The generator behind every stream. Serialisable, so that a run can be checkpointed.
pub type Stream = ChaCha8Rng;

/// What a stream is for. The discriminant is the ChaCha stream number and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Concern {
    /// Weights and biases of the network.
    Network = 1,
    /// The initial population.
    InitialPopulation = 2,
    /// Which individuals recombine, with whom, and which bits they take.
    Recombination = 3,
    /// Which individuals mutate, and which bit flips.
    Mutation = 4,
    /// Fresh individuals of each generation.
    Migration = 5,
    /// Train/test splits of a user's own data.
    Split = 6,
    /// Proposals and acceptance of a local search, one substream per chain.
    LocalSearch = 7,
    /// Masks that set the margin's scale.
    MarginScale = 8,
    /// Starting masks of a local search, one substream per chain.
    LocalSearchStart = 9,
    /// Which training samples a search looks at.
    Subsample = 11,
    /// Which training samples are held out for validation.
    Validation = 12,
    /// Distorted copies of training images.
    Augmentation = 13,
    /// The order of the samples in each epoch of training.
    TrainingOrder = 21,
    /// Edge-popup's initial scores.
    EdgePopupScores = 22,
    /// Candidates and folds of a hyperparameter search.
    Tuning = 23,
    /// Initial weights of a network that is trained.
    BackpropWeights = 24,
    /// Data and masks of a throughput measurement.
    Bench = 30,
}

/// The stream of `concern` under the root `seed`. Every seed, 0 included, is a seed.
pub fn stream(seed: u64, concern: Concern) -> Stream {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(concern as u64);
    rng
}

/// The stream of one of many equal parts of a `concern`, such as the chains of a local search. Part 0 is
/// [`stream`] itself.
pub fn substream(seed: u64, concern: Concern, part: u32) -> Stream {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(concern as u64 | u64::from(part) << 32);
    rng
}

/// A uniform integer in `0..bound`, without bias (Lemire 2019, *Fast random integer generation in an
/// interval*).
///
/// # Panics
/// If `bound` is zero.
pub fn index(rng: &mut impl Rng, bound: usize) -> usize {
    let bound = u32::try_from(bound).expect("an index below 2^32");
    assert!(bound > 0, "no index lies below zero");
    let mut product = u64::from(rng.next_u32()) * u64::from(bound);
    if (product as u32) < bound {
        let threshold = bound.wrapping_neg() % bound;
        while (product as u32) < threshold {
            product = u64::from(rng.next_u32()) * u64::from(bound);
        }
    }
    (product >> 32) as usize
}

/// A uniform number in `[0, 1)` on the grid of 2^-53.
pub fn unit(rng: &mut impl Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// True with the given probability; always draws, also for probabilities 0 and 1.
pub fn chance(rng: &mut impl Rng, probability: f64) -> bool {
    unit(rng) < probability
}

/// How many trials fail before one succeeds, of a chance of `probability` each, which must be above 0.
pub fn gap(rng: &mut impl Rng, probability: f64) -> usize {
    (libm::log1p(-unit(rng)) / libm::log1p(-probability)) as usize
}

/// An integer in `1..=most`, with a chance proportional to its power `-exponent`, which must be below -1
/// (Devroye 1986, *Non-Uniform Random Variate Generation*, section X.6, by rejection).
pub fn power_law(rng: &mut impl Rng, exponent: f64, most: usize) -> usize {
    let b = libm::pow(2.0, exponent - 1.0);
    loop {
        let (u, v) = (1.0 - unit(rng), unit(rng));
        let x = libm::floor(libm::pow(u, -1.0 / (exponent - 1.0)));
        let t = libm::pow(1.0 + 1.0 / x, exponent - 1.0);
        if x <= most as f64 && v * x * (t - 1.0) / (b - 1.0) <= t / b {
            return x as usize;
        }
    }
}

/// Puts `items` into a uniformly random order (Fisher and Yates).
pub fn shuffle<T>(items: &mut [T], rng: &mut impl Rng) {
    for last in (1..items.len()).rev() {
        items.swap(last, index(rng, last + 1));
    }
}

/// A standard normal number (Marsaglia's polar method, one of the pair; `libm`, so that the value does
/// not depend on the platform).
pub fn normal(rng: &mut impl Rng) -> f64 {
    loop {
        let x = 2.0 * unit(rng) - 1.0;
        let y = 2.0 * unit(rng) - 1.0;
        let r = x * x + y * y;
        if r > 0.0 && r < 1.0 {
            return x * libm::sqrt(-2.0 * libm::log(r) / r);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_uniform_and_below_its_bound() {
        let mut rng = stream(0, Concern::Mutation);
        let mut seen = [0u32; 7];
        for _ in 0..70_000 {
            seen[index(&mut rng, 7)] += 1;
        }
        // 10,000 expected each, standard deviation 93: five of them.
        assert!(seen.iter().all(|&n| n.abs_diff(10_000) < 465), "{seen:?}");
    }

    #[test]
    fn a_shuffle_gives_every_order_equally_often() {
        let mut rng = stream(0, Concern::TrainingOrder);
        let mut seen = [0u32; 27];
        for _ in 0..6_000 {
            let mut items = [0, 1, 2];
            shuffle(&mut items, &mut rng);
            seen[items[0] * 9 + items[1] * 3 + items[2]] += 1;
        }
        let seen: Vec<u32> = seen.into_iter().filter(|&n| n > 0).collect();
        // 1,000 expected each, standard deviation 29: five of them.
        assert!(seen.len() == 6 && seen.iter().all(|&n| n.abs_diff(1_000) <= 145), "{seen:?}");
    }

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        let draw = |seed, concern| stream(seed, concern).next_u64();
        assert_eq!(draw(0, Concern::Network), draw(0, Concern::Network));
        assert_ne!(draw(0, Concern::Network), draw(0, Concern::Mutation));
        assert_ne!(draw(0, Concern::Network), draw(1, Concern::Network));
    }

    #[test]
    fn normals_have_mean_zero_and_variance_one() {
        let mut rng = stream(3, Concern::Network);
        let n = 100_000;
        let draws: Vec<f64> = (0..n).map(|_| normal(&mut rng)).collect();
        let mean = draws.iter().sum::<f64>() / f64::from(n);
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(n);
        // Standard errors: 0.0032 of the mean, 0.0045 of the variance; five of each.
        assert!(mean.abs() <= 0.016, "{mean}");
        assert!((variance - 1.0).abs() <= 0.0225, "{variance}");
    }
}
