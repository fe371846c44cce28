//! Workers: each evolves a batch of runs on its device, and takes the next when one ends.

use super::baseline;
use super::folder::{Claim, FailedRun, Folder, FolderError, Found};
use super::grid::Run;
use super::local_search;
use super::lockstep::{Lane, Lockstep};
use super::plan::{self, Budget, WORKERS_PER_DEVICE};
use super::queue::Queue;
use crate::dataset::Dataset;
use crate::evaluate::{AdapterInfo, Arithmetic, Backend, EvaluateError, Problem};
use crate::network::{Architecture, Network};
use crate::run::config::{AlgorithmConfig, RunConfig};
use crate::run::record::{Cell, Record, SCHEMA_VERSION};
use crate::run::{Begun, Checkpoint, Keeper, Phase, SaveInterval, SavedSearch, Watch};
use crate::search::StopReason;
use crate::search::chains::ChainProgress;
use crate::threads;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the best of each running cell is told.
const TELL_INTERVAL: Duration = Duration::from_millis(200);

/// How a sweep is done.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Generations between two checkpoints of a run, beside those that time makes due.
    pub checkpoint_every: Option<usize>,
    /// Time between two checkpoints of a run, if saving takes a small part of it.
    pub checkpoint_interval: Duration,
    /// Bytes that the runs of one device's batches may take.
    pub memory: u64,
}

/// What happens during a sweep.
#[derive(Debug)]
pub enum Event {
    /// A run ended; its record is written.
    Finished(Box<Record>),
    /// A run failed; why is written.
    Failed(Box<FailedRun>),
    /// Another process works on the run.
    Elsewhere(Cell),
    /// A run goes on from its checkpoint, such as `generation 12`.
    Resumed { cell: Cell, seed: u64, from: String },
    /// A run is at something that has no accuracy yet or any more.
    Busy { cell: Cell, with: String },
    /// A running search is at this best training accuracy.
    Running { cell: Cell, seed: u64, best: f64 },
    /// Something that the user should know of a run or of the folder.
    Note(String),
}

/// Why a sweep stopped before its end.
#[derive(Debug, thiserror::Error)]
pub enum SweepFailure {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("{}: {source}", .adapter.name)]
    Device { adapter: Box<AdapterInfo>, source: EvaluateError },
}

/// Does all waiting runs on the devices. When `stop` becomes true, runs are saved where they stand, and the sweep
/// ends.
///
/// # Errors
/// The first failure that is not a single run's. Devices that are not affected finish what they can.
pub fn work(
    folder: &Folder,
    queue: &Queue,
    devices: &[Arc<dyn Backend>],
    options: Options,
    stop: &AtomicBool,
    events: &Sender<Event>,
) -> Result<(), SweepFailure> {
    let worker = |device| Worker { folder, queue, device, options, stop, events: events.clone() };
    let mut failures = std::thread::scope(|scope| {
        let of_devices = devices.iter().flat_map(|device| [&**device; WORKERS_PER_DEVICE]);
        let workers: Vec<_> = of_devices
            .map_while(|device| {
                let worker = worker(device);
                threads::beside(scope, move || worker.run())
            })
            .collect();
        if workers.is_empty() {
            let ends = devices.iter().map(|device| worker(&**device).run());
            return ends.filter_map(Result::err).collect::<Vec<_>>();
        }
        let ends = workers.into_iter().map(|worker| match worker.join() {
            Ok(end) => end,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        ends.filter_map(Result::err).collect::<Vec<_>>()
    });
    if failures.is_empty() { Ok(()) } else { Err(failures.swap_remove(0)) }
}

struct Worker<'a> {
    folder: &'a Folder,
    queue: &'a Queue,
    device: &'a dyn Backend,
    options: Options,
    stop: &'a AtomicBool,
    events: Sender<Event>,
}

/// A run on a lane.
struct Active {
    run: Run,
    _claim: Claim,
    /// Generations that its last checkpoint has.
    saved: usize,
}

impl Worker<'_> {
    fn run(&self) -> Result<(), SweepFailure> {
        while !self.stopping()
            && let Some(group) = self.queue.join()
        {
            let result = self.work_group(group);
            self.queue.leave(group);
            if let Err(SweepFailure::Folder(_)) = &result {
                // Nothing can be saved any more: no worker should go on computing.
                self.stop.store(true, Ordering::SeqCst);
            }
            result?;
        }
        Ok(())
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn tell(&self, event: Event) {
        // Nobody listens any more when the program is about to end.
        let _ = self.events.send(event);
    }

    fn note(&self, run: &Run, reason: &str) {
        self.tell(Event::Note(format!("{} seed {}: {reason}", run.cell, run.config.seed)));
    }

    fn device_failure(&self, source: EvaluateError) -> SweepFailure {
        SweepFailure::Device { adapter: Box::new(self.device.info()), source }
    }

    /// Works on the group until none of its runs waits.
    fn work_group(&self, group: usize) -> Result<(), SweepFailure> {
        let Some((first, share)) = self.queue.look(group) else { return Ok(()) };
        let dataset = match self.queue.dataset(&first.config.dataset) {
            Ok(dataset) => dataset,
            Err(error) => return self.fail_group(group, &error.to_string()),
        };
        let Some(genetic) = first.config.algorithm.genetic() else {
            return self.train_group(group, &dataset);
        };
        let architecture = first.config.network.layers().clone();
        let budget = Budget::of(self.device, self.options.memory / WORKERS_PER_DEVICE as u64);
        let mut lanes = plan::lanes(&budget, genetic, &architecture, share);
        self.tell(Event::Busy { cell: first.cell, with: "preparing the evaluator".to_owned() });
        let lockstep = loop {
            match self.lockstep(&architecture, &dataset, lanes) {
                Ok(lockstep) => break lockstep,
                Err(EvaluateError::OutOfMemory(_)) if lanes > 1 => lanes = lanes.div_ceil(2),
                Err(error @ EvaluateError::DeviceLost(_)) => return Err(self.device_failure(error)),
                Err(error) => return self.fail_group(group, &error.to_string()),
            }
        };
        let mut batch = Batch { worker: self, group, dataset: &dataset, lockstep, active: Vec::new() };
        batch.active.resize_with(lanes, || None);
        let result = batch.run();
        if result.is_err() {
            for active in batch.active.into_iter().flatten() {
                self.queue.put_back(group, active.run);
            }
        }
        result
    }

    /// Makes the group's runs that are not generations of masks to score, one on each thread.
    fn train_group(&self, group: usize, dataset: &Arc<Dataset>) -> Result<(), SweepFailure> {
        let failure: Mutex<Option<SweepFailure>> = Mutex::new(None);
        rayon::scope(|scope| {
            for _ in 0..rayon::current_num_threads() {
                scope.spawn(|_| {
                    if let Err(error) = self.train_runs(group, dataset) {
                        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    }
                });
            }
        });
        failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    fn train_runs(&self, group: usize, dataset: &Arc<Dataset>) -> Result<(), SweepFailure> {
        while !self.stopping()
            && let Some((run, _claim)) = self.claim_next(group, dataset)?
        {
            let record = match run.config.algorithm {
                AlgorithmConfig::LocalSearch(_) => self.search_locally(&run, dataset)?,
                _ => self.train(&run, dataset)?,
            };
            match record {
                // Its state is saved.
                Ok(record) if record.stop_reason == StopReason::Interrupted => {}
                Ok(record) => {
                    self.folder.save_record(&record)?;
                    self.tell(Event::Finished(Box::new(record)));
                }
                Err(error) => self.fail(run, &error)?,
            }
        }
        Ok(())
    }

    /// The record of a baseline, from its checkpoint on if there is one, or why the run failed.
    fn train(&self, run: &Run, dataset: &Arc<Dataset>) -> Result<Result<Record, String>, SweepFailure> {
        let Run { config, cell } = run;
        let path = self.folder.checkpoint_path(config);
        let checkpoint = Checkpoint::at(path, config, dataset, Arithmetic::Fused);
        let interval = self.options.checkpoint_interval;
        let mut keeper = Keeper::stopping_at(self.stop).saving_to(&checkpoint, interval);
        let tell = |begun| self.tell_begun(run, begun);
        self.tell(Event::Busy { cell: cell.clone(), with: "training".to_owned() });
        let record = baseline::train(config.clone(), cell.clone(), dataset, &mut keeper, tell);
        match keeper.failure() {
            Some(source) => Err(write_failure(&checkpoint, source)),
            None => Ok(record.map_err(|error| error.to_string())),
        }
    }

    fn tell_begun(&self, run: &Run, begun: Begun) {
        match begun {
            Begun::GoesOn(from) => {
                self.tell(Event::Resumed { cell: run.cell.clone(), seed: run.config.seed, from });
            }
            Begun::Anew(reason) => self.note(run, &reason),
        }
    }

    /// The record of a local search, from its checkpoint on if there is one, or why the run failed.
    fn search_locally(
        &self,
        run: &Run,
        dataset: &Arc<Dataset>,
    ) -> Result<Result<Record, String>, SweepFailure> {
        let Run { config, cell } = run;
        let path = self.folder.checkpoint_path(config);
        let checkpoint = Checkpoint::at(path, config, dataset, self.device.arithmetic());
        let failure: Mutex<Option<io::Error>> = Mutex::new(None);
        let save = |state: &SavedSearch| {
            if let Err(error) = checkpoint.save(state) {
                failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                // Nothing can be saved any more: no worker should go on computing.
                self.stop.store(true, Ordering::SeqCst);
            }
        };
        let tell = |progress: ChainProgress| {
            let (cell, seed) = (cell.clone(), config.seed);
            self.tell(Event::Running { cell, seed, best: progress.accuracy() });
        };
        let announce = |phase: Phase| self.tell(Event::Busy { cell: cell.clone(), with: phase.to_string() });
        let watch = Watch::new(self.stop).saving(&save).every(self.options.checkpoint_interval);
        let mut watch = watch.telling(&tell).announcing(&announce);
        if let Some((state, from)) = local_search::resume(&checkpoint, |reason| self.note(run, &reason)) {
            self.tell_begun(run, Begun::GoesOn(from));
            watch = watch.from(state);
        }
        let record = local_search::run(config.clone(), cell.clone(), dataset, self.device, &watch);
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(source) => Err(write_failure(&checkpoint, source)),
            None => Ok(record.map_err(|error| error.to_string())),
        }
    }

    /// The group's next run that is still to do and that no other process works on.
    fn claim_next(&self, group: usize, dataset: &Dataset) -> Result<Option<(Run, Claim)>, SweepFailure> {
        while let Some(run) = self.queue.take(group) {
            let Some(claim) = self.folder.claim(&run.config)? else {
                self.tell(Event::Elsewhere(run.cell));
                continue;
            };
            // Another process may have ended the run since we looked.
            match self.folder.find(&run.config, dataset)? {
                Found::Record(record) => {
                    self.tell(Event::Finished(record));
                    continue;
                }
                Found::Damaged(aside) => {
                    let aside = aside.display();
                    self.tell(Event::Note(format!("a damaged record was set aside as {aside}")));
                }
                Found::Nothing => {}
            }
            return Ok(Some((run, claim)));
        }
        Ok(None)
    }

    fn lockstep(
        &self,
        architecture: &Architecture,
        dataset: &Arc<Dataset>,
        lanes: usize,
    ) -> Result<Lockstep, EvaluateError> {
        let nothing = Network {
            architecture: architecture.clone(),
            weights: vec![0.0; architecture.weights()],
            biases: vec![0.0; architecture.biases()],
        };
        let evaluator =
            self.device.evaluator(&Problem { architecture, networks: &vec![nothing; lanes], dataset })?;
        Ok(Lockstep::new(evaluator, lanes))
    }

    fn fail_group(&self, group: usize, error: &str) -> Result<(), SweepFailure> {
        while let Some(run) = self.queue.take(group) {
            self.fail(run, error)?;
        }
        Ok(())
    }

    fn fail(&self, run: Run, error: &str) -> Result<(), SweepFailure> {
        let failed = FailedRun {
            schema_version: SCHEMA_VERSION,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            cell: run.cell,
            config: run.config,
            error: error.to_owned(),
        };
        self.folder.save_failure(&failed)?;
        self.tell(Event::Failed(Box::new(failed)));
        Ok(())
    }
}

/// Runs of one group that a worker evolves together.
struct Batch<'a> {
    worker: &'a Worker<'a>,
    group: usize,
    dataset: &'a Arc<Dataset>,
    lockstep: Lockstep,
    active: Vec<Option<Active>>,
}

impl Batch<'_> {
    fn run(&mut self) -> Result<(), SweepFailure> {
        let mut told = Instant::now();
        let mut pace = SaveInterval::every(self.worker.options.checkpoint_interval);
        loop {
            if self.worker.stopping() {
                return self.save_all();
            }
            for index in 0..self.active.len() {
                if self.active[index].is_none() {
                    self.fill(index)?;
                }
            }
            if self.active.iter().all(Option::is_none) {
                return Ok(());
            }
            self.lockstep.step().map_err(|error| self.worker.device_failure(error))?;
            for index in 0..self.active.len() {
                self.settle(index)?;
            }
            if pace.is_due() {
                pace.save(|| self.save_all())?;
            }
            if told.elapsed() >= TELL_INTERVAL {
                told = Instant::now();
                self.tell_running();
            }
        }
    }

    /// Puts the next waiting run on a free lane, if there is one.
    fn fill(&mut self, index: usize) -> Result<(), SweepFailure> {
        while let Some((run, claim)) = self.worker.claim_next(self.group, self.dataset)? {
            let network = match run.config.network.build(run.config.seed) {
                Ok(network) => network,
                Err(error) => {
                    self.worker.fail(run, &error.to_string())?;
                    continue;
                }
            };
            let note = |reason: String| self.worker.note(&run, &reason);
            let checkpoint = self.checkpoint(&run.config);
            let (lane, from) = match Lane::open(&run.config, &network, self.dataset, &checkpoint, note) {
                Ok(opened) => opened,
                Err(error) => {
                    self.worker.fail(run, &error.to_string())?;
                    continue;
                }
            };
            match self.lockstep.start(index, &network, lane) {
                Ok(()) => {
                    if let Some(from) = from {
                        let (cell, seed) = (run.cell.clone(), run.config.seed);
                        self.worker.tell(Event::Resumed { cell, seed, from });
                    }
                    let saved = self.generations(index);
                    self.active[index] = Some(Active { run, _claim: claim, saved });
                    return Ok(());
                }
                Err(EvaluateError::Unsupported(reason)) => self.worker.fail(run, &reason)?,
                Err(error) => {
                    self.worker.queue.put_back(self.group, run);
                    return Err(self.worker.device_failure(error));
                }
            }
        }
        Ok(())
    }

    fn checkpoint<'c>(&'c self, config: &'c RunConfig) -> Checkpoint<'c> {
        let arithmetic = self.lockstep.evaluator().arithmetic();
        Checkpoint::at(self.worker.folder.checkpoint_path(config), config, self.dataset, arithmetic)
    }

    /// Records the run at `index` if it has ended; saves it if it is time to.
    fn settle(&mut self, index: usize) -> Result<(), SweepFailure> {
        let Some(active) = &mut self.active[index] else { return Ok(()) };
        let search = self.lockstep.lanes()[index].as_ref().expect("an active lane").search();
        if search.stop_reason().is_some() {
            let (config, cell) = (active.run.config.clone(), active.run.cell.clone());
            let record = self.lockstep.record(index, self.dataset, config, cell);
            let record = record.map_err(|error| self.worker.device_failure(error))?;
            self.worker.folder.save_record(&record)?;
            self.worker.tell(Event::Finished(Box::new(record)));
            self.lockstep.remove(index);
            self.active[index] = None;
        } else if let Some(every) = self.worker.options.checkpoint_every
            && search.generations() >= active.saved + every
        {
            active.saved = search.generations();
            self.save(index)?;
        }
        Ok(())
    }

    /// Saves where all runs stand.
    fn save_all(&self) -> Result<(), SweepFailure> {
        (0..self.active.len()).try_for_each(|index| self.save(index))
    }

    /// Saves where the run at `index` stands, if there is one.
    fn save(&self, index: usize) -> Result<(), SweepFailure> {
        let (Some(active), Some(lane)) = (&self.active[index], &self.lockstep.lanes()[index]) else {
            return Ok(());
        };
        let checkpoint = self.checkpoint(&active.run.config);
        lane.save(&checkpoint).map_err(|source| write_failure(&checkpoint, source))
    }

    fn generations(&self, index: usize) -> usize {
        self.lockstep.lanes()[index].as_ref().map_or(0, |lane| lane.search().generations())
    }

    fn tell_running(&self) {
        for (active, lane) in self.active.iter().zip(self.lockstep.lanes()) {
            let (Some(active), Some(lane)) = (active, lane) else { continue };
            if let Some(&best) = lane.search().history().best_correct.last() {
                self.worker.tell(Event::Running {
                    cell: active.run.cell.clone(),
                    seed: active.run.config.seed,
                    best: f64::from(best) / self.dataset.train.len() as f64,
                });
            }
        }
    }
}

fn write_failure(checkpoint: &Checkpoint<'_>, source: io::Error) -> SweepFailure {
    FolderError::Write { path: checkpoint.path().to_owned(), source }.into()
}
