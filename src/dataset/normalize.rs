//! Normalisation of features.

use serde::{Deserialize, Deserializer, Serialize};

use super::DatasetError;
use super::numbers::Numbers;
use super::unscaled::Unscaled;
use crate::flaw::Flaw;
use crate::settings::{self, BadSetting};

/// How features are normalised, after rounding to f32.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum Normalization {
    /// Features are left as they are.
    None {},
    /// A linear map from [minimum, maximum] to `range`.
    MinMax { scope: Scope, range: [f64; 2], fit: Fit },
    /// Mean 0 and (population) standard deviation 1.
    Standard { scope: Scope, fit: Fit },
}

/// What shares one set of statistics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All features together, as in the paper: ratios between features survive.
    #[default]
    Matrix,
    /// Each feature by itself; a feature that is constant becomes the middle of the range.
    Feature,
}

/// Whose statistics the test set is normalised by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// Each set by its own, as in the paper.
    Each,
    /// Both by the training set's.
    Train,
}

/// The paper's range.
const RANGE: [f64; 2] = [-0.7, 0.7];

fn paper_range() -> [f64; 2] {
    RANGE
}

/// The settings of each method, as they are written in a configuration: everything may be left out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenNone {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenMinMax {
    #[serde(default)]
    scope: Scope,
    #[serde(default = "paper_range")]
    range: [f64; 2],
    fit: Option<Fit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStandard {
    #[serde(default)]
    scope: Scope,
    fit: Option<Fit>,
}

impl Normalization {
    /// The paper's: one minimum and one maximum over the whole matrix, [-0.7, 0.7], train and test apart.
    pub fn paper() -> Self {
        Self::MinMax { scope: Scope::Matrix, range: RANGE, fit: Fit::Each }
    }

    /// The default for a user's own data: as the paper's, but by the training set's statistics.
    pub fn of_training_set(scope: Scope) -> Self {
        Self::MinMax { scope, range: RANGE, fit: Fit::Train }
    }

    fn deserialize_with_fit<'de, D: Deserializer<'de>>(
        deserializer: D,
        default_fit: Fit,
    ) -> Result<Self, D::Error> {
        let mut given = serde_json::Map::deserialize(deserializer)?;
        settings::kind(&mut given, "method", &["none", "min_max", "standard"])
            .and_then(|method| {
                let given = given.into();
                Ok(match method {
                    "none" => settings::read(given).map(|WrittenNone {}| Self::None {})?,
                    "min_max" => settings::read(given).map(|WrittenMinMax { scope, range, fit }| {
                        Self::MinMax { scope, range, fit: fit.unwrap_or(default_fit) }
                    })?,
                    _ => settings::read(given).map(|WrittenStandard { scope, fit }| Self::Standard {
                        scope,
                        fit: fit.unwrap_or(default_fit),
                    })?,
                })
            })
            .map_err(BadSetting::within)
    }

    pub(super) fn deserialize_fit_each<'de, D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::deserialize_with_fit(d, Fit::Each)
    }

    pub(super) fn deserialize_fit_train<'de, D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::deserialize_with_fit(d, Fit::Train)
    }

    /// Whose statistics the test set is normalised by.
    pub(super) fn fit(&self) -> Fit {
        match *self {
            Self::None {} => Fit::Train,
            Self::MinMax { fit, .. } | Self::Standard { fit, .. } => fit,
        }
    }

    /// Checks what the types cannot: the range.
    pub(super) fn validate(&self) -> Result<(), DatasetError> {
        match *self {
            Self::MinMax { range, .. } => {
                let [low, high] = range.map(|bound| bound as f32);
                if low.is_finite() && high.is_finite() && low < high {
                    Ok(())
                } else {
                    Err(DatasetError::setting(
                        "normalization.range",
                        range,
                        "two finite numbers, the lower first",
                    ))
                }
            }
            Self::None {} | Self::Standard { .. } => Ok(()),
        }
    }

    /// The statistics of `samples`; `set` is for errors.
    pub(super) fn fitted(
        &self,
        precision: Precision,
        set: &'static str,
        samples: &Unscaled,
    ) -> Result<Normalizer, DatasetError> {
        let scope = match *self {
            Self::None {} => return Ok(Normalizer::None {}),
            Self::MinMax { scope, .. } | Self::Standard { scope, .. } => scope,
        };
        let columns = match scope {
            Scope::Matrix => 1,
            Scope::Feature => samples.width,
        };
        let extremes = extremes(&samples.features, columns);
        if extremes.iter().all(|(min, max)| min == max) {
            return Err(DatasetError::Normalization {
                set,
                problem: "every feature is constant, so that nothing tells samples apart".to_owned(),
            });
        }
        let normalizer = match *self {
            Self::None {} => Normalizer::None {},
            Self::MinMax { range, .. } => {
                let (min, max) = extremes.into_iter().unzip();
                Normalizer::MinMax { range, min, max, precision }
            }
            Self::Standard { .. } => {
                let (mean, deviation) = means_and_deviations(&samples.features, &extremes);
                Normalizer::Standard { mean, deviation, precision }
            }
        };
        let finite = |numbers: &[f64]| numbers.iter().all(|number| number.is_finite());
        let holds = match &normalizer {
            Normalizer::None {} => true,
            Normalizer::MinMax { min, max, .. } => {
                min.iter().zip(max).all(|(min, max)| (max - min).is_finite())
            }
            Normalizer::Standard { mean, deviation, .. } => finite(mean) && finite(deviation),
        };
        if !holds {
            let problem =
                "features differ by more than double precision can hold; scale them down".to_owned();
            return Err(DatasetError::Normalization { set, problem });
        }
        Ok(normalizer)
    }
}

/// Whose numbers the map of a feature is computed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
        let map = |(row, x): (usize, (&f64, &Map))| {
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
    fn maps(&self) -> Vec<Map> {
        match self {
            Self::None {} => vec![Map::Identity],
            Self::MinMax { range: [low, high], min, max, precision } => min
                .iter()
                .zip(max)
                .map(|(&min, &max)| match precision {
                    _ if min == max => Map::Constant((0.5 * (low + high)) as f32),
                    Precision::Single => Map::MinMaxSingle {
                        width: (high - low) as f32,
                        min: min as f32,
                        span: max as f32 - min as f32,
                        low: *low as f32,
                    },
                    Precision::Double => {
                        Map::MinMaxDouble { width: high - low, min, span: max - min, low: *low }
                    }
                })
                .collect(),
            Self::Standard { mean, deviation, precision } => mean
                .iter()
                .zip(deviation)
                .map(|(&mean, &deviation)| match precision {
                    _ if deviation == 0.0 => Map::Constant(0.0),
                    Precision::Single => Map::StandardSingle { mean, deviation },
                    Precision::Double => Map::StandardDouble { mean, deviation },
                })
                .collect(),
        }
    }
}

/// A normalisation of one number.
#[derive(Clone, Copy)]
enum Map {
    Identity,
    Constant(f32),
    MinMaxSingle { width: f32, min: f32, span: f32, low: f32 },
    MinMaxDouble { width: f64, min: f64, span: f64, low: f64 },
    StandardSingle { mean: f64, deviation: f64 },
    StandardDouble { mean: f64, deviation: f64 },
}

impl Map {
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

/// Calls `take` with every number and its column, sample by sample.
fn for_each(features: &Numbers, columns: usize, mut take: impl FnMut(usize, f64)) {
    match features {
        Numbers::Single(features) => features.chunks_exact(columns).for_each(|row| {
            row.iter().enumerate().for_each(|(column, &x)| take(column, f64::from(x)));
        }),
        Numbers::Double(features) => features.chunks_exact(columns).for_each(|row| {
            row.iter().enumerate().for_each(|(column, &x)| take(column, x));
        }),
    }
}

/// The least and the greatest number of each column.
fn extremes(features: &Numbers, columns: usize) -> Vec<(f64, f64)> {
    let mut extremes = vec![(f64::INFINITY, f64::NEG_INFINITY); columns];
    for_each(features, columns, |column, x| {
        let (min, max) = &mut extremes[column];
        (*min, *max) = (min.min(x), max.max(x));
    });
    extremes
}

/// Mean and population standard deviation of each column, summed in the order of the samples.
fn means_and_deviations(features: &Numbers, extremes: &[(f64, f64)]) -> (Vec<f64>, Vec<f64>) {
    let columns = extremes.len();
    let n = (features.len() / columns) as f64;
    let mut mean = vec![0.0; columns];
    for_each(features, columns, |column, x| mean[column] += x);
    mean.iter_mut().for_each(|mean| *mean /= n);
    let mut deviation = vec![0.0; columns];
    for_each(features, columns, |column, x| deviation[column] += (x - mean[column]).powi(2));
    deviation.iter_mut().for_each(|deviation| *deviation = (*deviation / n).sqrt());
    for (column, &(min, max)) in extremes.iter().enumerate() {
        // The mean of equal numbers may differ from them by rounding.
        if min == max {
            (mean[column], deviation[column]) = (min, 0.0);
        }
    }
    (mean, deviation)
}

#[cfg(test)]
mod tests {
    use super::super::unscaled::UnscaledDataset;
    use super::*;

    fn samples(width: usize, features: &[f32]) -> Unscaled {
        let labels = vec![0; features.len() / width];
        Unscaled { features: Numbers::Single(features.to_vec()), labels, width }
    }

    fn unscaled(train: Unscaled, test: Unscaled, precision: Precision) -> UnscaledDataset {
        let validation = Unscaled::none(train.width);
        UnscaledDataset {
            train,
            test,
            validation,
            class_names: Vec::new(),
            feature_names: None,
            reading: None,
            notes: Vec::new(),
            precision,
        }
    }

    fn applied(normalization: &Normalization, train: &[f32], test: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let [single, double] = [Precision::Single, Precision::Double].map(|precision| {
            unscaled(samples(2, train), samples(2, test), precision)
                .normalized(normalization)
                .expect("data that can be normalised")
        });
        assert_eq!([&single.train, &single.test], [&double.train, &double.test], "no number needs rounding");
        (single.train.features, single.test.features)
    }

    #[test]
    fn the_validation_set_always_follows_the_training_set() {
        for fit in [Fit::Each, Fit::Train] {
            let mut data = unscaled(samples(1, &[0.0, 4.0]), samples(1, &[1.0, 2.0]), Precision::Single);
            data.validation = samples(1, &[2.0, 8.0]);
            let normalization = Normalization::MinMax { scope: Scope::Matrix, range: [0.0, 1.0], fit };
            let dataset = data.normalized(&normalization).expect("data that can be normalised");
            assert_eq!(dataset.train.features, [0.0, 1.0], "{fit:?}");
            assert_eq!(dataset.validation.features, [0.5, 2.0], "{fit:?}");
        }
    }

    #[test]
    fn min_max_over_the_matrix_maps_the_extremes_to_the_range() {
        let normalization =
            Normalization::MinMax { scope: Scope::Matrix, range: [-1.0, 1.0], fit: Fit::Each };
        let (train, test) = applied(&normalization, &[0.0, 1.0, 2.0, 4.0], &[10.0, 20.0]);
        assert_eq!(train, [-1.0, -0.5, 0.0, 1.0]);
        assert_eq!(test, [-1.0, 1.0]);
    }

    #[test]
    fn the_test_set_follows_the_training_set_where_it_is_asked_to() {
        let normalization =
            Normalization::MinMax { scope: Scope::Feature, range: [0.0, 1.0], fit: Fit::Train };
        let (train, test) = applied(&normalization, &[0.0, 10.0, 4.0, 20.0], &[8.0, 15.0]);
        assert_eq!(train, [0.0, 0.0, 1.0, 1.0]);
        assert_eq!(test, [2.0, 0.5]);
    }

    #[test]
    fn standard_features_have_mean_zero_and_deviation_one() {
        let normalization = Normalization::Standard { scope: Scope::Feature, fit: Fit::Train };
        let (train, test) = applied(&normalization, &[1.0, 5.0, 3.0, 9.0], &[2.0, 11.0]);
        assert_eq!(train, [-1.0, -1.0, 1.0, 1.0]);
        assert_eq!(test, [0.0, 2.0]);
    }

    #[test]
    fn a_constant_feature_becomes_the_middle_of_the_range() {
        let normalization =
            Normalization::MinMax { scope: Scope::Feature, range: [0.0, 1.0], fit: Fit::Train };
        let (train, test) = applied(&normalization, &[3.0, 10.0, 3.0, 20.0], &[8.0, 15.0]);
        assert_eq!(train, [0.5, 0.0, 0.5, 1.0]);
        assert_eq!(test, [0.5, 0.5]);
    }

    #[test]
    fn constant_data_and_overflow_are_errors() {
        for train in [[2.0, 2.0], [-3e38, 3e38]] {
            let data = unscaled(samples(1, &train), samples(1, &[1.0, 2.0]), Precision::Single);
            assert!(data.normalized(&Normalization::paper()).is_err(), "{train:?}");
        }
    }

    #[test]
    fn a_range_in_the_wrong_order_is_an_error() {
        let reversed = Normalization::MinMax { scope: Scope::Matrix, range: [1.0, 0.0], fit: Fit::Each };
        assert!(reversed.validate().is_err());
        assert!(Normalization::paper().validate().is_ok());
    }

    #[test]
    fn a_normaliser_is_written_out_readably_and_maps_new_samples_as_the_training_set() {
        for (normalization, precision, written) in [
            (Normalization::None {}, Precision::Double, r#"{"method":"none"}"#),
            (
                Normalization::paper(),
                Precision::Single,
                r#"{"method":"min_max","range":[-0.7,0.7],"min":[1.0],"max":[9.0],"precision":"single"}"#,
            ),
            (
                Normalization::Standard { scope: Scope::Feature, fit: Fit::Train },
                Precision::Double,
                r#"{"method":"standard","mean":[2.0,7.0],"deviation":[1.0,2.0]}"#,
            ),
        ] {
            let train = samples(2, &[1.0, 5.0, 3.0, 9.0]);
            let raw: Vec<f64> = (0..4).map(|index| train.features.get(index)).collect();
            let dataset = unscaled(train.clone(), train, precision)
                .normalized(&normalization)
                .expect("data that can be normalised");
            let normalizer = &dataset.schema.normalizer;
            assert_eq!(serde_json::to_string(normalizer).expect("JSON"), written);
            assert_eq!(&serde_json::from_str::<Normalizer>(written).expect("a normaliser"), normalizer);
            assert_eq!(normalizer.check(2), Ok(()));
            assert_eq!(normalizer.normalized("new", &raw, 2).expect("features"), dataset.train.features);
        }
    }

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
