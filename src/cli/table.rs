//! `supermask table`: the results of a folder of records, one row a cell.

use super::output::{self, Failure};
use crate::archive::{self, Archive};
use crate::report;
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct TableArgs {
    /// Folder of records
    dir: PathBuf,

    /// csv has a number a column, accuracies as fractions; the others are for people, in percent
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Csv,
    Markdown,
    Latex,
}

pub fn table(args: &TableArgs) -> Result<(), Failure> {
    let archive = load(&args.dir)?;
    let cells = report::cells::cells(&archive);
    let text = match args.format {
        Format::Text => report::results(&cells).to_text(),
        Format::Csv => report::results_in_numbers(&cells).to_csv(),
        Format::Markdown => report::results(&cells).to_markdown(),
        Format::Latex => report::results(&cells).to_latex(),
    };
    output::print(text.trim_end())
}

/// Loads the records of a folder, and says on standard error what was left out.
pub fn load(dir: &Path) -> Result<Archive, Failure> {
    let archive = archive::read(dir).map_err(Failure::usage)?;
    const SHOWN: usize = 5;
    for problem in archive.problems.iter().take(SHOWN) {
        output::tell(format_args!("left out: {}: {}", problem.file, problem.what));
    }
    if archive.problems.len() > SHOWN {
        output::tell(format_args!("left out: {} more files", archive.problems.len() - SHOWN));
    }
    if !archive.failed.is_empty() {
        output::tell(format_args!("{} runs failed", archive.failed.len()));
    }
    Ok(archive)
}
