//! Initial values of what is trained: edge-popup's scores, backpropagation's weights and biases.

use crate::network::Architecture;
use crate::random::unit;
use rand::Rng;

/// A uniform number in `[-bound, bound)`.
fn symmetric(bound: f64, rng: &mut impl Rng) -> f32 {
    (bound * (2.0 * unit(rng) - 1.0)) as f32
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
