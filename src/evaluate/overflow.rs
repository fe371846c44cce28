//! No activation may overflow: zero times infinity is not zero, and skipping a masked weight would no
//! longer equal multiplying by zero.

use crate::dataset::{Dataset, Samples, Split};
use crate::evaluate::EvaluateError;
use crate::evaluate::neighbours::Tiles;
use crate::network::Network;

/// The largest magnitude that a sum may reach. Half of f32's range leaves more room than rounding takes:
/// a sum of n terms grows by less than a factor (1 + 2^-23)^n, which is below 2 for n up to 5 million.
const LARGEST: f64 = f32::MAX as f64 / 2.0;

/// The largest magnitude of each feature, `[features]`, over a data set.
#[derive(Clone, Debug)]
pub struct FeatureBounds(Vec<f64>);

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
        let mut bounds = vec![0.0f64; sets.first().map_or(0, |samples| samples.width)];
        for samples in sets {
            for sample in samples.features.chunks_exact(samples.width) {
                for (bound, &value) in bounds.iter_mut().zip(sample) {
                    *bound = widened(*bound, value);
                }
            }
        }
        Self(bounds)
    }

    /// The bounds of `tiles`.
    pub fn of_tiles(tiles: &Tiles) -> Self {
        Self((0..tiles.width()).map(|feature| tiles.feature(feature).fold(0.0, widened)).collect())
    }

    /// Bounds every partial sum of every mask of `network` by the sum of magnitudes.
    ///
    /// # Errors
    /// [`EvaluateError::Unsupported`] when a bound exceeds [`LARGEST`], or when a value is not finite.
    pub fn check(&self, network: &Network) -> Result<(), EvaluateError> {
        let mut bounds = self.0.clone();
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
}
