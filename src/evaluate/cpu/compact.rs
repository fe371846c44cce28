//! Gathers the active weights of a row.

use super::bits::{self, CHUNK};
use super::instructions::Instructions;

/// Copies those of up to 64 `weights`, and of their `ranks`, whose bit in `active` is set to the front of
/// the destinations; what lies behind them there is arbitrary afterwards. Returns their number.
#[derive(Clone, Copy)]
pub struct Compact(Form);

type Form = unsafe fn(&[f32], &[u8; CHUNK], u64, &mut [f32; CHUNK], &mut [u8; CHUNK]) -> usize;

impl Compact {
    /// The form for `instructions`, which the caller has found on this processor.
    pub fn new(instructions: Instructions) -> Self {
        match instructions {
            Instructions::Portable | Instructions::Avx2 => Self(portable),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => Self(avx512),
            #[cfg(not(target_arch = "x86_64"))]
            Instructions::Avx512 => Self(portable),
        }
    }

    pub fn run(
        self,
        weights: &[f32],
        ranks: &[u8; CHUNK],
        active: u64,
        to_weights: &mut [f32; CHUNK],
        to_ranks: &mut [u8; CHUNK],
    ) -> usize {
        assert!(active & bits::from(weights.len()) == 0, "active bits stay below {}", weights.len());
        // SAFETY: `new` was called with instructions of this processor; no bit lies behind the weights.
        unsafe { (self.0)(weights, ranks, active, to_weights, to_ranks) }
    }
}

fn portable(
    weights: &[f32],
    ranks: &[u8; CHUNK],
    active: u64,
    to_weights: &mut [f32; CHUNK],
    to_ranks: &mut [u8; CHUNK],
) -> usize {
    for (n, i) in bits::ones(active).enumerate() {
        to_weights[n] = weights[i];
        to_ranks[n] = ranks[i];
    }
    active.count_ones() as usize
}

/// # Safety
/// The processor has AVX-512F; `active` has no bit at or behind the length of `weights`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,popcnt")]
unsafe fn avx512(
    weights: &[f32],
    ranks: &[u8; CHUNK],
    active: u64,
    to_weights: &mut [f32; CHUNK],
    to_ranks: &mut [u8; CHUNK],
) -> usize {
    use std::arch::x86_64::*;
    let mut count = 0;
    for first in (0..weights.len()).step_by(16) {
        let lanes = (active >> first) as u16;
        // SAFETY: masked loads read active lanes only. `count` is at most `first`, so that 16 lanes from
        // there stay within 64.
        unsafe {
            let values = _mm512_maskz_loadu_ps(lanes, weights.as_ptr().add(first));
            let places = _mm512_cvtepu8_epi32(_mm_loadu_si128(ranks.as_ptr().add(first).cast()));
            let places = _mm512_cvtepi32_epi8(_mm512_maskz_compress_epi32(lanes, places));
            _mm512_storeu_ps(to_weights.as_mut_ptr().add(count), _mm512_maskz_compress_ps(lanes, values));
            _mm_storeu_si128(to_ranks.as_mut_ptr().add(count).cast(), places);
        }
        count += lanes.count_ones() as usize;
    }
    count
}
