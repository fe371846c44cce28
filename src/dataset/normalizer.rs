//! A normalisation with its statistics, and what it makes of numbers.

use super::DatasetError;
use crate::flaw::Flaw;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose numbers the map of a feature is computed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// Features are rounded to f32 first, and min-max is computed in f32 and in the order of the paper's PyTorch
    /// code: generated data and the embedded digits, bit for bit.
    Single,
    /// In f64, rounded to f32 at the end: a user's own data, whose values may differ by far less than they are
    /// away from 0.
    #[default]
    Double,
}

impl Precision {
    fn is_double(&self) -> bool {
        *self == Self::Double
    }
}

/// A normalisation with its statistics: one for the whole matrix, or one a feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub enum Normalizer {
    /// Features are rounded to f32, no more.
    None {},
    /// `(high - low) * (x - min) / (max - min) + low`; the middle of the range where `min` is `max`.
    MinMax {
        range: [f64; 2],
        min: Vec<f64>,
        max: Vec<f64>,
        #[serde(default, skip_serializing_if = "Precision::is_double")]
        precision: Precision,
    },
    /// `(x - mean) / deviation`; 0 where the deviation is 0.
    Standard {
        mean: Vec<f64>,
        deviation: Vec<f64>,
        #[serde(default, skip_serializing_if = "Precision::is_double")]
        precision: Precision,
    },
}

impl Normalizer {
    /// Are these statistics of `width` features?
    ///
    /// # Errors
    /// Says what does not fit.
    pub fn check(&self, width: usize) -> Result<(), Flaw> {
        let statistics = |name: &str, numbers: &[f64]| -> Result<(), Flaw> {
            if ![1, width].contains(&numbers.len()) {
                return Err(format!("{name} has {} numbers, not 1 or {width}", numbers.len()).into());
            }
            match numbers.iter().find(|number| !number.is_finite()) {
                Some(number) => Err(format!("{name} has {number}, which is not finite").into()),
                None => Ok(()),
            }
        };
        match self {
            Self::None {} => Ok(()),
            Self::MinMax { range: [low, high], min, max, .. } => {
                statistics("min", min)?;
                statistics("max", max)?;
                if min.len() != max.len() || min.iter().zip(max).any(|(min, max)| min > max) {
                    return Err("min and max are not in order".into());
                }
                match low < high && low.is_finite() && high.is_finite() {
                    true => Ok(()),
                    false => Err(format!("range is [{low}, {high}], not in order").into()),
                }
            }
            Self::Standard { mean, deviation, .. } => {
                statistics("mean", mean)?;
                statistics("deviation", deviation)?;
                match mean.len() == deviation.len() && deviation.iter().all(|&deviation| deviation >= 0.0) {
                    true => Ok(()),
                    false => Err("deviation has a negative number, or another length than mean".into()),
                }
            }
        }
    }

    /// Raw features `[samples, width]` as a network reads them. `set` is for errors.
    ///
    /// # Errors
    /// [`DatasetError::Normalization`] where a number does not fit into an f32.
    pub fn normalized(
        &self,
        set: &'static str,
        features: &[f64],
        width: usize,
    ) -> Result<Vec<f32>, DatasetError> {
        let maps = self.maps();
        let map = |(row, x): (usize, (&f64, &FeatureMap))| {
            let ((x, map), row) = (x, row / width + 1);
            finite(set, row, map.of(*x))
        };
        features.iter().zip(maps.iter().cycle()).enumerate().map(map).collect()
    }

    /// As [`normalized`](Self::normalized), of features that f32 holds, in place.
    pub(super) fn apply_in_place(
        &self,
        set: &'static str,
        features: &mut [f32],
        width: usize,
    ) -> Result<(), DatasetError> {
        let maps = self.maps();
        for (row, features) in features.chunks_exact_mut(width).enumerate() {
            for (x, map) in features.iter_mut().zip(maps.iter().cycle()) {
                *x = finite(set, row + 1, map.of(f64::from(*x)))?;
            }
        }
        Ok(())
    }

    /// One map for all features, or one for each.
    fn maps(&self) -> Vec<FeatureMap> {
        match self {
            Self::None {} => vec![FeatureMap::Identity],
            Self::MinMax { range: [low, high], min, max, precision } => min
                .iter()
                .zip(max)
                .map(|(&min, &max)| match precision {
                    _ if min == max => FeatureMap::Constant((0.5 * (low + high)) as f32),
                    Precision::Single => FeatureMap::MinMaxSingle {
                        width: (high - low) as f32,
                        min: min as f32,
                        span: max as f32 - min as f32,
                        low: *low as f32,
                    },
                    Precision::Double => {
                        FeatureMap::MinMaxDouble { width: high - low, min, span: max - min, low: *low }
                    }
                })
                .collect(),
            Self::Standard { mean, deviation, precision } => mean
                .iter()
                .zip(deviation)
                .map(|(&mean, &deviation)| match precision {
                    _ if deviation == 0.0 => FeatureMap::Constant(0.0),
                    Precision::Single => FeatureMap::StandardSingle { mean, deviation },
                    Precision::Double => FeatureMap::StandardDouble { mean, deviation },
                })
                .collect(),
        }
    }
}

/// A normalisation of one number.
#[derive(Clone, Copy)]
enum FeatureMap {
    Identity,
    Constant(f32),
    MinMaxSingle { width: f32, min: f32, span: f32, low: f32 },
    MinMaxDouble { width: f64, min: f64, span: f64, low: f64 },
    StandardSingle { mean: f64, deviation: f64 },
    StandardDouble { mean: f64, deviation: f64 },
}

impl FeatureMap {
    fn of(self, x: f64) -> f32 {
        match self {
            Self::Identity => x as f32,
            Self::Constant(value) => value,
            // In f32 and in this order, as the paper's PyTorch code computes it.
            Self::MinMaxSingle { width, min, span, low } => (width * (x as f32 - min)) / span + low,
            Self::MinMaxDouble { width, min, span, low } => ((width * (x - min)) / span + low) as f32,
            Self::StandardSingle { mean, deviation } => ((f64::from(x as f32) - mean) / deviation) as f32,
            Self::StandardDouble { mean, deviation } => ((x - mean) / deviation) as f32,
        }
    }
}

/// `x`, if it is finite; `sample` counts from 1.
fn finite(set: &'static str, sample: usize, x: f32) -> Result<f32, DatasetError> {
    if x.is_finite() {
        return Ok(x);
    }
    let problem = format!(
        "the features of sample {sample} differ from the rest by more than single precision can hold; scale them down"
    );
    Err(DatasetError::Normalization { set, problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_that_are_none_are_refused() {
        for (text, problem) in [
            (
                r#"{"method":"min_max","range":[0,1],"min":[1,2],"max":[3,4]}"#,
                "min has 2 numbers, not 1 or 3",
            ),
            (r#"{"method":"min_max","range":[0,1],"min":[5],"max":[3]}"#, "not in order"),
            (r#"{"method":"min_max","range":[0,1],"min":[0],"max":[3,4,5]}"#, "not in order"),
            (r#"{"method":"min_max","range":[1,0],"min":[0],"max":[1]}"#, "range"),
            (r#"{"method":"standard","mean":[],"deviation":[]}"#, "mean has 0 numbers"),
            (r#"{"method":"standard","mean":[0],"deviation":[-1]}"#, "deviation"),
        ] {
            let error = serde_json::from_str::<Normalizer>(text).expect("JSON").check(3).expect_err(text);
            assert!(error.to_string().contains(problem), "{error}");
        }
        let nan =
            Normalizer::Standard { mean: vec![f64::NAN], deviation: vec![1.0], precision: Precision::Double };
        assert!(nan.check(1).expect_err("NaN").to_string().contains("mean"));
    }
}
