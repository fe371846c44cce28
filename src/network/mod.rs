//! Fully connected networks: their architecture and their fixed, untrained weights.

mod initialize;
mod layer;
pub mod safetensors;

pub use initialize::{BiasInit, NetworkConfig, NetworkError, NetworkInit, WeightInit};
pub use layer::{Activation, Layer, LayerKind};

use crate::files;
use crate::memory::product;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A network's layer widths, from inputs to outputs: `[2, 75, 2]`. ReLU stands between layers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<usize>", into = "Vec<usize>")]
pub struct Architecture {
    widths: Vec<usize>,
    /// Of the hidden layers; the outputs are sums as they are.
    hidden: Activation,
}

/// Why a list of widths is no architecture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchitectureError {
    #[error("an architecture has at least two layers (inputs, hidden, outputs: three widths), found {0:?}")]
    TooFewLayers(Vec<usize>),
    #[error("layer widths must be at least 1, found {0:?}")]
    ZeroWidth(Vec<usize>),
    #[error("{0:?} has more than {MAX_WEIGHTS} weights")]
    TooLarge(Vec<usize>),
}

/// Mask bits are indexed by `u32` on every device.
const MAX_WEIGHTS: usize = u32::MAX as usize;

impl TryFrom<Vec<usize>> for Architecture {
    type Error = ArchitectureError;

    fn try_from(widths: Vec<usize>) -> Result<Self, ArchitectureError> {
        if widths.len() < 3 {
            return Err(ArchitectureError::TooFewLayers(widths));
        }
        if widths.contains(&0) {
            return Err(ArchitectureError::ZeroWidth(widths));
        }
        let weights =
            widths.windows(2).try_fold(0usize, |sum, pair| sum.checked_add(pair[0].checked_mul(pair[1])?));
        match weights {
            Some(weights) if weights <= MAX_WEIGHTS => Ok(Self { widths, hidden: Activation::Relu }),
            _ => Err(ArchitectureError::TooLarge(widths)),
        }
    }
}

impl From<Architecture> for Vec<usize> {
    fn from(architecture: Architecture) -> Self {
        architecture.widths
    }
}

impl std::fmt::Display for Architecture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.widths)
    }
}

impl Architecture {
    /// The same widths with another activation between layers.
    #[cfg(test)]
    pub(crate) fn with_hidden(self, hidden: Activation) -> Self {
        Self { hidden, ..self }
    }

    /// Widths from inputs to outputs.
    pub fn widths(&self) -> &[usize] {
        &self.widths
    }

    pub fn inputs(&self) -> usize {
        self.widths[0]
    }

    pub fn outputs(&self) -> usize {
        self.widths[self.widths.len() - 1]
    }

    /// The layers of weights, from the input on.
    pub fn layers(&self) -> impl DoubleEndedIterator<Item = Layer> + ExactSizeIterator + '_ {
        let mut first_weight = 0;
        let mut first_bias = 0;
        let mut layers = Vec::with_capacity(self.layer_count());
        let last = self.layer_count() - 1;
        for (depth, pair) in self.widths.windows(2).enumerate() {
            let layer = Layer {
                kind: LayerKind::Dense,
                activation: if depth < last { self.hidden } else { Activation::Identity },
                inputs: pair[0],
                outputs: pair[1],
                first_weight,
                first_bias,
            };
            first_weight += layer.weights();
            first_bias += layer.outputs;
            layers.push(layer);
        }
        layers.into_iter()
    }

    /// Number of layers of weights: one less than the number of widths.
    pub fn layer_count(&self) -> usize {
        self.widths.len() - 1
    }

    /// The layer of weights at `index`, counted from the input.
    pub fn layer(&self, index: usize) -> Layer {
        self.layers().nth(index).expect("a layer of this architecture")
    }

    /// Number of weights, and so of mask bits.
    pub fn weights(&self) -> usize {
        self.widths.windows(2).map(|pair| pair[0] * pair[1]).sum()
    }

    /// Number of biases.
    pub fn biases(&self) -> usize {
        self.widths[1..].iter().sum()
    }

    /// Bytes of the weights and biases; more than there are where 64 bits do not hold them.
    pub fn bytes(&self) -> u64 {
        let biases = self.widths[1..].iter().fold(0, |sum: usize, &width| sum.saturating_add(width));
        product(&[size_of::<f32>(), self.weights().saturating_add(biases)])
    }

    /// Packed words per mask.
    pub fn mask_words(&self) -> usize {
        self.weights().div_ceil(32)
    }
}

/// A network with fixed weights.
///
/// `weights` holds all layers one after the other, each row-major `[outputs, inputs]`; `biases` likewise.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    architecture: Architecture,
    weights: Vec<f32>,
    biases: Vec<f32>,
}

/// Parameters that are not those of the architecture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{architecture} has {} weights and {} biases, but {weights} and {biases} are given",
    .architecture.weights(), .architecture.biases()
)]
pub struct ParameterCountError {
    architecture: Architecture,
    weights: usize,
    biases: usize,
}

impl Network {
    /// SHA-256 of all weights and then all biases, as little-endian 32-bit floats: what a mask belongs to.
    pub fn checksum(&self) -> String {
        let parameters = self.weights().iter().chain(self.biases());
        files::sha256(&parameters.flat_map(|parameter| parameter.to_le_bytes()).collect::<Vec<u8>>())
    }

    /// The network of these parameters.
    ///
    /// # Errors
    /// When there are more or fewer of them than the architecture has.
    pub fn new(
        architecture: Architecture,
        weights: Vec<f32>,
        biases: Vec<f32>,
    ) -> Result<Self, ParameterCountError> {
        if (weights.len(), biases.len()) != (architecture.weights(), architecture.biases()) {
            let (weights, biases) = (weights.len(), biases.len());
            return Err(ParameterCountError { architecture, weights, biases });
        }
        Ok(Self { architecture, weights, biases })
    }

    /// The network whose parameters are all zero.
    pub fn of_zeros(architecture: Architecture) -> Self {
        let (weights, biases) = (vec![0.0; architecture.weights()], vec![0.0; architecture.biases()]);
        Self { architecture, weights, biases }
    }

    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The weights of all layers, one after the other.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The biases of all layers, one after the other.
    pub fn biases(&self) -> &[f32] {
        &self.biases
    }

    /// The weights, to change.
    pub fn weights_mut(&mut self) -> &mut [f32] {
        &mut self.weights
    }

    /// The biases, to change.
    pub fn biases_mut(&mut self) -> &mut [f32] {
        &mut self.biases
    }

    /// The weights of one layer, row-major `[outputs, inputs]`.
    pub fn layer_weights(&self, layer: &Layer) -> &[f32] {
        &self.weights[layer.first_weight..][..layer.weights()]
    }

    /// The biases of one layer, `[outputs]`.
    pub fn layer_biases(&self, layer: &Layer) -> &[f32] {
        &self.biases[layer.first_bias..][..layer.outputs]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_another_number_are_no_network() {
        let architecture: Architecture = vec![2, 3, 2].try_into().expect("valid");
        let new = |weights, biases| Network::new(architecture.clone(), vec![1.0; weights], vec![0.0; biases]);
        assert!(new(12, 5).is_ok());
        for (weights, biases) in [(11, 5), (13, 5), (12, 4), (12, 6)] {
            let error = new(weights, biases).expect_err("another number").to_string();
            assert!(error.contains("has 12 weights and 5 biases"), "{error}");
        }
    }
}
