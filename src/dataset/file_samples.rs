//! Samples as a file holds them: features and named classes.

use super::DatasetError;
use super::file_config::Division;
use super::labels::{Classes, Labels};
use super::normalizer::Precision;
use super::numbers::Numbers;
use super::reading::Reading;
use super::targets::{self, Targets};
use super::unscaled::{Unscaled, UnscaledDataset};
use crate::excerpt::quoted;
use crate::printable::counted;
use std::path::Path;

/// Classes that a note names.
const SHOWN: usize = 5;

/// Samples of a file.
#[derive(Debug, Default)]
pub(super) struct FileSamples {
    /// What to call the file (and the place in it) in errors.
    pub place: String,
    /// `[samples, width]`, row-major, finite.
    pub features: Numbers,
    pub width: usize,
    pub labels: Labels,
    /// `[width]`, where the file names them.
    pub feature_names: Option<Vec<String>>,
    /// How a text was read.
    pub reading: Option<Reading>,
    /// What is odd about the file, in sentences.
    pub notes: Vec<String>,
}

impl FileSamples {
    fn has_samples(&self) -> Result<(), DatasetError> {
        if self.labels.len() == 0 {
            return Err(DatasetError::NoSamples { place: self.place.clone() });
        }
        Ok(())
    }

    fn into_samples(self, classes: &Classes) -> Result<Unscaled, DatasetError> {
        let labels = self.labels.numbered(classes, &self.place)?;
        Ok(Unscaled { features: self.features, labels, width: self.width })
    }
}

/// A data set of a training and a test table, or of one table to be divided. The classes are those of the
/// training table.
pub(super) fn dataset(
    (mut train, test): (FileSamples, Option<FileSamples>),
    division: &Division<'_>,
) -> Result<UnscaledDataset, DatasetError> {
    train.has_samples()?;
    let classes = train.labels.classes();
    if let [class] = classes.names.as_slice() {
        return Err(DatasetError::OneClass { place: train.place, class: class.clone() });
    }
    let place = train.place.clone();
    let (reading, feature_names) = (train.reading.take(), train.feature_names.take());
    let mut notes = std::mem::take(&mut train.notes);
    notes.extend(classes.note.clone());
    match targets::judge(&classes, train.labels.len()) {
        Targets::Odd(note) => notes.push(note),
        Targets::Values(said) if !division.allow_many_classes => {
            return Err(DatasetError::NoClasses { place: train.place, said });
        }
        Targets::Classes | Targets::Values(_) => {}
    }
    let (mut train, mut test) = match test {
        Some(test) => {
            test.has_samples()?;
            if train.width != test.width {
                return Err(DatasetError::WidthMismatch { train: train.width, test: test.width });
            }
            (train.into_samples(&classes)?, test.into_samples(&classes)?)
        }
        None => {
            let whole = train.into_samples(&classes)?;
            let split = division.split.cloned().unwrap_or_default();
            let (train_rows, test_rows) = split.rows(&whole.labels);
            if test_rows.is_empty() || train_rows.is_empty() {
                let (samples, classes) = (whole.labels.len(), classes.names.len());
                let few = format!("too small to be split: {samples} samples of {classes} classes");
                let problem = format!("{few} leave a side empty; give more rows, or a test set (\"test\")");
                return Err(DatasetError::content(Path::new(&place), problem));
            }
            let (train, test) = (whole.rows(&train_rows), whole.rows(&test_rows));
            notes.extend(untested(&test, &classes.names));
            (train, test)
        }
    };
    train.truncate("train_samples", division.train_samples)?;
    test.truncate("test_samples", division.test_samples)?;
    let validation = Unscaled::none(train.width);
    Ok(UnscaledDataset {
        train,
        test,
        validation,
        class_names: classes.names,
        feature_names,
        reading,
        notes,
        precision: Precision::Double,
    })
}

/// A note on the classes without a test sample, where there are some.
fn untested(test: &Unscaled, names: &[String]) -> Option<String> {
    let of = |class: usize| test.labels.contains(&(class as u32));
    let without: Vec<String> =
        names.iter().enumerate().filter(|(class, _)| !of(*class)).map(|(_, name)| quoted(name)).collect();
    let shown = without.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    let more = if without.len() > SHOWN { ", …" } else { "" };
    (!without.is_empty()).then(|| {
        let classes = counted(without.len(), "class");
        format!("{classes} without a test sample ({shown}{more}): test accuracy says nothing of them")
    })
}
