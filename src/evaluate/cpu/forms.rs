//! Which form each layer takes: by what it is, what stands behind its sums, and how full its mask is.

use super::reduce::{Reduction, Rest};
use crate::network::{Activation, Layer, LayerKind};

/// Sums of fewer terms on average leave none of them out: which are left changes from block to block, and a
/// mispredicted branch takes as long as some terms.
const SKIP_FROM_TERMS: usize = 8;

/// Above this share of active weights multiplying by zero is cheaper than skipping (measured on
/// [64, 512, 512, 10] and [784, 300, 100, 10] with AVX-512).
const DENSE_ABOVE: f64 = 0.85;

/// Above this share of active weights a layer goes sample by sample, masked weights being multiplied by zero: it
/// breaks even at 0.55 between layers of 512 neurons, at 0.7 between layers of 100.
const WIDE_ABOVE: f64 = 0.65;

/// Layers with fewer inputs or outputs than this never go sample by sample: a sample's sums would be over soon.
const WIDE_AT_LEAST: usize = 64;

/// Nor do layers of networks with fewer features than this: of samples that lie so near each other, a block
/// leaves out about as much (measured with 2 to 32 features).
const WIDE_FEATURES: usize = 16;

/// Layers with fewer rows or inputs than this are never dense: their tiles would be mostly padding.
const DENSE_AT_LEAST: usize = 8;

/// First layers of up to so many inputs are bounded block by block (`bounds`): with more, the ranges of a
/// block's features hardly ever keep a neuron silent.
const BOUNDED_INPUTS: usize = 4;

/// Layers of fewer rows are not bounded, where it takes longer than computing them.
const LEAST_BOUNDED: usize = 8;

/// Second hidden layers are bounded from so many blocks on, where they do not feed two outputs: the samples of
/// a block lie near enough to each other then (measured with 2,000 to 50,000 samples).
const BOUNDED_BEHIND_FROM_BLOCKS: usize = 128;

/// Whether there are forms for networks of these layers; others are served by the plain form.
pub fn serve(layers: &[Layer]) -> bool {
    layers.iter().all(|layer| {
        layer.kind == LayerKind::Dense && matches!(layer.activation, Activation::Relu | Activation::Identity)
    })
}

/// Whether the last of these layers, of two outputs, is fused with the hidden one before it, of up to so many inputs,
/// behind whose sums the kernel puts a ReLU.
pub fn fuse(layers: &[Layer], inputs: usize) -> bool {
    let [.., hidden, outputs] = layers else { return false };
    outputs.outputs == 2 && hidden.activation == Activation::Relu && hidden.inputs <= inputs
}

/// Whether the layer at depth `l` goes sample by sample where its mask is dense: it leaves out inputs that are not above
/// zero, which must be zero.
fn may_be_wide(layers: &[Layer], l: usize) -> bool {
    l > 0
        && layers[l - 1].activation.is_zero_below_zero()
        && layers[0].inputs >= WIDE_FEATURES
        && layers[l].inputs.min(layers[l].outputs) >= WIDE_AT_LEAST
}

/// Whether masks of these layers can have some that go sample by sample.
pub fn any_wide(layers: &[Layer]) -> bool {
    (0..layers.len()).any(|l| may_be_wide(layers, l))
}

/// A layer's form, without its weights: one of [`Form`](super::program::Form), or, where the layer feeds two outputs, of
/// [`FeederForm`](super::program::FeederForm).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormKind {
    Sparse,
    SparseBounded,
    Bounded,
    Dense,
    Wide,
}

/// What forms are chosen by.
pub struct Choice<'a> {
    pub layers: &'a [Layer],
    /// What a mask leaves of them.
    pub left: &'a Reduction,
    /// Whether the last two layers are fused.
    pub fused: bool,
    /// Blocks that the samples are cut into.
    pub blocks: usize,
}

impl Choice<'_> {
    /// The form of the layer at depth `l`.
    pub fn form(&self, l: usize) -> FormKind {
        let LayerKind::Dense = self.layers[l].kind;
        match (self.in_tiles(l), l) {
            (Some(form), _) => form,
            (None, 0) if self.is_first_bounded() => FormKind::Bounded,
            (None, 1) if self.is_second_bounded() => FormKind::SparseBounded,
            (None, _) => FormKind::Sparse,
        }
    }

    /// The form in which masked weights are multiplied by zero, where the mask is so full that it pays. To be fused is
    /// worth more, and so is leaving rows out.
    fn in_tiles(&self, l: usize) -> Option<FormKind> {
        let Rest { terms, neurons, .. } = &self.left.layers[l];
        let inputs = self.layers[l].inputs;
        let is_fuller = |share: f64| *terms as f64 > share * (inputs * neurons.len()) as f64;
        if self.feeds_two_outputs(l) {
            None
        } else if may_be_wide(self.layers, l) && is_fuller(WIDE_ABOVE) {
            Some(FormKind::Wide)
        } else if !self.may_be_second_bounded(l)
            && neurons.len().min(inputs) >= DENSE_AT_LEAST
            && is_fuller(DENSE_ABOVE)
        {
            Some(FormKind::Dense)
        } else {
            None
        }
    }

    /// Whether the layer above that at depth `l` is told which neurons are silent, and gains by it.
    pub fn marks_silent(&self, l: usize) -> bool {
        self.layers[l].activation.is_zero_below_zero()
            && l + 1 < self.layers.len()
            && self.has_long_sums(l + 1)
    }

    fn feeds_two_outputs(&self, l: usize) -> bool {
        self.fused && l + 2 == self.layers.len()
    }

    /// Whether leaving out terms pays.
    fn has_long_sums(&self, l: usize) -> bool {
        let Rest { terms, neurons, .. } = &self.left.layers[l];
        self.in_tiles(l).is_some() || *terms >= SKIP_FROM_TERMS * neurons.len()
    }

    /// Whether a bound of a sum tells that a neuron of the layer at depth `l` is silent, and how great it is at most.
    fn is_boundable(&self, l: usize) -> bool {
        let Layer { activation, .. } = self.layers[l];
        l + 1 < self.layers.len() && activation.is_zero_below_zero() && activation.is_monotone()
    }

    /// Whether the rows of the first layer are bounded by the features.
    fn is_first_bounded(&self) -> bool {
        let gains = match self.feeds_two_outputs(0) {
            true => self.feeders_gain_by_bounds(),
            false => !self.left.layers[0].neurons.is_empty() && self.has_long_sums(1),
        };
        self.layers[0].inputs <= BOUNDED_INPUTS && self.is_boundable(0) && gains
    }

    /// Whether bounding the feeders block by block pays: for few, or those with few terms, it takes longer than
    /// computing them (measured on the paper's A to C at densities 0.1, 0.5 and 0.9).
    fn feeders_gain_by_bounds(&self) -> bool {
        let feeders = &self.left.feeders;
        let terms = feeders.iter().map(|feeder| {
            feeder.active.count_ones() as usize + usize::from(feeder.reads[0]) + usize::from(feeder.reads[1])
        });
        feeders.len() >= LEAST_BOUNDED && 2 * terms.sum::<usize>() >= 5 * feeders.len()
    }

    /// Whether the rows of the layer at depth `l` are bounded by the ranges of the first layer's, where those have some.
    fn may_be_second_bounded(&self, l: usize) -> bool {
        l == 1
            && self.is_boundable(l)
            && self.layers[0].inputs <= BOUNDED_INPUTS
            && self.blocks >= BOUNDED_BEHIND_FROM_BLOCKS
    }

    fn is_second_bounded(&self) -> bool {
        let feeders = self.feeds_two_outputs(1);
        let rows = if feeders { self.left.feeders.len() } else { self.left.layers[1].neurons.len() };
        rows >= LEAST_BOUNDED
            && self.is_boundable(1)
            && (feeders || self.may_be_second_bounded(1) && self.has_long_sums(2))
            && self.is_first_bounded()
    }
}
