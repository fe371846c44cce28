//! No activation may overflow: zero times infinity is not zero, and skipping a masked weight would no
//! longer equal multiplying by zero.
//!
//! Where subnormal results are flushed to zero, no parameter or feature may be subnormal either: one would be kept where
//! it is skipped past, and lost where it is added to a product with zero. With none among its operands, an operation
//! need not be asked what it makes of them.

use crate::dataset::{Dataset, Samples, Split};
use crate::evaluate::neighbours::Tiles;
use crate::evaluate::{Arithmetic, EvaluateError};
use crate::network::Network;

/// The largest magnitude that a sum may reach. Half of f32's range leaves more room than rounding takes:
/// a sum of n terms grows by less than a factor (1 + 2^-23)^n, which is below 2 for n up to 5 million.
const LARGEST: f64 = f32::MAX as f64 / 2.0;

/// Within which the features of a data set lie.
#[derive(Clone, Debug)]
pub struct FeatureBounds {
    /// The largest magnitude of each, `[features]`.
    largest: Vec<f64>,
    /// Is one of them subnormal?
    any_subnormal: bool,
}

/// The larger of `bound` and the magnitude of `value`.
fn widened(bound: f64, value: f32) -> f64 {
    let magnitude = f64::from(value.abs());
    // Not `max`, which would drop a NaN.
    if magnitude <= bound { bound } else { magnitude }
}

impl FeatureBounds {
    /// The bounds of all sets together.
    pub fn of(dataset: &Dataset) -> Self {
        Self::of_sets(&Split::ALL.map(|split| dataset.split(split)))
    }

    /// The bounds of `sets` together, all of one width.
    pub fn of_sets(sets: &[&Samples]) -> Self {
        let mut largest = vec![0.0f64; sets.first().map_or(0, |samples| samples.width)];
        for samples in sets {
            for sample in samples.features.chunks_exact(samples.width) {
                for (bound, &value) in largest.iter_mut().zip(sample) {
                    *bound = widened(*bound, value);
                }
            }
        }
        let any_subnormal = sets.iter().any(|samples| any_subnormal(&samples.features));
        Self { largest, any_subnormal }
    }

    /// The bounds of `tiles`.
    pub fn of_tiles(tiles: &Tiles) -> Self {
        let features = 0..tiles.width();
        Self {
            largest: features.clone().map(|feature| tiles.feature(feature).fold(0.0, widened)).collect(),
            any_subnormal: features
                .flat_map(|feature| tiles.feature(feature))
                .any(|value| value.is_subnormal()),
        }
    }

    /// Bounds every partial sum of every mask of `network` by the sum of magnitudes; looks for subnormal numbers where
    /// `arithmetic` flushes them.
    ///
    /// # Errors
    /// [`EvaluateError::Unsupported`] when a bound exceeds [`LARGEST`], when a value is not finite, and when one is
    /// subnormal that may not be.
    pub fn check(&self, network: &Network, arithmetic: Arithmetic) -> Result<(), EvaluateError> {
        if arithmetic.flushes() {
            self.check_subnormals(network)?;
        }
        let mut bounds = self.largest.clone();
        for (depth, layer) in network.architecture().layers().enumerate() {
            let rows = network.layer_weights(&layer).chunks_exact(layer.inputs);
            let mut next = Vec::with_capacity(layer.outputs);
            for (neuron, (bias, row)) in network.layer_biases(&layer).iter().zip(rows).enumerate() {
                let products = row.iter().zip(&bounds).map(|(&w, bound)| f64::from(w.abs()) * bound);
                let bound = f64::from(bias.abs()) + products.sum::<f64>();
                if bound.is_nan() || bound > LARGEST {
                    return Err(EvaluateError::Unsupported(format!(
                        "neuron {neuron} of layer {depth} of the network {} can reach {bound:e}, beyond the \
                         range of 32-bit floats; make the weights or the features smaller",
                        network.architecture()
                    )));
                }
                next.push(bound);
            }
            bounds = next;
        }
        Ok(())
    }

    fn check_subnormals(&self, network: &Network) -> Result<(), EvaluateError> {
        let what = if self.any_subnormal {
            "the features hold"
        } else if any_subnormal(network.weights()) || any_subnormal(network.biases()) {
            "the network's parameters hold"
        } else {
            return Ok(());
        };
        Err(EvaluateError::Unsupported(format!(
            "{what} numbers nearer to zero than {:e}, which this arithmetic flushes to zero; make them larger or zero, \
             or use --adapter cpu without --arithmetic",
            f32::MIN_POSITIVE
        )))
    }
}

fn any_subnormal(values: &[f32]) -> bool {
    values.iter().any(|value| value.is_subnormal())
}
