//! `supermask table`: the results of a folder of records, one row a cell or a run.

use super::output::{self, Failure};
use super::records::RecordsArgs;
use crate::report::{self, cells::CellRuns};
use crate::table::Table;
use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub struct TableArgs {
    #[command(flatten)]
    records: RecordsArgs,

    /// csv has a number a column, accuracies as fractions; the others are for people, in percent
    #[arg(long, value_enum, default_value = "text")]
    format: TableFormat,

    /// One row a run: a column for each setting that differs, seed, accuracies, sparsity, what it took, why it ended
    #[arg(long)]
    per_run: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TableFormat {
    Text,
    Csv,
    Markdown,
    Latex,
}

type MakeTable = fn(&[CellRuns<'_>]) -> Table;

pub fn table(args: &TableArgs) -> Result<(), Failure> {
    let archive = args.records.read()?;
    let cells = report::cells::cells(&archive);
    let (for_people, for_programs): (MakeTable, MakeTable) = match args.per_run {
        true => (report::runs, report::runs_in_numbers),
        false => (report::results, report::results_in_numbers),
    };
    let text = match args.format {
        TableFormat::Text => for_people(&cells).to_text_within(output::columns()),
        TableFormat::Csv => for_programs(&cells).to_csv(),
        TableFormat::Markdown => for_people(&cells).to_markdown(),
        TableFormat::Latex => for_people(&cells).to_latex(),
    };
    output::print(text.trim_end())
}
