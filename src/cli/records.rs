//! The records that a command looks at.

use super::output::{self, Failure};
use crate::archive::{self, Archive, ArchivedRun, ReadOptions};
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct RecordsArgs {
    /// Folders of records, or records
    #[arg(required = true, value_name = "DIR")]
    places: Vec<PathBuf>,

    /// Count runs that were stopped before their end, too
    #[arg(long)]
    include_interrupted: bool,

    /// Count records whose values contradict each other, too
    #[arg(long)]
    unchecked: bool,
}

impl RecordsArgs {
    /// Reads the records, and says on standard error what does not count and why.
    pub fn read(&self) -> Result<Archive, Failure> {
        let options = ReadOptions { with_interrupted: self.include_interrupted, unchecked: self.unchecked };
        let archive = archive::read(&self.places, options).map_err(Failure::usage)?;
        archive.remarks().into_iter().for_each(output::tell);
        Ok(archive)
    }
}

/// Says that a record's ticket is not yet what the run comes to.
pub fn interrupted(path: &Path) -> String {
    let goes_on = "the command that made it goes on from there";
    format!("the run of {} was interrupted, and its ticket is the best so far; {goes_on}", path.display())
}

/// The run of one record, for the use of its ticket: where what the run is said to have reached contradicts itself, that
/// is told, and the ticket is used all the same.
pub fn read_for_ticket(path: &Path) -> Result<ArchivedRun, Failure> {
    let (run, contradiction) = archive::read_run_for_ticket(path).map_err(Failure::usage)?;
    if let Some(contradiction) = contradiction {
        output::complain(
            "warning",
            format_args!(
                "{} contradicts itself, and its ticket is used as it stands there: {contradiction}",
                path.display()
            ),
        );
    }
    if run.is_interrupted() {
        output::complain("warning", interrupted(path));
    }
    Ok(run)
}
