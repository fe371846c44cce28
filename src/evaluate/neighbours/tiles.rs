//! Samples in tiles of blocks of one class, in the order in which the kernels read them.

use super::lanes::LANES;
use crate::dataset::Samples;
use crate::random;
use bytemuck::{Pod, Zeroable};
use rand::Rng;

/// Blocks per tile.
pub const BLOCKS: usize = 4;

/// Samples per tile.
pub const TILE: usize = BLOCKS * LANES;

/// Tiles per chunk where there are many: a row of a chunk is 2 KiB, which a processor fetches ahead, and the
/// outputs of ten classes stay in its first cache.
const CHUNK: usize = 8;

/// From so many tiles on they are many.
const MANY: usize = 128;

/// A block's values: one cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Line(pub [f32; LANES]);

/// All ones for a sample, zero for padding.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Valid(pub [u32; LANES]);

/// Samples as chunks of tiles of blocks.
///
/// All samples of a block are of one class, so that a kernel knows the right output without a look-up. A
/// class's last block is padded; blocks stand in random order, so that any few tiles are a random sample.
#[derive(Clone, Debug)]
pub struct Tiles {
    pub(super) chunks: Vec<Chunk>,
    width: usize,
    samples: usize,
}

/// Neighbouring tiles, whose values of one feature lie side by side.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// `[feature][tile][block]`
    pub(super) features: Vec<Line>,
    /// `[tile][block]`
    pub(super) valid: Vec<Valid>,
    /// `[tile][block]`: the class of the block's samples.
    pub(super) classes: Vec<u32>,
    samples: usize,
}

impl Chunk {
    fn new(samples: &Samples, blocks: &[&[usize]]) -> Self {
        let lines = blocks.len().next_multiple_of(BLOCKS);
        let mut chunk = Self {
            features: vec![Line::zeroed(); lines * samples.width],
            valid: vec![Valid::zeroed(); lines],
            classes: vec![0; lines],
            samples: blocks.iter().map(|block| block.len()).sum(),
        };
        for (b, block) in blocks.iter().enumerate() {
            chunk.classes[b] = samples.labels[block[0]];
            for (lane, &n) in block.iter().enumerate() {
                chunk.valid[b].0[lane] = u32::MAX;
                let features = &samples.features[n * samples.width..][..samples.width];
                for (i, &value) in features.iter().enumerate() {
                    chunk.features[i * lines + b].0[lane] = value;
                }
            }
        }
        chunk
    }

    /// Lines of a row, which are those of one feature or neuron.
    pub(super) fn lines(&self) -> usize {
        self.classes.len()
    }

    /// Number of tiles.
    pub fn tiles(&self) -> usize {
        self.lines() / BLOCKS
    }

    /// Number of samples, without padding.
    pub fn samples(&self) -> usize {
        self.samples
    }
}

impl Tiles {
    /// Rearranges those of `samples` that `chosen` lists.
    pub fn new(samples: &Samples, chosen: &[usize], rng: &mut impl Rng) -> Self {
        let classes = samples.labels.iter().max().map_or(0, |&label| label as usize + 1);
        let mut by_class: Vec<Vec<usize>> = vec![Vec::new(); classes];
        for &n in chosen {
            by_class[samples.labels[n] as usize].push(n);
        }
        let mut blocks: Vec<&[usize]> = by_class.iter().flat_map(|of_class| of_class.chunks(LANES)).collect();
        random::shuffle(&mut blocks, rng);
        let tiles = if blocks.len() < MANY * BLOCKS { 1 } else { CHUNK };
        Self {
            chunks: blocks.chunks(tiles * BLOCKS).map(|blocks| Chunk::new(samples, blocks)).collect(),
            width: samples.width,
            samples: chosen.len(),
        }
    }

    /// Tiles in neighbouring places.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Number of tiles.
    pub fn count(&self) -> usize {
        self.chunks.iter().map(Chunk::tiles).sum()
    }

    /// Number of samples, without padding.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Features per sample.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The largest class, if there are samples.
    pub fn largest_class(&self) -> Option<u32> {
        self.chunks.iter().flat_map(|chunk| &chunk.classes).max().copied()
    }
}
