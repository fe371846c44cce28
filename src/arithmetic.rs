//! How sums round: the modes within which all evaluators agree bit for bit.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What `fma(a, b, c)` gives: whether it rounds once or twice, and whether a subnormal result, one nearer to zero than
/// 2^-126, is kept or becomes zero. WGSL leaves both to the adapter, and adapters differ in both.
///
/// The processor keeps subnormal numbers, so the modes without a word on them are its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Arithmetic {
    /// One rounding.
    Fused,
    /// Two: the product, then the sum.
    Separate,
    /// One rounding; subnormal results are flushed to zero.
    FusedFlushed,
    /// Two roundings; subnormal products and sums are flushed to zero.
    SeparateFlushed,
}

impl Arithmetic {
    pub const ALL: [Self; 4] = [Self::Fused, Self::Separate, Self::FusedFlushed, Self::SeparateFlushed];

    /// Does it round once?
    pub fn is_fused(self) -> bool {
        matches!(self, Self::Fused | Self::FusedFlushed)
    }

    /// Are subnormal results flushed to zero?
    pub fn flushes(self) -> bool {
        matches!(self, Self::FusedFlushed | Self::SeparateFlushed)
    }

    /// As records and the command line call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fused => "fused",
            Self::Separate => "separate",
            Self::FusedFlushed => "fused_flushed",
            Self::SeparateFlushed => "separate_flushed",
        }
    }
}

impl fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `a * b + c`, rounded as `arithmetic` says.
#[inline(always)]
pub(crate) fn fma(arithmetic: Arithmetic, a: f32, b: f32, c: f32) -> f32 {
    match arithmetic {
        Arithmetic::Fused => a.mul_add(b, c),
        Arithmetic::Separate => a * b + c,
        Arithmetic::FusedFlushed => flushed(a.mul_add(b, c)),
        Arithmetic::SeparateFlushed => flushed(flushed(a * b) + c),
    }
}

/// `value`, or zero if it is subnormal.
#[inline(always)]
pub(crate) fn flushed(value: f32) -> f32 {
    if value.is_subnormal() { 0.0 } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_differ_in_the_last_bit_and_beneath_the_smallest_normal_number() {
        let of = |a: f32, b: f32, c: f32| Arithmetic::ALL.map(|arithmetic| fma(arithmetic, a, b, c));
        let (a, b) = (1.0 + f32::EPSILON, 1.0 - f32::EPSILON);
        let tiny = f32::EPSILON * f32::EPSILON;
        assert_eq!(of(a, b, -1.0), [-tiny, 0.0, -tiny, 0.0]);
        let least = f32::MIN_POSITIVE;
        assert_eq!(of(least, 0.5, 0.0), [least / 2.0, least / 2.0, 0.0, 0.0]);
        // A subnormal product is lost where it is a result of its own.
        assert_eq!(of(least, 0.5, least), [1.5 * least, 1.5 * least, 1.5 * least, least]);
        assert_eq!(of(least, 1.0, 0.0), [least; 4]);
    }

    #[test]
    fn records_call_a_mode_by_its_name() {
        for arithmetic in Arithmetic::ALL {
            assert_eq!(serde_json::to_value(arithmetic).expect("a text"), arithmetic.name());
        }
    }
}
