//! What waiting runs will take: a little of each group is done and timed, and the rest follows from it.
//!
//! The runs are the sweep's own, as many at a time as the sweep does at a time, and nothing of them is kept.

use super::plan::{self, Budget, WORKERS_PER_DEVICE};
use super::queue::Outline;
use crate::evaluate::{Backend, Problem};
use crate::network::Architecture;
use crate::run::algorithm::{Algorithm, AlgorithmKind};
use crate::run::config::ResolvedConfig;
use crate::run::procedure::Range;
use crate::run::{self, Control, Lockstep, Observer, Progress, Run, RunError};
use crate::search::genetic::{ResolvedGenetic, Search};
use crate::threads;
use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long runs of one kind are timed, if that is enough for [`FEWEST_GENERATIONS`] or an epoch.
const BUDGET: Duration = Duration::from_millis(1500);

/// Generations that are timed at least.
const FEWEST_GENERATIONS: usize = 3;

/// What a step takes at least, as a share of one of the later ones that were timed: masks get sparser, more of them were
/// seen before, and hopeless flips are given up sooner.
const LATER: f64 = 0.6;

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
    /// Seconds of a step, over all that were timed, and over the later half of them.
    step: f64,
    late_step: f64,
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
            late_step: mean(&|marks| per_step(&marks[marks.len().saturating_sub(1) / 2..])),
        }
    }

    /// So many steps, of which those that were not timed take `step` each.
    fn seconds(&self, steps: f64, step: f64) -> f64 {
        let timed = self.timed.min(steps);
        self.begin + timed * self.step + (steps - timed) * step
    }
}

/// Estimates what the runs of `groups` take on `device`, whose batches may take `memory` bytes: one estimate for those
/// of a group that have the same settings.
///
/// # Errors
/// When a network does not fit the device, or the device fails.
pub fn estimate(groups: &[Outline], device: &dyn Backend, memory: u64) -> Result<Vec<Estimate>, RunError> {
    let all: usize = groups.iter().map(|group| group.runs.len()).sum();
    let workers = WORKERS_PER_DEVICE.min(all);
    let mut estimates = Vec::new();
    for group in groups {
        let mut kinds: Vec<Vec<&Run>> = Vec::new();
        for run in &group.runs {
            match kinds.iter_mut().find(|kind| kind[0].config.algorithm == run.config.algorithm) {
                Some(kind) => kind.push(run),
                None => kinds.push(vec![run]),
            }
        }
        for runs in kinds {
            let share = if groups.len() > 1 { runs.len() } else { runs.len().div_ceil(workers) };
            estimates.push(Sample { group, runs, device, workers, share, memory }.estimate()?);
        }
    }
    Ok(estimates)
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
}

impl Sample<'_> {
    fn estimate(&self) -> Result<Estimate, RunError> {
        let algorithm = &self.runs[0].config.algorithm;
        let (marks, together) = match algorithm {
            Algorithm::Ga(genetic) | Algorithm::GaAdaptiveAb(genetic) => self.evolve_some(genetic)?,
            Algorithm::LocalSearch(_) => self.one_a_thread(|run| self.walk(run))?,
            Algorithm::EdgePopup(_) | Algorithm::Backprop(_) => self.one_a_thread(|run| self.train(run))?,
        };
        let (kind, steps) = (algorithm.kind(), algorithm.procedure().steps());
        let pace = Pace::of(&marks);
        let rounds = self.runs.len() as f64 / together as f64;
        // All epochs are alike.
        let later = if kind.is_baseline { pace.step } else { LATER * pace.late_step };
        let seconds = Range {
            least: rounds * pace.seconds(steps.least, later),
            most: steps.most.map(|most| rounds * pace.seconds(most, pace.step)),
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
        let lanes = plan::lanes(&budget, genetic, architecture, self.share);
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
        let marks = std::thread::scope(|scope| {
            let mut batches = batches.into_iter();
            let own = batches.next();
            let others: Vec<_> =
                batches.map_while(|batch| threads::beside(scope, move || evolve(batch, lanes))).collect();
            let others = others.into_iter().map(|worker| match worker.join() {
                Ok(marks) => marks,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            own.map(|batch| evolve(batch, lanes)).into_iter().chain(others).collect::<Result<Vec<Marks>, _>>()
        })?;
        let together = lanes * marks.len();
        Ok((marks, together))
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

    /// Makes proposals of a local search. Samples that it would begin without are looked at from the first.
    fn walk(&self, run: &Run) -> Result<Marks, RunError> {
        let mut config = run.config.clone();
        if let Algorithm::LocalSearch(settings) = &mut config.algorithm {
            settings.growth = None;
        }
        let stop = AtomicBool::new(false);
        let stopwatch = Stopwatch { begun: Instant::now(), stop: &stop, marks: Mutex::default() };
        let control = Control { observer: &stopwatch, ..Control::stopping_at(&stop) };
        self.make(run, config, &control)?;
        Ok(stopwatch.marks.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes `run` with another configuration; says how many epochs it had.
    fn make(&self, run: &Run, config: ResolvedConfig, control: &Control<'_>) -> Result<usize, RunError> {
        let run = Run { config, cell: run.cell.clone() };
        let record = run::run(&run, &self.group.dataset, self.device, control)?;
        Ok(record.map_or(0, |record| record.epochs.len()))
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
            let made = self.make(run, config, &Control::stopping_at(&stop))?;
            marks.push((start.elapsed().as_secs_f64(), made as f64));
            let is_end = is_all || made < epochs as usize;
            if is_end || (epochs > 1 && begun.elapsed() >= BUDGET) {
                return Ok(from_nothing(&marks));
            }
            epochs *= 2;
        }
    }
}

/// Takes note of how many proposals a run has made and when, and stops it when time is up.
struct Stopwatch<'a> {
    begun: Instant,
    stop: &'a AtomicBool,
    marks: Mutex<Marks>,
}

impl Observer for Stopwatch<'_> {
    fn progress(&self, _run: &Run, progress: &Progress<'_>) {
        let Progress::Proposals { made, .. } = progress else { return };
        let seconds = self.begun.elapsed().as_secs_f64();
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        marks.push((seconds, *made as f64));
        if seconds - marks[0].0 >= BUDGET.as_secs_f64() {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

/// Evolves the runs of `lanes` lanes until time is up, or all searches have ended.
fn evolve(mut lockstep: Lockstep<'_>, lanes: usize) -> Result<Marks, RunError> {
    let (begun, mut marks) = (Instant::now(), Marks::new());
    loop {
        let goes_on = lockstep.step()?;
        let has_begun = |search: &Search| search.generations() > 0 || search.is_between_generations();
        if lockstep.searches().all(has_begun) {
            let generations: usize = lockstep.searches().map(Search::generations).sum();
            marks.push((begun.elapsed().as_secs_f64(), generations as f64 / lanes as f64));
        }
        let is_enough = marks.len() > FEWEST_GENERATIONS && begun.elapsed() >= BUDGET;
        if is_enough || !goes_on {
            return Ok(marks);
        }
    }
}

/// Marks of the last of several trainings, each from its beginning, with what all have before the first epoch and after
/// the last one put before it.
fn from_nothing(trainings: &[(f64, f64)]) -> Marks {
    let (before, last) = match *trainings {
        [.., (seconds, epochs), last] if last.1 > epochs => {
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
    fn a_pace_is_the_mean_of_runs_side_by_side_and_later_steps_are_told_apart() {
        let falling = vec![(2.0, 0.0), (4.0, 1.0), (6.0, 2.0), (7.0, 3.0), (8.0, 4.0)];
        let one = Pace { begin: 2.0, timed: 4.0, step: 1.5, late_step: 1.0 };
        assert_eq!(Pace::of(std::slice::from_ref(&falling)), one);
        let steady = vec![(0.0, 0.0), (0.5, 1.0), (1.0, 2.0)];
        let both = Pace { begin: 1.0, timed: 3.0, step: 1.0, late_step: 0.75 };
        assert_eq!(Pace::of(&[falling, steady]), both);
        assert_eq!([3.0, 10.0].map(|steps| both.seconds(steps, 0.5)), [4.0, 7.5]);
    }

    #[test]
    fn what_trainings_of_any_length_have_is_no_part_of_an_epoch() {
        assert_eq!(from_nothing(&[(1.5, 1.0), (2.0, 2.0), (3.0, 4.0)]), [(1.0, 0.0), (3.0, 4.0)]);
        assert_eq!(from_nothing(&[(1.5, 1.0)]), [(0.0, 0.0), (1.5, 1.0)]);
        assert_eq!(from_nothing(&[(1.5, 3.0), (1.5, 3.0)]), [(0.0, 0.0), (1.5, 3.0)]);
    }
}
