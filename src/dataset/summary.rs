//! What the data of a configuration are: shapes, class counts, ranges and checksums.

use std::io::{BufWriter, Write};
use std::path::Path;

use npyz::WriterBuilder;
use npyz::npz::NpzWriter;
use npyz::zip::CompressionMethod;
use npyz::zip::write::FileOptions;
use serde::Serialize;

use super::distinct;
use super::numbers::Numbers;
use super::{Dataset, DatasetConfig, DatasetError, RawSamples, Reading, Samples, checksum};
use crate::files::{Place, WriteSeek};
use crate::{excerpt, printable};

/// A description of a data set, as text ([`Display`](std::fmt::Display)) or as JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DatasetSummary {
    /// The configuration with every default filled in.
    pub dataset: DatasetConfig,
    pub classes: usize,
    pub class_names: Vec<String>,
    /// [`Dataset::checksum`]
    pub checksum: String,
    /// How a text was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reading: Option<Reading>,
    /// What is odd about the data, in sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    pub train: SplitSummary,
    pub test: SplitSummary,
    /// What is held out of the training set, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<SplitSummary>,
    /// The generated array before it was split, where one array was split into train and test.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whole: Option<WholeSummary>,
}

/// One set, after normalisation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SplitSummary {
    pub samples: usize,
    /// Features per sample.
    pub features: usize,
    /// `[classes]`
    pub class_counts: Vec<usize>,
    /// Least feature.
    pub min: f32,
    /// Greatest feature.
    pub max: f32,
    /// SHA-256 of the normalised features as little-endian f32, row-major.
    pub sha256_x_f4: String,
    /// SHA-256 of the labels as little-endian i64.
    pub sha256_y_i8: String,
    /// SHA-256 of the features as generated, before normalisation, as little-endian f64; absent for files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256_x_f8: Option<String>,
    /// SHA-256 of the features as generated, rounded to little-endian f32; absent for files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256_raw_f4: Option<String>,
}

/// An array as generated, before the split and normalisation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WholeSummary {
    pub samples: usize,
    /// Features per sample.
    pub features: usize,
    /// SHA-256 of the features as little-endian f64, row-major.
    pub sha256_x_f8: String,
    /// SHA-256 of the features rounded to little-endian f32.
    pub sha256_x_f4: String,
    /// SHA-256 of the labels as little-endian i64.
    pub sha256_y_i8: String,
}

fn sha256_f4(features: impl Iterator<Item = f32>) -> String {
    checksum::of_numbers(features.map(f32::to_le_bytes))
}

fn sha256_f8(features: &[f64]) -> String {
    checksum::of_numbers(features.iter().map(|x| x.to_le_bytes()))
}

fn sha256_i8(labels: &[u32]) -> String {
    checksum::of_numbers(labels.iter().map(|&label| i64::from(label).to_le_bytes()))
}

fn rounded(raw: &RawSamples) -> impl Iterator<Item = f32> + '_ {
    raw.features.iter().map(|&x| x as f32)
}

impl SplitSummary {
    fn of(samples: &Samples, raw: Option<&RawSamples>, classes: usize) -> Self {
        let mut class_counts = vec![0; classes];
        for &label in &samples.labels {
            class_counts[label as usize] += 1;
        }
        let features = samples.features.iter().copied();
        Self {
            samples: samples.len(),
            features: samples.width,
            class_counts,
            min: features.clone().fold(f32::INFINITY, f32::min),
            max: features.fold(f32::NEG_INFINITY, f32::max),
            sha256_x_f4: sha256_f4(samples.features.iter().copied()),
            sha256_y_i8: sha256_i8(&samples.labels),
            sha256_x_f8: raw.map(|raw| sha256_f8(&raw.features)),
            sha256_raw_f4: raw.map(|raw| sha256_f4(rounded(raw))),
        }
    }
}

impl WholeSummary {
    fn of(raw: &RawSamples) -> Self {
        Self {
            samples: raw.labels.len(),
            features: raw.width,
            sha256_x_f8: sha256_f8(&raw.features),
            sha256_x_f4: sha256_f4(rounded(raw)),
            sha256_y_i8: sha256_i8(&raw.labels),
        }
    }
}

impl DatasetSummary {
    /// Loads the data of `config` and describes them; the data come along.
    ///
    /// # Errors
    /// Those of [`DatasetConfig::load`].
    pub fn load(config: &DatasetConfig) -> Result<(Self, Dataset), DatasetError> {
        let (mut unscaled, generated) = config.load_unscaled()?;
        let reading = unscaled.reading.take();
        // What f32 holds in the file, it tells apart once normalised, but for columns of extreme outliers.
        let is_wide = matches!(unscaled.train.features, Numbers::Double(_));
        let before = is_wide.then(|| distinct::counts(&unscaled.train));
        let dataset = unscaled.normalized(config.normalization())?;
        let mut notes = dataset.notes.clone();
        notes.extend(before.and_then(|before| note_on_merged(&before, &dataset)));
        let raw = generated.as_ref();
        let held_out = raw.and_then(|raw| raw.validation.as_ref());
        let validation = (!dataset.validation.is_empty())
            .then(|| SplitSummary::of(&dataset.validation, held_out, dataset.classes()));
        let summary = Self {
            dataset: config.clone(),
            classes: dataset.classes(),
            class_names: dataset.schema.class_names.clone(),
            checksum: dataset.checksum().to_owned(),
            reading,
            notes,
            train: SplitSummary::of(&dataset.train, raw.map(|raw| &raw.train), dataset.classes()),
            test: SplitSummary::of(&dataset.test, raw.map(|raw| &raw.test), dataset.classes()),
            validation,
            whole: raw.and_then(|raw| raw.whole.as_ref()).map(WholeSummary::of),
        };
        Ok((summary, dataset))
    }
}

/// A sentence about the features of which values that differ in the file became equal.
fn note_on_merged(before: &[usize], dataset: &Dataset) -> Option<String> {
    let merged = distinct::merged(before, &dataset.train);
    let &(feature, before, after) = merged.first()?;
    let others = match merged.len() - 1 {
        0 => String::new(),
        others => format!(" (and {others} more)"),
    };
    let names = dataset.schema.feature_names.as_deref().unwrap_or_default();
    let name = names.get(feature).map_or_else(|| feature.to_string(), |name| format!("{name:?}"));
    Some(format!(
        "feature {name}{others}: of {before} values that differ in the file, {after} still differ as normalised f32"
    ))
}

/// How many classes the text names one by one.
const CLASSES_SHOWN: usize = 20;

impl std::fmt::Display for DatasetSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut splits = vec![("train", &self.train), ("test", &self.test)];
        splits.extend(self.validation.as_ref().map(|validation| ("validation", validation)));
        let mut row = |name: &str, of: &dyn Fn(&str, &SplitSummary) -> String| {
            write!(f, "{name:<22}")?;
            splits.iter().try_for_each(|(name, split)| write!(f, " {:>20}", of(name, split)))?;
            writeln!(f)
        };
        row("", &|name, _| name.to_owned())?;
        row("samples", &|_, split| split.samples.to_string())?;
        row("features", &|_, split| split.features.to_string())?;
        row("least feature", &|_, split| split.min.to_string())?;
        row("greatest feature", &|_, split| split.max.to_string())?;
        for (class, name) in self.class_names.iter().enumerate().take(CLASSES_SHOWN) {
            row(&format!("samples of class {}", excerpt::shown(name)), &|_, split| {
                split.class_counts[class].to_string()
            })?;
        }
        if self.classes > CLASSES_SHOWN {
            writeln!(f, "… {} classes in all", self.classes)?;
        }
        if let Some(reading) = &self.reading {
            write!(f, "\n{reading}")?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {}", printable::line(note)))?;
        writeln!(f, "\nSHA-256")?;
        writeln!(f, "of the data set                 {}", self.checksum)?;
        for (name, split) in splits {
            writeln!(f, "{name:<5} features, normalised f32  {}", split.sha256_x_f4)?;
            writeln!(f, "{name:<5} labels, i64               {}", split.sha256_y_i8)?;
            if let Some(sum) = &split.sha256_x_f8 {
                writeln!(f, "{name:<5} features, generated f64   {sum}")?;
            }
        }
        if let Some(whole) = &self.whole {
            writeln!(f, "whole features, generated f64   {}", whole.sha256_x_f8)?;
            writeln!(f, "whole labels, i64               {}", whole.sha256_y_i8)?;
        }
        Ok(())
    }
}

impl Dataset {
    /// Writes `x_train`, `y_train`, `x_test` and `y_test`, and where samples are held out `x_validation` and
    /// `y_validation` (normalised f32 `[samples, features]`, i64 `[samples]`) to a file that `numpy.load` opens.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_npz(&self, path: &Path) -> Result<(), DatasetError> {
        let written = Place::find(path).and_then(|place| place.write_with(|file| self.npz(file)));
        written.map_err(|source| DatasetError::Write { path: path.to_owned(), source })
    }

    fn npz(&self, file: &mut dyn WriteSeek) -> std::io::Result<()> {
        let mut npz = NpzWriter::new(BufWriter::new(file));
        // Uncompressed, as numpy.savez writes; entries may exceed 4 GiB.
        let options = FileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
        let mut splits = vec![("train", &self.train), ("test", &self.test)];
        if !self.validation.is_empty() {
            splits.push(("validation", &self.validation));
        }
        for (split, samples) in splits {
            let (n, width) = (samples.len() as u64, samples.width as u64);
            let mut features =
                npz.array(&format!("x_{split}"), options)?.default_dtype().shape(&[n, width]).begin_nd()?;
            features.extend(&samples.features)?;
            features.finish()?;
            let mut labels =
                npz.array(&format!("y_{split}"), options)?.default_dtype().shape(&[n]).begin_nd()?;
            labels.extend(samples.labels.iter().map(|&label| i64::from(label)))?;
            labels.finish()?;
        }
        npz.zip_writer().finish()?.flush()
    }
}
