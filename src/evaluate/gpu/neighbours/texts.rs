//! The texts of both kernels, and what they read beside arrays.

use super::super::wgsl::{with_constants, with_margin_loss};
use super::program::{AFTER, BEFORE, CHANGED, FEATURE, SOURCE};
use crate::evaluate::neighbours::TILE;
use crate::objective::margin::Margin;
use bytemuck::{Pod, Zeroable};

const FORWARD: &str = include_str!("../../../../shaders/neighbours_forward.wgsl");
const SCREEN: &str = include_str!("../../../../shaders/neighbours_screen.wgsl");

/// Threads of a workgroup of both kernels: each of the samples of a tile has one.
pub(super) const THREADS: usize = TILE;

/// Neurons of a workgroup of the forward pass, of a tile of samples.
pub(super) const FORWARD_NEURONS: usize = 16;

/// Words of a tile's cost: the sum of the lower [`LOW_BITS`] bits of its samples' costs, and that of the bits above.
/// Neither overflows, as a sample costs at most 2^30 and a tile has 64.
pub(super) const WORDS: usize = 2;
const LOW_BITS: usize = 21;

/// `Layer` of `shaders/neighbours_forward.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
pub(super) struct LayerWords {
    pub inputs: u32,
    pub outputs: u32,
    pub first_weight: u32,
    pub first_bias: u32,
    pub below: u32,
    pub reads_features: u32,
    pub rows: u32,
    pub stride: u32,
    pub mask_words: u32,
    pub first_sample: u32,
    pub first_neuron: u32,
    pub first_parent: u32,
}

/// `Call` of `shaders/neighbours_screen.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
pub(super) struct Call {
    pub stride: u32,
    pub rows: u32,
    pub classes: u32,
    pub slots: u32,
    pub first_tile: u32,
    pub tiles: u32,
    pub commit: u32,
    pub first_sample: u32,
}

pub(in crate::evaluate::gpu) fn forward() -> String {
    with_constants(&[("THREADS", THREADS), ("NEURONS", FORWARD_NEURONS)], FORWARD)
}

pub(in crate::evaluate::gpu) fn screen() -> String {
    let constants = [
        ("THREADS", THREADS),
        ("LOW_BITS", LOW_BITS),
        ("CHANGED", CHANGED as usize),
        ("SOURCE", SOURCE as usize),
        ("FEATURE", FEATURE as usize),
        ("BEFORE", BEFORE as usize),
        ("AFTER", AFTER as usize),
    ];
    with_constants(&constants, &with_margin_loss(SCREEN))
}

/// What makes costs steps of the loss with `margin`, or wrong samples.
pub(in crate::evaluate::gpu) fn costs_by(margin: Option<Margin>) -> [(&'static str, f64); 4] {
    let [tau, scale, enough] =
        margin.map_or([0.0; 3], |margin| [margin.tau(), margin.scale(), margin.enough()]).map(f64::from);
    [("MARGIN", f64::from(u8::from(margin.is_some()))), ("TAU", tau), ("SCALE", scale), ("ENOUGH", enough)]
}

/// The costs of tiles from their words.
pub(super) fn tile_costs(words: &[u32]) -> Vec<u64> {
    words.chunks_exact(WORDS).map(|cost| u64::from(cost[0]) + (u64::from(cost[1]) << LOW_BITS)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::program::ProposalWords;
    use super::*;
    use crate::evaluate::gpu::wgsl::tests::{assert_lies_as, offsets};

    #[test]
    fn what_is_uploaded_lies_in_memory_as_the_kernels_read_it() {
        let fields = offsets!(
            LayerWords: inputs, outputs, first_weight, first_bias, below, reads_features, rows, stride, mask_words,
            first_sample, first_neuron, first_parent
        );
        assert_lies_as(&forward(), "Layer", size_of::<LayerWords>(), fields);
        let fields = offsets!(Call: stride, rows, classes, slots, first_tile, tiles, commit, first_sample);
        assert_lies_as(&screen(), "Call", size_of::<Call>(), fields);
        let fields = offsets!(ProposalWords: parent, tiles, first_change, changes, first_term, first_output);
        assert_lies_as(&screen(), "Proposal", size_of::<ProposalWords>(), fields);
    }

    #[test]
    fn words_make_costs_again() {
        assert_eq!(tile_costs(&[5, 0, 0, 3]), [5, 3 << 21]);
        // A tile of samples that all saturate.
        assert_eq!(tile_costs(&[0, 64 << 9]), [64 << 30]);
    }
}
