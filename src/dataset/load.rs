//! From a configuration to a data set.

use super::digits::digits;
use super::elementary::Elementary;
use super::file_samples;
use super::generate::{self, Blobs};
use super::normalizer::Precision;
use super::numbers::Numbers;
use super::partition::held_out;
use super::unscaled::{Unscaled, UnscaledDataset};
use super::{
    BlobsConfig, CirclesConfig, Dataset, DatasetConfig, DatasetError, MoonsConfig, RawSamples, Schema,
};
use super::{csv, idx, npy, npz};

/// Data that this crate generates (or embeds), in the generator's f64.
pub(super) struct Generated {
    pub train: RawSamples,
    pub test: RawSamples,
    /// Held out of `train`, where that was asked for.
    pub validation: Option<RawSamples>,
    /// The one array that was split into train and test, where there was one.
    pub whole: Option<RawSamples>,
    pub classes: usize,
}

impl DatasetConfig {
    /// Generates or reads the data set, splits and normalises it; where a share is held out for validation, the
    /// training set is the rest.
    ///
    /// # Errors
    /// See [`DatasetError`]; among others, data of fewer than two classes, and a class that has no
    /// training sample. The test set need not have samples of every class.
    pub fn load(&self) -> Result<Dataset, DatasetError> {
        self.load_unscaled()?.0.normalized(self.normalization())
    }

    /// The data set before it is normalised, and for generated data also the generator's f64 features.
    pub(super) fn load_unscaled(&self) -> Result<(UnscaledDataset, Option<Generated>), DatasetError> {
        self.validate()?;
        self.check_memory()?;
        let (mut data, mut generated) = match self {
            Self::Csv(config) => (file_samples::dataset(csv::read(config)?, &config.division())?, None),
            Self::Npy(config) => (file_samples::dataset(npy::read(config)?, &config.division())?, None),
            Self::Npz(config) => (file_samples::dataset(npz::read(config)?, &config.division())?, None),
            Self::Idx(config) => (file_samples::dataset(idx::read(config)?, &config.division())?, None),
            Self::Moons(config) => from_generator(moons(config))?,
            Self::Circles(config) => from_generator(circles(config))?,
            Self::Blobs(config) => from_generator(blobs(config))?,
            Self::Digits(config) => {
                let whole = digits(config.classes);
                from_generator(last_rows_as_test(whole, config.test_fraction, config.classes))?
            }
        };
        if let Some(share) = self.validation() {
            data.hold_out(share, generated.as_mut())?;
        }
        if let Some(augmentation) = self.augmentation() {
            augmentation.apply(&mut data.train)?;
            // The copies are no numbers of the generator's.
            generated = None;
        }
        data.check_classes()?;
        Ok((data, generated))
    }
}

fn from_generator(generated: Generated) -> Result<(UnscaledDataset, Option<Generated>), DatasetError> {
    let data = UnscaledDataset {
        train: rounded(&generated.train)?,
        test: rounded(&generated.test)?,
        validation: Unscaled::none(generated.train.width),
        class_names: Schema::numbered(generated.classes).class_names,
        feature_names: None,
        reading: None,
        notes: Vec::new(),
        precision: Precision::Single,
    };
    Ok((data, Some(generated)))
}

fn moons(config: &MoonsConfig) -> Generated {
    let moons = |samples, seed| generate::moons(samples, config.noise, seed, Elementary::numpy());
    let test = moons(config.test_samples, config.test_seed.unwrap_or(config.seed));
    two_sets(moons(config.train_samples, config.seed), test)
}

fn circles(config: &CirclesConfig) -> Generated {
    let circles =
        |samples, seed| generate::circles(samples, config.noise, config.factor, seed, Elementary::numpy());
    let test = circles(config.test_samples, config.test_seed.unwrap_or(config.seed));
    two_sets(circles(config.train_samples, config.seed), test)
}

/// Sets of two classes that were made apart.
fn two_sets(train: RawSamples, test: RawSamples) -> Generated {
    Generated { train, test, validation: None, whole: None, classes: 2 }
}

fn blobs(config: &BlobsConfig) -> Generated {
    let blobs = Blobs {
        samples: config.classes * config.samples_per_class,
        classes: config.classes,
        width: config.features,
        cluster_std: config.cluster_std,
        center_box: config.center_box,
        seed: config.seed,
    };
    let whole = generate::blobs(&blobs, Elementary::numpy());
    last_rows_as_test(whole, config.test_fraction, config.classes)
}

/// The number of test samples among `samples`, as scikit-learn rounds it: up.
pub(super) fn test_samples(samples: usize, test_fraction: f64) -> usize {
    (test_fraction * samples as f64).ceil() as usize
}

fn last_rows_as_test(whole: RawSamples, test_fraction: f64, classes: usize) -> Generated {
    let samples = whole.labels.len();
    let first_test = samples - test_samples(samples, test_fraction).min(samples);
    let part = |rows: std::ops::Range<usize>| RawSamples {
        features: whole.features[rows.start * whole.width..rows.end * whole.width].to_vec(),
        labels: whole.labels[rows].to_vec(),
        width: whole.width,
    };
    Generated {
        train: part(0..first_test),
        test: part(first_test..samples),
        validation: None,
        whole: Some(whole),
        classes,
    }
}

fn rounded(raw: &RawSamples) -> Result<Unscaled, DatasetError> {
    let features: Vec<f32> = raw.features.iter().map(|&x| x as f32).collect();
    if let Some(i) = features.iter().position(|x| !x.is_finite()) {
        let expected = "settings that generate features within single precision";
        return Err(DatasetError::setting("kind", raw.features[i], expected));
    }
    Ok(Unscaled { features: Numbers::Single(features), labels: raw.labels.clone(), width: raw.width })
}

impl UnscaledDataset {
    /// Moves a share of the training samples of each class to the validation set.
    fn hold_out(&mut self, share: f64, generated: Option<&mut Generated>) -> Result<(), DatasetError> {
        let (train, validation) = held_out(&self.train.labels, share);
        if validation.is_empty() {
            let expected = format!("so large that a class of the {} training samples loses one", train.len());
            return Err(DatasetError::setting("validation", share, expected));
        }
        if let Some(generated) = generated {
            generated.validation = Some(generated.train.rows(&validation));
            generated.train = generated.train.rows(&train);
        }
        self.validation = self.train.rows(&validation);
        self.train = self.train.rows(&train);
        Ok(())
    }

    /// Both sets have samples, there are two classes at least, and every class can be learnt.
    fn check_classes(&self) -> Result<(), DatasetError> {
        for (place, samples) in [("the training set", &self.train), ("the test set", &self.test)] {
            if samples.is_empty() {
                return Err(DatasetError::NoSamples { place: place.to_owned() });
            }
        }
        if let [class] = self.class_names.as_slice() {
            return Err(DatasetError::OneClass {
                place: "the training set".to_owned(),
                class: class.clone(),
            });
        }
        let mut seen = vec![false; self.class_names.len()];
        for &label in &self.train.labels {
            seen[label as usize] = true;
        }
        match seen.iter().position(|&seen| !seen) {
            Some(class) => Err(DatasetError::ClassWithoutTraining { class: self.class_names[class].clone() }),
            None => Ok(()),
        }
    }
}
