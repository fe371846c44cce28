//! `supermask table`: the results of a folder of records, one row a cell.

use super::output::{self, Failure};
use super::records::RecordsArgs;
use crate::report;
use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub struct TableArgs {
    #[command(flatten)]
    records: RecordsArgs,

    /// csv has a number a column, accuracies as fractions; the others are for people, in percent
    #[arg(long, value_enum, default_value = "text")]
    format: TableFormat,
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
    let text = match args.format {
        TableFormat::Text => report::results(&cells).to_text_within(output::columns()),
        TableFormat::Csv => report::results_in_numbers(&cells).to_csv(),
        TableFormat::Markdown => report::results(&cells).to_markdown(),
        TableFormat::Latex => report::results(&cells).to_latex(),
    };
    output::print(text.trim_end())
}
