//! From the instruction set chosen at run time to the kernels compiled for it.

use super::bits::CHUNK;
use super::compact::Compact;
use super::instructions::Instructions;
use super::kernel::{self, Work};
use super::peak_loop;
use super::row_tiles::{self, ChunkOfRow, Pack};
use crate::evaluate::Arithmetic;
use crate::evaluate::vector::Lanes;
use crate::evaluate::vector::portable::{Flushed, Portable};

#[cfg(target_arch = "x86_64")]
use crate::evaluate::vector::{avx2::Avx2, avx512::Avx512};

/// Kernels of one instruction set and arithmetic.
pub struct CpuKernel {
    run: unsafe fn(Work<'_>),
    peak_loop: unsafe fn(u32) -> u32,
    pack: Pack,
    compact: Compact,
    lanes: usize,
    block: usize,
    pair_inputs: usize,
}

/// Compiles [`kernel::run`] for an instruction set: `$vectors` vectors a block, dense tiles of `$tile`,
/// fused outputs for `$pair` at a time, as many as its registers hold.
macro_rules! compiled {
    ($name:ident, $vector:ident $(<$lanes:literal>)?, $vectors:literal, $tile:literal, $pair:literal $(, $features:literal)?) => {
        mod $name {
            use super::*;

            pub const LANES: usize = <$vector<true $(, $lanes)?> as Lanes>::LANES;
            pub const BLOCK: usize = $vectors * LANES;

            /// With fewer vectors at a time, long sums would wait for each multiply-add to finish.
            pub const PAIR_INPUTS: usize = if $pair < 8 { 8 } else { CHUNK };

            /// # Safety
            /// As [`kernel::run`].
            $(#[target_feature(enable = $features)])?
            pub unsafe fn run<const FUSED: bool>(work: Work<'_>) {
                // SAFETY: by this function's contract.
                unsafe { kernel::run::<$vector<FUSED $(, $lanes)?>, $vectors, $tile, $pair>(work) }
            }

            /// # Safety
            /// As [`row_tiles::pack`].
            $(#[target_feature(enable = $features)])?
            pub unsafe fn pack(rows: &[ChunkOfRow<'_>], inputs: usize, to: *mut f32, stride: usize) {
                // SAFETY: by this function's contract.
                unsafe { row_tiles::pack::<$vector<true $(, $lanes)?>>(rows, inputs, to, stride) }
            }

            /// # Safety
            /// As [`peak_loop::peak_loop`].
            $(#[target_feature(enable = $features)])?
            pub unsafe fn peak_loop(rounds: u32) -> u32 {
                // SAFETY: by this function's contract.
                unsafe { peak_loop::peak_loop::<$vector<true $(, $lanes)?>>(rounds) }
            }
        }
    };
}

compiled!(portable, Portable<4>, 4, 2, 4);
compiled!(flushed, Flushed<4>, 4, 2, 4);
#[cfg(target_arch = "x86_64")]
compiled!(avx2, Avx2, 8, 2, 4, "avx2,fma,popcnt,bmi1,bmi2");
#[cfg(target_arch = "x86_64")]
compiled!(avx512, Avx512, 8, 4, 8, "avx512f,avx2,fma,popcnt,bmi1,bmi2");

macro_rules! kernel {
    ($name:ident, $instructions:expr, $arithmetic:expr) => {
        CpuKernel {
            run: if $arithmetic.is_fused() { $name::run::<true> } else { $name::run::<false> },
            peak_loop: $name::peak_loop,
            // SAFETY: `Kernel::new` found the instructions on this processor.
            pack: unsafe { Pack::new($name::pack, $name::LANES) },
            // SAFETY: as above.
            compact: unsafe { Compact::new($instructions) },
            lanes: $name::LANES,
            block: $name::BLOCK,
            pair_inputs: $name::PAIR_INPUTS,
        }
    };
}

impl CpuKernel {
    /// The kernels for `instructions`, if the processor has them: portable ones where subnormal results are flushed, as
    /// that is no processor's own.
    pub fn new(instructions: Instructions, arithmetic: Arithmetic) -> Option<Self> {
        if !Instructions::available().contains(&instructions) {
            return None;
        }
        if arithmetic.flushes() {
            return Some(kernel!(flushed, Instructions::Portable, arithmetic));
        }
        Some(match instructions {
            Instructions::Portable => kernel!(portable, instructions, arithmetic),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => kernel!(avx2, instructions, arithmetic),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => kernel!(avx512, instructions, arithmetic),
            #[cfg(not(target_arch = "x86_64"))]
            Instructions::Avx2 | Instructions::Avx512 => return None,
        })
    }

    /// Samples per vector.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Samples per block.
    pub fn block(&self) -> usize {
        self.block
    }

    /// Inputs up to which a last hidden layer is best fused with two outputs.
    pub fn pair_inputs(&self) -> usize {
        self.pair_inputs
    }

    /// What puts rows of weights side by side.
    pub fn pack(&self) -> Pack {
        self.pack
    }

    /// What gathers the active weights of a row.
    pub fn compact(&self) -> Compact {
        self.compact
    }

    /// Multiplies and adds in registers; see [`peak_loop::peak_loop`].
    pub fn peak_loop(&self, rounds: u32) -> u32 {
        // SAFETY: `new` found the instructions on this processor.
        unsafe { (self.peak_loop)(rounds) }
    }

    /// Runs the work; see [`kernel::run`].
    ///
    /// # Safety
    /// Blocks and scratch are made for [`block`](Self::block) samples, and for the network that the program was compiled
    /// from, with what this kernel packs its weights with.
    pub unsafe fn run(&self, work: Work<'_>) {
        // SAFETY: `new` found the instructions on this processor; the rest is by this function's contract.
        unsafe { (self.run)(work) }
    }
}
