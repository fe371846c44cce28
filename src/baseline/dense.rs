//! A fully connected ReLU network over one minibatch: forward, cross entropy, backward.

use crate::baseline::product::{Gradients, LANES, Product, clear_inactive};
use crate::dataset::Samples;
use crate::network::{Architecture, Layer};

/// Working memory for minibatches of one architecture; parameters are passed in.
///
/// Parameters and gradients are one array: all weights in the layout of [`Architecture`], then all biases.
///
/// An architecture with one output is a logistic unit for two classes: the output is the logit of class 1.
/// With more outputs, they are the logits of a softmax.
pub struct Dense {
    layers: Vec<Layer>,
    /// Number of weights, and so the index of the first bias among the parameters.
    weights: usize,
    /// Largest number of samples, a multiple of `LANES`.
    capacity: usize,
    /// Samples loaded.
    samples: usize,
    /// Samples loaded, rounded up to `LANES`.
    stride: usize,
    labels: Vec<u32>,
    /// Per layer of neurons, inputs included: `[neurons, stride]`.
    activations: Vec<Vec<f32>>,
    /// Per layer of weights, the loss's derivative by its outputs before ReLU: `[outputs, stride]`.
    deltas: Vec<Vec<f32>>,
    /// A layer's weights, transposed: `[inputs, outputs]`.
    transposed: Vec<f32>,
    zeros: Vec<f32>,
}

/// What a network makes of a minibatch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchScore {
    /// Cross entropy, summed over the samples, in nats.
    pub loss: f64,
    /// Correctly classified samples.
    pub correct: u32,
}

impl Dense {
    /// Memory for minibatches of up to `batch_size` samples.
    pub fn new(architecture: &Architecture, batch_size: usize) -> Self {
        let capacity = batch_size.next_multiple_of(LANES);
        let layers: Vec<Layer> = architecture.layers().collect();
        let widest = architecture.widths().iter().copied().max().unwrap_or(0);
        Self {
            activations: architecture.widths().iter().map(|width| vec![0.0; width * capacity]).collect(),
            deltas: layers.iter().map(|layer| vec![0.0; layer.outputs * capacity]).collect(),
            transposed: vec![0.0; layers[1..].iter().map(Layer::weights).max().unwrap_or(0)],
            zeros: vec![0.0; widest],
            labels: vec![0; capacity],
            weights: architecture.weights(),
            layers,
            capacity,
            samples: 0,
            stride: 0,
        }
    }

    /// Loads the samples at `rows`.
    ///
    /// # Panics
    /// If there are more than the capacity, or a row lies outside the samples.
    pub fn load(&mut self, samples: &Samples, rows: &[u32]) {
        assert!(rows.len() <= self.capacity, "a minibatch within the capacity");
        self.samples = rows.len();
        self.stride = rows.len().next_multiple_of(LANES);
        let width = samples.width;
        for (block, rows) in rows.chunks(LANES).enumerate() {
            let start = block * LANES;
            for (lane, &row) in rows.iter().enumerate() {
                self.labels[start + lane] = samples.labels[row as usize];
            }
            for feature in 0..width {
                let lanes = &mut self.activations[0][feature * self.stride + start..][..LANES];
                lanes.fill(0.0);
                for (lane, &row) in lanes.iter_mut().zip(rows) {
                    *lane = samples.features[row as usize * width + feature];
                }
            }
        }
    }

    /// Computes the logits of the loaded samples.
    pub fn forward(&mut self, parameters: &[f32]) {
        let (weights, biases) = parameters.split_at(self.weights);
        let last = self.layers.len() - 1;
        for (depth, layer) in self.layers.iter().enumerate() {
            let (inputs, outputs) = self.activations.split_at_mut(depth + 1);
            Product {
                weights: &weights[layer.first_weight..][..layer.weights()],
                start: &biases[layer.first_bias..][..layer.outputs],
                inputs: &inputs[depth][..layer.inputs * self.stride],
                outputs: &mut outputs[0][..layer.outputs * self.stride],
                stride: self.stride,
                relu: depth < last,
            }
            .compute();
        }
    }

    /// Scores the logits, and keeps the derivative of the *mean* cross entropy by each of them.
    pub fn score(&mut self) -> BatchScore {
        let outputs = self.layers[self.layers.len() - 1].outputs;
        let logits = &self.activations[self.layers.len()][..outputs * self.stride];
        let deltas = &mut self.deltas[self.layers.len() - 1][..outputs * self.stride];
        let labels = &self.labels[..self.samples];
        let scale = 1.0 / self.samples as f32;
        if outputs == 1 {
            deltas[self.samples..].fill(0.0);
            score_logistic(logits, labels, deltas, scale)
        } else {
            deltas.fill(0.0);
            score_softmax(logits, labels, deltas, self.stride, scale)
        }
    }

    /// Number of loaded samples whose largest logit (the lowest on ties) is their label's.
    pub fn correct(&self) -> u32 {
        let outputs = self.layers[self.layers.len() - 1].outputs;
        let logits = &self.activations[self.layers.len()][..outputs * self.stride];
        let correct = self.labels[..self.samples].iter().enumerate().filter(|(sample, label)| {
            let class = match outputs {
                1 => u32::from(logits[*sample] > 0.0),
                _ => largest(logits, *sample, self.stride) as u32,
            };
            class == **label
        });
        correct.count() as u32
    }

    /// The derivative of the mean cross entropy by each parameter, for the logits last scored.
    pub fn backward(&mut self, parameters: &[f32], gradients: &mut [f32]) {
        let (weight_gradients, bias_gradients) = gradients.split_at_mut(self.weights);
        for (depth, layer) in self.layers.iter().enumerate().rev() {
            let (below, above) = self.deltas.split_at_mut(depth);
            let deltas = &above[0][..layer.outputs * self.stride];
            let inputs = &self.activations[depth][..layer.inputs * self.stride];
            Gradients {
                deltas,
                inputs,
                gradients: &mut weight_gradients[layer.first_weight..][..layer.weights()],
                bias_gradients: &mut bias_gradients[layer.first_bias..][..layer.outputs],
                stride: self.stride,
            }
            .compute();
            let Some(below) = below.last_mut() else { continue };
            let below = &mut below[..layer.inputs * self.stride];
            let transposed = &mut self.transposed[..layer.weights()];
            transpose(&parameters[layer.first_weight..][..layer.weights()], transposed, layer.inputs);
            Product {
                weights: transposed,
                start: &self.zeros[..layer.inputs],
                inputs: deltas,
                outputs: below,
                stride: self.stride,
                relu: false,
            }
            .compute();
            clear_inactive(below, inputs);
        }
    }

    /// Number of `rows` that the network classifies correctly.
    pub fn count_correct(&mut self, parameters: &[f32], samples: &Samples, rows: &[u32]) -> u32 {
        let mut correct = 0;
        for rows in rows.chunks(self.capacity) {
            self.load(samples, rows);
            self.forward(parameters);
            correct += self.correct();
        }
        correct
    }
}

/// `[outputs, inputs]` to `[inputs, outputs]`.
fn transpose(weights: &[f32], transposed: &mut [f32], inputs: usize) {
    let outputs = weights.len() / inputs;
    for (output, row) in weights.chunks_exact(inputs).enumerate() {
        for (input, &weight) in row.iter().enumerate() {
            transposed[input * outputs + output] = weight;
        }
    }
}

/// The class of the largest logit of one sample; the lowest on ties.
fn largest(logits: &[f32], sample: usize, stride: usize) -> usize {
    let mut best = 0;
    let mut value = logits[sample];
    for (class, row) in logits.chunks_exact(stride).enumerate().skip(1) {
        if row[sample] > value {
            (best, value) = (class, row[sample]);
        }
    }
    best
}

/// Below this a share of a class counts as none. It moves no parameter, but its products with weights and inputs are
/// subnormal, on which many processors compute many times as slowly: wide networks with weights on [-1, 1] are as sure
/// as that of most samples. 2^-100 leaves 2^26 for those products above the least normal number.
const LEAST_SHARE: f32 = 1.0 / (1u128 << 100) as f32;

/// `e^x`, zero where it is below [`LEAST_SHARE`].
fn exponential(x: f32) -> f32 {
    let value = libm::expf(x);
    if value < LEAST_SHARE { 0.0 } else { value }
}

/// Derivatives keep their relative precision where the network is sure: they are never taken as the
/// difference of a rounded probability and 1.
fn score_logistic(logits: &[f32], labels: &[u32], deltas: &mut [f32], scale: f32) -> BatchScore {
    let mut score = BatchScore { loss: 0.0, correct: 0 };
    for ((&logit, &label), delta) in logits.iter().zip(labels).zip(deltas) {
        // How far the logit speaks for the label.
        let margin = if label == 1 { logit } else { -logit };
        let small = exponential(-margin.abs());
        let loss = libm::log1pf(small) + (-margin).max(0.0);
        let wrong = if margin >= 0.0 { small / (1.0 + small) } else { 1.0 / (1.0 + small) };
        *delta = scale * if label == 1 { -wrong } else { wrong };
        score.loss += f64::from(loss);
        score.correct += u32::from((logit > 0.0) == (label == 1));
    }
    score
}

/// As [`score_logistic`], for a softmax over `[classes, stride]` logits.
fn score_softmax(
    logits: &[f32],
    labels: &[u32],
    deltas: &mut [f32],
    stride: usize,
    scale: f32,
) -> BatchScore {
    let classes = logits.len() / stride;
    let mut score = BatchScore { loss: 0.0, correct: 0 };
    for (sample, &label) in labels.iter().enumerate() {
        let label = label as usize;
        let best = largest(logits, sample, stride);
        let largest = logits[best * stride + sample];
        let mut others = 0.0;
        for class in 0..classes {
            let share = exponential(logits[class * stride + sample] - largest);
            deltas[class * stride + sample] = share;
            others += if class == label { 0.0 } else { share };
        }
        let total = others + deltas[label * stride + sample];
        for class in 0..classes {
            deltas[class * stride + sample] *= scale / total;
        }
        deltas[label * stride + sample] = -others * (scale / total);
        let own = logits[label * stride + sample];
        let loss = if best == label { libm::log1pf(others) } else { libm::logf(total) + (largest - own) };
        score.loss += f64::from(loss);
        score.correct += u32::from(best == label);
    }
    score
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::{Arithmetic, plain};
    use crate::network::Network;
    use crate::random::{Concern, Stream, normal, stream};
    use rand::Rng;

    fn architecture(widths: &[usize]) -> Architecture {
        widths.to_vec().try_into().expect("a valid architecture")
    }

    fn normals(n: usize, rng: &mut Stream) -> Vec<f32> {
        (0..n).map(|_| normal(rng) as f32).collect()
    }

    fn random_samples(n: usize, width: usize, classes: u32, rng: &mut Stream) -> Samples {
        let features = normals(n * width, rng);
        Samples { features, labels: (0..n).map(|_| rng.next_u32() % classes).collect(), width }
    }

    /// Mean cross entropy in f64, by the definition.
    fn loss_by_definition(widths: &[usize], parameters: &[f64], samples: &Samples) -> f64 {
        let architecture = architecture(widths);
        let (weights, biases) = parameters.split_at(architecture.weights());
        let mut sum = 0.0;
        for (sample, &label) in samples.features.chunks_exact(samples.width).zip(&samples.labels) {
            let mut values: Vec<f64> = sample.iter().map(|&x| f64::from(x)).collect();
            for (depth, layer) in architecture.layers().enumerate() {
                values = (0..layer.outputs)
                    .map(|o| {
                        let row = &weights[layer.first_weight + o * layer.inputs..][..layer.inputs];
                        let z = biases[layer.first_bias + o]
                            + row.iter().zip(&values).map(|(w, x)| w * x).sum::<f64>();
                        if depth + 1 < architecture.layer_count() { z.max(0.0) } else { z }
                    })
                    .collect();
            }
            if values.len() == 1 {
                values.insert(0, 0.0);
            }
            let total: f64 = values.iter().map(|z| z.exp()).sum();
            sum += total.ln() - values[label as usize];
        }
        sum / samples.len() as f64
    }

    /// Rounding of sums of some hundred f32 terms of size one.
    const LOSS_TOLERANCE: f64 = 1e-5;
    /// The gradient's f32 rounding; the finite differences are taken in f64 and precise to about 1e-9.
    const GRADIENT_TOLERANCE: f64 = 1e-5;

    #[test]
    fn gradients_are_those_of_finite_differences() {
        // Odd widths and sample counts reach every tile and its remainders.
        let shapes: [(&[usize], usize); 5] =
            [(&[2, 7, 2], 5), (&[2, 20, 1], 64), (&[5, 6, 9, 10], 37), (&[3, 4, 3], 16), (&[1, 1, 1], 100)];
        for (widths, n) in shapes {
            let architecture = architecture(widths);
            let mut rng = stream(7, Concern::Network);
            let classes = architecture.outputs().max(2) as u32;
            let samples = random_samples(n, widths[0], classes, &mut rng);
            let parameters = normals(architecture.weights() + architecture.biases(), &mut rng);
            let mut dense = Dense::new(&architecture, n);
            let rows: Vec<u32> = (0..n as u32).collect();
            dense.load(&samples, &rows);
            dense.forward(&parameters);
            let score = dense.score();
            let mut gradients = vec![f32::NAN; parameters.len()];
            dense.backward(&parameters, &mut gradients);

            let exact: Vec<f64> = parameters.iter().map(|&p| f64::from(p)).collect();
            let loss = loss_by_definition(widths, &exact, &samples);
            assert!((score.loss / n as f64 - loss).abs() <= LOSS_TOLERANCE * loss.max(1.0), "{widths:?}");
            for (p, &gradient) in gradients.iter().enumerate() {
                let shifted = |step: f64| {
                    let mut moved = exact.clone();
                    moved[p] += step;
                    loss_by_definition(widths, &moved, &samples)
                };
                // Small enough that no neuron of these draws crosses its kink.
                let step = 1e-6;
                let slope = (shifted(step) - shifted(-step)) / (2.0 * step);
                assert!((slope - f64::from(gradient)).abs() <= GRADIENT_TOLERANCE, "{widths:?} {p}");
            }
        }
    }

    #[test]
    fn correct_samples_are_those_of_the_plain_evaluator() {
        let architecture = architecture(&[3, 9, 21, 4]);
        let mut rng = stream(1, Concern::Network);
        let samples = random_samples(333, 3, 4, &mut rng);
        let weights = normals(architecture.weights(), &mut rng);
        let biases = normals(architecture.biases(), &mut rng);
        let parameters = [weights.clone(), biases.clone()].concat();
        let mut full = vec![0; architecture.mask_words()];
        crate::mask::fill(&mut full, architecture.weights());
        let rows: Vec<u32> = (0..333).collect();
        let count = Dense::new(&architecture, 50).count_correct(&parameters, &samples, &rows);
        let network = Network::new(architecture, weights, biases).expect("a network");
        assert_eq!(count, plain::count_correct(&network, &full, &samples, Arithmetic::Fused));
    }

    #[test]
    fn extreme_logits_give_finite_losses_and_exact_derivatives() {
        let labels = [1, 0, 1, 0];
        let mut deltas = [f32::NAN; 4];
        let score = score_logistic(&[60.0, 60.0, -200.0, -200.0], &labels, &mut deltas, 1.0);
        assert_eq!(score.correct, 2);
        assert!((score.loss - 260.0).abs() <= 1e-4, "{}", score.loss);
        assert!((deltas[0] / -(-60f32).exp() - 1.0).abs() <= 1e-5, "{}", deltas[0]);
        assert_eq!(deltas[1..3], [1.0, -1.0]);
        assert!(deltas[3].abs() <= f32::MIN_POSITIVE);
    }

    #[test]
    fn however_sure_a_network_is_no_product_of_its_derivatives_is_subnormal() {
        let (classes, stride) = (4, 16);
        let logits: Vec<f32> = (0..classes * stride).map(|n| ((n * 37) % 301) as f32 - 150.0).collect();
        let labels: Vec<u32> = (1..=stride as u32).map(|n| n % 4).collect();
        let mut softmax = vec![f32::NAN; classes * stride];
        let score = score_softmax(&logits, &labels, &mut softmax, stride, 1.0 / 256.0);
        assert!(score.loss.is_finite() && score.loss > 0.0);
        let mut logistic = vec![f32::NAN; stride];
        score_logistic(&logits[..stride], &vec![1; stride], &mut logistic, 1.0 / 256.0);
        for deltas in [softmax, logistic] {
            assert!(deltas.contains(&0.0) && deltas.iter().any(|&delta| delta != 0.0));
            // A pixel of 255, and a weight as small.
            let products = deltas.iter().map(|delta| delta / (255.0 * 255.0));
            assert!(products.into_iter().all(|product| product == 0.0 || product.is_normal()));
        }
    }
}
