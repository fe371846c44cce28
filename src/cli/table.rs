//! `supermask table`: the results of a folder of records, one row a cell or a run.

use super::output::{self, Failure};
use super::progress::ProgressLine;
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

    /// What the tickets of each cell reach together on the test set: by majority vote, and by the mean of their outputs
    ///
    /// The data are loaded again, and must be those of the runs.
    #[arg(long, conflicts_with = "per_run")]
    ensembles: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TableFormat {
    Text,
    Csv,
    Markdown,
    Latex,
}

pub fn table(args: &TableArgs) -> Result<(), Failure> {
    let archive = args.records.read()?;
    let cells = report::cells::cells(&archive);
    let for_programs = matches!(args.format, TableFormat::Csv);
    let table = match (args.per_run, for_programs) {
        _ if args.ensembles => ensembles(&cells, for_programs)?,
        (true, false) => report::runs(&cells),
        (true, true) => report::runs_in_numbers(&cells),
        (false, false) => report::results(&cells),
        (false, true) => report::results_in_numbers(&cells),
    };
    let text = match args.format {
        TableFormat::Text => table.to_text_within(output::columns()),
        TableFormat::Csv => table.to_csv(),
        TableFormat::Markdown => table.to_markdown(),
        TableFormat::Latex => table.to_latex(),
    };
    output::print(text.trim_end())
}

/// Scores what the tickets of each cell reach together, and says which cells are left out.
fn ensembles(cells: &[CellRuns<'_>], for_programs: bool) -> Result<Table, Failure> {
    let (table, notes) =
        ProgressLine::during("scoring ensembles", || report::ensembles::ensembles(cells, for_programs));
    if table.rows.is_empty() {
        let first = notes.first().map_or_else(String::new, |note| format!("; {note}"));
        let reason = "no cell has two tickets or more that can be scored on their data";
        return Err(Failure::Usage(format!("--ensembles: {reason}{first}")));
    }
    notes.iter().for_each(output::tell);
    Ok(table)
}
