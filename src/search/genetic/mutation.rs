//! Mutation: copies with flipped bits.

use super::config::{MutationOperator, ResolvedGenetic};
use super::crossover::MAX_REDRAWS;
use super::population::{Origin, Population};
use crate::mask;
use crate::network::{Architecture, Layer};
use crate::random;
use crate::search::MutationSite;
use rand::Rng;

/// Appends the mutants of the population, new children included (paper, section 4.1).
///
/// Where a path is required, other bits are drawn until the mutant has one.
pub fn mutate(
    population: &mut Population,
    config: &ResolvedGenetic,
    architecture: &Architecture,
    generation: u32,
    rng: &mut impl Rng,
) {
    let mut flips = vec![0; architecture.mask_words()];
    for parent in 0..population.len() {
        if !random::chance(rng, config.mutation_rate) {
            continue;
        }
        let mutant = population.push_copy(parent, Origin::Mutant, generation);
        for _ in 0..MAX_REDRAWS {
            draw_flips(&mut flips, config, architecture, rng);
            flip_all(population.mask_mut(mutant), &flips);
            if !config.require_path || mask::has_path(population.mask(mutant), architecture) {
                break;
            }
            flip_all(population.mask_mut(mutant), &flips);
        }
    }
}

fn flip_all(mask: &mut [u32], flips: &[u32]) {
    for (word, flips) in mask.iter_mut().zip(flips) {
        *word ^= flips;
    }
}

/// Draws the bits that a mutant differs in, at least one: those set in `flips`.
fn draw_flips(flips: &mut [u32], config: &ResolvedGenetic, architecture: &Architecture, rng: &mut impl Rng) {
    flips.fill(0);
    let site = config.mutation;
    match config.mutation_operator {
        MutationOperator::SingleBit => mask::flip(flips, draw_bit(site, architecture, rng)),
        MutationOperator::HeavyTailed => {
            let most = (architecture.weights() / 2).max(1);
            for _ in 0..random::power_law(rng, config.mutation_exponent, most) {
                let mut bit = draw_bit(site, architecture, rng);
                while mask::get(flips, bit) {
                    bit = draw_bit(site, architecture, rng);
                }
                mask::flip(flips, bit);
            }
        }
        MutationOperator::PerBit => {
            while flips.iter().all(|&word| word == 0) {
                match site {
                    MutationSite::Weight => {
                        draw_each(flips, 0, architecture.weights(), config.mutation_bits, rng);
                    }
                    MutationSite::LayerThenWeight => {
                        let bits = config.mutation_bits / architecture.layer_count() as f64;
                        for layer in architecture.layers() {
                            draw_each(flips, layer.first_weight, layer.weights(), bits, rng);
                        }
                    }
                }
            }
        }
    }
}

fn draw_bit(site: MutationSite, architecture: &Architecture, rng: &mut impl Rng) -> usize {
    match site {
        MutationSite::Weight => random::index(rng, architecture.weights()),
        MutationSite::LayerThenWeight => {
            let layer = architecture.layer(random::index(rng, architecture.layer_count()));
            layer.first_weight + random::index(rng, layer.weights())
        }
    }
}

/// Sets each of the `count` bits from `first` on with the same chance, `expected` of them on average.
fn draw_each(flips: &mut [u32], first: usize, count: usize, expected: f64, rng: &mut impl Rng) {
    let rate = expected / count as f64;
    let mut bit = random::gap(rng, rate);
    while bit < count {
        mask::flip(flips, first + bit);
        bit = bit.saturating_add(1).saturating_add(random::gap(rng, rate));
    }
}

/// The most bits that [`MutationOperator::PerBit`] can flip on average: the rate of a bit is at most 1.
pub(super) fn most_bits(site: MutationSite, architecture: &Architecture) -> f64 {
    let most = match site {
        MutationSite::Weight => architecture.weights(),
        MutationSite::LayerThenWeight => {
            let smallest = architecture.layers().map(|layer: Layer| layer.weights()).min().unwrap_or(0);
            smallest * architecture.layer_count()
        }
    };
    most as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Concern;

    const DRAWS: usize = 20_000;

    fn architecture() -> Architecture {
        vec![10, 20, 5].try_into().expect("valid")
    }

    /// How many bits each draw flips, and how often each bit is flipped in all.
    fn draws(operator: MutationOperator, site: MutationSite) -> (Vec<usize>, Vec<usize>) {
        let architecture = architecture();
        let config = ResolvedGenetic {
            mutation_operator: operator,
            mutation: site,
            mutation_bits: 2.5,
            ..ResolvedGenetic::default()
        };
        let mut rng = random::stream(1, Concern::Mutation);
        let mut flips = vec![u32::MAX; architecture.mask_words()];
        let (mut sizes, mut bits) = (Vec::new(), vec![0; architecture.weights()]);
        for _ in 0..DRAWS {
            draw_flips(&mut flips, &config, &architecture, &mut rng);
            sizes.push(mask::count_ones(&flips));
            (0..bits.len()).filter(|&bit| mask::get(&flips, bit)).for_each(|bit| bits[bit] += 1);
        }
        (sizes, bits)
    }

    /// Counts of equally likely bits must lie within six standard deviations of their mean.
    fn assert_uniform(counts: &[usize]) {
        let mean = counts.iter().sum::<usize>() as f64 / counts.len() as f64;
        let far = counts.iter().find(|&&n| (n as f64 - mean).abs() > 6.0 * mean.sqrt());
        assert!(far.is_none(), "{far:?}, mean {mean}");
    }

    #[test]
    fn a_single_bit_is_any_with_equal_chance() {
        let (sizes, bits) = draws(MutationOperator::SingleBit, MutationSite::Weight);
        assert!(sizes.iter().all(|&n| n == 1));
        assert_uniform(&bits);
    }

    #[test]
    fn heavy_tailed_flips_follow_the_power_law_up_to_half_of_the_bits() {
        let (sizes, bits) = draws(MutationOperator::HeavyTailed, MutationSite::Weight);
        assert_uniform(&bits);
        assert!(sizes.iter().all(|n| (1..=150).contains(n)));
        let whole: f64 = (1..=150).map(|n| f64::from(n).powf(-1.5)).sum();
        for n in 1..=8 {
            let expected = DRAWS as f64 * f64::from(n).powf(-1.5) / whole;
            let found = sizes.iter().filter(|&&size| size == n as usize).count() as f64;
            assert!((found - expected).abs() <= 6.0 * expected.sqrt(), "{n}: {found} of {expected}");
        }
        assert!(sizes.iter().filter(|&&n| n > 75).count() > DRAWS / 100);
    }

    #[test]
    fn per_bit_flips_are_binomial_without_the_empty_draw() {
        let (sizes, bits) = draws(MutationOperator::PerBit, MutationSite::Weight);
        assert_uniform(&bits);
        let rate = 2.5 / 300.0;
        let none = (1.0f64 - rate).powi(300);
        let mean = sizes.iter().sum::<usize>() as f64 / DRAWS as f64;
        let expected = 2.5 / (1.0 - none);
        // The standard deviation of a draw is about 1.5.
        assert!((mean - expected).abs() <= 6.0 * 1.5 / (DRAWS as f64).sqrt(), "{mean} of {expected}");
        let ones = sizes.iter().filter(|&&n| n == 1).count() as f64 / DRAWS as f64;
        let one = 300.0 * rate * (1.0f64 - rate).powi(299) / (1.0 - none);
        assert!((ones - one).abs() <= 6.0 * (one / DRAWS as f64).sqrt(), "{ones} of {one}");
        assert!(sizes.iter().all(|&n| n > 0));
    }

    #[test]
    fn a_layer_drawn_first_has_its_share_of_every_operators_flips() {
        for operator in [MutationOperator::SingleBit, MutationOperator::PerBit] {
            let (_, bits) = draws(operator, MutationSite::LayerThenWeight);
            let (first, second) = bits.split_at(200);
            assert_uniform(first);
            assert_uniform(second);
            let share = first.iter().sum::<usize>() as f64 / bits.iter().sum::<usize>() as f64;
            assert!((share - 0.5).abs() <= 0.02, "{operator:?} {share}");
        }
        assert_eq!(most_bits(MutationSite::LayerThenWeight, &architecture()), 200.0);
    }
}
