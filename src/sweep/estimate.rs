//! What waiting runs will take: a little of each group is done and timed, and the rest follows from it.
//!
//! The runs are the sweep's own, as many at a time as the sweep does at a time, and nothing of them is kept.

use super::plan::{self, Budget, WORKERS_PER_DEVICE};
use super::queue::Outline;
use crate::dataset::{Dataset, Samples};
use crate::evaluate::{Backend, Problem};
use crate::network::Architecture;
use crate::run::algorithm::{Algorithm, AlgorithmKind};
use crate::run::config::ResolvedConfig;
use crate::run::procedure::Range;
use crate::run::record::Record;
use crate::run::{self, Control, Lockstep, Observer, Progress, Run, RunError};
use crate::search::genetic::config::Termination;
use crate::search::genetic::{ResolvedGenetic, Search};
use crate::threads;
use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long runs of one kind are timed, if that is enough for [`FEWEST_GENERATIONS`] or an epoch.
const BUDGET: Duration = Duration::from_millis(1500);

/// Generations that are timed at least, where there is time.
const FEWEST_GENERATIONS: usize = 3;

/// How long runs of all kinds are timed, about. Where they are many, each gets less, and a wider range.
const OVERALL_BUDGET: Duration = Duration::from_secs(60);

/// What later generations take at least, as a share of the first ones, where no time is left to find out: those of the
/// sweeps in docs/PERFORMANCE.md took 0.7 to 1.
const LEAST_LATER: f64 = 0.5;

/// Times that a kind's budget is spent at most: on its runs, and on runs on few samples.
const STRETCHES: u32 = 3;

/// Training samples, about, of the runs that tell how generations change.
const FEW_SAMPLES: usize = 4000;

/// How far the time of the same work strays from one time to the next.
const STRAYING: f64 = 0.1;

/// The same at most, where hardly any time was left.
const MOST_STRAYING: f64 = 0.5;

/// What runs of one group with the same settings will take.
#[derive(Clone, Debug)]
pub struct Estimate {
    pub runs: usize,
    pub algorithm: &'static AlgorithmKind,
    pub architecture: Architecture,
    /// Of a run, in the unit of its algorithm.
    pub steps: Range,
    /// Those that each of the runs at a time was timed for.
    pub timed: f64,
    /// Wall time of all runs.
    pub seconds: Range,
}

/// When a run had made so many steps, in seconds; the first mark is where its steps begin.
type Marks = Vec<(f64, f64)>;

/// How fast a run goes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pace {
    /// Seconds before the first step.
    begin: f64,
    /// Steps that were timed.
    timed: f64,
    /// Seconds of a step.
    step: f64,
}

impl Pace {
    /// The mean of runs that went on side by side.
    fn of(runs: &[Marks]) -> Self {
        let per_step = |marks: &[(f64, f64)]| match marks {
            [(begin, before), .., (end, after)] if after > before => (end - begin) / (after - before),
            _ => 0.0,
        };
        let mean = |of: &dyn Fn(&Marks) -> f64| runs.iter().map(of).sum::<f64>() / runs.len() as f64;
        Self {
            begin: mean(&|marks| marks.first().map_or(0.0, |mark| mark.0)),
            timed: mean(&|marks| marks.last().map_or(0.0, |mark| mark.1)),
            step: mean(&|marks| per_step(marks)),
        }
    }

    /// So many steps, of which those that were not timed take this `share` of a timed one.
    fn seconds(&self, steps: f64, share: f64) -> f64 {
        let timed = self.timed.min(steps);
        self.begin + self.step * (timed + (steps - timed) * share)
    }
}

/// Estimates what the runs of `groups` take on `device`, whose batches may take `memory` bytes: one estimate for those
/// of a group that have the same settings. `tell` is told which of how many is timed.
///
/// # Errors
/// When a network does not fit the device, or the device fails.
pub fn estimate(
    groups: &[Outline],
    device: &dyn Backend,
    memory: u64,
    tell: impl Fn(usize, usize),
) -> Result<Vec<Estimate>, RunError> {
    let all: usize = groups.iter().map(|group| group.runs.len()).sum();
    let workers = WORKERS_PER_DEVICE.min(all);
    let mut kinds: Vec<(&Outline, Vec<&Run>)> = Vec::new();
    for group in groups {
        let first = kinds.len();
        for run in &group.runs {
            let is_alike = |kind: &&mut (_, Vec<&Run>)| kind.1[0].config.algorithm == run.config.algorithm;
            match kinds[first..].iter_mut().find(is_alike) {
                Some((_, kind)) => kind.push(run),
                None => kinds.push((group, vec![run])),
            }
        }
    }
    let (begun, count) = (Instant::now(), kinds.len());
    let mut estimates = Vec::new();
    for (index, (group, runs)) in kinds.into_iter().enumerate() {
        tell(index + 1, count);
        let share = if groups.len() > 1 { runs.len() } else { runs.len().div_ceil(workers) };
        let left = OVERALL_BUDGET.saturating_sub(begun.elapsed());
        let budget = left / (count - index) as u32 / STRETCHES;
        estimates.push(
            Sample { group, runs, device, workers, share, memory, budget: budget.min(BUDGET) }.estimate()?,
        );
    }
    Ok(estimates)
}

/// How far an estimate strays that so much time was spent on.
fn straying(budget: Duration) -> f64 {
    let shortened = BUDGET.as_secs_f64() / budget.as_secs_f64();
    (STRAYING * shortened.sqrt()).min(MOST_STRAYING)
}

/// Runs of a group with the same settings.
struct Sample<'a> {
    group: &'a Outline,
    runs: Vec<&'a Run>,
    device: &'a dyn Backend,
    /// Workers that take turns on the device, and the runs of which each takes its batch.
    workers: usize,
    share: usize,
    memory: u64,
    /// How long the runs are timed.
    budget: Duration,
}

impl Sample<'_> {
    fn estimate(&self) -> Result<Estimate, RunError> {
        let algorithm = &self.runs[0].config.algorithm;
        let in_batches = algorithm.in_batches();
        let (marks, together) = match (in_batches, algorithm) {
            (Some(genetic), _) => self.evolve_some(genetic)?,
            (None, Algorithm::EdgePopup(_) | Algorithm::Backprop(_)) => {
                self.one_a_thread(|run| self.train(run))?
            }
            (None, _) => self.one_a_thread(|run| self.walk(run))?,
        };
        let (kind, steps) = (algorithm.kind(), algorithm.procedure().steps());
        let pace = Pace::of(&marks);
        let rounds = self.runs.len() as f64 / together as f64;
        // Proposals are alike, and epochs. A program that judges masks may want all samples.
        let later = match in_batches {
            Some(_) if self.budget < BUDGET / STRETCHES => LEAST_LATER,
            Some(_) => self.later_generation(pace.timed)?,
            None => 1.0,
        };
        let straying = straying(self.budget);
        let seconds = Range {
            least: rounds * (1.0 - straying) * pace.seconds(steps.least, later),
            most: steps.most.map(|most| rounds * (1.0 + straying) * pace.seconds(most, 1.0)),
        };
        Ok(Estimate {
            runs: self.runs.len(),
            algorithm: kind,
            architecture: self.group.architecture.clone(),
            steps,
            timed: pace.timed,
            seconds,
        })
    }

    /// Evolves in lock-step, on as many workers as the sweep has. Also says how many runs that were.
    fn evolve_some(&self, genetic: &ResolvedGenetic) -> Result<(Vec<Marks>, usize), RunError> {
        let Outline { architecture, dataset, .. } = self.group;
        let budget = Budget::of(self.device, self.memory / WORKERS_PER_DEVICE as u64);
        let mut lanes = plan::lanes(&budget, genetic, architecture, self.share);
        if self.device.info().kind == "cpu" {
            // Batches of fewer runs take as long for each mask there, and end sooner.
            let share = self.budget.as_secs_f64() / BUDGET.as_secs_f64();
            lanes = ((lanes as f64 * share).ceil() as usize).max(1);
        }
        let stop = AtomicBool::new(false);
        let mut batches = Vec::new();
        for worker in 0..self.workers {
            let runs: Vec<&Run> =
                self.runs.iter().cycle().skip(worker * lanes).take(lanes).copied().collect();
            let build = |run: &&Run| run.config.network.build(run.config.seed);
            let networks = runs.iter().map(build).collect::<Result<Vec<_>, _>>()?;
            let evaluator = self.device.evaluator(&Problem { architecture, networks: &networks, dataset })?;
            let mut lockstep = Lockstep::new(evaluator, Arc::clone(dataset), lanes);
            for (index, (network, run)) in networks.iter().zip(runs).enumerate() {
                lockstep.start(index, run, network, Control::stopping_at(&stop))?;
            }
            batches.push(lockstep);
        }
        let ended = &AtomicBool::new(false);
        let marks = std::thread::scope(|scope| {
            let mut batches = batches.into_iter();
            let own = batches.next();
            let others: Vec<_> = batches
                .map_while(|batch| threads::beside(scope, move || evolve(batch, lanes, self.budget, ended)))
                .collect();
            let others = others.into_iter().map(|worker| match worker.join() {
                Ok(marks) => marks,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            own.map(|batch| evolve(batch, lanes, self.budget, ended))
                .into_iter()
                .chain(others)
                .collect::<Result<Vec<Marks>, _>>()
        })?;
        let together = lanes * marks.len();
        Ok((marks, together))
    }

    /// What a generation takes that was not timed, as a share of the first ones, of which `timed` were: as a search goes
    /// on, masks get sparser, more of them were seen before, and the accuracy bound falls. A run on a few of the samples
    /// goes through all of that, and its multiply-adds are counted; fewer samples tie more often, so that it exaggerates.
    fn later_generation(&self, timed: f64) -> Result<f64, RunError> {
        let few = Arc::new(few_samples(&self.group.dataset));
        let evolve = |generations: f64| -> Result<(f64, f64), RunError> {
            let most = generations.ceil() as usize;
            let mut config = self.runs[0].config.clone();
            if let Algorithm::Ga(genetic) | Algorithm::GaAdaptiveAb(genetic) = &mut config.algorithm {
                genetic.termination =
                    Termination { min_generations: most, patience: most.max(1), max_generations: Some(most) };
            }
            let stop = AtomicBool::new(false);
            let stopwatch = self.stopwatch(&stop);
            let control = Control { observer: &stopwatch, ..Control::stopping_at(&stop) };
            let record = self.make(self.runs[0], config, &few, &control)?;
            let made = |record: Record| {
                Some((record.result.generations? as f64, record.result.multiply_adds? as f64))
            };
            Ok(record.and_then(made).unwrap_or_default())
        };
        let steps = self.runs[0].config.algorithm.procedure().steps();
        let all = evolve(steps.most.unwrap_or(steps.least))?;
        let (begin, early) = (evolve(0.0)?, evolve(timed.min(all.0))?);
        let per_generation = |from: (f64, f64), to: (f64, f64)| (to.1 - from.1) / (to.0 - from.0);
        let share = per_generation(early, all) / per_generation(begin, early);
        // Nothing came after what was timed, or nothing was done before.
        Ok(if share.is_finite() { share.min(1.0) } else { 1.0 })
    }

    /// Does `work` with as many runs as there are threads. Also says how many runs that were.
    fn one_a_thread(
        &self,
        work: impl Fn(&Run) -> Result<Marks, RunError> + Sync,
    ) -> Result<(Vec<Marks>, usize), RunError> {
        let together = self.runs.len().min(rayon::current_num_threads());
        let runs = self.runs[..together].par_iter().with_max_len(1);
        Ok((runs.map(|run| work(run)).collect::<Result<_, _>>()?, together))
    }

    /// Makes proposals of a local search, or generations that a program judges. Samples that a local search would begin without are looked at from the first.
    fn walk(&self, run: &Run) -> Result<Marks, RunError> {
        let mut config = run.config.clone();
        if let Algorithm::LocalSearch(settings) = &mut config.algorithm {
            settings.growth = None;
        }
        let stop = AtomicBool::new(false);
        let stopwatch = self.stopwatch(&stop);
        let control = Control { observer: &stopwatch, ..Control::stopping_at(&stop) };
        self.make(run, config, &self.group.dataset, &control)?;
        Ok(stopwatch.marks.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn stopwatch<'s>(&self, stop: &'s AtomicBool) -> Stopwatch<'s> {
        Stopwatch { begun: Instant::now(), budget: self.budget, stop, marks: Mutex::default() }
    }

    /// Makes `run` with another configuration and other data.
    fn make(
        &self,
        run: &Run,
        config: ResolvedConfig,
        dataset: &Arc<Dataset>,
        control: &Control<'_>,
    ) -> Result<Option<Record>, RunError> {
        run::run(&Run { config, cell: run.cell.clone() }, dataset, self.device, control)
    }

    /// Trains for an epoch, for two, for four …: what is between the last two of these is epochs alone.
    fn train(&self, run: &Run) -> Result<Marks, RunError> {
        let (stop, begun) = (AtomicBool::new(false), Instant::now());
        let (mut marks, mut epochs) = (Marks::new(), 1);
        loop {
            let mut config = run.config.clone();
            let Some(all) = config.algorithm.epochs_mut() else { return Ok(Marks::new()) };
            let is_all = epochs >= *all;
            *all = epochs.min(*all);
            let start = Instant::now();
            let record = self.make(run, config, &self.group.dataset, &Control::stopping_at(&stop))?;
            let made = record.map_or(0, |record| record.epochs.len());
            marks.push((start.elapsed().as_secs_f64(), made as f64));
            let is_end = is_all || made < epochs as usize;
            if is_end || (epochs > 1 && begun.elapsed() >= self.budget) {
                return Ok(from_nothing(&marks));
            }
            epochs *= 2;
        }
    }
}

/// Takes note of how many steps a run has made and when, and stops it when time is up.
struct Stopwatch<'a> {
    begun: Instant,
    budget: Duration,
    stop: &'a AtomicBool,
    marks: Mutex<Marks>,
}

impl Observer for Stopwatch<'_> {
    fn progress(&self, _run: &Run, progress: &Progress<'_>) {
        let made = match progress {
            Progress::Proposals { made, .. } => *made as f64,
            Progress::Generations(search) => search.generations() as f64,
            Progress::Epochs(epochs) => epochs.len() as f64,
        };
        let seconds = self.begun.elapsed().as_secs_f64();
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        marks.push((seconds, made));
        if seconds - marks[0].0 >= self.budget.as_secs_f64() {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

/// Every so many-th sample.
fn few_samples(dataset: &Dataset) -> Dataset {
    let few = |samples: &Samples| {
        let step = (samples.len() / FEW_SAMPLES).max(1);
        let rows = samples.features.chunks(samples.width).step_by(step);
        Samples {
            features: rows.flatten().copied().collect(),
            labels: samples.labels.iter().copied().step_by(step).collect(),
            width: samples.width,
        }
    };
    let validation = Samples::none(dataset.train.width);
    Dataset::new(few(&dataset.train), few(&dataset.test), validation, dataset.schema.clone())
}

/// Evolves the runs of `lanes` lanes until time is up, or all searches have ended; those of other workers end then, too:
/// what they would do alone is no part of their pace.
fn evolve(
    mut lockstep: Lockstep<'_>,
    lanes: usize,
    budget: Duration,
    ended: &AtomicBool,
) -> Result<Marks, RunError> {
    let (begun, mut marks) = (Instant::now(), Marks::new());
    let fewest = if budget < BUDGET { 1 } else { FEWEST_GENERATIONS };
    loop {
        let goes_on = lockstep.step()?;
        let has_begun = |search: &Search| search.generations() > 0 || search.is_between_generations();
        if lockstep.searches().all(has_begun) {
            let generations: usize = lockstep.searches().map(Search::generations).sum();
            marks.push((begun.elapsed().as_secs_f64(), generations as f64 / lanes as f64));
        }
        if !goes_on {
            ended.store(true, Ordering::Relaxed);
        }
        let is_time = begun.elapsed() >= budget || ended.load(Ordering::Relaxed);
        if !goes_on || (marks.len() > fewest && is_time) {
            return Ok(marks);
        }
    }
}

/// Marks of the last of several trainings, each from its beginning, with what all have before the first epoch and after
/// the last one put before it.
fn from_nothing(trainings: &[(f64, f64)]) -> Marks {
    let (before, last) = match *trainings {
        // Of trainings so short that the longer one took less time, nothing can be put before.
        [.., (seconds, epochs), last] if last.1 > epochs && last.0 > seconds => {
            let epoch = (last.0 - seconds) / (last.1 - epochs);
            ((last.0 - epoch * last.1).max(0.0), last)
        }
        [.., last] => (0.0, last),
        [] => return Marks::new(),
    };
    vec![(before, 0.0), last]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_the_mean_of_runs_side_by_side_and_later_steps_take_a_share() {
        let falling = vec![(2.0, 0.0), (4.0, 1.0), (6.0, 2.0), (7.0, 3.0), (8.0, 4.0)];
        let one = Pace { begin: 2.0, timed: 4.0, step: 1.5 };
        assert_eq!(Pace::of(std::slice::from_ref(&falling)), one);
        let steady = vec![(0.0, 0.0), (0.5, 1.0), (1.0, 2.0)];
        let both = Pace { begin: 1.0, timed: 3.0, step: 1.0 };
        assert_eq!(Pace::of(&[falling, steady]), both);
        assert_eq!([3.0, 10.0].map(|steps| both.seconds(steps, 0.5)), [4.0, 7.5]);
    }

    #[test]
    fn what_is_timed_for_less_strays_more() {
        assert_eq!(straying(BUDGET), STRAYING);
        assert!((straying(BUDGET / 4) - 2.0 * STRAYING).abs() < 1e-9);
        assert_eq!(straying(Duration::ZERO), MOST_STRAYING);
    }

    #[test]
    fn what_trainings_of_any_length_have_is_no_part_of_an_epoch() {
        assert_eq!(from_nothing(&[(1.5, 1.0), (2.0, 2.0), (3.0, 4.0)]), [(1.0, 0.0), (3.0, 4.0)]);
        assert_eq!(from_nothing(&[(1.5, 1.0)]), [(0.0, 0.0), (1.5, 1.0)]);
        assert_eq!(from_nothing(&[(1.5, 3.0), (1.5, 3.0)]), [(0.0, 0.0), (1.5, 3.0)]);
        assert_eq!(from_nothing(&[(2.0, 2.0), (1.5, 4.0)]), [(0.0, 0.0), (1.5, 4.0)]);
    }
}
