//! Records on disk, read once for every command that looks at them.
//!
//! What a command counts is decided here: a record must agree with itself, a run counts once, a run that was stopped
//! before its end does not count, and runs of different data or settings are told apart.

mod check;
mod files;
mod labels;
mod once;
mod remarks;
mod run;
pub mod throughput;

pub use labels::data_settings;
pub use run::{ArchivedRun, RunHistory};

use crate::dataset::DatasetConfig;
use crate::flaw::Flaw;
use crate::json;
use crate::network::NetworkInit;
use crate::run::algorithm::AlgorithmConfig;
use crate::run::record::{Cell, SCHEMA_VERSION, check_version};
use files::{BENCH, Entry, FAILED, Listing};
use labels::NamedRun;
use rayon::prelude::*;
use run::Refusal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use throughput::BenchResult;

/// What folders of records hold.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    /// The folders' names, as they were asked for.
    pub name: String,
    /// Runs that count, by file name.
    pub runs: Vec<ArchivedRun>,
    /// Runs that ended with an error (`*.failed.json`).
    pub failed: Vec<ArchivedFailure>,
    /// Results of `supermask bench` (`*.bench.json`), each with the name of its file.
    pub benches: Vec<(String, BenchResult)>,
    /// Files that cannot be used.
    pub problems: Vec<LeftOutFile>,
    /// Records whose values contradict each other.
    pub contradictions: Vec<LeftOutFile>,
    /// The first of the records, where no accuracy of any is that of its counts.
    pub without_counts: Option<LeftOutFile>,
    /// Records of runs that were stopped before their end, and so do not count.
    pub interrupted: Vec<String>,
    /// Records of runs that count already.
    pub copies: Vec<CopiedRecord>,
    /// Runs of which there are several results; none of them counts.
    pub conflicts: Vec<Conflict>,
    /// Folders inside that have records, which were not read.
    pub below: Vec<Below>,
    /// What runs of one name were told apart by.
    pub told_apart: Vec<String>,
}

/// What is to count although it does not by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadOptions {
    /// Runs that were stopped before their end.
    pub with_interrupted: bool,
    /// Records whose values contradict each other.
    pub unchecked: bool,
}

/// A file that is left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {what}")]
pub struct LeftOutFile {
    pub file: String,
    pub what: String,
}

/// A record of a run that another record is of too, with the same result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedRecord {
    pub file: String,
    /// The record that counts.
    pub of: String,
}

/// Two records of one configuration and seed with different results.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} and {}: both are {cell} seed {seed}, of the same configuration and data, but with different results; remove \
     the wrong one",
    files[0], files[1]
)]
pub struct Conflict {
    pub cell: Cell,
    pub seed: u64,
    pub files: [String; 2],
}

/// A folder with records inside one that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Below {
    pub folder: String,
    pub records: usize,
}

/// A run that ended with an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivedFailure {
    pub file: String,
    pub cell: Option<Cell>,
    /// As this program writes it, where it knows all of it.
    pub config: Option<Value>,
    pub seed: Option<u64>,
    pub error: String,
}

#[derive(Deserialize)]
struct WrittenFailure {
    cell: Option<Cell>,
    config: Option<Value>,
    error: Option<Value>,
}

/// Why there is nothing to report.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("{}: cannot read this folder: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{name}: no records here (files ending in .json, as `supermask run --out` writes them){details}")]
    NoRecords { name: String, details: String },
}

enum Read {
    Run(Box<ArchivedRun>),
    Failed(ArchivedFailure),
    Bench(Box<(String, BenchResult)>),
    Problem(LeftOutFile),
    Contradiction(LeftOutFile),
    /// A record whose accuracies are not those of its counts, and how not.
    Doubtful(Box<ArchivedRun>, LeftOutFile),
}

impl Read {
    /// The run of the one file that was asked for, by its name, which must agree with itself.
    fn into_run(self, file: String) -> Result<ArchivedRun, LeftOutFile> {
        let what = match self {
            Self::Run(run) => return Ok(*run),
            Self::Problem(problem) => return Err(problem),
            Self::Contradiction(problem) | Self::Doubtful(_, problem) => {
                format!("the record contradicts itself: {}", problem.what)
            }
            Self::Bench(_) => "a measured throughput, not a record".to_owned(),
            Self::Failed(failed) => format!("the run failed: {}", failed.error),
        };
        Err(LeftOutFile { file, what })
    }
}

/// Reads the records of `places`: every one of a folder (`*.json` in it, not in folders inside), and files themselves.
///
/// # Errors
/// If a place cannot be read, or there is no record that counts.
pub fn read(places: &[PathBuf], options: ReadOptions) -> Result<Archive, ArchiveError> {
    let Listing { entries, problems, below } = files::list(places)?;
    let name = places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ");
    let mut archive = Archive { name, problems, below, ..Archive::default() };
    let read: Vec<(bool, Read)> = entries
        .into_par_iter()
        .map(|Entry { name, path, is_hidden }| (is_hidden, read_file(name, &path, !options.unchecked)))
        .collect();
    let mut doubtful = Vec::new();
    for (is_hidden, read) in read {
        match read {
            Read::Doubtful(run, problem) => doubtful.push((run, problem)),
            Read::Run(run) => archive.runs.push(*run),
            Read::Failed(failed) => archive.failed.push(failed),
            Read::Bench(bench) => archive.benches.push(*bench),
            Read::Problem(_) if is_hidden => {}
            Read::Problem(problem) => archive.problems.push(problem),
            Read::Contradiction(problem) => archive.contradictions.push(problem),
        }
    }
    archive.take_doubtful(doubtful);
    archive.know_data();
    archive.count_once(options.with_interrupted);
    archive.tell_apart();
    if archive.runs.is_empty() {
        let details = archive.details();
        return Err(ArchiveError::NoRecords { name: archive.name, details });
    }
    Ok(archive)
}

/// Reads one record, which must agree with itself.
///
/// # Errors
/// Says why the file cannot be used.
pub fn read_run(path: &Path) -> Result<ArchivedRun, LeftOutFile> {
    let file = path.display().to_string();
    read_file(file.clone(), path, true).into_run(file)
}

/// Reads one record from its `text`, which must agree with itself.
///
/// # Errors
/// Says why it cannot be used.
pub fn read_run_of(text: &str) -> Result<ArchivedRun, LeftOutFile> {
    read_bytes("record".to_owned(), text.as_bytes(), true).into_run("record".to_owned())
}

/// Reads one record for its ticket, which does not rest on what the run is said to have reached: where that contradicts
/// itself, says how.
///
/// # Errors
/// Says why the file cannot be used.
pub fn read_run_for_ticket(path: &Path) -> Result<(ArchivedRun, Option<String>), LeftOutFile> {
    let file = path.display().to_string();
    match read_file(file.clone(), path, true) {
        Read::Doubtful(run, problem) => Ok((*run, Some(problem.what))),
        Read::Contradiction(problem) => {
            let run = read_file(file.clone(), path, false).into_run(file)?;
            Ok((run, Some(problem.what)))
        }
        read => Ok((read.into_run(file)?, None)),
    }
}

fn read_file(file: String, path: &Path, checked: bool) -> Read {
    match crate::files::read(Some(path)) {
        Ok(bytes) => read_bytes(file, &bytes, checked),
        Err(error) => Read::Problem(LeftOutFile { file, what: format!("cannot be read: {error}") }),
    }
}

fn read_bytes(file: String, bytes: &[u8], checked: bool) -> Read {
    if file.ends_with(BENCH) {
        return match BenchResult::parse(bytes) {
            Ok(result) => Read::Bench(Box::new((file, result))),
            Err(error) => Read::Problem(LeftOutFile { file, what: error.to_string() }),
        };
    }
    let json = match json::parse(bytes) {
        Ok(json) => json,
        Err(what) => return Read::Problem(LeftOutFile { file, what: what.into() }),
    };
    let read = match file.ends_with(FAILED) {
        true => read_failure(file.clone(), &json).map(Read::Failed).map_err(Refusal::Unusable),
        false => read_record(file.clone(), &json, checked).map(|run| Read::Run(Box::new(run))),
    };
    match read {
        Ok(read) => read,
        Err(Refusal::Unusable(what)) => Read::Problem(LeftOutFile { file, what: what.into() }),
        Err(Refusal::Contradiction(what)) => Read::Contradiction(LeftOutFile { file, what: what.into() }),
        Err(Refusal::Accuracy(run, what)) => Read::Doubtful(run, LeftOutFile { file, what: what.into() }),
    }
}

fn read_failure(file: String, json: &Value) -> Result<ArchivedFailure, Flaw> {
    let failure = WrittenFailure::deserialize(json).map_err(|error| error.to_string())?;
    let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Ok(ArchivedFailure {
        seed: failure.config.as_ref().and_then(|config| config.get("seed")?.as_u64()),
        error: failure.error.map_or_else(|| "no reason given".to_owned(), text),
        config: failure.config.map(as_written_here),
        cell: failure.cell,
        file,
    })
}

/// A configuration with every setting that this program writes, in the sections of which it knows all that are there.
fn as_written_here(mut config: Value) -> Value {
    fn rewrite<T: DeserializeOwned + Serialize>(section: Option<&mut Value>) {
        let Some(section) = section else { return };
        let known = T::deserialize(&*section).ok().and_then(|known| serde_json::to_value(known).ok());
        *section = known.unwrap_or_else(|| section.take());
    }
    rewrite::<DatasetConfig>(config.get_mut("dataset"));
    rewrite::<NetworkInit>(config.get_mut("network"));
    rewrite::<AlgorithmConfig>(config.get_mut("algorithm"));
    config
}

fn read_record(file: String, json: &Value, checked: bool) -> Result<ArchivedRun, Refusal> {
    let version = json.get("schema_version");
    let version = version.ok_or(Flaw::from("not a record: it has no schema_version"))?;
    check_version(version)?;
    ArchivedRun::read(file, json, *version == SCHEMA_VERSION, checked)
}

impl Archive {
    /// A hand or a disk changes single records, which do not count. Where no accuracy of several records is that of its
    /// counts, whoever made them did not keep counts: they count as they are written, and it is said.
    fn take_doubtful(&mut self, doubtful: Vec<(Box<ArchivedRun>, LeftOutFile)>) {
        if self.runs.is_empty() && self.contradictions.is_empty() && doubtful.len() > 1 {
            let (runs, problems): (Vec<Box<ArchivedRun>>, Vec<LeftOutFile>) = doubtful.into_iter().unzip();
            self.runs = runs.into_iter().map(|run| *run).collect();
            self.without_counts = problems.into_iter().next();
        } else {
            self.contradictions.extend(doubtful.into_iter().map(|(_, problem)| problem));
            self.contradictions.sort_by(|a, b| a.file.cmp(&b.file));
        }
    }

    /// Gives runs of one cell that differ in more than their seed cells of their own.
    fn tell_apart(&mut self) {
        let of_failed = |config: &Value, known: &BTreeMap<String, String>| {
            let dataset = config["dataset"].to_string();
            known.get(&dataset).cloned().unwrap_or(dataset)
        };
        let known: BTreeMap<String, String> = self
            .runs
            .iter()
            .map(|run| (run.config["dataset"].to_string(), run.data_identity.clone()))
            .collect();
        let runs = self.runs.iter_mut().map(|run| NamedRun {
            cell: &mut run.cell,
            config: &run.config,
            data_identity: run.data_identity.clone(),
            arithmetic: run.arithmetic,
        });
        let failed = self.failed.iter_mut().filter_map(|failed| {
            let config = failed.config.as_ref()?;
            let data_identity = of_failed(config, &known);
            Some(NamedRun { cell: failed.cell.as_mut()?, config, data_identity, arithmetic: None })
        });
        self.told_apart = labels::tell_apart(&mut runs.chain(failed).collect::<Vec<_>>());
    }

    /// Records without a checksum of their data are of the data of those that have one, where there is one only under
    /// their configuration.
    fn know_data(&mut self) {
        let mut checksums: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for run in self.runs.iter().filter(|run| run.has_checksum()) {
            let dataset = run.config["dataset"].to_string();
            checksums.entry(dataset).or_default().insert(run.data_identity.clone());
        }
        for run in self.runs.iter_mut().filter(|run| !run.has_checksum()) {
            let found = checksums.get(&run.data_identity).filter(|found| found.len() == 1);
            if let Some(checksum) = found.and_then(BTreeSet::first) {
                run.data_identity.clone_from(checksum);
            }
        }
    }
}
