//! What commands print, and how they fail.

use crate::record::HALF_WRITTEN;
use serde::Serialize;
use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::path::Path;

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

/// Prints text to standard output.
pub fn print(text: impl Display) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::ClosedPipe,
        _ => Failure::Work(format!("cannot write to standard output: {error}")),
    })
}

/// Tells the user something on standard error, beside the output proper.
pub fn tell(text: impl Display) {
    // A reader that has gone, or a log on a full disk, must not end the work.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Prints a value as JSON.
pub fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    print(serde_json::to_string_pretty(value).expect("our own values serialise"))
}

/// Makes the folder of the results and tries to write to it, before any work begins. The file of the try is
/// named like a half-written one: where a kill leaves it behind, a sweep tidies it away with those.
pub fn prepare_folder(folder: &Path) -> Result<(), Failure> {
    let fail = |error: std::io::Error| {
        Failure::Usage(format!("--out {}: cannot write to this folder: {error}", folder.display()))
    };
    std::fs::create_dir_all(folder).map_err(fail)?;
    tempfile::Builder::new().prefix(HALF_WRITTEN).tempfile_in(folder).map_err(fail)?;
    Ok(())
}
