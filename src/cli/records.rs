//! The records that a command looks at.

use super::output::{self, Failure};
use crate::archive::{self, Archive, Options};
use clap::Args;
use std::path::PathBuf;

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
        let options = Options { with_interrupted: self.include_interrupted, unchecked: self.unchecked };
        let archive = archive::read(&self.places, options).map_err(Failure::usage)?;
        archive.remarks().into_iter().for_each(output::tell);
        Ok(archive)
    }
}
