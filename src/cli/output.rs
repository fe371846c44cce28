//! What commands print, and how they fail.

use crate::files::{self, Place};
use crate::printable;
use crate::report;
use crate::table::wrapped;
use clap::ColorChoice;
use console::{Style, Term};
use serde::Serialize;
use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Why a command ended early.
#[derive(Debug)]
pub enum Failure {
    /// Usage or configuration: nothing was computed.
    Usage(String),
    /// Work that was begun and failed.
    Work(String),
    /// The user stopped it; what was there has been written.
    Interrupted,
    /// The reader of our output has gone; nothing is wrong.
    ClosedPipe,
}

impl Failure {
    /// An error in what was asked for.
    pub fn usage(error: impl Display) -> Self {
        Self::Usage(error.to_string())
    }

    /// An error in what was done.
    pub fn work(error: impl Display) -> Self {
        Self::Work(error.to_string())
    }
}

/// Standard output holds a document: what people are told goes to standard error.
static HOLDS_A_DOCUMENT: AtomicBool = AtomicBool::new(false);

/// Prints text to standard output.
pub fn print(text: impl Display) -> Result<(), Failure> {
    if HOLDS_A_DOCUMENT.load(Ordering::Relaxed) {
        tell(text);
        return Ok(());
    }
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::ClosedPipe,
        _ => Failure::Work(format!("cannot write to standard output: {error}")),
    })
}

/// Finds out whether a document can be written to the path that `flag` names, before the work that makes it; folders
/// that are not there are made with it. Where that is standard output, nothing else is printed there from now on.
pub fn check_place(flag: &str, path: &Path) -> Result<(), Failure> {
    let place = Place::find(path)
        .and_then(|place| place.check().map(|()| place))
        .map_err(|error| Failure::Usage(format!("{flag} {}: cannot be written: {error}", path.display())))?;
    if place == Place::StandardOutput {
        HOLDS_A_DOCUMENT.store(true, Ordering::Relaxed);
    }
    Ok(())
}

/// Refuses the name that `flag` gives a figure, where it ends as no figure's does.
pub fn check_figure_name(flag: &str, path: &Path) -> Result<(), Failure> {
    let fail = |error| Failure::Usage(format!("{flag} {}: {error}", path.display()));
    report::check_figure_name(path).map_err(fail)
}

/// Writes a drawing, SVG text, to a place that was checked, as its name asks.
pub fn write_figure(path: &Path, svg: String) -> Result<(), Failure> {
    let fail = |error| Failure::Work(format!("{}: {error}", path.display()));
    let note = report::replaced_characters([svg.as_str()]).filter(|_| !report::is_svg(path));
    note.iter().for_each(|note| tell(format_args!("note: {}: {note}", path.display())));
    write(path, &report::drawn_for(path, svg).map_err(fail)?)
}

/// Refuses to write to what the command reads.
pub fn refuse_inputs<P: AsRef<Path>>(flag: &str, path: &Path, inputs: &[P]) -> Result<(), Failure> {
    let Ok(place) = path.canonicalize() else { return Ok(()) };
    if inputs.iter().any(|input| input.as_ref().canonicalize().is_ok_and(|input| input == place)) {
        let reason = "is what the command reads, and would be lost; give another place";
        return Err(Failure::Usage(format!("{flag} {}: {reason}", path.display())));
    }
    Ok(())
}

/// The same for a folder that is made when it is not there.
pub fn check_folder(flag: &str, folder: &Path) -> Result<(), Failure> {
    files::check_folder(folder).map_err(|error| {
        Failure::Usage(format!("{flag} {}: cannot be written to: {error}", folder.display()))
    })
}

/// Writes a document to a place that was checked.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    files::write(path, bytes).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::ClosedPipe,
        _ => Failure::Work(format!("cannot write {}: {error}", path.display())),
    })
}

/// Is nothing said that can be left out?
static IS_QUIET: AtomicBool = AtomicBool::new(false);

/// Are details told?
static IS_VERBOSE: AtomicBool = AtomicBool::new(false);

/// Says from now on as much as was asked for.
pub fn behave(quiet: bool, verbose: bool) {
    IS_QUIET.store(quiet, Ordering::Relaxed);
    IS_VERBOSE.store(verbose, Ordering::Relaxed);
}

/// Was silence asked for?
pub fn is_quiet() -> bool {
    IS_QUIET.load(Ordering::Relaxed)
}

/// Colours are used from now on as asked; left to the terminal, `NO_COLOR` and `CLICOLOR` decide too.
pub fn color(choice: ColorChoice) {
    if choice != ColorChoice::Auto {
        console::set_colors_enabled(choice == ColorChoice::Always);
        console::set_colors_enabled_stderr(choice == ColorChoice::Always);
    }
}

/// Tells the user something on standard error, beside the output proper, unless silence was asked for.
pub fn tell(text: impl Display) {
    if !is_quiet() {
        write_error(text);
    }
}

/// The same for what only those want to know who ask for it.
pub fn detail(text: impl Display) {
    if IS_VERBOSE.load(Ordering::Relaxed) {
        write_error(text);
    }
}

/// The same for what must be known: the work was interrupted.
pub fn announce(text: impl Display) {
    write_error(text);
}

/// The same for what is wrong, behind a word for it: `error`, `warning`. Its colours are those of messages about the
/// command line.
pub fn complain(word: &str, text: impl Display) {
    let style = if word == "error" { Style::new().red() } else { Style::new().yellow() };
    let word = style.bold().for_stderr().apply_to(format_args!("{word}:")).to_string();
    // The text may come from elsewhere, the colours do not.
    let _ = writeln!(std::io::stderr().lock(), "{word} {}", printable::lines(&text.to_string()));
}

fn write_error(text: impl Display) {
    // A reader that has gone, or a log on a full disk, must not end the work.
    let _ = writeln!(std::io::stderr().lock(), "{}", printable::lines(&text.to_string()));
}

/// Columns that a table may take: `COLUMNS`, else those of the terminal; none where there is none.
pub fn columns() -> Option<usize> {
    let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|&n| n > 0);
    let terminal = Term::stdout();
    asked.or_else(|| terminal.is_term().then(|| usize::from(terminal.size().1)))
}

/// Prints text whose lines are broken between words where the terminal is narrower.
pub fn print_wrapped(text: impl Display) -> Result<(), Failure> {
    match columns() {
        Some(columns) => print(wrapped(&text.to_string(), columns)),
        None => print(text),
    }
}

/// A time that somebody waits: `45 s`, `12 min`, `3.5 h`.
pub fn long_time(seconds: f64) -> String {
    match seconds {
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s if s < 48.0 * 3600.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86400.0),
    }
}

/// `count` of `all` in percent, with two decimals, and more where these would say that it is all of them, or none.
pub fn percent(count: u32, all: usize) -> String {
    let share = 100.0 * f64::from(count) / all as f64;
    let text = |decimals: usize| format!("{share:.decimals$}");
    let is_all_or_none = |text: &String| matches!(text.parse(), Ok(0.0 | 100.0));
    let is_between = count > 0 && (count as usize) < all;
    let decimals = (2..10).find(|&decimals| !is_between || !is_all_or_none(&text(decimals)));
    text(decimals.unwrap_or(2)) + "%"
}

/// Prints a value as JSON.
pub fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    print(serde_json::to_string_pretty(value).expect("our own values serialise"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearly_all_is_not_all() {
        assert_eq!(
            [(49_998, 50_000), (50_000, 50_000), (0, 7), (1, 100_000), (1, 3)]
                .map(|(n, all)| percent(n, all)),
            ["99.996%", "100.00%", "0.00%", "0.001%", "33.33%"]
        );
    }

    #[test]
    fn times_have_the_unit_that_suits_them() {
        assert_eq!(
            [0.04, 60.0, 600.0, 7200.0, 3e5].map(long_time),
            ["0.0 s", "60 s", "10 min", "2.0 h", "3.5 days"]
        );
    }
}
