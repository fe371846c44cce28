//! Chunks of samples through whole masked networks.

use super::kept::Kept;
use super::landscape::Landscape;
use super::program::{ForwardProgram, SLICE};
use super::tiles::{BLOCKS, Chunk, TileRow};
use crate::evaluate::vector::{Lanes, Line, MOST_LANES, add_product};

/// Computes all pre-activations of `chunk` exactly, and keeps them.
///
/// # Safety
/// The processor has `V`'s instructions, and what is kept fits the landscape and the chunk.
#[inline(always)]
pub unsafe fn forward<V: Lanes>(
    landscape: &Landscape,
    chunk: &Chunk,
    program: &ForwardProgram,
    kept: &mut Kept,
) {
    let lines = chunk.lines();
    let mut slice = [Line([0.0; MOST_LANES]); SLICE * BLOCKS];
    for tile in 0..chunk.tiles() {
        let mut part = 0;
        for (depth, layer) in landscape.layers().iter().enumerate() {
            let (below, own) = kept.layers.split_at_mut(depth);
            let below = below.last().map_or(&chunk.features, |below| below);
            // SAFETY: by this function's contract, both layers have all rows, of which a tile's lines are touched;
            // inputs lie in their slice.
            unsafe {
                let below = below.as_ptr().add(tile * BLOCKS);
                let own = own[0].as_mut_ptr().add(tile * BLOCKS);
                for first in (0..layer.inputs).step_by(SLICE) {
                    for input in first..layer.inputs.min(first + SLICE) {
                        let values = TileRow::<V>::load(below.add(input * lines).cast());
                        let values = if depth == 0 { values } else { values.relu() };
                        values.store(slice.as_mut_ptr().add((input - first) * BLOCKS).cast());
                    }
                    let values = slice.as_ptr();
                    for neuron in 0..layer.outputs {
                        let row = own.add(neuron * lines);
                        let bias = V::splat(program.bias(layer.first_bias + neuron));
                        let mut acc =
                            if first == 0 { [bias; BLOCKS] } else { TileRow::<V>::load(row.cast()) };
                        for &(input, weight) in program.part(part) {
                            let values = TileRow::<V>::load(values.add(input as usize * BLOCKS).cast());
                            add_product(&mut acc, V::splat(weight), values);
                        }
                        acc.store(row.cast());
                        part += 1;
                    }
                }
            }
        }
    }
}
