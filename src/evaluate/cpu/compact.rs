//! Gathers the active weights of a row.

use super::bits::{self, CHUNK};
use super::instructions::Instructions;

/// Copies those of up to 64 weights whose bit is set to the front of the destination; what lies behind them
/// there is arbitrary afterwards. Returns their number.
#[derive(Clone, Copy)]
pub struct Compact(GatherForm);

type GatherForm = unsafe fn(&[f32], u64, &mut [f32; CHUNK]) -> usize;

impl Compact {
    /// The form for `instructions`.
    ///
    /// # Safety
    /// The processor has them.
    pub unsafe fn new(instructions: Instructions) -> Self {
        match instructions {
            Instructions::Portable | Instructions::Avx2 => Self(portable),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => Self(avx512),
            #[cfg(not(target_arch = "x86_64"))]
            Instructions::Avx512 => Self(portable),
        }
    }

    pub fn run(self, weights: &[f32], active: u64, to: &mut [f32; CHUNK]) -> usize {
        assert!(active & bits::from(weights.len()) == 0, "active bits stay below {}", weights.len());
        // SAFETY: `new`'s caller answers for the instructions; no bit lies behind the weights.
        unsafe { (self.0)(weights, active, to) }
    }
}

fn portable(weights: &[f32], active: u64, to: &mut [f32; CHUNK]) -> usize {
    for (n, i) in bits::ones(active).enumerate() {
        to[n] = weights[i];
    }
    active.count_ones() as usize
}

/// # Safety
/// The processor has AVX-512F; `active` has no bit at or behind the length of `weights`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,popcnt")]
unsafe fn avx512(weights: &[f32], active: u64, to: &mut [f32; CHUNK]) -> usize {
    use std::arch::x86_64::*;
    let mut count = 0;
    for first in (0..weights.len()).step_by(16) {
        let lanes = (active >> first) as u16;
        // SAFETY: the masked load reads active lanes only. `count` is at most `first`, so that 16 lanes
        // from there stay within 64.
        unsafe {
            let values = _mm512_maskz_loadu_ps(lanes, weights.as_ptr().add(first));
            _mm512_storeu_ps(to.as_mut_ptr().add(count), _mm512_maskz_compress_ps(lanes, values));
        }
        count += lanes.count_ones() as usize;
    }
    count
}
