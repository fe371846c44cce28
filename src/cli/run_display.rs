//! How a run goes, on one line that is kept up to date.

use super::output;
use super::progress::{ProgressLine, REDRAW_INTERVAL};
use crate::baseline::Epoch;
use crate::objective::Objective;
use crate::objective::measure::Measure;
use crate::run::{Begun, Observer, Progress, Run};
use crate::search::chains::ChainProgress;
use crate::search::genetic::Search;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A rate is of so much time before now.
const RECENT: Duration = Duration::from_secs(5);

/// Less time gives no rate.
const LEAST: Duration = Duration::from_millis(200);

/// What a run tells, as far as it is shown.
pub struct RunDisplay(Mutex<Shown>);

struct Shown {
    /// What the user was not told yet.
    begun: Vec<Begun>,
    /// The phase, and since when.
    phase: (String, Instant),
    /// How far the run has come in it; none where nothing is known yet.
    progress: Option<String>,
    recent: Recent,
}

impl Observer for RunDisplay {
    fn begun(&self, _run: &Run, begun: Begun) {
        self.lock().begun.push(begun);
    }

    fn phase(&self, _run: &Run, phase: &str) {
        let mut shown = self.lock();
        shown.phase = (phase.to_owned(), Instant::now());
        shown.progress = None;
    }

    fn progress(&self, run: &Run, progress: &Progress<'_>) {
        let most = run.config.algorithm.procedure().steps().most;
        let mut shown = self.lock();
        shown.progress = Some(match progress {
            Progress::Generations(search) => generations(search, most, &mut shown.recent),
            Progress::Proposals { made, latest } => proposals(*made, *latest, most, &mut shown.recent),
            Progress::Epochs(history) => epochs(history, most, &mut shown.recent),
        });
    }
}

/// What was done lately: when, of what is counted to the end, and of what the rate is shown.
#[derive(Default)]
struct Recent(VecDeque<(Instant, f64, f64)>);

impl Recent {
    fn add(&mut self, now: Instant, steps: f64, work: f64) {
        self.0.push_back((now, steps, work));
        // One entry from before keeps the time covered whole.
        while self.0.len() > 2 && now.duration_since(self.0[1].0) >= RECENT {
            self.0.pop_front();
        }
    }

    /// Steps and work a second.
    fn rates(&self) -> Option<(f64, f64)> {
        let (first, last) = (self.0.front()?, self.0.back()?);
        let time = last.0.duration_since(first.0);
        let seconds = time.as_secs_f64();
        (time >= LEAST).then(|| ((last.1 - first.1) / seconds, (last.2 - first.2) / seconds))
    }

    /// The rate in `unit`, and how long what is left of `most` takes at it. `limit` says whether the
    /// run may end before.
    fn pace(&self, unit: &str, most: Option<f64>, limit: &str) -> String {
        let (Some((steps, work)), Some(&(_, done, _))) = (self.rates(), self.0.back()) else {
            return String::new();
        };
        let mut text = format!("  {work:.0} {unit}/s");
        if let Some(most) = most.filter(|_| steps > 0.0) {
            text += &format!("  {limit} {} left", output::long_time((most - done).max(0.0) / steps));
        }
        text
    }
}

/// `12 of 200 (6%)`, or `12` where there is no end to it.
fn share(done: f64, most: Option<f64>) -> String {
    match most {
        Some(most) => format!("{done} of {most} ({:.0}%)", 100.0 * done / most.max(1.0)),
        None => done.to_string(),
    }
}

impl RunDisplay {
    pub fn new() -> Self {
        Self(Mutex::new(Shown {
            begun: Vec::new(),
            phase: (String::new(), Instant::now()),
            progress: None,
            recent: Recent::default(),
        }))
    }

    /// Shows how the run goes until it is finished.
    pub fn follow(&self, is_finished: impl Fn() -> bool) {
        let mut line = ProgressLine::new();
        while !is_finished() {
            self.tell_begun();
            line.update(|| {
                let shown = self.lock();
                let (phase, since) = &shown.phase;
                match &shown.progress {
                    Some(progress) => format!("{phase}: {progress}"),
                    None => format!("{phase}  {:.0} s", since.elapsed().as_secs_f64()),
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn proposals(made: u64, latest: ChainProgress, most: Option<f64>, recent: &mut Recent) -> String {
    recent.add(Instant::now(), made as f64, made as f64);
    let (train, loss) = (100.0 * latest.accuracy(), latest.loss);
    format!(
        "proposal {}{}  train {train:.2}%  loss {loss:.3e}  sparsity {:.1}%",
        share(made as f64, most),
        recent.pace("proposals", most, "about"),
        100.0 * latest.sparsity()
    )
}

fn epochs(history: &[Epoch], most: Option<f64>, recent: &mut Recent) -> String {
    let Some(Epoch { loss, accuracy }) = history.last() else { return "no epoch yet".to_owned() };
    let made = history.len() as f64;
    recent.add(Instant::now(), made, made);
    let (epoch, pace) = (share(made, most), recent.pace("epochs", most, "at most"));
    format!("epoch {epoch}{pace}  train {:.2}%  loss {loss:.4}", 100.0 * accuracy)
}

fn generations(search: &Search, most: Option<f64>, recent: &mut Recent) -> String {
    let (history, samples) = (search.history(), search.ranking().samples());
    let made = search.counters().made;
    recent.add(Instant::now(), search.generations() as f64, made as f64);
    let pace = recent.pace("evaluations", most, "at most");
    let Some(&best) = history.best_correct.last() else {
        return format!("initial population  {made} evaluations{pace}");
    };
    let last = history.len() - 1;
    let mut line = format!(
        "generation {}{pace}  best {:.2}%  mean {:.2}%  sparsity {:.1}%",
        share(last as f64, most),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_the_time_left_are_those_of_the_last_seconds() {
        let (start, mut recent) = (Instant::now(), Recent::default());
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        recent.add(at(0.0), 10.0, 0.0);
        assert_eq!(recent.pace("evaluations", Some(100.0), "at most"), "");
        // Fast for a second, then slow for ten.
        recent.add(at(1.0), 50.0, 1000.0);
        assert_eq!(
            recent.pace("evaluations", Some(100.0), "at most"),
            "  1000 evaluations/s  at most 1.2 s left"
        );
        (2..=11).for_each(|n| recent.add(at(f64::from(n)), 49.0 + f64::from(n), 1000.0 + f64::from(n)));
        assert_eq!(recent.pace("evaluations", Some(100.0), "about"), "  1 evaluations/s  about 40 s left");
        assert_eq!(recent.pace("evaluations", None, "about"), "  1 evaluations/s");
        assert_eq!((share(3.0, Some(12.0)), share(3.0, None)), ("3 of 12 (25%)".into(), "3".into()));
    }
}
