//! The plain form: what every evaluator must equal, bit for bit, written to be read.

use crate::arithmetic::{Arithmetic, fma};
use crate::dataset::Samples;
use crate::mask;
use crate::network::Network;
use crate::objective::measure::Confusion;
use crate::objective::{Objective, Score};

/// The outputs of the masked network for one sample (`[inputs]`), `[classes]`.
pub fn outputs(network: &Network, mask: &[u32], sample: &[f32], arithmetic: Arithmetic) -> Vec<f32> {
    let mut activations = sample.to_vec();
    for layer in network.architecture().layers() {
        let weights = network.layer_weights(&layer);
        let biases = network.layer_biases(&layer);
        let mut outputs = vec![0.0; layer.outputs];
        for (o, output) in outputs.iter_mut().enumerate() {
            let mut acc = biases[o];
            for (i, &input) in activations.iter().enumerate() {
                let w = o * layer.inputs + i;
                if mask::get(mask, layer.first_weight + w) {
                    acc = fma(arithmetic, weights[w], input, acc);
                }
            }
            *output = layer.activation.apply(acc);
        }
        activations = outputs;
    }
    activations
}

/// The class that the masked network predicts for one sample (`[inputs]`).
pub fn predict(network: &Network, mask: &[u32], sample: &[f32], arithmetic: Arithmetic) -> u32 {
    largest(&outputs(network, mask, sample, arithmetic))
}

/// The index of the largest output, the lowest of equals.
pub fn largest(outputs: &[f32]) -> u32 {
    let mut best = 0;
    for (class, &value) in outputs.iter().enumerate() {
        if value > outputs[best] {
            best = class;
        }
    }
    best as u32
}

/// The number of samples that the masked network classifies correctly.
pub fn count_correct(network: &Network, mask: &[u32], samples: &Samples, arithmetic: Arithmetic) -> u32 {
    let correct = samples
        .features
        .chunks_exact(samples.width)
        .zip(&samples.labels)
        .filter(|(sample, label)| predict(network, mask, sample, arithmetic) == **label)
        .count();
    correct as u32
}

/// How the masked network does on `samples`.
pub fn score(
    network: &Network,
    mask: &[u32],
    samples: &Samples,
    objective: &Objective,
    arithmetic: Arithmetic,
) -> Score {
    let classes = network.architecture().outputs();
    let mut score = Score::default();
    let mut confusion = vec![0; classes * classes];
    for (sample, &label) in samples.features.chunks_exact(samples.width).zip(&samples.labels) {
        let outputs = outputs(network, mask, sample, arithmetic);
        score.loss += u64::from(objective.sample_steps(&outputs, label, arithmetic));
        let predicted = largest(&outputs);
        score.correct += u32::from(predicted == label);
        if objective.measure().is_some() {
            confusion[label as usize * classes + predicted as usize] += 1;
        }
    }
    if let Some(measure) = objective.measure() {
        score.loss = measure.distance(&Confusion::new(&confusion, classes));
    }
    score
}
