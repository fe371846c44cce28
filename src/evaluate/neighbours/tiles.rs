//! Samples in tiles of blocks of one class, in the order in which the kernels read them.

use crate::dataset::Samples;
use crate::evaluate::EvaluateError;
use crate::evaluate::vector::{Line, MOST_LANES};
use crate::network::Architecture;
use crate::random;
use bytemuck::{Pod, Zeroable};
use rand::Rng;
use std::ops::Range;

/// Blocks per tile.
pub const BLOCKS: usize = 4;

/// Samples per block: the lanes of a widest vector.
pub const BLOCK_SAMPLES: usize = MOST_LANES;

/// Samples per tile.
pub const TILE: usize = BLOCKS * BLOCK_SAMPLES;

/// The values of a row over a tile, a block in each.
pub type TileRow<V> = [V; BLOCKS];

/// Tiles per chunk where there are many: a row of a chunk is 2 KiB, which a processor fetches ahead, and the
/// outputs of ten classes stay in its first cache.
const CHUNK: usize = 8;

/// From so many tiles on they are many.
const MANY: usize = 128;

/// All ones for a sample, zero for padding.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Valid(pub [u32; BLOCK_SAMPLES]);

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
    largest_class: u32,
}

impl Chunk {
    fn new(samples: &Samples, blocks: &[&[usize]]) -> Self {
        let lines = blocks.len().next_multiple_of(BLOCKS);
        let mut chunk = Self {
            features: vec![Line::zeroed(); lines * samples.width],
            valid: vec![Valid::zeroed(); lines],
            classes: vec![0; lines],
            samples: blocks.iter().map(|block| block.len()).sum(),
            largest_class: 0,
        };
        for (b, block) in blocks.iter().enumerate() {
            chunk.classes[b] = samples.labels[block[0]];
            chunk.largest_class = chunk.largest_class.max(chunk.classes[b]);
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

    /// Whether networks of `architecture` read these features, and have an output for each of the classes.
    pub(super) fn fits(&self, architecture: &Architecture) -> bool {
        self.features.len() == self.lines() * architecture.inputs()
            && (self.largest_class as usize) < architecture.outputs()
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
        let mut blocks: Vec<&[usize]> =
            by_class.iter().flat_map(|of_class| of_class.chunks(BLOCK_SAMPLES)).collect();
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

    /// Do the samples fit networks of `architecture`?
    ///
    /// # Errors
    /// [`EvaluateError::Unsupported`] where their features or their classes are others.
    pub fn check(&self, architecture: &Architecture) -> Result<(), EvaluateError> {
        if self.width != architecture.inputs() {
            return Err(EvaluateError::Unsupported(format!(
                "the network {architecture} reads {} features, but the samples have {}",
                architecture.inputs(),
                self.width
            )));
        }
        if let Some(class) = self.largest_class().filter(|&class| class as usize >= architecture.outputs()) {
            return Err(EvaluateError::Unsupported(format!(
                "the network {architecture} has {} outputs, but a sample is of class {class}",
                architecture.outputs()
            )));
        }
        Ok(())
    }

    /// The `tiles` in order, with padding as it is: features `[width, TILE · tiles]` and the class of each sample.
    /// Padding, also that of tiles beyond the last, has features of 0 and the class `no_class`.
    pub fn columns(&self, tiles: Range<usize>, no_class: u32) -> (Vec<f32>, Vec<u32>) {
        let stride = tiles.len() * TILE;
        let (mut features, mut classes) = (vec![0.0; self.width * stride], vec![no_class; stride]);
        let lines = self.chunks.iter().flat_map(|chunk| (0..chunk.lines()).map(move |line| (chunk, line)));
        let lines = lines.skip(tiles.start * BLOCKS).take(tiles.len() * BLOCKS);
        for (first, (chunk, line)) in (0..).step_by(BLOCK_SAMPLES).zip(lines) {
            for (class, &valid) in classes[first..].iter_mut().zip(&chunk.valid[line].0) {
                *class = if valid == 0 { no_class } else { chunk.classes[line] };
            }
            for feature in 0..self.width {
                let values = &chunk.features[feature * chunk.lines() + line].0;
                features[feature * stride + first..][..BLOCK_SAMPLES].copy_from_slice(values);
            }
        }
        (features, classes)
    }

    /// All values of one feature, those of padding (0) included.
    pub fn feature(&self, index: usize) -> impl Iterator<Item = f32> {
        let lines = self
            .chunks
            .iter()
            .flat_map(move |chunk| &chunk.features[index * chunk.lines()..][..chunk.lines()]);
        lines.flat_map(|line| line.0)
    }

    /// The largest class, if there are samples.
    pub fn largest_class(&self) -> Option<u32> {
        self.chunks.iter().map(|chunk| chunk.largest_class).max()
    }
}
