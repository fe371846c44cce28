//! A mask as the products that are left of its network.

use crate::mask;
use crate::network::{Layer, Network};

/// Per neuron its bias and its active inputs, ascending, with their weights.
#[derive(Clone, Debug, Default)]
pub struct Program {
    biases: Vec<f32>,
    /// `[neurons + 1]`: where each neuron's products begin.
    starts: Vec<usize>,
    products: Vec<(u32, f32)>,
}

impl Program {
    /// Compiles `mask` of `network`, in place of what was there.
    pub fn compile(&mut self, network: &Network, layers: &[Layer], mask: &[u32]) {
        self.biases.clone_from(&network.biases);
        self.starts.clear();
        self.products.clear();
        for layer in layers {
            for neuron in 0..layer.outputs {
                self.starts.push(self.products.len());
                let row = layer.first_weight + neuron * layer.inputs;
                for (w, mut word) in mask::words_in(mask, row, layer.inputs).enumerate() {
                    while word != 0 {
                        let input = w * mask::WORD_BITS + word.trailing_zeros() as usize;
                        self.products.push((input as u32, network.weights[row + input]));
                        word &= word - 1;
                    }
                }
            }
        }
        self.starts.push(self.products.len());
    }

    /// The bias and the products `(input, weight)` of a neuron, counted over all layers.
    pub fn neuron(&self, index: usize) -> (f32, &[(u32, f32)]) {
        (self.biases[index], &self.products[self.starts[index]..self.starts[index + 1]])
    }

    /// Products per sample.
    pub fn products(&self) -> usize {
        self.products.len()
    }
}
