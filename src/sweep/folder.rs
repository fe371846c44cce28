//! A sweep's folder: records, failures, checkpoints, and claims on runs.
//!
//! ```text
//! moons-a-ga-seed0.json           the record of a run that ended
//! moons-a-ga-seed0.safetensors    its ticket
//! moons-a-ga-seed1.failed.json    why a run failed
//! checkpoints/moons-a-ga-seed2.json   where an unfinished run goes on
//! checkpoints/moons-a-ga-seed2.lock   locked by the process that works on the run
//! ```
//!
//! Records are the only truth: what else is there can be removed at any time.

use crate::dataset::Dataset;
use crate::files::{self, HALF_WRITTEN};
use crate::flaw::Flaw;
use crate::run::config::ResolvedConfig;
use crate::run::record::{Cell, Record, RecordStanding, Unreadable};
use crate::search::StopReason;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The folder of a sweep.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    /// Are runs done anew whose records are of other data or settings?
    redo: bool,
}

/// Why a run failed, in place of its record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailedRun {
    pub schema_version: u32,
    pub program_version: String,
    pub cell: Cell,
    pub config: ResolvedConfig,
    pub error: String,
}

/// What goes wrong with a sweep's folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("cannot write {}: {source}; what was finished before is safe, and the same command goes on from there", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: {reason}; it is left as it is: use another folder, or move it away", path.display())]
    Foreign { path: PathBuf, reason: Flaw },
    #[error(
        "{} holds the record of another configuration; use another folder or another name, or do the run anew with --force",
        path.display()
    )]
    OtherConfiguration { path: PathBuf },
    #[error(
        "{}: {difference}; give another --out, or do such runs anew with --force",
        path.display()
    )]
    OtherData { path: PathBuf, difference: String },
}

/// What a folder has of a run.
#[derive(Debug)]
pub enum Found {
    Nothing,
    Record(Box<Record>),
    /// A file that is cut short or empty, set aside under this name.
    Damaged(PathBuf),
}

/// A run that this process works on. Other processes leave it alone until this is dropped.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    _locked: File,
}

/// Is `file` what is at `path` now?
#[cfg(unix)]
fn is_file_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let same =
        |held: fs::Metadata, there: fs::Metadata| (held.dev(), held.ino()) == (there.dev(), there.ino());
    file.metadata().and_then(|held| Ok(same(held, fs::metadata(path)?))).unwrap_or(false)
}

/// Is `file` what is at `path` now? Open files cannot be removed on other systems.
#[cfg(not(unix))]
fn is_file_at(_: &File, _: &Path) -> bool {
    true
}

impl Drop for Claim {
    fn drop(&mut self) {
        // A file left behind is only litter.
        let _ = fs::remove_file(&self.path);
    }
}

const CHECKPOINTS: &str = "checkpoints";

impl Folder {
    /// The folder at `path`; it is made when the first run is claimed.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), redo: false }
    }

    /// The same, but a record of other data or settings counts as none: it is replaced when its run has ended anew.
    pub fn redoing(self) -> Self {
        Self { redo: true, ..self }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn record_path(&self, config: &ResolvedConfig) -> PathBuf {
        self.path.join(format!("{}.json", config.stem()))
    }

    /// Where the ticket of a run is.
    pub fn ticket_path(&self, config: &ResolvedConfig) -> PathBuf {
        self.path.join(format!("{}.safetensors", config.stem()))
    }

    fn failed_path(&self, config: &ResolvedConfig) -> PathBuf {
        self.path.join(format!("{}.failed.json", config.stem()))
    }

    /// Where the state of an unfinished run is.
    pub fn checkpoint_path(&self, config: &ResolvedConfig) -> PathBuf {
        self.path.join(CHECKPOINTS).join(format!("{}.json", config.stem()))
    }

    /// The record of the run with this resolved configuration on these data. A file that is cut short is set aside.
    /// The record of an interrupted run counts as none: the run has not ended.
    ///
    /// # Errors
    /// When the file is complete but no record that this program reads, or that of another configuration or of other
    /// data: it is never replaced unasked.
    pub fn find(&self, config: &ResolvedConfig, dataset: &Dataset) -> Result<Found, FolderError> {
        let path = self.record_path(config);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(source) => return Err(FolderError::Read { path, source }),
        };
        let record = match Record::parse(&bytes) {
            Ok(record) => record,
            Err(Unreadable::Damaged(_)) => {
                let aside = path.with_extension("json.damaged");
                fs::rename(&path, &aside).map_err(|source| FolderError::Write { path, source })?;
                return Ok(Found::Damaged(aside));
            }
            Err(Unreadable::Foreign(reason)) => return Err(FolderError::Foreign { path, reason }),
        };
        match record.standing(config, dataset) {
            RecordStanding::Own if record.stop_reason == StopReason::Interrupted => Ok(Found::Nothing),
            RecordStanding::Own => Ok(Found::Record(Box::new(record))),
            _ if self.redo => Ok(Found::Nothing),
            RecordStanding::OtherConfiguration => Err(FolderError::OtherConfiguration { path }),
            RecordStanding::OtherData(difference) => Err(FolderError::OtherData { path, difference }),
        }
    }

    /// Claims a run for this process; none when another process has it.
    pub fn claim(&self, config: &ResolvedConfig) -> Result<Option<Claim>, FolderError> {
        let checkpoints = self.path.join(CHECKPOINTS);
        let path = checkpoints.join(format!("{}.lock", config.stem()));
        let fail = |source| FolderError::Write { path: path.clone(), source };
        let file = loop {
            fs::create_dir_all(&checkpoints).map_err(fail)?;
            match File::options().create(true).append(true).open(&path) {
                // Another process, at its end, has just removed the folder of checkpoints.
                Err(error) if error.kind() == io::ErrorKind::NotFound && !checkpoints.exists() => {}
                opened => break opened.map_err(fail)?,
            }
        };
        match file.try_lock() {
            // Another process let go of the run while we opened its lock: what we hold is a removed file.
            Ok(()) if !is_file_at(&file, &path) => self.claim(config),
            Ok(()) => Ok(Some(Claim { path, _locked: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(fail(source)),
        }
    }

    /// Writes the record of a run that ended, and its `ticket` beside it, and removes what led to it.
    pub fn save_record(&self, record: &Record, ticket: Option<&[u8]>) -> Result<(), FolderError> {
        let path = self.record_path(&record.config);
        // Where the record is, the ticket is too, whatever ends the program in between.
        if let Some(ticket) = ticket {
            let path = self.ticket_path(&record.config);
            files::write(&path, ticket).map_err(|source| FolderError::Write { path, source })?;
        }
        files::write(&path, record.to_json().as_bytes())
            .map_err(|source| FolderError::Write { path, source })?;
        self.forget(&record.config);
        Ok(())
    }

    /// Writes why a run failed.
    pub fn save_failure(&self, failed: &FailedRun) -> Result<(), FolderError> {
        let path = self.failed_path(&failed.config);
        let text = serde_json::to_string_pretty(failed).expect("failures serialise");
        files::write(&path, text.as_bytes()).map_err(|source| FolderError::Write { path, source })
    }

    /// Removes the checkpoint and the failure of a run, if there are any.
    pub fn forget(&self, config: &ResolvedConfig) {
        for path in [self.checkpoint_path(config), self.failed_path(config)] {
            // Neither would be read beside a record; a file left behind is only litter.
            let _ = fs::remove_file(path);
        }
    }

    /// Removes what earlier attempts left beside records, the folder of checkpoints if no run is in it, and with it
    /// what processes that were killed left half-written.
    pub fn tidy(&self) {
        for path in files(&self.path).unwrap_or_default() {
            if self.is_stale_failure(&path) {
                let _ = fs::remove_file(path);
            }
        }
        if self.tidy_checkpoints() {
            for path in files(&self.path).unwrap_or_default() {
                if is_half_written(&path) {
                    let _ = fs::remove_file(path);
                }
            }
        }
    }

    /// Removes the folder of checkpoints if no run is in it; says if there is none now.
    pub fn tidy_checkpoints(&self) -> bool {
        let checkpoints = self.path.join(CHECKPOINTS);
        let left = match files(&checkpoints) {
            Ok(left) => left,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(_) => return false,
        };
        if !left.iter().all(|path| self.is_litter(path)) {
            return false;
        }
        for path in left {
            // What cannot be removed is only litter.
            let _ = fs::remove_file(path);
        }
        // Fails when another process has just claimed a run, which is as it should be.
        fs::remove_dir(&checkpoints).is_ok() || !checkpoints.exists()
    }
}

impl Folder {
    /// Is this the failure of a run that has ended since, on this machine or on another whose records were copied here?
    fn is_stale_failure(&self, path: &Path) -> bool {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Some(stem) = name.strip_suffix(".failed.json") else { return false };
        has_ended(&self.path.join(format!("{stem}.json")))
    }

    /// Is this file of the folder of checkpoints what a killed process left behind? A half-written file, a
    /// lock that nobody holds, or the checkpoint of a run whose record is there.
    fn is_litter(&self, path: &Path) -> bool {
        match path.extension().and_then(|extension| extension.to_str()) {
            _ if is_half_written(path) => true,
            Some("lock") => File::open(path).is_ok_and(|file| file.try_lock().is_ok()),
            Some("json") => path.file_name().is_some_and(|name| has_ended(&self.path.join(name))),
            _ => false,
        }
    }
}

/// Is there the record of a run that came to its end?
fn has_ended(path: &Path) -> bool {
    let record = fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok());
    record.is_some_and(|record| record.stop_reason != StopReason::Interrupted)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

fn is_half_written(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(HALF_WRITTEN))
}
