//! A mask as the products that are left of its network.

use crate::mask;
use crate::network::{Layer, Network};

/// Inputs of a slice: their activations over a tile, 16 KiB, stay in a processor's first cache while all neurons of a
/// layer read them.
pub const SLICE: usize = 64;

/// Biases, and in parts the active inputs, ascending, with their weights. Parts follow each other by layer, then by
/// slice of the layer's inputs, then by neuron, in the order in which kernels go through them.
#[derive(Clone, Debug, Default)]
pub struct ForwardProgram {
    biases: Vec<f32>,
    /// `[parts + 1]`: where each part's products begin.
    starts: Vec<usize>,
    /// The input, counted from the first of its slice, and the weight.
    products: Vec<(u32, f32)>,
}

impl ForwardProgram {
    /// Compiles `mask` of `network`, in place of what was there.
    pub fn compile(&mut self, network: &Network, layers: &[Layer], mask: &[u32]) {
        self.biases.clear();
        self.biases.extend_from_slice(network.biases());
        self.starts.clear();
        self.products.clear();
        for layer in layers {
            for first in (0..layer.inputs).step_by(SLICE) {
                for neuron in 0..layer.outputs {
                    self.starts.push(self.products.len());
                    let row = layer.first_weight + neuron * layer.inputs + first;
                    let width = SLICE.min(layer.inputs - first);
                    for (w, mut word) in mask::words_in(mask, row, width).enumerate() {
                        while word != 0 {
                            let input = w * mask::WORD_BITS + word.trailing_zeros() as usize;
                            self.products.push((input as u32, network.weights()[row + input]));
                            word &= word - 1;
                        }
                    }
                }
            }
        }
        self.starts.push(self.products.len());
    }

    /// The bias of a neuron, counted over all layers.
    pub fn bias(&self, neuron: usize) -> f32 {
        self.biases[neuron]
    }

    /// The products `(input in its slice, weight)` of a part.
    pub fn part(&self, index: usize) -> &[(u32, f32)] {
        &self.products[self.starts[index]..self.starts[index + 1]]
    }

    /// Products per sample.
    pub fn products(&self) -> usize {
        self.products.len()
    }
}
