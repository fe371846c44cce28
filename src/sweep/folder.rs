//! A sweep's folder: records, failures, checkpoints, and claims on runs.
//!
//! ```text
//! moons-a-ga-seed0.json           the record of a run that ended
//! moons-a-ga-seed1.failed.json    why a run failed
//! checkpoints/moons-a-ga-seed2.json   where an unfinished run goes on
//! checkpoints/moons-a-ga-seed2.lock   locked by the process that works on the run
//! ```
//!
//! Records are the only truth: what else is there can be removed at any time.

use crate::config::RunConfig;
use crate::record::{Cell, Record, SCHEMA_VERSION, write_atomically};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The folder of a sweep.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// Why a run failed, in place of its record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailedRun {
    pub schema_version: u32,
    pub program_version: String,
    pub cell: Cell,
    pub config: RunConfig,
    pub error: String,
}

/// What goes wrong with a sweep's folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("cannot write {}: {source}; what was finished before is safe, and the same command goes on from there", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "{} was written with schema version {found}, and this program has {SCHEMA_VERSION}; use another folder, or the program that began this one",
        path.display()
    )]
    OtherVersion { path: PathBuf, found: u64 },
    #[error(
        "{} holds the record of another configuration; use another folder or another name, or remove it",
        path.display()
    )]
    OtherConfiguration { path: PathBuf },
}

/// What a folder has of a run.
#[derive(Debug)]
pub enum Found {
    Nothing,
    Record(Box<Record>),
    /// A file that is no record, set aside under this name.
    Damaged(PathBuf),
}

/// A run that this process works on. Other processes leave it alone until this is dropped.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    _locked: File,
}

impl Drop for Claim {
    fn drop(&mut self) {
        // A file left behind is only litter.
        let _ = fs::remove_file(&self.path);
    }
}

const CHECKPOINTS: &str = "checkpoints";

impl Folder {
    /// The folder at `path`, made when it is not there.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let checkpoints = path.join(CHECKPOINTS);
        fs::create_dir_all(&checkpoints)
            .map_err(|source| FolderError::Write { path: checkpoints, source })?;
        Ok(Self { path: path.to_owned() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn record_path(&self, config: &RunConfig) -> PathBuf {
        self.path.join(format!("{}.json", Record::stem(config)))
    }

    fn failed_path(&self, config: &RunConfig) -> PathBuf {
        self.path.join(format!("{}.failed.json", Record::stem(config)))
    }

    fn checkpoint_path(&self, config: &RunConfig) -> PathBuf {
        self.path.join(CHECKPOINTS).join(format!("{}.json", Record::stem(config)))
    }

    /// The record of the run with this resolved configuration. A file that is no record is set aside.
    ///
    /// # Errors
    /// When the file is of another schema version or of another configuration: it is never replaced.
    pub fn find(&self, config: &RunConfig) -> Result<Found, FolderError> {
        let path = self.record_path(config);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(source) => return Err(FolderError::Read { path, source }),
        };
        if let Some(found) = schema_version(&bytes).filter(|&found| found != u64::from(SCHEMA_VERSION)) {
            return Err(FolderError::OtherVersion { path, found });
        }
        match serde_json::from_slice::<Record>(&bytes) {
            Ok(record) if record.config == *config => Ok(Found::Record(Box::new(record))),
            Ok(_) => Err(FolderError::OtherConfiguration { path }),
            Err(_) => {
                let aside = path.with_extension("json.damaged");
                fs::rename(&path, &aside).map_err(|source| FolderError::Write { path, source })?;
                Ok(Found::Damaged(aside))
            }
        }
    }

    /// Claims a run for this process; none when another process has it.
    pub fn claim(&self, config: &RunConfig) -> Result<Option<Claim>, FolderError> {
        let path = self.path.join(CHECKPOINTS).join(format!("{}.lock", Record::stem(config)));
        let fail = |source| FolderError::Write { path: path.clone(), source };
        let file = File::options().create(true).append(true).open(&path).map_err(fail)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Claim { path, _locked: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(fail(source)),
        }
    }

    /// Writes the record of a run that ended, and removes what led to it.
    pub fn save_record(&self, record: &Record) -> Result<(), FolderError> {
        let path = self.record_path(&record.config);
        write_atomically(&path, record.to_json().as_bytes())
            .map_err(|source| FolderError::Write { path, source })?;
        self.forget(&record.config);
        Ok(())
    }

    /// Writes why a run failed.
    pub fn save_failure(&self, failed: &FailedRun) -> Result<(), FolderError> {
        let path = self.failed_path(&failed.config);
        let text = serde_json::to_string_pretty(failed).expect("failures serialise");
        write_atomically(&path, text.as_bytes()).map_err(|source| FolderError::Write { path, source })
    }

    /// Removes the checkpoint and the failure of a run, if there are any.
    fn forget(&self, config: &RunConfig) {
        for path in [self.checkpoint_path(config), self.failed_path(config)] {
            // Neither would be read beside a record; a file left behind is only litter.
            let _ = fs::remove_file(path);
        }
    }

    /// Writes the state of an unfinished run.
    pub fn save_checkpoint(&self, config: &RunConfig, state: &impl Serialize) -> Result<(), FolderError> {
        let path = self.checkpoint_path(config);
        let bytes = serde_json::to_vec(state).expect("checkpoints serialise");
        write_atomically(&path, &bytes).map_err(|source| FolderError::Write { path, source })
    }

    /// The state of an unfinished run; none when there is none, or none that can be read.
    pub fn load_checkpoint<T: DeserializeOwned>(&self, config: &RunConfig) -> Option<T> {
        serde_json::from_slice(&fs::read(self.checkpoint_path(config)).ok()?).ok()
    }

    /// Removes the folder of checkpoints if nothing is in it.
    pub fn tidy(&self) {
        // Fails when another process still works there, which is as it should be.
        let _ = fs::remove_dir(self.path.join(CHECKPOINTS));
    }
}

fn schema_version(bytes: &[u8]) -> Option<u64> {
    serde_json::from_slice::<serde_json::Value>(bytes).ok()?.get("schema_version")?.as_u64()
}
