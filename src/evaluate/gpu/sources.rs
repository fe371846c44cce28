//! What is compiled for one architecture: texts, and the constants that pipelines set. Needs no device.

use super::fused::{Fused, FusedShape};
use super::kernel::{COUNT_THREADS, Kernel};
use super::tiled::{self, LayerPart};
use super::wgsl::{BATCH, DetailLayout, judging};
use crate::network::Architecture;
use crate::objective::Needs;

/// What a kernel is compiled for: what is made of the predictions of a batch's masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    /// Counts of correct ones.
    Counts,
    /// Counts of correct ones, and margin losses.
    Margins,
    /// Counts of correct ones, and cross-entropies.
    CrossEntropy,
    /// Counts of wrong ones; a mask with too many is given up.
    Minimum,
    /// More of them, which no kernel that judges keeps.
    Detail(Needs),
}

/// A kernel as text, with the constants that are the same for all variants.
#[derive(Clone, Debug)]
pub(super) struct KernelSource {
    pub label: String,
    pub entry_point: &'static str,
    pub text: String,
    constants: Vec<(&'static str, f64)>,
    /// Does the kernel judge predictions? Else it computes a layer, which is the same for losses and counts.
    judges: bool,
}

impl Variant {
    /// Does a loss come back beside each count?
    pub fn has_losses(self) -> bool {
        matches!(self, Self::Margins | Self::CrossEntropy)
    }

    /// The place of a kernel's pipeline of this variant among its [`PIPELINES`].
    pub fn place(self) -> usize {
        match self {
            Self::Counts | Self::Detail(_) => 0,
            Self::Margins => 1,
            Self::CrossEntropy => 2,
            Self::Minimum => 3,
        }
    }
}

/// Pipelines that a kernel may have.
pub(super) const PIPELINES: usize = 4;

impl KernelSource {
    /// The variant of this kernel that serves where `variant` is wanted.
    pub fn serving(&self, variant: Variant) -> Variant {
        match variant {
            Variant::Margins | Variant::CrossEntropy if !self.judges => Variant::Counts,
            // A layer is the same; the last kernel is one of its own.
            Variant::Detail(_) => Variant::Counts,
            _ => variant,
        }
    }

    /// What the pipeline of `variant` sets.
    pub fn constants(&self, variant: Variant) -> Vec<(&'static str, f64)> {
        let mut constants = self.constants.clone();
        constants.push(("MINIMUM", switch(variant == Variant::Minimum)));
        if self.judges {
            constants.push(("LOSS", switch(variant.has_losses())));
            constants.push(("CROSS_ENTROPY", switch(variant == Variant::CrossEntropy)));
        }
        constants
    }

    /// The fused kernel. Sums are made over subgroups first, where there are `subgroups`.
    pub fn fused(fused: &Fused, shape: &FusedShape, subgroups: bool) -> Self {
        Self {
            label: "fused".to_owned(),
            entry_point: "score",
            text: judging(&fused.text(shape), subgroups),
            constants: Vec::new(),
            judges: true,
        }
    }

    /// The text of the last kernel where `kept` is wanted, whose entry point is `detail`: the fused one, or, without it,
    /// the one that follows the last tiled layer. It sets no constants.
    pub fn detail(kernel: &Kernel, kept: &DetailLayout) -> String {
        kept.text(&match kernel {
            Kernel::Fused(fused, shape) => fused.detail_text(shape, kept),
            Kernel::Tiled(_) => tiled::detail_text(kept),
        })
    }

    /// The tiled kernel of a part of a layer.
    pub fn tiled(architecture: &Architecture, part: &LayerPart) -> Self {
        let LayerPart { layer, tile, .. } = part;
        let is_last = layer.first_bias + layer.outputs == architecture.biases();
        Self {
            label: format!(
                "tiled, {} to {}, by {} and {}",
                layer.inputs,
                layer.outputs,
                tile.tile_rows(),
                tile.tile_vectors() * tiled::LANES
            ),
            entry_point: "multiply",
            text: format!("{BATCH}{}", part.text()),
            constants: vec![
                ("INPUTS", layer.inputs as f64),
                ("OUTPUTS", layer.outputs as f64),
                ("FIRST_NEURON", part.first as f64),
                ("NEURONS", part.neurons as f64),
                ("FIRST_BIT", part.first_bit() as f64),
                ("PART_PARAMETERS", part.parameters() as f64),
                ("MASK_WORDS", architecture.mask_words() as f64),
                ("HIDDEN", switch(!is_last)),
                ("FIRST_LAYER", switch(layer.first_bias == 0)),
            ],
            judges: false,
        }
    }

    /// The kernel that follows the last tiled layer.
    pub fn count(architecture: &Architecture, subgroups: bool) -> Self {
        Self {
            label: "count".to_owned(),
            entry_point: "count",
            text: judging(tiled::COUNT, subgroups),
            constants: vec![("OUTPUTS", architecture.outputs() as f64), ("THREADS", COUNT_THREADS as f64)],
            judges: true,
        }
    }

    /// Everything that is compiled where `kernel` serves.
    #[cfg(test)]
    pub fn all(architecture: &Architecture, kernel: &Kernel, subgroups: bool) -> Vec<Self> {
        match kernel {
            Kernel::Fused(fused, shape) => vec![Self::fused(fused, shape, subgroups)],
            Kernel::Tiled(parts) => {
                let parts = parts.iter().map(|part| Self::tiled(architecture, part));
                parts.chain([Self::count(architecture, subgroups)]).collect()
            }
        }
    }
}

fn switch(on: bool) -> f64 {
    f64::from(u8::from(on))
}
