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

/// A block's values: one cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Line(pub [f32; LANES]);

/// All ones for a sample, zero for padding.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Valid(pub [u32; LANES]);

/// Samples as `[tile][feature][block]`.
///
/// All samples of a block are of one class, so that a kernel knows the right output without a look-up. A
/// class's last block is padded; blocks stand in random order, so that any few tiles are a random sample.
#[derive(Clone, Debug)]
pub struct Tiles {
    pub(super) features: Vec<Line>,
    /// `[tile][block]`
    pub(super) valid: Vec<Valid>,
    /// `[tile][block]`: the class of the block's samples.
    pub(super) classes: Vec<u32>,
    width: usize,
    samples: usize,
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
        for last in (1..blocks.len()).rev() {
            blocks.swap(last, random::index(rng, last + 1));
        }
        let count = blocks.len().div_ceil(BLOCKS);
        let mut tiles = Self {
            features: vec![Line::zeroed(); count * samples.width * BLOCKS],
            valid: vec![Valid::zeroed(); count * BLOCKS],
            classes: vec![0; count * BLOCKS],
            width: samples.width,
            samples: chosen.len(),
        };
        for (b, block) in blocks.into_iter().enumerate() {
            tiles.classes[b] = samples.labels[block[0]];
            let (tile, within) = (b / BLOCKS, b % BLOCKS);
            for (lane, &n) in block.iter().enumerate() {
                tiles.valid[b].0[lane] = u32::MAX;
                for (i, &value) in samples.features[n * samples.width..][..samples.width].iter().enumerate() {
                    tiles.features[(tile * samples.width + i) * BLOCKS + within].0[lane] = value;
                }
            }
        }
        tiles
    }

    /// Number of tiles.
    pub fn count(&self) -> usize {
        self.classes.len() / BLOCKS
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
        self.classes.iter().max().copied()
    }
}
