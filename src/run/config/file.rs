//! A configuration's file, before it is known what it configures: where it is from, and what is set beside it.

use super::{ConfigError, RunConfig};
use crate::dataset::DatasetConfig;
use crate::flaw::Flaw;
use crate::json::{self, JsonError};
use crate::settings::{self, BadSetting};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Stands for standard input in place of a file.
const STANDARD_INPUT: &str = "-";

/// JSON in which settings have names, and where it is from.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigFile {
    /// As messages name it.
    pub path: PathBuf,
    /// What things are called that have no name of their own.
    pub stem: String,
    pub value: Value,
    /// Relative paths begin here.
    folder: PathBuf,
}

/// A setting given beside a file: `algorithm.population=500`.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// The path of the key.
    pub key: String,
    pub value: Value,
}

impl FromStr for Assignment {
    type Err = Flaw;

    /// The value is JSON; what is none is a text.
    fn from_str(text: &str) -> Result<Self, Flaw> {
        match text.split_once('=') {
            Some((key, value)) if key.split('.').all(|part| !part.trim().is_empty()) => Ok(Self {
                key: key.trim().to_owned(),
                value: json::parse(value.as_bytes()).unwrap_or_else(|_| value.into()),
            }),
            _ => Err("give the path of a key, =, and its value, such as algorithm.population=500".into()),
        }
    }
}

impl ConfigFile {
    /// Reads the file at `path`, or for `-` standard input, whose relative paths begin in the working folder.
    ///
    /// # Errors
    /// Names the file, and what is wrong in it, and where.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let (name, is_file) = (Self::name(path), path != Path::new(STANDARD_INPUT));
        let value = json::read(is_file.then_some(path)).map_err(|error| match error {
            JsonError::Read(source) => ConfigError::Read { path: name.to_owned(), source },
            JsonError::Content(reason) => ConfigError::Content { path: name.to_owned(), reason },
        })?;
        let mut file = Self::held(name, value);
        if !is_file {
            (file.stem, file.folder) = ("stdin".to_owned(), PathBuf::new());
        }
        Ok(file)
    }

    /// How messages name what is read from `path`.
    pub fn name(path: &Path) -> &Path {
        if path == Path::new(STANDARD_INPUT) { Path::new("standard input") } else { path }
    }

    /// What was found at `path`. A reference to a schema is for editors.
    pub fn held(path: &Path, mut value: Value) -> Self {
        if let Value::Object(object) = &mut value {
            object.shift_remove("$schema");
        }
        Self {
            path: path.to_owned(),
            stem: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            value,
            folder: path.parent().unwrap_or(Path::new("")).to_owned(),
        }
    }

    /// The same error, which names the file.
    pub(crate) fn error(&self, source: BadSetting) -> ConfigError {
        ConfigError::Value { path: self.path.clone(), source }
    }

    /// Puts settings in the place of what the file has.
    ///
    /// # Errors
    /// When something in a key's path has no keys.
    pub fn set(&mut self, assignments: &[Assignment]) -> Result<(), ConfigError> {
        let set = |Assignment { key, value }: &Assignment| set_key(&mut self.value, key, value.clone());
        assignments.iter().try_for_each(set).map_err(|source| self.error(source))
    }

    /// The configuration of a run.
    ///
    /// # Errors
    /// Names the file and the key.
    pub fn run(&self) -> Result<RunConfig, ConfigError> {
        self.refuse_another(
            ["base", "grid", "seeds"],
            "a sweep's configuration: supermask sweep makes its runs",
        )?;
        let mut value = self.value.clone();
        if let Value::Object(object) = &mut value {
            object.entry("name").or_insert_with(|| self.stem.clone().into());
        }
        let mut config = RunConfig::from_value(value).map_err(|source| self.error(source))?;
        config.notes = self.place(&mut config);
        Ok(config)
    }

    /// Refuses a file with one of these keys, which say that it is something else, and a record.
    ///
    /// # Errors
    /// Names the file and the key.
    pub fn refuse_another<const N: usize>(&self, keys: [&str; N], what: &str) -> Result<(), ConfigError> {
        let record = ("schema_version", "a record: what it was made with is its config");
        let known = keys.map(|key| (key, what)).into_iter().chain([record]);
        match known.into_iter().find(|(key, _)| self.value.get(key).is_some()) {
            Some((key, what)) => {
                Err(self.error(BadSetting::new(key, format!("unknown key; this is {what}"))))
            }
            None => Ok(()),
        }
    }

    /// A file that holds the settings of data alone becomes a configuration with these, as far as they go.
    pub fn as_dataset(&mut self) {
        if self.value.get("dataset").is_none() {
            self.value = json!({ "dataset": self.value.take() });
        }
    }

    /// The configuration of the data, whatever else the file holds, and what is to be told of how it was read.
    ///
    /// # Errors
    /// Names the file and the key.
    pub fn dataset(&self) -> Result<(DatasetConfig, Vec<String>), ConfigError> {
        let value = self.value.get("dataset").cloned().unwrap_or_default();
        let mut config: DatasetConfig =
            settings::read_tagged("dataset", value).map_err(|source| self.error(source))?;
        let notes = self.begin_here(config.files_mut());
        Ok((config, notes))
    }

    /// Has the relative paths of a run begin in the file's folder; says where they do not.
    pub(crate) fn place(&self, config: &mut RunConfig) -> Vec<String> {
        let files = config.dataset.files_mut().into_iter().chain(config.network.weights_file_mut());
        let files = files.chain(config.start.as_mut().map(|start| &mut start.ticket));
        self.begin_here(files)
    }

    /// Earlier versions had paths begin in the working folder. Where a file is only there, it is taken, and said.
    fn begin_here<'a>(&self, files: impl IntoIterator<Item = &'a mut PathBuf>) -> Vec<String> {
        let mut notes = Vec::new();
        for file in files {
            let beside = self.folder.join(&*file);
            if !beside.exists() && file.exists() {
                let (file, beside) = (absolute(file), absolute(&beside));
                notes.push(format!(
                    "{file} is taken, as there is no {beside}: paths in a configuration are relative to its folder"
                ));
            } else {
                *file = beside;
            }
        }
        notes
    }
}

/// Sets the value at a dotted path of a run's configuration. What names no algorithm and no kind of weights has the
/// default's, as where nothing is said of them.
pub(crate) fn set_key(config: &mut Value, path: &str, value: Value) -> Result<(), BadSetting> {
    const DEFAULTS: [(&str, &str, &str); 2] =
        [("algorithm.", "kind", "ga"), ("network.weights.", "init", "uniform")];
    for (start, tag, default) in DEFAULTS {
        let section = start.trim_end_matches('.');
        let is_there = section.split('.').try_fold(&*config, |place, key| place.get(key)).is_some();
        if path.starts_with(start) && !is_there {
            settings::set(config, section, json!({ tag: default }))?;
        }
    }
    settings::set(config, path, value)
}

/// The whole path, for messages.
pub(crate) fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_a_path_and_json_or_a_text() {
        let read = |text: &str| text.parse::<Assignment>().map(|a| (a.key, a.value));
        for (text, key, value) in [
            ("algorithm.population=500", "algorithm.population", json!(500)),
            ("network.hidden=[20, 20]", "network.hidden", json!([20, 20])),
            ("dataset=moons", "dataset", json!("moons")),
            ("dataset.label=\"3\"", "dataset.label", json!("3")),
            ("dataset.train=a=b.csv", "dataset.train", json!("a=b.csv")),
            ("name=", "name", json!("")),
        ] {
            assert_eq!(read(text), Ok((key.to_owned(), value)), "{text}");
        }
        for text in ["algorithm.population", "=5", "a..b=5", ".a=5", ""] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_is_set_inside_words_and_what_is_not_there() {
        let set = |config: Value, key: &str, value: Value| {
            let mut config = config;
            set_key(&mut config, key, value).map(|()| config)
        };
        for (config, key, value, expected) in [
            (
                json!({}),
                "algorithm.population",
                json!(5),
                json!({"algorithm": {"kind": "ga", "population": 5}}),
            ),
            (
                json!({"algorithm": "ga_adaptive_ab"}),
                "algorithm.accuracy_bound.start",
                json!(0.9),
                json!({"algorithm": {"kind": "ga_adaptive_ab", "accuracy_bound": {"start": 0.9}}}),
            ),
            (
                json!({"network": {"weights": "uniform"}}),
                "network.weights.bound",
                json!(2),
                json!({"network": {"weights": {"init": "uniform", "bound": 2}}}),
            ),
            (
                json!({"dataset": {"kind": "moons", "normalization": "min_max"}}),
                "dataset.normalization.range",
                json!([0, 1]),
                json!({"dataset": {"kind": "moons", "normalization": {"method": "min_max", "range": [0, 1]}}}),
            ),
        ] {
            assert_eq!(set(config, key, value), Ok(expected), "{key}");
        }
        let error = set(json!({"network": {"hidden": [5]}}), "network.hidden.size", json!(3));
        assert_eq!(error.expect_err("a list has no keys").key(), "network.hidden.size");
    }
}
