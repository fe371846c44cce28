//! Normalisation of features.

use serde::{Deserialize, Deserializer, Serialize};

use super::{Dataset, DatasetError, Samples};

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

/// [`Normalization`] as it is written in a configuration: everything but the method may be left out.
#[derive(Deserialize)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
enum Written {
    None {},
    MinMax {
        #[serde(default)]
        scope: Scope,
        #[serde(default = "paper_range")]
        range: [f64; 2],
        fit: Option<Fit>,
    },
    Standard {
        #[serde(default)]
        scope: Scope,
        fit: Option<Fit>,
    },
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
        Ok(match Written::deserialize(deserializer)? {
            Written::None {} => Self::None {},
            Written::MinMax { scope, range, fit } => {
                Self::MinMax { scope, range, fit: fit.unwrap_or(default_fit) }
            }
            Written::Standard { scope, fit } => Self::Standard { scope, fit: fit.unwrap_or(default_fit) },
        })
    }

    pub(super) fn deserialize_fit_each<'de, D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::deserialize_with_fit(d, Fit::Each)
    }

    pub(super) fn deserialize_fit_train<'de, D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::deserialize_with_fit(d, Fit::Train)
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

    /// Normalises all sets in place, the validation set always by the statistics of the training set, which does
    /// not contain it.
    pub(super) fn apply(&self, dataset: &mut Dataset) -> Result<(), DatasetError> {
        let Dataset { train, test, validation, .. } = dataset;
        let fit = match *self {
            Self::None {} => return Ok(()),
            Self::MinMax { fit, .. } | Self::Standard { fit, .. } => fit,
        };
        let of_train = self.fitted("training", train)?;
        let of_test = match fit {
            Fit::Train => of_train.clone(),
            Fit::Each => self.fitted("test", test)?,
        };
        map_columns("training", train, &of_train)?;
        map_columns("test", test, &of_test)?;
        map_columns("validation", validation, &of_train)
    }

    /// The statistics of the training set, before it is normalised.
    pub(super) fn fitted_to_training(&self, train: &Samples) -> Result<Fitted, DatasetError> {
        Ok(Fitted { maps: self.fitted("training", train)? })
    }

    /// One map for all features (scope matrix) or one for each.
    fn fitted(&self, set: &'static str, samples: &Samples) -> Result<Vec<Map>, DatasetError> {
        let (Self::MinMax { scope, .. } | Self::Standard { scope, .. }) = self else {
            return Ok(Vec::new());
        };
        let maps: Vec<Map> = match scope {
            Scope::Matrix => vec![self.fitted_to(samples.features.iter().copied())],
            Scope::Feature => (0..samples.width)
                .map(|column| {
                    self.fitted_to(samples.features.iter().skip(column).step_by(samples.width).copied())
                })
                .collect(),
        };
        if maps.iter().all(|map| matches!(map, Map::Constant(_))) {
            return Err(DatasetError::Normalization {
                set,
                problem: "every feature is constant, so that nothing tells samples apart".to_owned(),
            });
        }
        Ok(maps)
    }

    fn fitted_to(&self, values: impl Iterator<Item = f32> + Clone) -> Map {
        match *self {
            Self::None {} => Map::Identity,
            Self::MinMax { range: [low, high], .. } => {
                let (min, max) = min_max(values);
                if min == max {
                    return Map::Constant((0.5 * (low + high)) as f32);
                }
                Map::MinMax { width: (high - low) as f32, min, span: max - min, low: low as f32 }
            }
            Self::Standard { .. } => {
                let (mean, deviation) = mean_and_deviation(values);
                if deviation == 0.0 { Map::Constant(0.0) } else { Map::Standard { mean, deviation } }
            }
        }
    }
}

/// A normalisation with the statistics of one set.
pub(super) struct Fitted {
    maps: Vec<Map>,
}

impl Fitted {
    /// Normalises `features`, `[samples, width]`, in place; `set` is for errors.
    pub(super) fn apply(
        &self,
        set: &'static str,
        features: &mut [f32],
        width: usize,
    ) -> Result<(), DatasetError> {
        map_rows(set, features, width, &self.maps)
    }
}

/// A fitted normalisation of one number.
#[derive(Clone, Copy)]
enum Map {
    Identity,
    Constant(f32),
    MinMax { width: f32, min: f32, span: f32, low: f32 },
    Standard { mean: f64, deviation: f64 },
}

impl Map {
    fn of(self, x: f32) -> f32 {
        match self {
            Self::Identity => x,
            Self::Constant(value) => value,
            // In f32 and in this order, as the paper's PyTorch code computes it.
            Self::MinMax { width, min, span, low } => (width * (x - min)) / span + low,
            Self::Standard { mean, deviation } => ((f64::from(x) - mean) / deviation) as f32,
        }
    }
}

pub(super) fn min_max(values: impl Iterator<Item = f32>) -> (f32, f32) {
    values.fold((f32::INFINITY, f32::NEG_INFINITY), |(min, max), x| (min.min(x), max.max(x)))
}

/// Mean and population standard deviation, summed in f64 in the order of the samples.
fn mean_and_deviation(values: impl Iterator<Item = f32> + Clone) -> (f64, f64) {
    let n = values.clone().count() as f64;
    let mean = values.clone().map(f64::from).sum::<f64>() / n;
    let variance = values.map(|x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
    (mean, variance.sqrt())
}

fn map_columns(set: &'static str, samples: &mut Samples, maps: &[Map]) -> Result<(), DatasetError> {
    map_rows(set, &mut samples.features, samples.width, maps)
}

fn map_rows(set: &'static str, features: &mut [f32], width: usize, maps: &[Map]) -> Result<(), DatasetError> {
    for row in features.chunks_exact_mut(width) {
        for (x, map) in row.iter_mut().zip(maps.iter().cycle()) {
            *x = map.of(*x);
            if !x.is_finite() {
                return Err(DatasetError::Normalization {
                    set,
                    problem: "features differ by more than single precision can hold; scale them down"
                        .to_owned(),
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(width: usize, features: &[f32]) -> Samples {
        Samples { features: features.to_vec(), labels: vec![0; features.len() / width], width }
    }

    fn dataset(train: Samples, test: Samples) -> Dataset {
        let validation = Samples::none(train.width);
        Dataset { train, test, validation, classes: 2, class_names: Vec::new() }
    }

    fn applied(normalization: &Normalization, train: &[f32], test: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let mut dataset = dataset(samples(2, train), samples(2, test));
        normalization.apply(&mut dataset).expect("data that can be normalised");
        (dataset.train.features, dataset.test.features)
    }

    #[test]
    fn the_validation_set_always_follows_the_training_set() {
        for fit in [Fit::Each, Fit::Train] {
            let mut dataset = dataset(samples(1, &[0.0, 4.0]), samples(1, &[1.0, 2.0]));
            dataset.validation = samples(1, &[2.0, 8.0]);
            let normalization = Normalization::MinMax { scope: Scope::Matrix, range: [0.0, 1.0], fit };
            normalization.apply(&mut dataset).expect("data that can be normalised");
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
            let mut dataset = dataset(samples(1, &train), samples(1, &[1.0, 2.0]));
            assert!(Normalization::paper().apply(&mut dataset).is_err(), "{train:?}");
        }
    }

    #[test]
    fn a_range_in_the_wrong_order_is_an_error() {
        let reversed = Normalization::MinMax { scope: Scope::Matrix, range: [1.0, 0.0], fit: Fit::Each };
        assert!(reversed.validate().is_err());
        assert!(Normalization::paper().validate().is_ok());
    }
}
