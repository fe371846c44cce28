//! Workers: threads that each evolve a batch of runs on a device, or make one run after the other.

use super::folder::{Claim, FailedRun, Folder, FolderError, Found};
use super::plan::{self, Budget, WORKERS_PER_DEVICE};
use super::queue::Queue;
use crate::dataset::Dataset;
use crate::evaluate::{AdapterInfo, Backend, Contest, EvaluateError, Problem};
use crate::network::{Architecture, Network};
use crate::run::config::ResolvedConfig;
use crate::run::record::{Cell, Record, SCHEMA_VERSION};
use crate::run::{
    self, Begun, Control, Lockstep, Observer, PopulationView, Progress, Run, RunError, Saving, SharedObserver,
};
use crate::search::StopReason;
use crate::threads;
use rayon::ThreadPoolBuilder;
use std::cell::LazyCell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

/// How a sweep is done.
#[derive(Clone)]
pub struct SweepOptions {
    /// Generations between two checkpoints of a run, beside those that time makes due.
    pub checkpoint_every: Option<usize>,
    /// Time between two checkpoints of a run, if saving takes a small part of it.
    pub checkpoint_interval: Duration,
    /// Bytes that the runs of one device's batches may take.
    pub memory: u64,
    /// What the device was chosen by, for the records.
    pub contest: Option<Contest>,
    /// The file that lies beside a record.
    pub ticket: TicketFile,
    /// Who watches the runs.
    pub observers: Vec<SharedObserver>,
}

/// The bytes of a record's ticket; none where it has no ticket.
pub type TicketFile = fn(&Record) -> io::Result<Option<Vec<u8>>>;

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
    options: SweepOptions,
    stop: &AtomicBool,
    events: &Sender<Event>,
) -> Result<(), SweepFailure> {
    let under_way = AtomicUsize::new(0);
    let worker = |index: usize| Worker {
        folder,
        queue,
        under_way: &under_way,
        device: &*devices[index % devices.len()],
        makes_batches: index < devices.len() * WORKERS_PER_DEVICE,
        options: &options,
        stop,
        events: events.clone(),
    };
    let wanted = rayon::current_num_threads().max(devices.len() * WORKERS_PER_DEVICE);
    let mut failures = std::thread::scope(|scope| {
        let start = |index| {
            let worker = worker(index);
            threads::beside(scope, move || worker.run())
        };
        let workers: Vec<_> = (0..wanted).map_while(start).collect();
        // Where there may be no more threads, this one does what is left to do.
        let own = (workers.len() < devices.len()).then(|| (0..devices.len()).map(|n| worker(n).run()));
        let own: Vec<_> = own.into_iter().flatten().collect();
        let ends = workers.into_iter().map(|worker| match worker.join() {
            Ok(end) => end,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        ends.chain(own).filter_map(Result::err).collect::<Vec<_>>()
    });
    if failures.is_empty() { Ok(()) } else { Err(failures.swap_remove(0)) }
}

struct Worker<'a> {
    folder: &'a Folder,
    queue: &'a Queue,
    /// Runs that share no batches and are under way, of all workers.
    under_way: &'a AtomicUsize,
    device: &'a dyn Backend,
    /// Does it work on runs that share batches too?
    makes_batches: bool,
    options: &'a SweepOptions,
    stop: &'a AtomicBool,
    events: Sender<Event>,
}

impl Observer for Worker<'_> {
    fn begun(&self, run: &Run, begun: Begun) {
        self.options.observers.begun(run, begun.clone());
        match begun {
            Begun::GoesOn(from) => {
                self.tell(Event::Resumed { cell: run.cell.clone(), seed: run.config.seed, from });
            }
            Begun::Anew(reason) => {
                self.tell(Event::Note(format!("{} seed {}: {reason}", run.cell, run.config.seed)));
            }
        }
    }

    fn population(&self, run: &Run, population: &PopulationView<'_>) {
        self.options.observers.population(run, population);
    }

    fn phase(&self, run: &Run, phase: &str) {
        self.options.observers.phase(run, phase);
        if run.config.algorithm.in_batches().is_none() {
            self.tell(Event::Busy { cell: run.cell.clone(), with: phase.to_owned() });
        }
    }

    fn progress(&self, run: &Run, progress: &Progress<'_>) {
        self.options.observers.progress(run, progress);
        let best = match progress {
            Progress::Generations(search) => search
                .history()
                .best_correct
                .last()
                .map(|&best| f64::from(best) / search.ranking().samples() as f64),
            Progress::Proposals { latest, .. } => Some(latest.accuracy()),
            Progress::Epochs(epochs) => epochs.last().map(|epoch| epoch.accuracy),
        };
        if let Some(best) = best {
            self.tell(Event::Running { cell: run.cell.clone(), seed: run.config.seed, best });
        }
    }
}

impl Worker<'_> {
    fn run(&self) -> Result<(), SweepFailure> {
        while !self.stopping()
            && let Some(group) = self.queue.join(self.makes_batches)
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

    fn device_failure(&self, source: EvaluateError) -> SweepFailure {
        SweepFailure::Device { adapter: Box::new(self.device.info()), source }
    }

    fn control(&self, config: &ResolvedConfig) -> Control<'_> {
        let saving = Saving {
            path: self.folder.checkpoint_path(config),
            interval: self.options.checkpoint_interval,
            generations: self.options.checkpoint_every,
            end: false,
        };
        Control { stop: self.stop, observer: self, saving: Some(saving) }
    }

    /// Works on the group until none of its runs waits.
    fn work_group(&self, group: usize) -> Result<(), SweepFailure> {
        let Some((first, share)) = self.queue.look(group) else { return Ok(()) };
        let dataset = match self.queue.dataset(&first.config.dataset) {
            Ok(dataset) => dataset,
            Err(error) => return self.fail_group(group, &error.to_string()),
        };
        let Some(genetic) = first.config.algorithm.in_batches() else {
            return self.make_runs(group, &dataset);
        };
        let architecture = first.config.network.layers.clone();
        let budget = Budget::of(self.device, self.options.memory / WORKERS_PER_DEVICE as u64);
        let mut lanes = plan::lanes(&budget, genetic, &architecture, share);
        self.tell(Event::Busy { cell: first.cell, with: "preparing the evaluator".to_owned() });
        let lockstep = loop {
            match self.lockstep(&architecture, &dataset, lanes) {
                Ok(lockstep) => break lockstep,
                Err(EvaluateError::OutOfMemory(_)) if lanes > 1 => lanes = lanes.div_ceil(2),
                Err(error @ (EvaluateError::DeviceLost(_) | EvaluateError::Unfinished { .. })) => {
                    return Err(self.device_failure(error));
                }
                Err(error) => return self.fail_group(group, &error.to_string()),
            }
        };
        let active = (0..lanes).map(|_| None).collect();
        let mut batch = SharedBatch { worker: self, group, dataset: &dataset, lockstep, active };
        let result = batch.run();
        if result.is_err() {
            for (run, _) in batch.active.into_iter().flatten() {
                self.queue.put_back(group, run);
            }
        }
        result
    }

    /// Makes the group's runs one after the other: on one thread each as long as there are as many as threads, since
    /// what a run shares out costs more than what it does by itself.
    fn make_runs(&self, group: usize, dataset: &Arc<Dataset>) -> Result<(), SweepFailure> {
        let alone = LazyCell::new(|| ThreadPoolBuilder::new().num_threads(1).build().ok());
        while !self.stopping()
            && let Some((run, _claim)) = self.claim_next(group, dataset)?
        {
            let others = self.under_way.fetch_add(1, Ordering::SeqCst) + self.queue.waiting_alone();
            let make = || run::run(&run, dataset, self.device, &self.control(&run.config));
            let is_one_of_many = others + 1 >= rayon::current_num_threads();
            let made = match is_one_of_many.then(|| alone.as_ref()).flatten() {
                Some(alone) => alone.install(make),
                None => make(),
            };
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            match made {
                // Its state is saved.
                Ok(None) => {}
                Ok(Some(record)) if record.stop_reason == StopReason::Interrupted => {}
                Ok(Some(record)) => self.finish(record)?,
                Err(RunError::Save { path, source }) => {
                    return Err(FolderError::Write { path, source }.into());
                }
                Err(error) => self.fail(run, &error.to_string())?,
            }
        }
        Ok(())
    }

    fn finish(&self, record: Record) -> Result<(), SweepFailure> {
        let record = Record { contest: self.options.contest.clone(), ..record };
        let ticket = (self.options.ticket)(&record);
        let ticket = ticket
            .map_err(|source| FolderError::Write { path: self.folder.ticket_path(&record.config), source })?;
        self.folder.save_record(&record, ticket.as_deref())?;
        self.options.observers.ended(&record);
        self.tell(Event::Finished(Box::new(record)));
        Ok(())
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
    ) -> Result<Lockstep<'_>, EvaluateError> {
        let nothing = Network::of_zeros(architecture.clone());
        let evaluator =
            self.device.evaluator(&Problem { architecture, networks: &vec![nothing; lanes], dataset })?;
        Ok(Lockstep::new(evaluator, Arc::clone(dataset), lanes))
    }

    fn fail_group(&self, group: usize, error: &str) -> Result<(), SweepFailure> {
        while let Some(run) = self.queue.take(group) {
            self.fail(run, error)?;
        }
        Ok(())
    }

    fn fail(&self, run: Run, error: &str) -> Result<(), SweepFailure> {
        self.options.observers.failed(&run, error);
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
struct SharedBatch<'a> {
    worker: &'a Worker<'a>,
    group: usize,
    dataset: &'a Arc<Dataset>,
    lockstep: Lockstep<'a>,
    /// `[lane]`
    active: Vec<Option<(Run, Claim)>>,
}

impl SharedBatch<'_> {
    fn run(&mut self) -> Result<(), SweepFailure> {
        loop {
            if self.worker.stopping() {
                self.lockstep.save_all();
                return self.settle();
            }
            while let Some(lane) = self.lockstep.free_lane()
                && self.fill(lane)?
            {}
            if self.lockstep.is_empty() {
                return Ok(());
            }
            self.lockstep.step().map_err(|error| self.worker.device_failure(error))?;
            self.settle()?;
        }
    }

    /// Puts the next waiting run on a free lane, if there is one; says whether there was.
    fn fill(&mut self, lane: usize) -> Result<bool, SweepFailure> {
        while let Some((run, claim)) = self.worker.claim_next(self.group, self.dataset)? {
            let control = self.worker.control(&run.config);
            let network = run.config.network.build(run.config.seed).map_err(RunError::from);
            let started = network.and_then(|network| self.lockstep.start(lane, &run, &network, control));
            match started {
                Ok(()) => {
                    self.active[lane] = Some((run, claim));
                    return Ok(true);
                }
                Err(error) if error.is_usage() => self.worker.fail(run, &error.to_string())?,
                Err(error) => {
                    self.worker.queue.put_back(self.group, run);
                    return Err(self.failure(error));
                }
            }
        }
        Ok(false)
    }

    /// Records the runs that have ended.
    fn settle(&mut self) -> Result<(), SweepFailure> {
        while let Some((lane, record)) = self.lockstep.take_ended().map_err(|error| self.failure(error))? {
            self.worker.finish(record)?;
            self.active[lane] = None;
        }
        Ok(())
    }

    fn failure(&self, error: RunError) -> SweepFailure {
        match error {
            RunError::Evaluate(error) => self.worker.device_failure(error),
            RunError::Save { path, source } => FolderError::Write { path, source }.into(),
            other => self.worker.device_failure(EvaluateError::Unsupported(other.to_string())),
        }
    }
}
