//! Samples as a file holds them: features and named classes.

use std::collections::HashMap;

use super::file_config::Division;
use super::load::Unnormalized;
use super::{DatasetError, Samples};

/// Samples of a file.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// What to call the file (and the place in it) in errors.
    pub place: String,
    /// `[samples, width]`, row-major, finite.
    pub features: Vec<f32>,
    pub width: usize,
    pub labels: Labels,
}

/// The class of each sample, by name.
#[derive(Debug, Default)]
pub(super) struct Labels {
    /// `[samples]`, indices into `names`.
    ids: Vec<u32>,
    /// In order of first appearance.
    names: Vec<String>,
    id_of: HashMap<String, u32>,
}

impl Labels {
    pub fn push(&mut self, name: &str) {
        let id = match self.id_of.get(name) {
            Some(&id) => id,
            None => {
                let id = self.names.len() as u32;
                self.names.push(name.to_owned());
                self.id_of.insert(name.to_owned(), id);
                id
            }
        };
        self.ids.push(id);
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// The names in the order of the classes: by value if all are integers, or all numbers; else as text.
    fn sorted_names(&self) -> Vec<String> {
        let mut names = self.names.clone();
        let parsed = |name: &String| name.parse::<i64>().ok();
        let number = |name: &String| name.parse::<f64>().ok();
        if names.iter().all(|name| parsed(name).is_some()) {
            names.sort_by_key(|name| (parsed(name), name.clone()));
        } else if names.iter().all(|name| number(name).is_some()) {
            let value = |name: &String| number(name).unwrap_or(f64::NAN);
            names.sort_by(|a, b| value(a).total_cmp(&value(b)).then_with(|| a.cmp(b)));
        } else {
            names.sort();
        }
        names
    }

    /// The number of each sample's class in `classes`; `place` is for errors.
    fn numbered(&self, classes: &[String], place: &str) -> Result<Vec<u32>, DatasetError> {
        let number: HashMap<&String, u32> = classes.iter().zip(0..).collect();
        let number_of_id: Vec<Option<u32>> =
            self.names.iter().map(|name| number.get(name).copied()).collect();
        self.ids
            .iter()
            .enumerate()
            .map(|(sample, &id)| {
                number_of_id[id as usize].ok_or_else(|| DatasetError::UnknownClass {
                    place: place.to_owned(),
                    sample: sample + 1,
                    class: self.names[id as usize].clone(),
                    known: listed(classes),
                })
            })
            .collect()
    }
}

/// The first classes, for an error.
fn listed(classes: &[String]) -> String {
    const SHOWN: usize = 10;
    let mut list = classes.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if classes.len() > SHOWN {
        list.push_str(", …");
    }
    list
}

impl Table {
    fn has_samples(&self) -> Result<(), DatasetError> {
        if self.labels.len() == 0 {
            return Err(DatasetError::NoSamples { place: self.place.clone() });
        }
        Ok(())
    }

    fn into_samples(self, classes: &[String]) -> Result<Samples, DatasetError> {
        let labels = self.labels.numbered(classes, &self.place)?;
        Ok(Samples { features: self.features, labels, width: self.width })
    }
}

impl Samples {
    pub(super) fn rows(&self, rows: &[usize]) -> Self {
        Self {
            features: rows
                .iter()
                .flat_map(|&row| &self.features[row * self.width..][..self.width])
                .copied()
                .collect(),
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
            width: self.width,
        }
    }

    fn truncate(&mut self, setting: &'static str, samples: Option<usize>) -> Result<(), DatasetError> {
        let Some(samples) = samples else { return Ok(()) };
        if samples > self.len() {
            return Err(DatasetError::setting(
                setting,
                samples,
                format!("at most {}, the samples there are", self.len()),
            ));
        }
        self.features.truncate(samples * self.width);
        self.labels.truncate(samples);
        Ok(())
    }
}

/// A data set of a training and a test table, or of one table to be divided. The classes are those of the
/// training table.
pub(super) fn dataset(
    (train, test): (Table, Option<Table>),
    division: &Division<'_>,
) -> Result<Unnormalized, DatasetError> {
    train.has_samples()?;
    let class_names = train.labels.sorted_names();
    if let [class] = class_names.as_slice() {
        return Err(DatasetError::OneClass { place: train.place, class: class.clone() });
    }
    let (mut train, mut test) = match test {
        Some(test) => {
            test.has_samples()?;
            if train.width != test.width {
                return Err(DatasetError::WidthMismatch { train: train.width, test: test.width });
            }
            (train.into_samples(&class_names)?, test.into_samples(&class_names)?)
        }
        None => {
            let whole = train.into_samples(&class_names)?;
            let split = division.split.cloned().unwrap_or_default();
            let (train_rows, test_rows) = split.rows(&whole.labels);
            (whole.rows(&train_rows), whole.rows(&test_rows))
        }
    };
    train.truncate("train_samples", division.train_samples)?;
    test.truncate("test_samples", division.test_samples)?;
    let validation = Samples::none(train.width);
    Ok(Unnormalized { train, test, validation, class_names, feature_names: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(labels: &[&str]) -> Vec<String> {
        let mut of = Labels::default();
        labels.iter().for_each(|name| of.push(name));
        of.sorted_names()
    }

    #[test]
    fn classes_are_ordered_by_value_if_they_are_numbers_and_as_text_if_not() {
        assert_eq!(names(&["10", "9", "-1", "9"]), ["-1", "9", "10"]);
        assert_eq!(names(&["10.0", "9.5"]), ["9.5", "10.0"]);
        assert_eq!(names(&["b", "10", "9"]), ["10", "9", "b"]);
    }
}
