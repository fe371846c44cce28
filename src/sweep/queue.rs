//! The runs of a sweep that are still to do, grouped by what can share a batch.

use super::folder::{Folder, FolderError, Found};
use super::grid::{PlannedRun, Sweep};
use crate::dataset::{Dataset, DatasetConfig, DatasetError};
use crate::evaluate::Arithmetic;
use crate::memory::TooMuch;
use crate::network::Architecture;
use crate::run::Run;
use crate::run::config::{ConfigError, ResolvedConfig, RunConfig};
use crate::run::record::{Cell, Record, Timing};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Runs of one data set and one architecture: if they are searches, they can share batches.
#[derive(Debug)]
pub struct Group {
    pub dataset: DatasetConfig,
    pub architecture: Architecture,
    /// Do its runs share batches?
    shares_batches: bool,
    waiting: VecDeque<Run>,
    workers: usize,
}

/// A group before its work begins.
#[derive(Clone, Debug)]
pub struct Outline {
    pub dataset: Arc<Dataset>,
    pub architecture: Architecture,
    pub runs: Vec<Run>,
}

/// A run whose record was there, as far as a sweep needs it: memory must not grow with records.
#[derive(Clone, Debug)]
pub struct Finished {
    pub cell: Cell,
    pub test_accuracy: f64,
    pub arithmetic: Arithmetic,
    pub timing: Timing,
}

/// What is known before any work begins.
#[derive(Debug)]
pub struct Prepared {
    pub queue: Queue,
    /// Runs whose records are there already.
    pub finished: Vec<Finished>,
    /// What the user should know of the folder.
    pub notes: Vec<String>,
}

/// Why a sweep cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error("{source} (in the cell {cell})")]
    Dataset { cell: Box<Cell>, source: Box<DatasetError> },
    #[error("{source} (in the cell {cell})")]
    Config { cell: Box<Cell>, source: Box<ConfigError> },
    #[error("in cell {cell}: {source}")]
    Memory { cell: Box<Cell>, source: TooMuch },
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// Says where records are of several arithmetics.
fn note_on_arithmetics(finished: &[Finished], folder: &Folder) -> Option<String> {
    let found = |arithmetic: &Arithmetic| finished.iter().any(|run| run.arithmetic == *arithmetic);
    let names: Vec<&str> = Arithmetic::ALL.into_iter().filter(found).map(Arithmetic::name).collect();
    (names.len() > 1).then(|| {
        let (path, names) = (folder.path().display(), names.join(" and "));
        format!("the records in {path} are of several arithmetics, {names}; tables keep them apart")
    })
}

/// Resolves runs one after the other. What it has of the last one serves the next: runs of a cell differ in their
/// seed alone.
#[derive(Default)]
struct Resolver {
    data: Option<(DatasetConfig, Dataset)>,
    /// As written, and resolved.
    last: Option<(RunConfig, ResolvedConfig)>,
}

impl Resolver {
    /// The run's resolved configuration, and its data.
    fn resolve(&mut self, run: &PlannedRun) -> Result<(ResolvedConfig, &Dataset), PrepareError> {
        let seed = run.config.seed;
        let known =
            self.last.as_ref().filter(|(written, _)| run.config == (RunConfig { seed, ..written.clone() }));
        let resolved = match known {
            // The masks that a search begins with are of one seed.
            Some((_, resolved)) if resolved.start.is_none() => ResolvedConfig { seed, ..resolved.clone() },
            _ => self.resolve_anew(run)?,
        };
        let (_, dataset) = self.data.as_ref().expect("the data of the last run");
        Ok((resolved, dataset))
    }

    fn resolve_anew(&mut self, run: &PlannedRun) -> Result<ResolvedConfig, PrepareError> {
        let wanted = &run.config.dataset;
        let cell = || Box::new(run.cell.clone());
        let dataset = match &mut self.data {
            Some((config, dataset)) if config == wanted => dataset,
            other => {
                let dataset = wanted
                    .load()
                    .map_err(|error| PrepareError::Dataset { cell: cell(), source: Box::new(error) })?;
                &mut other.insert((wanted.clone(), dataset)).1
            }
        };
        let resolved = run.config.clone().resolve(dataset);
        let resolved =
            resolved.map_err(|error| PrepareError::Config { cell: cell(), source: Box::new(error) })?;
        resolved.check_memory().map_err(|source| PrepareError::Memory { cell: cell(), source })?;
        self.last = Some((run.config.clone(), resolved.clone()));
        Ok(resolved)
    }
}

/// The groups, shared by all workers.
#[derive(Debug, Default)]
pub struct Queue {
    groups: Mutex<Vec<Group>>,
    datasets: Mutex<Vec<(DatasetConfig, Weak<Dataset>)>>,
}

impl Queue {
    /// Resolves every run of the sweep against its data, and looks at what the folder has of it.
    ///
    /// # Errors
    /// When a run's configuration cannot be used, or the folder holds something else under its name.
    pub fn prepare(sweep: &Sweep, folder: &Folder) -> Result<Prepared, PrepareError> {
        let mut prepared = Prepared { queue: Self::default(), finished: Vec::new(), notes: Vec::new() };
        let mut groups: Vec<Group> = Vec::new();
        let mut resolver = Resolver::default();
        let mut without_checksum = 0;
        for run in &sweep.runs {
            let wanted = &run.config.dataset;
            let (config, dataset) = resolver.resolve(run)?;
            let run = Run { config, cell: run.cell.clone() };
            match folder.find(&run.config, dataset)? {
                Found::Record(record) => {
                    without_checksum += usize::from(record.data.checksum.is_none());
                    let Record { result, arithmetic, timing, .. } = *record;
                    let test_accuracy = result.test_accuracy;
                    prepared.finished.push(Finished { cell: run.cell, test_accuracy, arithmetic, timing });
                    continue;
                }
                Found::Damaged(aside) => prepared.notes.push(format!(
                    "the record of {} seed {} was damaged: set aside as {}, the run is done again",
                    run.cell,
                    run.config.seed,
                    aside.display()
                )),
                Found::Nothing => {}
            }
            let layers = &run.config.network.layers;
            let shares_batches = run.config.algorithm.in_batches().is_some();
            let group = groups.iter_mut().find(|group| {
                group.dataset == *wanted
                    && group.architecture == *layers
                    && group.shares_batches == shares_batches
            });
            match group {
                Some(group) => group.waiting.push_back(run),
                None => groups.push(Group {
                    dataset: wanted.clone(),
                    architecture: layers.clone(),
                    shares_batches,
                    waiting: VecDeque::from([run]),
                    workers: 0,
                }),
            }
        }
        if without_checksum > 0 {
            prepared.notes.push(format!(
                "{without_checksum} records in {} have no checksum (an earlier supermask made them): whether they are \
                 of the data as they are now cannot be checked",
                folder.path().display()
            ));
        }
        prepared.notes.extend(note_on_arithmetics(&prepared.finished, folder));
        prepared.queue = Self { groups: Mutex::new(groups), datasets: Mutex::default() };
        Ok(prepared)
    }

    /// The waiting runs, group by group.
    pub fn runs(&self) -> Vec<Run> {
        self.lock().iter().flat_map(|group| group.waiting.iter().cloned()).collect()
    }

    /// The groups and their waiting runs, with their data.
    ///
    /// # Errors
    /// When data that were there are gone.
    pub fn outlines(&self) -> Result<Vec<Outline>, DatasetError> {
        let outline = |group: &Group| {
            Ok(Outline {
                dataset: self.dataset(&group.dataset)?,
                architecture: group.architecture.clone(),
                runs: group.waiting.iter().cloned().collect(),
            })
        };
        self.lock().iter().filter(|group| !group.waiting.is_empty()).map(outline).collect()
    }

    /// The next group for a worker: one that nobody works on if there is one, the largest first. Only some workers
    /// make batches: what `makes_batches` says of this one.
    pub(super) fn join(&self, makes_batches: bool) -> Option<usize> {
        let mut groups = self.lock();
        let has_work = |group: &Group| !group.waiting.is_empty() && (makes_batches || !group.shares_batches);
        let with_work = (0..groups.len()).filter(|&index| has_work(&groups[index]));
        let index = with_work.min_by_key(|&index| {
            let group = &groups[index];
            (group.workers, std::cmp::Reverse(group.waiting.len() * group.architecture.weights()))
        })?;
        groups[index].workers += 1;
        Some(index)
    }

    /// The worker leaves the group.
    pub(super) fn leave(&self, index: usize) {
        self.lock()[index].workers -= 1;
    }

    /// What the group at `index` is about, its first waiting run, and this worker's share of its runs.
    pub(super) fn look(&self, index: usize) -> Option<(Run, usize)> {
        let groups = self.lock();
        let group = &groups[index];
        let share = group.waiting.len().div_ceil(group.workers.max(1));
        Some((group.waiting.front()?.clone(), share))
    }

    /// Takes the next waiting run of the group.
    pub(super) fn take(&self, index: usize) -> Option<Run> {
        self.lock()[index].waiting.pop_front()
    }

    /// Runs that share no batches and still wait.
    pub(super) fn waiting_alone(&self) -> usize {
        self.lock().iter().filter(|group| !group.shares_batches).map(|group| group.waiting.len()).sum()
    }

    /// Puts a run back that a worker could not finish.
    pub(super) fn put_back(&self, index: usize, run: Run) {
        self.lock()[index].waiting.push_front(run);
    }

    /// The data set, loaded once for all that use it at a time.
    pub(super) fn dataset(&self, config: &DatasetConfig) -> Result<Arc<Dataset>, DatasetError> {
        let mut datasets = self.datasets.lock().unwrap_or_else(PoisonError::into_inner);
        datasets.retain(|(_, dataset)| dataset.strong_count() > 0);
        let loaded = datasets.iter().find(|(known, _)| known == config);
        if let Some(dataset) = loaded.and_then(|(_, dataset)| dataset.upgrade()) {
            return Ok(dataset);
        }
        let dataset = Arc::new(config.load()?);
        datasets.push((config.clone(), Arc::downgrade(&dataset)));
        Ok(dataset)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Group>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
