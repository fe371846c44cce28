//! Margins in units of what a network gives: the spread of its outputs.

use super::neighbours::{Landscape, Scratch, Tiles};
use super::{Arithmetic, EvaluateError};
use crate::account::Current;
use crate::dataset::Samples;
use crate::mask;
use crate::network::Network;
use crate::objective::margin::{Margin, MarginConfig, MarginError};
use crate::objective::{Fitness, Objective};
use crate::random::{Concern, stream};
use rayon::prelude::*;

/// Random masks and samples that are looked at, at most.
const MASKS: usize = 8;
const SAMPLES: usize = 1024;

/// Why there is no margin.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SpreadError {
    #[error(transparent)]
    Margin(#[from] MarginError),
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
}

/// The objective of that name, for a run with this network, data and seed.
///
/// # Errors
/// Where `margin` gives none, and when shapes do not match.
pub fn objective(
    fitness: &Fitness,
    margin: &MarginConfig,
    network: &Network,
    samples: &Samples,
    seed: u64,
    arithmetic: Arithmetic,
) -> Result<Objective, SpreadError> {
    Ok(match (fitness, margin.tau) {
        (Fitness::Accuracy, _) => Objective::Accuracy,
        (Fitness::CrossEntropy, _) => Objective::CrossEntropy,
        (Fitness::Measure(measure), _) => Objective::Measure(*measure),
        (Fitness::Own | Fitness::Program(_), _) => Objective::Judged,
        (Fitness::Margin, Some(tau)) => Objective::Margin(Margin::new(tau)?),
        (Fitness::Margin, None) => {
            Objective::Margin(by_spread(network, samples, margin.spread_factor, seed, arithmetic)?)
        }
    })
}

/// `factor` times the spread of the outputs: the median of `|z_c − z_y|` over the wrong classes `c` of at most 1024
/// samples, evenly spaced in `samples`, under 8 random masks of `network`.
fn by_spread(
    network: &Network,
    samples: &Samples,
    factor: f64,
    seed: u64,
    arithmetic: Arithmetic,
) -> Result<Margin, SpreadError> {
    let stride = samples.len().div_ceil(SAMPLES).max(1);
    let chosen: Vec<usize> = (0..samples.len()).step_by(stride).collect();
    // Their order says nothing of a median.
    let tiles = Tiles::new(samples, &chosen, &mut stream(seed, Concern::Subsample));
    let landscape = Landscape::new(network, tiles, Objective::Accuracy, arithmetic)?;
    let mut rng = stream(seed, Concern::MarginScale);
    let mut masks = [const { Vec::new() }; MASKS];
    for mask in &mut masks {
        mask.resize(network.architecture().mask_words(), 0);
        mask::randomize(mask, network.architecture().weights(), &mut rng);
    }
    let account = Current::get();
    let distances: Vec<Vec<f32>> = masks
        .par_iter()
        .map_init(
            || (Scratch::default(), account.help()),
            |(scratch, _), mask| landscape.distances(mask, scratch),
        )
        .collect();
    let mut distances = distances.concat();
    if distances.is_empty() {
        return Err(MarginError(f32::NAN).into());
    }
    let middle = distances.len() / 2;
    let (_, &mut median, _) = distances.select_nth_unstable_by(middle, f32::total_cmp);
    Ok(Margin::new((factor * f64::from(median)) as f32)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::plain;
    use crate::network::{Architecture, NetworkInit};
    use crate::random;

    /// The spread by the plain form, sample by sample.
    fn plain_spread(network: &Network, samples: &Samples, seed: u64, arithmetic: Arithmetic) -> f32 {
        let mut rng = stream(seed, Concern::MarginScale);
        let mut mask = vec![0; network.architecture().mask_words()];
        let mut distances = Vec::new();
        for _ in 0..MASKS {
            mask::randomize(&mut mask, network.architecture().weights(), &mut rng);
            for n in (0..samples.len()).step_by(samples.len().div_ceil(SAMPLES)) {
                let z = plain::outputs(
                    network,
                    &mask,
                    &samples.features[n * samples.width..][..samples.width],
                    arithmetic,
                );
                let label = samples.labels[n] as usize;
                distances.extend((0..z.len()).filter(|&c| c != label).map(|c| (z[c] - z[label]).abs()));
            }
        }
        distances.sort_by(f32::total_cmp);
        distances[distances.len() / 2]
    }

    #[test]
    fn the_spread_is_that_of_the_plain_form() {
        // The second layer is wider than a slice of its inputs; 1500 samples are every second one.
        for (widths, count) in [(&[2, 5, 2][..], 40), (&[7, 100, 9, 4], 1500)] {
            let architecture: Architecture = widths.to_vec().try_into().expect("valid");
            let network = NetworkInit::plain(architecture).build(3).expect("a network");
            let mut rng = stream(1, Concern::Bench);
            let classes = widths[widths.len() - 1];
            let samples = Samples {
                features: (0..count * widths[0]).map(|_| random::unit(&mut rng) as f32).collect(),
                labels: (0..count).map(|_| random::index(&mut rng, classes) as u32).collect(),
                width: widths[0],
            };
            for arithmetic in [Arithmetic::Fused, Arithmetic::Separate] {
                let margin = by_spread(&network, &samples, 1.0, 5, arithmetic).expect("a margin");
                assert_eq!(margin.tau(), plain_spread(&network, &samples, 5, arithmetic), "{widths:?}");
            }
        }
    }
}
