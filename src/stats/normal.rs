//! The standard normal distribution, by the mathematics library's error function: statrs' own is good to
//! 1e-10 only, too little for the tails that tests report.

/// The quantile at 0.975: half the width of a 95% interval in standard errors.
pub(super) const Z_95: f64 = 1.959_963_984_540_054;

/// Probability of a value above `z`.
pub(super) fn above(z: f64) -> f64 {
    0.5 * libm::erfc(z * std::f64::consts::FRAC_1_SQRT_2)
}

/// Probability of a value at least as far from zero as `z`.
pub(super) fn beyond(z: f64) -> f64 {
    2.0 * above(z.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounding of `z / √2` (1e-16) grows by z² = 441 in the farthest tail tested.
    const TAIL: f64 = 1e-13;

    #[test]
    fn tails_equal_scipy() {
        // SciPy 1.17.1: 2 * norm.sf(z).
        for (z, p) in [(0.0, 1.0), (Z_95, 0.05), (21.0, 6.558556037957885e-98)] {
            assert!((beyond(z) - p).abs() <= TAIL * p, "{z}: {}", beyond(z));
            assert_eq!(beyond(-z), beyond(z));
        }
    }
}
