//! How sums round: the two modes within which all evaluators agree bit for bit.

use serde::{Deserialize, Serialize};

/// How `fma(a, b, c)` rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arithmetic {
    /// Once, as hardware does.
    Fused,
    /// Twice: the product, then the sum. WGSL leaves this to the adapter; lavapipe does it.
    Separate,
}

/// `a * b + c`, rounded as `arithmetic` says.
pub(crate) fn fma(arithmetic: Arithmetic, a: f32, b: f32, c: f32) -> f32 {
    match arithmetic {
        Arithmetic::Fused => a.mul_add(b, c),
        Arithmetic::Separate => a * b + c,
    }
}
