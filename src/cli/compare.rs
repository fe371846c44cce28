//! `supermask compare`: a target algorithm against a reference.

use super::output::{self, Failure};
use super::records::RecordsArgs;
use crate::printable;
use crate::report::comparison::{self, Compared, OnDataset};
use clap::Args;

#[derive(Debug, Args)]
pub struct CompareArgs {
    #[command(flatten)]
    records: RecordsArgs,

    /// The algorithm compared with, by label or kind: ga, "GA (adaptive AB)", edge-popup, backprop
    #[arg(long, value_name = "ALGORITHM")]
    reference: String,

    /// The algorithm that is compared
    #[arg(long, value_name = "ALGORITHM")]
    target: String,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn compare(args: &CompareArgs) -> Result<(), Failure> {
    let archive = args.records.read()?;
    if let Some(conflict) = archive.conflicts.first() {
        return Err(Failure::usage(conflict));
    }
    let compared = comparison::by_name(&archive, &args.reference, &args.target);
    let Compared { on, notes } = compared.map_err(Failure::usage)?;
    for note in notes {
        output::tell(format_args!("note: {note}"));
    }
    if args.json {
        return output::print_json(&on);
    }
    let text = |on: &OnDataset| {
        let comparison = match output::columns() {
            Some(columns) => format!("{:columns$}", on.comparison),
            None => on.comparison.to_string(),
        };
        format!("{}: {} against {}\n\n{comparison}", on.dataset, args.target, args.reference)
    };
    let texts: Vec<String> = on.iter().map(text).collect();
    output::print_wrapped(printable::lines(texts.join("\n\n").trim_end()))
}
