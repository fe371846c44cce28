//! Why a data set cannot be had.

use crate::memory::TooMuch;
use crate::settings::BadSetting;
use serde::Serialize;
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// Why a data set cannot be generated, read or written. Every message names the setting, or the file and
/// the place in it.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    #[error(transparent)]
    Setting(#[from] BadSetting),

    #[error("cannot open {}: {source}", std::path::absolute(path).as_ref().unwrap_or(path).display())]
    Open { path: PathBuf, source: std::io::Error },

    #[error(
        "neither {} nor {} is there; give the folder of the four files, or install a package that has them (Debian's \
         dataset-fashion-mnist)",
        std::path::absolute(path).as_ref().unwrap_or(path).display(), package.display()
    )]
    NoFolder { path: PathBuf, package: PathBuf },

    #[error("cannot read {}: {source}; the file is damaged or cut short", path.display())]
    Read { path: PathBuf, source: std::io::Error },

    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },

    #[error("{}: {problem}", path.display())]
    Content { path: PathBuf, problem: String },

    /// Rows and columns count from 1; a header counts as a row, an empty line does not.
    #[error("{}, row {row}, column {column}: {problem}", path.display())]
    Cell { path: PathBuf, row: usize, column: usize, problem: String },

    #[error("{place} has no samples")]
    NoSamples { place: String },

    #[error("{place} has one class only ({class}); at least two are needed")]
    OneClass { place: String, class: String },

    #[error(
        "{place}: {said}: these look like measured values, not classes; group them into classes, choose another \
         column, or, if they are classes, say \"allow_many_classes\": true"
    )]
    NoClasses { place: String, said: String },

    #[error(
        "class {class} has no training sample; take more training samples, shuffle or stratify the split, \
         or leave the class out"
    )]
    ClassWithoutTraining { class: String },

    #[error(
        "{place}, sample {sample}: class {class} does not occur in the training set (its classes: {known})"
    )]
    /// Samples count from 1.
    UnknownClass { place: String, sample: usize, class: String, known: String },

    #[error("training samples have {train} features, test samples {test}; they must have the same number")]
    WidthMismatch { train: usize, test: usize },

    #[error("dataset: {0}")]
    Memory(#[from] TooMuch),

    #[error("dataset.normalization: the {set} set cannot be normalised: {problem}")]
    Normalization { set: &'static str, problem: String },
}

impl DatasetError {
    /// Whether the message begins with a file of data. Where it does not, it is about the configuration.
    pub fn names_its_file(&self) -> bool {
        matches!(
            self,
            Self::Open { .. }
                | Self::NoFolder { .. }
                | Self::Read { .. }
                | Self::Write { .. }
                | Self::Content { .. }
                | Self::Cell { .. }
        )
    }

    pub(super) fn setting(setting: &str, found: impl Serialize, needed: impl Display) -> Self {
        // As JSON, which is what the user wrote.
        let found = serde_json::to_string(&found).unwrap_or_else(|_| "not writable as JSON".to_owned());
        BadSetting::needs(format!("dataset.{setting}"), needed, found).into()
    }

    /// Refuses `found`, the value of a setting, unless it `holds` that it is what is needed.
    pub(super) fn ensure(
        holds: bool,
        setting: &str,
        found: impl Serialize,
        needed: impl Display,
    ) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self::setting(setting, found, needed)) }
    }

    pub(super) fn content(path: &Path, problem: impl Into<String>) -> Self {
        Self::Content { path: path.to_owned(), problem: problem.into() }
    }

    pub(super) fn cell(path: &Path, row: usize, column: usize, problem: impl Into<String>) -> Self {
        Self::Cell { path: path.to_owned(), row, column, problem: problem.into() }
    }
}
