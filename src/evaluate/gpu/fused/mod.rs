//! The fused kernel for one architecture: its stages and the order of its parameters.
//!
//! The layers are cut into [`Stage`]s such that no activation is ever indexed by a variable: values that
//! one stage hands to the next lie in named registers. A wide hidden layer never exists as a whole: a
//! [`Stage::Pair`] computes one hidden neuron at a time and adds its contribution to every neuron of the
//! layer behind it.

mod text;

use crate::mask;
use crate::network::{Architecture, Layer};
use serde::{Deserialize, Serialize};

/// Parameters are staged in vectors of this many.
const QUAD: usize = 4;
/// A network of at most this many features keeps a sample's features in registers.
const MAX_NAMED_FEATURES: usize = 16;
/// Values that a thread holds in registers at once, for one sample.
const MAX_NAMED_VALUES: usize = 128;
/// The mark of a parameter that no mask removes, in the place of its mask bit.
pub const ALWAYS_KEPT: u32 = 1 << 31;
/// How the kernel is cut to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FusedShape {
    /// Threads of a workgroup.
    pub threads: usize,
    /// Samples in one vector: 1, 2 or 4.
    pub lanes: usize,
    /// Vectors that a thread carries through the layers together.
    pub sets: usize,
    /// Blocks of `threads * sets` vectors that a workgroup takes one after the other.
    pub blocks: usize,
    /// Write every neuron out instead of looping over them.
    pub unrolled: bool,
    /// Hide from compilers that all threads read the same parameters. RDNA3's otherwise moves each, an instruction
    /// a parameter, to a scalar register; Intel's needs to know for loads of a whole subgroup at once.
    pub scattered: bool,
}

impl FusedShape {
    /// Vectors of samples that a workgroup covers.
    pub fn group_vectors(&self) -> usize {
        self.threads * self.sets * self.blocks
    }
}

/// A step through the layers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// The features become named values.
    Features,
    /// The first layer, input by input, with all its neurons as named values.
    Outer(Layer),
    /// Two layers: each neuron of the first, then its contributions to the neurons of the second, which
    /// are the named values.
    Pair(Layer, Layer),
    /// The last layer, neuron by neuron, all of them named values.
    Dense(Layer),
}

/// A parameter in the order in which the kernel reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    Weight(usize),
    Bias(usize),
    Padding,
}

/// A kernel for one architecture, or `None` where too many values would have to be held in registers.
#[derive(Clone, Debug)]
pub struct Fused {
    stages: Vec<Stage>,
    outputs: usize,
    inputs: usize,
    mask_words: usize,
}

/// The vectors that hold `count` parameters.
fn quads(count: usize) -> usize {
    count.div_ceil(QUAD)
}

impl Fused {
    pub fn new(architecture: &Architecture) -> Option<Self> {
        let mut layers: Vec<Layer> = architecture.layers().rev().collect();
        let mut stages = Vec::new();
        let named_features = layers.len().is_multiple_of(2) && architecture.inputs() <= MAX_NAMED_FEATURES;
        if named_features {
            stages.push(Stage::Features);
        } else {
            stages.push(Stage::Outer(layers.pop()?));
        }
        while let Some(layer) = layers.pop() {
            stages.push(match layers.pop() {
                Some(next) => Stage::Pair(layer, next),
                None => Stage::Dense(layer),
            });
        }
        let fused = Self {
            stages,
            outputs: architecture.outputs(),
            inputs: architecture.inputs(),
            mask_words: architecture.mask_words(),
        };
        (fused.named_values() <= MAX_NAMED_VALUES).then_some(fused)
    }

    /// The most values that a thread holds at once, for one sample.
    pub fn named_values(&self) -> usize {
        let mut held = 0;
        let mut most = 0;
        for stage in &self.stages {
            let made = match stage {
                Stage::Features => self.inputs,
                Stage::Outer(layer) | Stage::Dense(layer) => layer.outputs,
                Stage::Pair(_, layer) => layer.outputs + 1,
            };
            most = most.max(held + made);
            held = made;
        }
        most
    }

    /// The parameters in the order in which the kernel reads them; a multiple of four.
    pub fn slots(&self) -> Vec<Slot> {
        let mut slots = Vec::new();
        for stage in &self.stages {
            match *stage {
                Stage::Features => {}
                Stage::Outer(layer) => {
                    push_row(&mut slots, (0..layer.outputs).map(|o| Slot::Bias(layer.first_bias + o)));
                    for i in 0..layer.inputs {
                        push_row(&mut slots, (0..layer.outputs).map(|o| weight(&layer, o, i)));
                    }
                }
                Stage::Pair(layer, next) => {
                    push_row(&mut slots, (0..next.outputs).map(|o| Slot::Bias(next.first_bias + o)));
                    for h in 0..layer.outputs {
                        let incoming = (0..layer.inputs).map(|i| weight(&layer, h, i));
                        let outgoing = (0..next.outputs).map(|o| weight(&next, o, h));
                        let bias = [Slot::Bias(layer.first_bias + h)];
                        push_row(&mut slots, bias.into_iter().chain(incoming).chain(outgoing));
                    }
                }
                Stage::Dense(layer) => {
                    for o in 0..layer.outputs {
                        let bias = [Slot::Bias(layer.first_bias + o)];
                        let incoming = (0..layer.inputs).map(|i| weight(&layer, o, i));
                        push_row(&mut slots, bias.into_iter().chain(incoming));
                    }
                }
            }
        }
        slots
    }

    /// Vectors of four parameters that [`slots`](Self::slots) fills.
    pub fn staged_quads(&self) -> usize {
        self.slots().len() / QUAD
    }

    /// Multiply-adds per sample that a kernel of `shape` executes for `mask`. Loops skip hidden neurons whose
    /// outgoing weights are all masked, where two layers are taken together; nothing else is skipped.
    pub fn multiply_adds(&self, shape: &FusedShape, mask: &[u32]) -> u64 {
        let of = |stage: &Stage| match stage {
            Stage::Features => 0,
            Stage::Outer(layer) | Stage::Dense(layer) => layer.weights(),
            Stage::Pair(layer, next) => {
                let is_read = |h: usize| {
                    let mut outgoing = (0..next.outputs).map(|o| next.first_weight + o * next.inputs + h);
                    shape.unrolled || outgoing.any(|bit| mask::get(mask, bit))
                };
                (0..layer.outputs).filter(|&h| is_read(h)).count() * (layer.inputs + next.outputs)
            }
        };
        self.stages.iter().map(of).sum::<usize>() as u64
    }

    /// Bytes of workgroup memory: the masked parameters, the workgroup's count, its loss, and whether it rests.
    pub fn workgroup_bytes(&self) -> usize {
        self.staged_quads() * 16 + 16
    }
}

/// Adds `row`, filled up to whole vectors.
fn push_row(slots: &mut Vec<Slot>, row: impl Iterator<Item = Slot>) {
    slots.extend(row);
    slots.resize(quads(slots.len()) * QUAD, Slot::Padding);
}

fn weight(layer: &Layer, output: usize, input: usize) -> Slot {
    Slot::Weight(layer.first_weight + output * layer.inputs + input)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn fused(widths: &[usize]) -> Fused {
        let architecture: Architecture = widths.to_vec().try_into().expect("a valid architecture");
        Fused::new(&architecture).expect("few enough values")
    }

    #[test]
    fn every_parameter_is_staged_exactly_once() {
        for widths in [&[2, 20, 2][..], &[2, 50, 50, 2], &[64, 20, 10], &[64, 50, 50, 10], &[3, 5, 4, 6, 2]] {
            let architecture: Architecture = widths.to_vec().try_into().expect("a valid architecture");
            let slots = fused(widths).slots();
            for (kind, count) in [(0, architecture.weights()), (1, architecture.biases())] {
                let mut seen: Vec<usize> = slots
                    .iter()
                    .filter_map(|slot| match (kind, *slot) {
                        (0, Slot::Weight(n)) | (1, Slot::Bias(n)) => Some(n),
                        _ => None,
                    })
                    .collect();
                seen.sort_unstable();
                assert_eq!(seen, (0..count).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn loops_skip_hidden_neurons_that_nothing_reads() {
        let fused = fused(&[2, 3, 2]);
        let mut mask = vec![0];
        // The second hidden neuron feeds output 0.
        mask::flip(&mut mask, 6 + 1);
        let shape =
            FusedShape { threads: 64, lanes: 4, sets: 1, blocks: 1, unrolled: false, scattered: false };
        assert_eq!(fused.multiply_adds(&shape, &mask), 4);
        assert_eq!(fused.multiply_adds(&FusedShape { unrolled: true, ..shape }, &mask), 12);
    }

    #[test]
    fn a_layer_too_wide_for_registers_has_no_fused_kernel() {
        let architecture: Architecture = vec![64, 512, 512, 10].try_into().expect("a valid architecture");
        assert!(Fused::new(&architecture).is_none());
    }
}
