//! Samples in blocks, in the order in which the kernels read them.

use crate::dataset::Samples;
use bytemuck::{Pod, Zeroable};

/// One cache line: keeps every vector load within a line.
#[repr(C, align(64))]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Line([f32; 16]);

/// Zeroed f32 values that start on a cache line.
pub struct AlignedValues {
    lines: Vec<Line>,
}

impl AlignedValues {
    /// At least `length` zeros.
    pub fn zeroed(length: usize) -> Self {
        Self { lines: vec![Line::zeroed(); length.div_ceil(16)] }
    }

    pub fn as_slice(&self) -> &[f32] {
        bytemuck::cast_slice(&self.lines)
    }

    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(&mut self.lines)
    }
}

/// The label of padding: no class has it.
pub const NO_CLASS: f32 = -1.0;

/// Samples as `[block][feature][sample]`, the last block padded with zeros.
pub struct Blocks {
    features: AlignedValues,
    /// `[block][sample]`: the class as a float, exact, or [`NO_CLASS`].
    labels: AlignedValues,
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
        let count = samples.len().div_ceil(block);
        let mut features = AlignedValues::zeroed(count * block * samples.width);
        let mut labels = AlignedValues::zeroed(count * block);
        labels.as_mut_slice().fill(NO_CLASS);
        for (n, sample) in samples.features.chunks_exact(samples.width).enumerate() {
            let first = (n / block) * block * samples.width + n % block;
            for (i, &value) in sample.iter().enumerate() {
                features.as_mut_slice()[first + i * block] = value;
            }
        }
        for (slot, &label) in labels.as_mut_slice().iter_mut().zip(&samples.labels) {
            *slot = if (label as usize) < classes { label as f32 } else { NO_CLASS };
        }
        Self { features, labels, width: samples.width, block, samples: samples.len() }
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

    /// The labels of the block at `index`.
    pub fn labels(&self, index: usize) -> &[f32] {
        &self.labels.as_slice()[index * self.block..][..self.block]
    }

    /// Samples in the block at `index`, padding excluded.
    pub fn samples_in(&self, index: usize) -> usize {
        self.block.min(self.samples - index * self.block)
    }
}
