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

/// The run of one record, for the use of its ticket: where what the run is said to have reached contradicts itself, that
/// is told, and the ticket is used all the same.
pub fn read_for_ticket(path: &Path) -> Result<ArchivedRun, Failure> {
    let (run, contradiction) = archive::read_run_for_ticket(path).map_err(Failure::usage)?;
    if let Some(contradiction) = contradiction {
        output::tell(format_args!(
            "warning: {} contradicts itself, and its ticket is used as it stands there: {contradiction}",
            path.display()
        ));
    }
    Ok(run)
}
