//! How samples and proposals are cut so that every buffer fits: a pure function.

use super::super::plan::Limits;
use crate::evaluate::EvaluateError;
use crate::evaluate::neighbours::TILE;
use crate::memory::{amount, product};
use crate::network::Architecture;
use std::ops::Range;

/// Where the parents' pre-activations are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// On the device, all of them.
    Resident,
    /// Nowhere: each chunk of samples is computed when it is looked at.
    Recomputed,
}

/// How samples and proposals are cut so that every buffer fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    pub keeping: Keeping,
    /// Parents that there is room for.
    pub places: usize,
    /// Chunks of samples.
    pub chunks: usize,
    /// Samples of each chunk, padding included.
    pub stride: usize,
    /// Changes that the proposals of one dispatch make together, at most.
    pub slots: usize,
}

impl MemoryPlan {
    /// For `parents` parents of `architecture` on `samples` samples, in `memory` bytes where possible.
    ///
    /// # Errors
    /// [`EvaluateError::Unsupported`] where not even a workgroup's samples fit, or the parents' masks do not.
    pub fn new(
        architecture: &Architecture,
        samples: usize,
        parents: usize,
        limits: &Limits,
        memory: u64,
    ) -> Result<Self, EvaluateError> {
        let rows = architecture.biases();
        let binding = limits.binding_bytes.min(limits.buffer_bytes) as usize;
        // A sample takes a float per kept row and feature, and two per slot of the largest proposal.
        let per_sample = 4 * architecture.inputs().max(parents * rows).max(2 * rows);
        let most = binding / per_sample / TILE * TILE;
        let most = most.min(limits.groups_per_dimension as usize * TILE);
        let mask_bytes = product(&[parents, architecture.mask_words(), 4]);
        if mask_bytes > binding as u64 {
            return Err(EvaluateError::Unsupported(format!(
                "the masks of {parents} parents of {architecture} take {}, but a buffer of this device binds {}; use \
                 --adapter cpu",
                amount(mask_bytes),
                amount(binding as u64)
            )));
        }
        // Where that fits, so does a neuron's row of weights, and layers come in parts of such rows.
        if most == 0 {
            return Err(EvaluateError::Unsupported(format!(
                "{parents} parents of {architecture} need {} bytes for {TILE} samples, but a buffer of this \
                 device binds {binding}; search with fewer chains",
                per_sample * TILE
            )));
        }
        let chunks = samples.div_ceil(most).max(1);
        let stride = samples.div_ceil(chunks).max(1).next_multiple_of(TILE);
        let kept = 4 * parents * rows * stride * chunks;
        let keeping = if kept as u64 <= memory { Keeping::Resident } else { Keeping::Recomputed };
        let scratch = (binding.min(SCRATCH_BYTES) as u64).min(memory) as usize;
        let slots = (scratch / (8 * stride)).max(rows);
        Ok(Self { keeping, places: parents, chunks, stride, slots })
    }

    /// As [`new`](Self::new), with as many places, at most `most`, as have their pre-activations in `memory`: one at
    /// least, for which they are computed anew where they do not fit.
    pub fn with_most_places(
        architecture: &Architecture,
        samples: usize,
        most: usize,
        limits: &Limits,
        memory: u64,
    ) -> Result<Self, EvaluateError> {
        let of = |places| Self::new(architecture, samples, places, limits, memory);
        let resident = |plan: &Self| plan.keeping == Keeping::Resident;
        (2..=most).rev().filter_map(|places| of(places).ok()).find(resident).map_or_else(|| of(1), Ok)
    }

    /// The tiles of `chunk`.
    pub fn tiles_of(&self, chunk: usize) -> Range<usize> {
        let in_chunk = self.stride / TILE;
        chunk * in_chunk..(chunk + 1) * in_chunk
    }
}

/// Scratch of one dispatch, beyond what a single proposal needs.
const SCRATCH_BYTES: usize = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(binding_bytes: u64) -> Limits {
        Limits {
            binding_bytes,
            buffer_bytes: 1 << 31,
            groups_per_dimension: 65_535,
            workgroup_bytes: 16 << 10,
            workgroup_threads: 256,
        }
    }

    #[test]
    fn samples_are_cut_so_that_every_binding_fits() {
        let architecture: Architecture = vec![784, 512, 10].try_into().expect("an architecture");
        for (binding, parents) in [(128u64 << 20, 1), (128 << 20, 16), (2 << 20, 4)] {
            let plan =
                MemoryPlan::new(&architecture, 60_000, parents, &limits(binding), u64::MAX).expect("a plan");
            assert!(plan.chunks * plan.stride >= 60_000 && plan.stride.is_multiple_of(TILE));
            assert!((plan.chunks - 1) * plan.stride < 60_000, "no chunk is empty: {plan:?}");
            let kept = 4 * plan.stride * parents * architecture.biases();
            assert!(kept as u64 <= binding && (4 * plan.stride * 784) as u64 <= binding, "{plan:?}");
            assert!(plan.slots >= architecture.biases(), "the largest proposal fits: {plan:?}");
            assert!((8 * plan.slots * plan.stride) as u64 <= binding, "{plan:?}");
            assert_eq!(plan.keeping, Keeping::Resident);
        }
        assert!(MemoryPlan::new(&architecture, 60_000, 1_000, &limits(2 << 20), u64::MAX).is_err());
    }

    #[test]
    fn weights_may_exceed_a_binding_but_masks_may_not() {
        let architecture: Architecture = vec![4, 16_384, 16_384, 2].try_into().expect("an architecture");
        let bytes = 4 * architecture.mask_words() as u64;
        let plan = |bytes| MemoryPlan::with_most_places(&architecture, 1, 4, &limits(bytes), u64::MAX);
        assert_eq!(plan(bytes).expect("one mask fits").places, 1);
        assert_eq!(plan(2 * bytes).expect("two masks fit").places, 2);
        let error = plan(bytes - 1).expect_err("a byte too few").to_string();
        assert!(error.contains("32 MiB") && error.contains("--adapter cpu"), "{error}");
    }

    #[test]
    fn proposals_of_a_dispatch_take_no_more_than_the_memory_unless_one_does() {
        let architecture: Architecture = vec![64, 75, 10].try_into().expect("an architecture");
        for (memory, slots) in [(0, 85), (8 * 1_024 * 100, 100), (u64::MAX, (1 << 27) / (8 * 1_024))] {
            let plan = MemoryPlan::new(&architecture, 1_024, 2, &limits(1 << 27), memory).expect("a plan");
            assert_eq!(plan.slots, slots);
        }
    }

    #[test]
    fn what_exceeds_the_memory_is_recomputed() {
        let architecture: Architecture = vec![64, 75, 10].try_into().expect("an architecture");
        let bytes = 4 * 85 * 2 * 1_024;
        for (memory, keeping) in [(bytes, Keeping::Resident), (bytes - 1, Keeping::Recomputed)] {
            let plan = MemoryPlan::new(&architecture, 1_024, 2, &limits(1 << 27), memory).expect("a plan");
            assert_eq!(plan.keeping, keeping);
        }
    }

    #[test]
    fn there_are_as_many_places_as_the_memory_keeps_and_one_at_least() {
        let architecture: Architecture = vec![64, 75, 10].try_into().expect("an architecture");
        let bytes = 4 * 85 * 1_024;
        for (memory, places, keeping) in [
            (9 * bytes, 3, Keeping::Resident),
            (2 * bytes, 2, Keeping::Resident),
            (bytes, 1, Keeping::Resident),
            (bytes - 1, 1, Keeping::Recomputed),
        ] {
            let limits = limits(1 << 27);
            let plan =
                MemoryPlan::with_most_places(&architecture, 1_024, 3, &limits, memory).expect("a plan");
            assert_eq!((plan.places, plan.keeping), (places, keeping));
        }
    }
}
