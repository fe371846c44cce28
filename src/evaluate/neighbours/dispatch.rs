//! From the instruction set chosen at run time to the kernels compiled for it.

use super::changes::{self, Space};
use super::cost;
use super::forward;
use super::kept::{Kept, KeptChunk};
use super::landscape::Landscape;
use super::plan::ChangePlan;
use super::program::ForwardProgram;
use super::tiles::{BLOCK_SAMPLES, Chunk};
use crate::evaluate::Arithmetic;
use crate::evaluate::cpu::instructions::Instructions;
use crate::evaluate::vector::Lanes;
use crate::evaluate::vector::portable::{Flushed, Portable};
use crate::objective::margin::Margin;

#[cfg(target_arch = "x86_64")]
use crate::evaluate::vector::{avx2::Avx2, avx512::Avx512};

/// What is done to a chunk of samples.
enum Task<'a> {
    Screen {
        at: KeptChunk<'a>,
        plan: &'a ChangePlan,
        space: &'a mut Space,
        costs: &'a mut [u64],
    },
    Apply {
        landscape: &'a Landscape,
        chunk: &'a Chunk,
        kept: &'a mut Kept,
        plan: &'a ChangePlan,
        space: &'a mut Space,
    },
    Forward {
        landscape: &'a Landscape,
        chunk: &'a Chunk,
        kept: &'a mut Kept,
        program: &'a ForwardProgram,
    },
    Cost {
        at: KeptChunk<'a>,
        margin: Option<Margin>,
        costs: &'a mut [u64],
    },
}

/// Kernels of one instruction set and arithmetic.
#[derive(Clone, Copy)]
pub struct Kernels {
    run: unsafe fn(Task<'_>),
}

/// # Safety
/// The processor has `V`'s instructions, and what the task names fits together.
#[inline(always)]
unsafe fn run<V: Lanes>(task: Task<'_>) {
    const { assert!(V::LANES == BLOCK_SAMPLES) };
    // SAFETY: by this function's contract.
    unsafe {
        match task {
            Task::Screen { at, plan, space, costs } => changes::screen::<V>(at, plan, space, costs),
            Task::Apply { landscape, chunk, kept, plan, space } => {
                changes::apply::<V>(landscape, chunk, kept, plan, space);
            }
            Task::Forward { landscape, chunk, kept, program } => {
                forward::forward::<V>(landscape, chunk, program, kept);
            }
            Task::Cost { at, margin, costs } => cost::of_chunk::<V>(at, margin, costs),
        }
    }
}

/// Compiles [`run`] for an instruction set; `$block` holds the samples of a block.
macro_rules! compiled {
    ($name:ident, $block:ty $(, $features:literal)?) => {
        /// # Safety
        /// As [`run`].
        $(#[target_feature(enable = $features)])?
        unsafe fn $name<const FUSED: bool>(task: Task<'_>) {
            // SAFETY: by this function's contract.
            unsafe { run::<$block>(task) }
        }
    };
}

compiled!(portable, Portable<FUSED, BLOCK_SAMPLES>);
compiled!(flushed, Flushed<FUSED, BLOCK_SAMPLES>);
#[cfg(target_arch = "x86_64")]
compiled!(avx2, [Avx2<FUSED>; 2], "avx2,fma,popcnt");
#[cfg(target_arch = "x86_64")]
compiled!(avx512, Avx512<FUSED>, "avx512f,avx2,fma,popcnt,bmi1,bmi2");

impl Kernels {
    /// The kernels for `instructions`, if the processor has them: portable ones where subnormal results are flushed, as
    /// that is no processor's own.
    pub fn new(instructions: Instructions, arithmetic: Arithmetic) -> Option<Self> {
        if !Instructions::available().contains(&instructions) {
            return None;
        }
        let run: unsafe fn(Task<'_>) = match (instructions, arithmetic) {
            (_, Arithmetic::FusedFlushed) => flushed::<true>,
            (_, Arithmetic::SeparateFlushed) => flushed::<false>,
            (Instructions::Portable, Arithmetic::Fused) => portable::<true>,
            (Instructions::Portable, Arithmetic::Separate) => portable::<false>,
            #[cfg(target_arch = "x86_64")]
            (Instructions::Avx2, Arithmetic::Fused) => avx2::<true>,
            #[cfg(target_arch = "x86_64")]
            (Instructions::Avx2, Arithmetic::Separate) => avx2::<false>,
            #[cfg(target_arch = "x86_64")]
            (Instructions::Avx512, Arithmetic::Fused) => avx512::<true>,
            #[cfg(target_arch = "x86_64")]
            (Instructions::Avx512, Arithmetic::Separate) => avx512::<false>,
            #[cfg(not(target_arch = "x86_64"))]
            (Instructions::Avx2 | Instructions::Avx512, _) => return None,
        };
        Some(Self { run })
    }

    /// Writes to `costs` (`[tile]`) what the tiles of a chunk cost after the changes of `plan`, made on what is kept.
    ///
    /// # Safety
    /// `plan` was made of the landscape's layers.
    pub unsafe fn screen(&self, at: KeptChunk<'_>, plan: &ChangePlan, space: &mut Space, costs: &mut [u64]) {
        assert!(at.fits() && costs.len() == at.chunk.tiles());
        space.fit(plan);
        // SAFETY: `new` found the instructions on this processor; what is kept fits, as asserted, and so does the
        // plan, by this function's contract.
        unsafe { (self.run)(Task::Screen { at, plan, space, costs }) }
    }

    /// Makes the changes of `plan` on the pre-activations that are `kept`; leaves the costs.
    ///
    /// # Safety
    /// As [`screen`](Self::screen).
    pub unsafe fn apply(
        &self,
        landscape: &Landscape,
        chunk: &Chunk,
        kept: &mut Kept,
        plan: &ChangePlan,
        space: &mut Space,
    ) {
        assert!(KeptChunk { landscape, chunk, kept }.fits());
        space.fit(plan);
        // SAFETY: as for `screen`.
        unsafe { (self.run)(Task::Apply { landscape, chunk, kept, plan, space }) }
    }

    /// Computes all pre-activations of `chunk` exactly, and keeps them.
    pub fn forward(&self, landscape: &Landscape, chunk: &Chunk, program: &ForwardProgram, kept: &mut Kept) {
        assert!(KeptChunk { landscape, chunk, kept }.fits());
        // SAFETY: `new` found the instructions on this processor; what is kept fits, as asserted. What a program
        // reads is checked where it is read, but for inputs, which lie in their slice whatever it was compiled from.
        unsafe { (self.run)(Task::Forward { landscape, chunk, kept, program }) }
    }

    /// Writes to `costs` (`[tile]`) what the outputs that are kept cost.
    pub fn cost(&self, at: KeptChunk<'_>, margin: Option<Margin>, costs: &mut [u64]) {
        assert!(at.fits() && costs.len() == at.chunk.tiles());
        // SAFETY: `new` found the instructions on this processor; what is kept fits, as asserted.
        unsafe { (self.run)(Task::Cost { at, margin, costs }) }
    }
}
