//! Live progress on a terminal; now and then a plain line where output goes to a file.

use super::output;
use console::Term;
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often a log file gets a line.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// How often work under way is looked at.
pub const REDRAW_INTERVAL: Duration = Duration::from_millis(50);

/// A terminal narrower than the bar of a sweep shows nothing of use.
const LEAST_COLUMNS: u16 = 20;

/// Is standard error a terminal that can show a display which renews itself? Others get lines, as a file does.
pub fn is_live() -> bool {
    let terminal = Term::stderr();
    !output::is_quiet() && terminal.is_term() && !console::is_dumb() && terminal.size().1 >= LEAST_COLUMNS
}

/// One line on standard error that is kept up to date.
pub struct ProgressLine {
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl ProgressLine {
    pub fn new() -> Self {
        let bar = is_live().then(|| {
            let style = ProgressStyle::with_template("{spinner} [{elapsed_precise}] {wide_msg}");
            let bar = ProgressBar::new_spinner();
            bar.set_style(style.expect("a valid template"));
            bar
        });
        Self { bar, last_line: Instant::now() }
    }

    /// Shows the line that `message` makes, if it is time to.
    pub fn update(&mut self, message: impl FnOnce() -> String) {
        match &self.bar {
            Some(bar) => {
                bar.set_message(message());
                bar.tick();
            }
            None if self.last_line.elapsed() >= LOG_INTERVAL => {
                self.last_line = Instant::now();
                output::tell(message());
            }
            None => {}
        }
    }

    /// Does `work`, and shows what it is and for how long it has been under way.
    pub fn during<T>(what: &str, work: impl FnOnce() -> T) -> T {
        Self::during_steps(&|| what.to_owned(), work)
    }

    /// The same for work that is one thing after another.
    pub fn during_steps<T>(what: &(dyn Fn() -> String + Sync), work: impl FnOnce() -> T) -> T {
        std::thread::scope(|scope| {
            let (done, waiting) = mpsc::channel::<()>();
            let show = move || {
                let (mut progress, begun) = (Self::new(), Instant::now());
                while waiting.recv_timeout(REDRAW_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    progress.update(|| format!("{}  {:.0} s", what(), begun.elapsed().as_secs_f64()));
                }
                progress.finish();
            };
            // Where there may be no more threads, the work goes on unshown.
            let _ = std::thread::Builder::new().spawn_scoped(scope, show);
            let result = work();
            drop(done);
            result
        })
    }

    /// Removes the line.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
