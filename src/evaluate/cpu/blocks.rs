//! Samples in blocks, in the order in which the kernels read them.
//!
//! Samples that are near each other share a block: a hidden neuron is then often silent for a whole block,
//! which the kernels skip. A count does not depend on the order.

use super::aligned::AlignedValues;
use super::bits::{Bits, CHUNK};
use super::order;
use crate::dataset::Samples;

/// The label of padding: no class has it.
pub const NO_CLASS: f32 = -1.0;

/// Samples as `[block][feature][sample]`, the last block padded with zeros.
pub struct Blocks {
    features: AlignedValues,
    /// `[block][sample]`: the class as a float, exact, or [`NO_CLASS`].
    labels: AlignedValues,
    /// `[block][feature]`: least and greatest value.
    ranges: Vec<[f32; 2]>,
    /// `[block][chunk]`: the features that are not zero in every sample.
    present: Vec<u64>,
    /// `[block][sample]`, without padding: where each stands in the data.
    order: Vec<u32>,
    /// Features per sample.
    width: usize,
    /// Samples per block.
    block: usize,
    samples: usize,
}

impl Blocks {
    /// Rearranges `samples` into blocks of `block`. Labels that no network with `classes` outputs can
    /// predict never match.
    pub fn new(samples: &Samples, block: usize, classes: usize) -> Self {
        let (count, width) = (samples.len().div_ceil(block), samples.width);
        let mut features = AlignedValues::zeroed(count * block * width);
        let mut labels = AlignedValues::zeroed(count * block);
        labels.as_mut_slice().fill(NO_CLASS);
        let order = order::near_together(samples, block);
        for (n, &from) in order.iter().enumerate() {
            let from = from as usize;
            let first = (n / block) * block * width + n % block;
            for (i, &value) in samples.features[from * width..][..width].iter().enumerate() {
                features.as_mut_slice()[first + i * block] = value;
            }
            let label = samples.labels[from];
            labels.as_mut_slice()[n] = if (label as usize) < classes { label as f32 } else { NO_CLASS };
        }
        let (mut ranges, mut present) = (Vec::new(), Vec::new());
        for block in features.as_slice()[..count * block * width].chunks_exact(width * block) {
            let mut used = Bits::default();
            used.clear(width);
            for (i, values) in block.chunks_exact(block.len() / width).enumerate() {
                let range = values
                    .iter()
                    .fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], &v| [low.min(v), high.max(v)]);
                ranges.push(range);
                if range != [0.0; 2] {
                    used.set(i);
                }
            }
            present.extend_from_slice(used.chunks());
        }
        Self { features, labels, ranges, present, order, width, block, samples: samples.len() }
    }

    /// Number of blocks.
    pub fn count(&self) -> usize {
        self.samples.div_ceil(self.block)
    }

    /// The features `[feature][sample]` of the block at `index`.
    pub fn features(&self, index: usize) -> &[f32] {
        let size = self.width * self.block;
        &self.features.as_slice()[index * size..][..size]
    }

    /// `[feature]`: least and greatest value in the block at `index`, padding included.
    pub fn ranges(&self, index: usize) -> &[[f32; 2]] {
        &self.ranges[index * self.width..][..self.width]
    }

    /// `[chunk]`: the features that are not zero throughout the block at `index`.
    pub fn present(&self, index: usize) -> &[u64] {
        let chunks = self.width.div_ceil(CHUNK);
        &self.present[index * chunks..][..chunks]
    }

    /// The labels of the block at `index`.
    pub fn labels(&self, index: usize) -> &[f32] {
        &self.labels.as_slice()[index * self.block..][..self.block]
    }

    /// Where the samples of the block at `index` stand in the data, padding left out.
    pub fn order(&self, index: usize) -> &[u32] {
        &self.order[index * self.block..][..self.samples_in(index)]
    }

    /// Samples in the block at `index`, padding excluded.
    pub fn samples_in(&self, index: usize) -> usize {
        self.block.min(self.samples - index * self.block)
    }
}
