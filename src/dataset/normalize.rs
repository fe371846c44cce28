//! How features are normalised: the settings, and the statistics that they ask for.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::DatasetError;
use super::normalizer::{Normalizer, Precision};
use super::numbers::Numbers;
use super::unscaled::Unscaled;
use crate::settings::{self, BadSetting};

/// How features are normalised, after rounding to f32.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "method", rename_all = "snake_case")]
#[schemars(transform = settings::or_word("method"))]
pub enum Normalization {
    /// Features are left as they are.
    None {},
    /// A linear map from [minimum, maximum] to `range`.
    MinMax {
        /// What shares one set of statistics: by default `feature` of CSV files, and `matrix` of all other data.
        #[schemars(with = "Option<Scope>")]
        scope: Scope,
        /// Where the extremes go.
        #[schemars(default = "paper_range")]
        range: [f64; 2],
        /// By default `each` on generated data and the digits, as in the paper, and `train` on files.
        #[schemars(with = "Option<Fit>")]
        fit: Fit,
    },
    /// Mean 0 and (population) standard deviation 1.
    Standard {
        /// What shares one set of statistics: by default `feature` of CSV files, and `matrix` of all other data.
        #[schemars(with = "Option<Scope>")]
        scope: Scope,
        /// By default `each` on generated data and the digits, as in the paper, and `train` on files.
        #[schemars(with = "Option<Fit>")]
        fit: Fit,
    },
}

/// What shares one set of statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All features together, as in the paper: ratios between features survive.
    Matrix,
    /// Each feature by itself; a feature that is constant becomes the middle of the range.
    Feature,
}

/// Whose statistics the test set is normalised by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    scope: Option<Scope>,
    #[serde(default = "paper_range")]
    range: [f64; 2],
    fit: Option<Fit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStandard {
    scope: Option<Scope>,
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

    fn deserialize_with<'de, D: Deserializer<'de>>(
        deserializer: D,
        (default_scope, default_fit): (Scope, Fit),
    ) -> Result<Self, D::Error> {
        let (method, given) = settings::of_kind(deserializer, "method", &["none", "min_max", "standard"])?;
        let given = given.into();
        match method {
            "none" => settings::read(given).map(|WrittenNone {}| Self::None {}),
            "min_max" => settings::read(given).map(|WrittenMinMax { scope, range, fit }| Self::MinMax {
                scope: scope.unwrap_or(default_scope),
                range,
                fit: fit.unwrap_or(default_fit),
            }),
            _ => settings::read(given).map(|WrittenStandard { scope, fit }| Self::Standard {
                scope: scope.unwrap_or(default_scope),
                fit: fit.unwrap_or(default_fit),
            }),
        }
        .map_err(BadSetting::within)
    }

    /// As generated data and the digits have it.
    pub(super) fn deserialize_of_paper<'de, D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::deserialize_with(d, (Scope::Matrix, Fit::Each))
    }

    /// As files of images have it.
    pub(super) fn deserialize_of_matrix<'de, D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::deserialize_with(d, (Scope::Matrix, Fit::Train))
    }

    /// As tables have it, whose columns have units of their own.
    pub(super) fn deserialize_of_features<'de, D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::deserialize_with(d, (Scope::Feature, Fit::Train))
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
        let Self::MinMax { range, .. } = *self else { return Ok(()) };
        let [low, high] = range.map(|bound| bound as f32);
        let holds = low.is_finite() && high.is_finite() && low < high;
        DatasetError::ensure(holds, "normalization.range", range, "two finite numbers, the lower first")
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
}
