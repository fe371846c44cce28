//! Progress of a sweep: runs done, rate, time left, and the state of every cell.

use super::output;
use super::progress::is_live;
use crate::run::record::{Cell, Record};
use crate::sweep::{Event, Prepared, Sweep};
use crate::timing::TotalTime;
use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::fmt::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Cells shown live at most: a terminal has few lines.
const LIVE_CELLS: usize = 16;

/// Cells that a line of a log file names at most.
const LOGGED_CELLS: usize = 3;

/// After so long without a line a log file gets one that says what is under way.
const QUIET: Duration = Duration::from_secs(30);

/// Before the line of a cell.
const INDENT: &str = "  ";

/// A terminal of fewer columns has no room for a long bar and a rate.
const NARROW: u16 = 60;

/// How often the display is renewed when nothing happens.
const TICK: Duration = Duration::from_millis(500);

/// What is known of a sweep while it runs.
pub struct SweepProgress {
    cells: Vec<CellState>,
    total: usize,
    elsewhere: usize,
    was_interrupted: bool,
    started: Instant,
    done_before: usize,
    /// Weights of the runs done since the start, and of those still to do: time goes with them.
    work_done: f64,
    work_left: f64,
    /// By all runs that ended, also those that had before.
    took: TotalTime,
    display: Option<Display>,
    /// When a log file got its last line.
    logged: std::cell::Cell<Instant>,
}

struct CellState {
    cell: Cell,
    runs: usize,
    /// Weights of the cell's networks.
    weights: f64,
    /// Test accuracies of the runs that ended.
    test: Vec<f64>,
    failed: usize,
    /// Best training accuracy of any running search.
    running: Option<f64>,
    /// What a run of it is at that has no accuracy.
    busy: Option<String>,
}

struct Display {
    all: MultiProgress,
    is_narrow: bool,
    bar: ProgressBar,
    lines: Vec<ProgressBar>,
}

impl SweepProgress {
    pub fn new(sweep: &Sweep, prepared: &Prepared) -> Self {
        let mut cells: Vec<CellState> = Vec::new();
        for run in &sweep.runs {
            match cells.last_mut() {
                Some(state) if state.cell == run.cell => state.runs += 1,
                _ => cells.push(CellState {
                    cell: run.cell.clone(),
                    runs: 1,
                    weights: 0.0,
                    test: Vec::new(),
                    failed: 0,
                    running: None,
                    busy: None,
                }),
            }
        }
        let mut progress = Self {
            cells,
            total: sweep.runs.len(),
            elsewhere: 0,
            was_interrupted: false,
            started: Instant::now(),
            done_before: prepared.finished.len(),
            work_done: 0.0,
            work_left: 0.0,
            took: TotalTime::default(),
            display: None,
            logged: std::cell::Cell::new(Instant::now()),
        };
        for run in &prepared.finished {
            progress.took.add(&run.timing);
            progress.state(&run.cell).test.push(run.test_accuracy);
        }
        for run in prepared.queue.runs() {
            let weights = run.config.network.layers.weights() as f64;
            progress.state(&run.cell).weights = weights;
            progress.work_left += weights;
        }
        progress
    }

    /// Shows what happens until no worker is left.
    pub fn follow(&mut self, events: &Receiver<Event>) {
        self.started = Instant::now();
        self.display = is_live().then(|| Display::new(self));
        self.redraw();
        loop {
            match events.recv_timeout(TICK) {
                Ok(event) => self.take(event),
                Err(RecvTimeoutError::Timeout) => self.redraw(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Removes the live display. What is under way where the sweep `was_interrupted` is so too.
    pub fn finish(&mut self, was_interrupted: bool) {
        self.was_interrupted = was_interrupted;
        if let Some(display) = self.display.take() {
            // A display that cannot be cleared is gone with its terminal.
            let _ = display.all.clear();
        }
    }

    /// Runs that failed.
    pub fn failed(&self) -> usize {
        self.cells.iter().map(|state| state.failed).sum()
    }

    /// What all runs that ended took, by its name.
    pub fn times(&self) -> Vec<(&'static str, f64)> {
        self.took.named()
    }

    fn done(&self) -> usize {
        self.cells.iter().map(|state| state.test.len() + state.failed).sum()
    }

    fn state(&mut self, cell: &Cell) -> &mut CellState {
        self.cells.iter_mut().find(|state| state.cell == *cell).expect("a cell of the sweep")
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Finished(record) => {
                let Record { cell, result, config, timing, .. } = &*record;
                self.settle_work(cell);
                let state = self.state(cell);
                state.test.push(result.test_accuracy);
                state.running = None;
                state.busy = None;
                let test = 100.0 * result.test_accuracy;
                self.log(&format!(
                    "{cell} seed {}: test accuracy {test:.2}% ({})",
                    config.seed,
                    timing.shares()
                ));
                self.took.add(timing);
            }
            Event::Failed(failed) => {
                self.settle_work(&failed.cell);
                self.state(&failed.cell).failed += 1;
                self.log(&format!("{} seed {} failed: {}", failed.cell, failed.config.seed, failed.error));
            }
            Event::Elsewhere(cell) => {
                self.settle_work(&cell);
                self.elsewhere += 1;
            }
            Event::Resumed { cell, seed, from } => {
                self.log(&format!("{cell} seed {seed}: goes on from {from}"));
            }
            Event::Running { cell, best, .. } => {
                let state = self.state(&cell);
                state.running = Some(state.running.unwrap_or(0.0).max(best));
                state.busy = None;
            }
            Event::Busy { cell, with } => self.state(&cell).busy = Some(with),
            Event::Note(note) => self.log(&format!("note: {note}")),
        }
        self.redraw();
    }

    fn settle_work(&mut self, cell: &Cell) {
        let weights = self.state(cell).weights;
        self.work_done += weights;
        self.work_left -= weights;
    }

    /// A line in the log file; on a terminal only what cannot be seen otherwise.
    fn log(&self, line: &str) {
        match &self.display {
            None => {
                self.logged.set(Instant::now());
                let (done, total, left) = (self.done(), self.total, self.time_left());
                output::tell(format_args!("[{done}/{total}] {line}{left}"));
            }
            Some(display) if line.contains("failed") || line.starts_with("note") => {
                // A line that cannot be printed is in the folder all the same.
                let _ = display.all.println(line);
            }
            Some(_) => {}
        }
    }

    fn time_left(&self) -> String {
        if self.work_done == 0.0 || self.work_left <= 0.0 {
            return String::new();
        }
        let seconds = self.started.elapsed().as_secs_f64() * self.work_left / self.work_done;
        let minutes = (seconds / 60.0).ceil();
        match seconds {
            s if s < 90.0 => format!(", about {s:.0} s left"),
            s if s < 5400.0 => format!(", about {minutes:.0} min left"),
            s => format!(", about {:.1} h left", s / 3600.0),
        }
    }

    fn redraw(&self) {
        let Some(display) = &self.display else {
            if self.logged.get().elapsed() >= QUIET {
                self.log(&self.under_way());
            }
            return;
        };
        let rate = self.work_rate();
        display.bar.set_position(self.done() as u64);
        let left = self.time_left();
        let message = if display.is_narrow {
            left.trim_start_matches(", ").to_owned()
        } else {
            format!("{rate}{left}")
        };
        display.bar.set_message(message);
        let room = usize::from(Term::stderr().size().1).saturating_sub(INDENT.len());
        for (line, state) in display.lines.iter().zip(&self.cells) {
            line.set_message(state.line_within(room, false));
        }
        display.bar.tick();
    }

    /// What some of the runs under way are at.
    fn under_way(&self) -> String {
        let doing = self.cells.iter().filter_map(|state| Some(format!("{}: {}", state.cell, state.doing()?)));
        let doing: Vec<String> = doing.take(LOGGED_CELLS).collect();
        if doing.is_empty() { "running".to_owned() } else { format!("running: {}", doing.join("; ")) }
    }

    fn work_rate(&self) -> String {
        let since = self.started.elapsed().as_secs_f64();
        let runs = (self.done() - self.done_before) as f64 / since.max(1e-3) * 60.0;
        if self.work_done == 0.0 { String::new() } else { format!("{runs:.1} runs/min") }
    }

    /// The cells and what is known of them, as text.
    pub fn overview(&self) -> String {
        let mut text = format!("{} runs in {} cells, {} done", self.total, self.cells.len(), self.done());
        if self.failed() > 0 {
            write!(text, ", {} of them failed", self.failed()).expect("text grows");
        }
        if self.elsewhere > 0 {
            write!(text, ", {} left to another process", self.elsewhere).expect("text grows");
        }
        let left = self.total - self.done().min(self.total);
        if self.was_interrupted && left > 0 {
            write!(text, ", interrupted with {left} left").expect("text grows");
        }
        for state in &self.cells {
            write!(text, "\n{INDENT}{}", state.line_within(usize::MAX, self.was_interrupted))
                .expect("text grows");
        }
        text
    }
}

impl CellState {
    /// The cell's name and its counts, then as much of the rest as has room; the name is cut before the counts are.
    fn line_within(&self, room: usize, was_interrupted: bool) -> String {
        let n = self.test.len();
        let mut counts = format!(": {n}/{}", self.runs);
        if self.failed > 0 {
            counts += &format!("  {} failed", self.failed);
        }
        let mut rest = Vec::new();
        if n > 0 {
            let mean = self.test.iter().sum::<f64>() / n as f64;
            let best = self.test.iter().copied().fold(0.0, f64::max);
            rest.push(format!("  test mean {:.2}%", 100.0 * mean));
            rest.push(format!("  best {:.2}%", 100.0 * best));
        }
        let what = if was_interrupted { "interrupted" } else { "running" };
        rest.extend(self.doing().map(|doing| format!("  {what}: {doing}")));
        let cell = self.cell.to_string();
        let most = room.saturating_sub(counts.chars().count());
        let mut line = match cell.chars().count() {
            length if length <= most => cell,
            _ => cell.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
        };
        line += &counts;
        for part in rest {
            if line.chars().count() + part.chars().count() > room {
                break;
            }
            line += &part;
        }
        line
    }

    /// What the runs under way are at, as far as it was told.
    fn doing(&self) -> Option<String> {
        let accuracy = || self.running.map(|best| format!("train {:.2}%", 100.0 * best));
        let is_done = self.test.len() + self.failed >= self.runs;
        self.busy.clone().or_else(accuracy).filter(|_| !is_done)
    }
}

impl Display {
    fn new(progress: &SweepProgress) -> Self {
        let all = MultiProgress::new();
        let is_narrow = Term::stderr().size().1 < NARROW;
        let template = if is_narrow {
            "{bar:8} {pos}/{len}  {wide_msg}"
        } else {
            "{bar:20} {pos}/{len} runs  {wide_msg}"
        };
        let style = ProgressStyle::with_template(template);
        let bar = all.add(ProgressBar::new(progress.total as u64));
        bar.set_style(style.expect("a valid template"));
        let lines = progress.cells.iter().take(LIVE_CELLS).map(|_| {
            let line = all.add(ProgressBar::new_spinner());
            let style = ProgressStyle::with_template(&format!("{INDENT}{{wide_msg}}"));
            line.set_style(style.expect("a valid template"));
            line
        });
        let lines = lines.collect();
        Self { all, is_narrow, bar, lines }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_line_keeps_the_counts_and_cuts_the_name() {
        let state = CellState {
            cell: Cell {
                dataset: "circles".to_owned(),
                architecture: "[2, 75, 2]".to_owned(),
                algorithm: "GA (adaptive AB)".to_owned(),
                settings: Vec::new(),
            },
            runs: 25,
            weights: 0.0,
            test: vec![0.9, 0.8],
            failed: 1,
            running: Some(0.95),
            busy: None,
        };
        let whole = "circles [2, 75, 2] GA (adaptive AB): 2/25  1 failed  test mean 85.00%  best 90.00%  running: train 95.00%";
        assert_eq!(state.line_within(usize::MAX, false), whole);
        assert_eq!(state.line_within(38, false), "circles [2, 75, 2] GA…: 2/25  1 failed");
        assert_eq!(
            state.line_within(70, false),
            "circles [2, 75, 2] GA (adaptive AB): 2/25  1 failed  test mean 85.00%"
        );
    }
}
