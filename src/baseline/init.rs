//! Initial values: weights, biases and scores.

use crate::network::{Architecture, Network};
use crate::random::{chance, normal, unit};
use rand::Rng;

/// A uniform number in `[-bound, bound)`.
fn symmetric(bound: f64, rng: &mut impl Rng) -> f32 {
    (bound * (2.0 * unit(rng) - 1.0)) as f32
}

/// Weights and biases uniform on [-1, 1]: all weights in layout order, then all biases.
pub fn uniform(architecture: &Architecture, rng: &mut impl Rng) -> Network {
    let weights = (0..architecture.weights()).map(|_| symmetric(1.0, rng)).collect();
    let biases = (0..architecture.biases()).map(|_| symmetric(1.0, rng)).collect();
    Network { architecture: architecture.clone(), weights, biases }
}

/// Weights normal with variance `2 / (fan_in * keep_fraction)` (He et al. 2015, scaled for the weights
/// that are kept as in Ramanujan et al. 2020, section 3.3), no biases.
pub fn kaiming_normal(architecture: &Architecture, keep_fraction: f64, rng: &mut impl Rng) -> Network {
    without_biases(architecture, keep_fraction, |deviation| (deviation * normal(rng)) as f32)
}

/// As [`kaiming_normal`], but every weight is plus or minus the standard deviation.
pub fn signed_kaiming_constant(
    architecture: &Architecture,
    keep_fraction: f64,
    rng: &mut impl Rng,
) -> Network {
    without_biases(architecture, keep_fraction, |deviation| {
        let sign = if chance(rng, 0.5) { 1.0 } else { -1.0 };
        (sign * deviation) as f32
    })
}

fn without_biases(
    architecture: &Architecture,
    keep_fraction: f64,
    mut draw: impl FnMut(f64) -> f32,
) -> Network {
    let mut weights = Vec::with_capacity(architecture.weights());
    for layer in architecture.layers() {
        let deviation = (2.0 / (layer.inputs as f64 * keep_fraction)).sqrt();
        weights.extend((0..layer.weights()).map(|_| draw(deviation)));
    }
    Network { architecture: architecture.clone(), weights, biases: vec![0.0; architecture.biases()] }
}

/// Edge-popup's scores: Kaiming uniform with a = sqrt(5), that is, uniform within `1 / sqrt(fan_in)`.
pub fn scores(architecture: &Architecture, rng: &mut impl Rng) -> Vec<f32> {
    let mut scores = Vec::with_capacity(architecture.weights());
    for layer in architecture.layers() {
        let bound = 1.0 / (layer.inputs as f64).sqrt();
        scores.extend((0..layer.weights()).map(|_| symmetric(bound, rng)));
    }
    scores
}

/// scikit-learn's initialisation for ReLU (Glorot and Bengio 2010, factor 6): weights *and biases*
/// uniform within `sqrt(6 / (fan_in + fan_out))`, as one array of all weights, then all biases.
pub fn glorot_uniform(architecture: &Architecture, rng: &mut impl Rng) -> Vec<f32> {
    let mut parameters = Vec::with_capacity(architecture.weights() + architecture.biases());
    let bound = |inputs: usize, outputs: usize| (6.0 / (inputs + outputs) as f64).sqrt();
    for layer in architecture.layers() {
        let bound = bound(layer.inputs, layer.outputs);
        parameters.extend((0..layer.weights()).map(|_| symmetric(bound, rng)));
    }
    for layer in architecture.layers() {
        let bound = bound(layer.inputs, layer.outputs);
        parameters.extend((0..layer.outputs).map(|_| symmetric(bound, rng)));
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Concern, stream};

    fn architecture() -> Architecture {
        vec![100, 200, 10].try_into().expect("a valid architecture")
    }

    fn variance(values: &[f32]) -> f64 {
        values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / values.len() as f64
    }

    /// Five standard errors of the variance of 2,000 normal draws, relative: 5 * sqrt(2 / 2000).
    const VARIANCE_TOLERANCE: f64 = 0.16;

    #[test]
    fn kaiming_weights_have_the_variance_of_their_fan_in_and_keep_fraction() {
        let architecture = architecture();
        let normal = kaiming_normal(&architecture, 0.3, &mut stream(0, Concern::Network));
        let constant = signed_kaiming_constant(&architecture, 0.3, &mut stream(0, Concern::Network));
        for layer in architecture.layers() {
            let expected = 2.0 / (0.3 * layer.inputs as f64);
            let ratio = variance(normal.layer_weights(&layer)) / expected;
            assert!((ratio - 1.0).abs() <= VARIANCE_TOLERANCE, "{ratio}");
            let size = expected.sqrt() as f32;
            assert!(constant.layer_weights(&layer).iter().all(|&w| w.abs() == size));
            let positive = constant.layer_weights(&layer).iter().filter(|&&w| w > 0.0).count();
            // Five standard deviations of a fair coin's count.
            assert!(
                (positive as f64 - 0.5 * layer.weights() as f64).abs()
                    <= 2.5 * (layer.weights() as f64).sqrt()
            );
        }
        assert!(normal.biases.iter().chain(&constant.biases).all(|&b| b == 0.0));
    }

    #[test]
    fn uniform_draws_fill_their_bounds_and_stay_within() {
        let architecture = architecture();
        let mut rng = stream(0, Concern::Network);
        let scores = scores(&architecture, &mut rng);
        let parameters = glorot_uniform(&architecture, &mut rng);
        assert_eq!(parameters.len(), architecture.weights() + architecture.biases());
        for layer in architecture.layers() {
            let range = layer.first_weight..layer.first_weight + layer.weights();
            let largest = |values: &[f32]| values.iter().fold(0f32, |max, x| max.max(x.abs()));
            let fill = largest(&scores[range.clone()]) * (layer.inputs as f32).sqrt();
            assert!(fill > 0.99 && fill <= 1.0, "{fill}");
            let glorot = (6.0 / (layer.inputs + layer.outputs) as f32).sqrt();
            let fill = largest(&parameters[range]) / glorot;
            assert!(fill > 0.99 && fill <= 1.0, "{fill}");
        }
    }
}
