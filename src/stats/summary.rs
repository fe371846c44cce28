//! What is usually reported of one sample.

use super::normal;
use super::{SampleError, check_sample};
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::statistics::Statistics;

/// Probability below the upper end of a 95% interval.
const UPPER_95: f64 = 0.975;

/// One sample in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    pub count: usize,
    pub mean: f64,
    pub minimum: f64,
    pub lower_quartile: f64,
    pub median: f64,
    pub upper_quartile: f64,
    pub maximum: f64,
    /// What needs two values or more.
    pub spread: Option<Spread>,
}

/// How far values lie apart, and what follows for the mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Of the sample, that is, with `count - 1`.
    pub standard_deviation: f64,
    /// Of the mean.
    pub standard_error: f64,
    /// 95% interval of the mean from the normal distribution.
    pub normal_interval: [f64; 2],
    /// 95% interval of the mean from Student's t with `count - 1` degrees of freedom.
    pub t_interval: [f64; 2],
}

/// The quantile of ascending values by linear interpolation (Hyndman and Fan's type 7, NumPy's default).
///
/// # Panics
/// If `sorted` is empty.
pub(crate) fn quantile(sorted: &[f64], probability: f64) -> f64 {
    let position = probability * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64)
}

impl Summary {
    /// Summarises `values`.
    ///
    /// # Errors
    /// If there are none, or one is not finite.
    pub fn new(values: &[f64]) -> Result<Self, SampleError> {
        check_sample(values)?;
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let count = values.len();
        let mean = values.mean();
        let spread = (count > 1).then(|| {
            let standard_deviation = values.std_dev();
            let standard_error = standard_deviation / (count as f64).sqrt();
            let around = |quantile: f64| [mean - quantile * standard_error, mean + quantile * standard_error];
            let student = StudentsT::new(0.0, 1.0, (count - 1) as f64)
                .expect("a unit scale and positive degrees of freedom");
            Spread {
                standard_deviation,
                standard_error,
                normal_interval: around(normal::Z_95),
                t_interval: around(student.inverse_cdf(UPPER_95)),
            }
        });
        Ok(Self {
            count,
            mean,
            minimum: sorted[0],
            lower_quartile: quantile(&sorted, 0.25),
            median: quantile(&sorted, 0.5),
            upper_quartile: quantile(&sorted, 0.75),
            maximum: sorted[count - 1],
            spread,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SciPy's numbers are printed in full; both sides round differently, and statrs finds a quantile of
    /// Student's t by iteration.
    const SCIPY: f64 = 1e-9;

    /// With many degrees of freedom the iteration stops early; of an interval this moves the sixth digit.
    const MANY_DEGREES: f64 = 1e-5;

    #[track_caller]
    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= SCIPY * expected.abs(), "{found}, not {expected}");
    }

    #[test]
    fn a_summary_equals_numpy_and_scipy() {
        // NumPy 2.4.6, SciPy 1.17.1.
        let summary = Summary::new(&[0.91, 0.85, 0.99, 0.74, 0.88, 0.93, 0.97]).expect("a sample");
        close(summary.mean, 0.8957142857142857);
        close(summary.median, 0.91);
        close(summary.lower_quartile, 0.865);
        close(summary.upper_quartile, 0.95);
        close(summary.minimum, 0.74);
        close(summary.maximum, 0.99);
        let spread = summary.spread.expect("seven values");
        close(spread.standard_deviation, 0.08403514004215595);
        close(spread.standard_error, 0.03176229742029008);
        close(spread.t_interval[0], 0.8179947437369863);
        close(spread.t_interval[1], 0.973433827691585);
        close(spread.normal_interval[0], 0.8334613267042676);
        close(spread.normal_interval[1], 0.9579672447243037);
    }

    #[test]
    fn student_quantiles_equal_scipy_for_few_and_many_degrees_of_freedom() {
        let expected = [
            (1.0, 12.706204736174694),
            (2.0, 4.302652729749462),
            (5.0, 2.5705818356363146),
            (30.0, 2.0422724563012378),
            (1000.0, 1.9623390808264083),
        ];
        for (freedom, quantile) in expected {
            close(StudentsT::new(0.0, 1.0, freedom).expect("valid").inverse_cdf(UPPER_95), quantile);
        }
        let many = StudentsT::new(0.0, 1.0, 100_000.0).expect("valid").inverse_cdf(UPPER_95);
        assert!((many - 1.9599877075346095).abs() <= MANY_DEGREES, "{many}");
    }

    #[test]
    fn one_value_has_no_spread_and_none_is_an_error() {
        let one = Summary::new(&[0.5]).expect("a sample");
        assert_eq!((one.median, one.lower_quartile, one.spread), (0.5, 0.5, None));
        assert_eq!(Summary::new(&[]), Err(SampleError::Empty));
        let error = Summary::new(&[0.5, f64::NAN]).expect_err("not a number");
        assert!(matches!(error, SampleError::NotFinite { index: 1, .. }), "{error}");
    }
}
