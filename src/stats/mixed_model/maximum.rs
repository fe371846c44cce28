//! The maximum of a function of one variance ratio on `[0, ∞)`.

/// Grid in powers of ten; ratios outside cannot be told from 0 or from infinity.
const SMALLEST_EXPONENT: f64 = -9.0;
const LARGEST_EXPONENT: f64 = 9.0;
const STEPS: usize = 36;

/// Width in decades at which the golden section stops: near its maximum the log-likelihood changes by less
/// than rounding (1e-16 of it) within 1e-8 of the position.
const WIDTH: f64 = 1e-9;

/// A log-likelihood that varies by less than this over the whole grid carries no information; rounding
/// leaves about 1e-11 over thousands of rows.
const FLAT: f64 = 1e-7;

/// Why there is no maximum to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoMaximum {
    /// The function does not depend on the ratio.
    Flat,
    /// The function still rises at the largest ratio.
    Unbounded,
}

/// Position of the largest value of `function` on `[0, ∞)`: a grid in decades, zero included, then a
/// golden-section search (Kiefer 1953) between the neighbours of its best point.
pub(super) fn maximum(mut function: impl FnMut(f64) -> f64) -> Result<f64, NoMaximum> {
    let exponent =
        |step: usize| SMALLEST_EXPONENT + (LARGEST_EXPONENT - SMALLEST_EXPONENT) * step as f64 / STEPS as f64;
    let at_zero = function(0.0);
    let values: Vec<f64> = (0..=STEPS).map(|step| function(10f64.powf(exponent(step)))).collect();
    let (best, &highest) =
        values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).expect("a grid of 37 points");
    let lowest = values.iter().copied().fold(at_zero, f64::min);
    if highest.max(at_zero) - lowest < FLAT {
        return Err(NoMaximum::Flat);
    }
    if at_zero >= highest {
        return Ok(0.0);
    }
    if best == STEPS {
        return Err(NoMaximum::Unbounded);
    }

    let golden = (5f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (exponent(best.saturating_sub(1)), exponent(best + 1));
    let mut at = |x: f64| function(10f64.powf(x));
    let (mut left, mut right) = (high - golden * (high - low), low + golden * (high - low));
    let (mut at_left, mut at_right) = (at(left), at(right));
    while high - low > WIDTH {
        if at_left >= at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - golden * (high - low);
            at_left = at(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + golden * (high - low);
            at_right = at(right);
        }
    }
    Ok(10f64.powf((low + high) / 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inner_maximum_is_found_to_seven_digits() {
        let peak = maximum(|x| -(x.max(1e-12).ln() - 0.3f64.ln()).powi(2)).expect("a maximum");
        assert!((peak / 0.3 - 1.0).abs() <= 1e-7, "{peak}");
    }

    #[test]
    fn a_falling_function_has_its_maximum_at_zero() {
        assert_eq!(maximum(|x| -x), Ok(0.0));
    }

    #[test]
    fn flat_and_rising_functions_are_refused() {
        assert_eq!(maximum(|_| 1.0), Err(NoMaximum::Flat));
        assert_eq!(maximum(|x| x), Err(NoMaximum::Unbounded));
    }
}
