//! Records on disk, read once for every command that looks at them.

mod run;

pub use run::{Evaluations, Progress, Run, Scores};

use crate::bench::BenchResult;
use crate::record::{Cell, check_version};
use rayon::prelude::*;
use run::Written;
use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What a folder of records holds.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    /// The folder's name, as it was asked for.
    pub name: String,
    /// Records that can be used, by file name.
    pub runs: Vec<Run>,
    /// Runs that ended with an error (`*.failed.json`).
    pub failed: Vec<FailedRun>,
    /// Results of `supermask bench` (`*.bench.json`).
    pub benches: Vec<Bench>,
    /// Files that cannot be used.
    pub problems: Vec<Problem>,
}

/// A file's name, and the throughput that was measured.
pub type Bench = (String, BenchResult);

/// A file that is left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {what}")]
pub struct Problem {
    pub file: String,
    pub what: String,
}

/// A run that ended with an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedRun {
    pub file: String,
    pub cell: Option<Cell>,
    pub seed: Option<u64>,
    pub error: String,
}

#[derive(Deserialize)]
struct WrittenFailure {
    cell: Option<Cell>,
    config: Option<Value>,
    error: Option<Value>,
}

/// Only enough of a file to say why it is no record.
#[derive(Deserialize)]
struct Version {
    schema_version: Option<Value>,
}

/// Why a folder has nothing to report.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("{}: cannot read this folder: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error(
        "{}: no records here (files ending in .json, as `supermask run --out` writes them){details}",
        path.display()
    )]
    NoRecords { path: PathBuf, details: String },
}

enum Read {
    Run(Box<Run>),
    Failed(FailedRun),
    Bench(Box<Bench>),
    Problem(Problem),
}

/// The ending of files about runs that failed.
const FAILED: &str = ".failed.json";

/// The ending of files about throughput.
const BENCH: &str = ".bench.json";

/// Reads every record of a folder (`*.json` in it, not in folders inside).
///
/// # Errors
/// If the folder cannot be read, or holds no record that can be used.
pub fn read(path: &Path) -> Result<Archive, ArchiveError> {
    let fail = |source| ArchiveError::Read { path: path.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".json") && !name.starts_with('.') && entry.path().is_file() {
            files.push((name, entry.path()));
        }
    }
    files.sort();
    let read: Vec<Read> = files.into_par_iter().map(|(name, path)| read_file(name, &path)).collect();
    let mut archive = Archive { name: path.display().to_string(), ..Archive::default() };
    for read in read {
        match read {
            Read::Run(run) => archive.runs.push(*run),
            Read::Failed(failed) => archive.failed.push(failed),
            Read::Bench(bench) => archive.benches.push(*bench),
            Read::Problem(problem) => archive.problems.push(problem),
        }
    }
    if archive.runs.is_empty() {
        let mut details = String::new();
        if let Some(problem) = archive.problems.first() {
            details += &format!(
                "; {} files cannot be used, the first is {}: {}",
                archive.problems.len(),
                problem.file,
                problem.what
            );
        }
        if let Some(failed) = archive.failed.first() {
            details += &format!(
                "; {} runs failed, the first is {}: {}",
                archive.failed.len(),
                failed.file,
                failed.error
            );
        }
        return Err(ArchiveError::NoRecords { path: path.to_owned(), details });
    }
    Ok(archive)
}

/// Reads one record.
///
/// # Errors
/// Says why the file cannot be used.
pub fn read_run(path: &Path) -> Result<Run, Problem> {
    let file = path.display().to_string();
    match read_file(file.clone(), path) {
        Read::Run(run) => Ok(*run),
        Read::Problem(problem) => Err(problem),
        Read::Bench(_) => Err(Problem { file, what: "a measured throughput, not a record".to_owned() }),
        Read::Failed(failed) => Err(Problem { file, what: format!("the run failed: {}", failed.error) }),
    }
}

fn read_file(file: String, path: &Path) -> Read {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => return Read::Problem(Problem { file, what: format!("cannot be read: {error}") }),
    };
    if file.ends_with(BENCH) {
        return match BenchResult::parse(&bytes) {
            Ok(result) => Read::Bench(Box::new((file, result))),
            Err(error) => Read::Problem(Problem { file, what: error.to_string() }),
        };
    }
    if file.ends_with(FAILED) {
        return match serde_json::from_slice::<WrittenFailure>(&bytes) {
            Ok(failure) => Read::Failed(FailedRun {
                seed: failure.config.as_ref().and_then(|config| config.get("seed")?.as_u64()),
                error: failure.error.map_or_else(|| "no reason given".to_owned(), text),
                cell: failure.cell,
                file,
            }),
            Err(error) => Read::Problem(Problem { file, what: format!("not valid JSON: {error}") }),
        };
    }
    let read = serde_json::from_slice::<Written>(&bytes).map_err(|error| {
        match serde_json::from_slice::<Version>(&bytes) {
            Ok(Version { schema_version: Some(version) }) => match check_version(&version) {
                Ok(()) => format!("not a complete record: {error}"),
                Err(other) => other,
            },
            Ok(Version { schema_version: None }) => "not a record: it has no schema_version".to_owned(),
            Err(_) => format!("not valid JSON: {error}"),
        }
    });
    let run = read.and_then(|written| {
        check_version(&written.schema_version)?;
        Run::new(file.clone(), written)
    });
    match run {
        Ok(run) => Read::Run(Box::new(run)),
        Err(what) => Read::Problem(Problem { file, what }),
    }
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
