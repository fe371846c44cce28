//! How a run goes, on one line that is kept up to date.

use super::output;
use super::progress::{ProgressLine, REDRAW_INTERVAL};
use crate::objective::Objective;
use crate::objective::measure::Measure;
use crate::run::{Begun, Observer, Progress, Run};
use crate::search::chains::ChainProgress;
use crate::search::genetic::Search;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What a run tells, as far as it is shown.
pub struct RunDisplay {
    started: Instant,
    shown: Mutex<Shown>,
}

struct Shown {
    /// What the user was not told yet.
    begun: Vec<Begun>,
    /// The phase, and since when; none while it is shown how far the run has come.
    phase: Option<(String, Instant)>,
    progress: String,
}

impl Observer for RunDisplay {
    fn begun(&self, _run: &Run, begun: Begun) {
        self.lock().begun.push(begun);
    }

    fn phase(&self, _run: &Run, phase: &str) {
        self.lock().phase = Some((phase.to_owned(), Instant::now()));
    }

    fn progress(&self, run: &Run, progress: &Progress<'_>) {
        let seconds = self.started.elapsed().as_secs_f64();
        let line = match progress {
            Progress::Generations(search) => generations(search, seconds),
            Progress::Proposals { made, latest } => proposals(run, *made, *latest, seconds),
        };
        let mut shown = self.lock();
        shown.phase = None;
        shown.progress = line;
    }
}

impl RunDisplay {
    pub fn new() -> Self {
        let shown = Shown { begun: Vec::new(), phase: None, progress: String::new() };
        Self { started: Instant::now(), shown: Mutex::new(shown) }
    }

    /// Shows how the run goes until it is finished.
    pub fn follow(&self, is_finished: impl Fn() -> bool) {
        let mut line = ProgressLine::new();
        while !is_finished() {
            self.tell_begun();
            line.update(|| {
                let shown = self.lock();
                match &shown.phase {
                    Some((phase, since)) => format!("{phase}  {:.0} s", since.elapsed().as_secs_f64()),
                    None => shown.progress.clone(),
                }
            });
            std::thread::sleep(REDRAW_INTERVAL);
        }
        line.finish();
    }

    /// Tells how the run has begun, if that was not told yet.
    pub fn tell_begun(&self) {
        let begun = std::mem::take(&mut self.lock().begun);
        for begun in begun {
            match begun {
                Begun::GoesOn(from) => output::tell(format_args!("goes on from {from}")),
                Begun::Anew(reason) => output::tell(format_args!("note: {reason}")),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn proposals(run: &Run, made: u64, latest: ChainProgress, seconds: f64) -> String {
    let steps = run.config.algorithm.procedure().steps();
    let all = steps.most.unwrap_or(steps.least);
    let (rate, share) = (made as f64 / seconds, 100.0 * made as f64 / all);
    let (train, loss) = (100.0 * latest.accuracy(), latest.loss);
    format!(
        "{made} of {all} proposals ({share:.0}%)  {rate:.0} proposals/s  train {train:.2}%  loss {loss:.3e}"
    )
}

fn generations(search: &Search, seconds: f64) -> String {
    let (history, samples) = (search.history(), search.ranking().samples());
    let made = search.counters().made;
    let rate = made as f64 / seconds;
    let Some(&best) = history.best_correct.last() else {
        return format!("initial population  {made} evaluations  {rate:.0} evaluations/s");
    };
    let last = history.len() - 1;
    let mut line = format!(
        "generation {last}  best {:.2}%  mean {:.2}%  sparsity {:.1}%  {rate:.0} evaluations/s",
        100.0 * f64::from(best) / samples as f64,
        100.0 * history.mean_accuracy[last],
        100.0 * history.best_sparsity[last],
    );
    if let Some(loss) = history.best_loss.last() {
        line += &match search.ranking().objective() {
            Objective::Measure(Measure::Costs(_)) => format!("  mean cost {loss:.4}"),
            Objective::Measure(measure) => format!("  {} {:.4}", measure.title(), 1.0 - loss),
            Objective::Judged => format!("  score {}", -loss),
            Objective::Accuracy | Objective::Margin(_) | Objective::CrossEntropy => {
                format!("  loss {loss:.5}")
            }
        };
    }
    if let Some(volume) = history.hypervolume.last() {
        line += &format!("  hypervolume {volume:.4}");
    }
    if let Some(bound) = history.accuracy_bound[last] {
        line += &format!("  bound {:.1}%", 100.0 * bound);
    }
    line
}
