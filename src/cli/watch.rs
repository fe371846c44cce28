//! What runs write beside their records while they go on: `--log`, `--tensorboard`,
//! `--save-population`.

use super::output::{self, Failure};
use crate::export::PopulationFiles;
use crate::run::SharedObserver;
use crate::run::config::ResolvedConfig;
use crate::run::log::RunLog;
use crate::run::tensorboard::TensorBoardEvents;
use clap::Args;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Add progress and results to FILE, a line of JSON each
    ///
    /// `event` says what a line is: start, progress (a generation, an epoch, or where a local search stands), end, failed.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    /// Write progress and results as event files of TensorBoard, into a folder of each run in DIR
    #[arg(long, value_name = "DIR")]
    tensorboard: Option<PathBuf>,

    /// Write the last population of a genetic search beside its record, and with =K that of every K-th generation
    #[arg(long, value_name = "K", num_args = 0..=1, require_equals = true, value_parser = super::parse_positive)]
    save_population: Option<Option<usize>>,
}

/// Who watches runs, and writes.
#[derive(Default)]
pub struct Watch {
    pub observers: Vec<SharedObserver>,
    log: Option<(PathBuf, Arc<RunLog>)>,
    events: Option<(PathBuf, Arc<TensorBoardEvents>)>,
    populations: Option<Arc<PopulationFiles>>,
}

impl WatchArgs {
    /// Opens what is to be written of `runs` in `folder`; `inputs` are files that the command reads.
    pub fn open<'a>(
        &self,
        folder: &Path,
        runs: impl IntoIterator<Item = &'a ResolvedConfig>,
        inputs: &[PathBuf],
    ) -> Result<Watch, Failure> {
        let mut watch = Watch::default();
        if let Some(every) = self.save_population {
            let mut kinds = runs.into_iter().map(|run| &run.algorithm).peekable();
            let first = kinds.peek().map(|algorithm| algorithm.kind().name);
            if let Some(kind) = first.filter(|_| kinds.all(|algorithm| algorithm.genetic().is_none())) {
                let reason =
                    format!("--save-population: the algorithm {kind} has no population; leave it out");
                return Err(Failure::Usage(reason));
            }
            let populations = Arc::new(PopulationFiles::new(folder.to_owned(), every));
            watch.observers.push(populations.clone());
            watch.populations = Some(populations);
        }
        if let Some(folder) = &self.tensorboard {
            output::check_folder("--tensorboard", folder)?;
            let events = Arc::new(TensorBoardEvents::new(folder.clone()));
            watch.observers.push(events.clone());
            watch.events = Some((folder.clone(), events));
        }
        if let Some(path) = &self.log {
            output::refuse_inputs("--log", path, inputs)?;
            output::check_place("--log", path)?;
            let log = RunLog::open(path);
            let log = log.map_err(|error| Failure::Usage(format!("--log {}: {error}", path.display())))?;
            let log = Arc::new(log);
            watch.observers.push(log.clone());
            watch.log = Some((path.clone(), log));
        }
        Ok(watch)
    }
}

impl Watch {
    /// Ends what is written; runs that have not ended were interrupted.
    pub fn close(&self) -> Result<(), Failure> {
        if let Some((path, log)) = &self.log {
            log.close().map_err(|error| match error.kind() {
                ErrorKind::BrokenPipe => Failure::ClosedPipe,
                _ => Failure::Work(format!("--log {}: cannot be written to: {error}", path.display())),
            })?;
        }
        if let Some((folder, error)) =
            self.events.as_ref().and_then(|(folder, events)| Some((folder, events.failure()?)))
        {
            let folder = folder.display();
            return Err(Failure::Work(format!("--tensorboard {folder}: cannot be written to: {error}")));
        }
        match self.populations.as_ref().and_then(|populations| populations.failure()) {
            Some((path, error)) => Err(Failure::Work(format!("cannot write {}: {error}", path.display()))),
            None => Ok(()),
        }
    }
}
