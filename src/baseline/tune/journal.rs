//! A search's journal: its finished candidates on disk, so that it can go on where it was interrupted.

use super::{Ranges, TuneCandidate, TuneConfig};
use crate::baseline::BaselineError;
use crate::baseline::backprop::BackpropConfig;
use crate::dataset::Samples;
use crate::files;
use crate::network::Architecture;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// What a journal's search is, its first line. Candidates of another search are not taken over.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Heading {
    architecture: Architecture,
    classes: usize,
    samples: usize,
    /// CRC-32 of features and labels.
    data: u32,
    folds: usize,
    seed: u64,
    ranges: Ranges,
    base: BackpropConfig,
}

/// Finished candidates on disk, a line of JSON each, behind a line that says what search they belong to.
pub(super) struct Journal {
    path: String,
    file: File,
}

impl Journal {
    /// Opens or creates a journal, and reads what it holds; other processes cannot open it as long as this one has it.
    /// A last line without its end was interrupted, and is cut off, which `note` is told.
    pub fn open(
        path: &Path,
        heading: &Heading,
        note: &dyn Fn(String),
    ) -> Result<(Self, Vec<TuneCandidate>), BaselineError> {
        let name = path.display().to_string();
        let failed = |source| BaselineError::File { path: name.clone(), source };
        fs::create_dir_all(files::folder_of(path)).map_err(failed)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BaselineError::Busy { path: name }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        if whole < bytes.len() {
            note(format!("the last line of {name} was cut off when it was written; it is left out"));
            bytes.truncate(whole);
        }
        let text = String::from_utf8(bytes)
            .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error.utf8_error())))?;
        file.set_len(text.len() as u64).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;

        let mut journal = Self { path: name, file };
        let mut lines = text.lines();
        match lines.next() {
            None => journal.append(heading)?,
            Some(line) => heading.matches(&journal.parse(line, 1)?, &journal.path)?,
        }
        let mut candidates = Vec::new();
        for (n, line) in lines.enumerate() {
            let candidate: TuneCandidate = journal.parse(line, n + 2)?;
            if candidate.accuracies.len() != heading.folds {
                let (found, folds) = (candidate.accuracies.len(), heading.folds);
                let message = format!("{found} accuracies for {folds} folds");
                return Err(BaselineError::Journal { path: journal.path, line: n + 2, message });
            }
            candidates.push(candidate);
        }
        Ok((journal, candidates))
    }

    fn parse<T: serde::de::DeserializeOwned>(&self, text: &str, line: usize) -> Result<T, BaselineError> {
        serde_json::from_str(text).map_err(|error| BaselineError::Journal {
            path: self.path.clone(),
            line,
            message: error.to_string(),
        })
    }

    pub fn append(&mut self, entry: &impl Serialize) -> Result<(), BaselineError> {
        let failed = |source| BaselineError::File { path: self.path.clone(), source };
        let mut line = serde_json::to_string(entry).map_err(|error| failed(error.into()))?;
        line.push('\n');
        self.file.write_all(line.as_bytes()).map_err(failed)
    }
}

impl Heading {
    /// Of a search by these settings.
    pub fn new(samples: &Samples, classes: usize, architecture: &Architecture, config: &TuneConfig) -> Self {
        let TuneConfig { folds, seed, ranges, base, .. } = config.clone();
        let (architecture, data) = (architecture.clone(), fingerprint(samples));
        Self { architecture, classes, samples: samples.len(), data, folds, seed, ranges, base }
    }

    /// Is `found`, in the file at `path`, the same search as this one?
    fn matches(&self, found: &Self, path: &str) -> Result<(), BaselineError> {
        let differing = [
            ("architecture", self.architecture != found.architecture),
            ("classes", self.classes != found.classes),
            ("samples", self.samples != found.samples),
            ("data", self.data != found.data),
            ("folds", self.folds != found.folds),
            ("seed", self.seed != found.seed),
            ("ranges", self.ranges != found.ranges),
            ("base", self.base != found.base),
        ];
        let differing: Vec<&str> = differing.iter().filter(|(_, d)| *d).map(|(key, _)| *key).collect();
        if differing.is_empty() {
            return Ok(());
        }
        let difference = format!("its {} differs", differing.join(", "));
        Err(BaselineError::OtherSearch { path: path.to_owned(), difference })
    }
}

fn fingerprint(samples: &Samples) -> u32 {
    let mut crc = flate2::Crc::new();
    samples.features.iter().for_each(|x| crc.update(&x.to_le_bytes()));
    samples.labels.iter().for_each(|x| crc.update(&x.to_le_bytes()));
    crc.sum()
}
