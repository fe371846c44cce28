//! `supermask compare`: a target algorithm against a reference.

use super::output::{self, Failure};
use super::table;
use crate::report::comparison;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Folder of records
    dir: PathBuf,

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
    let archive = table::load(&args.dir)?;
    let compared = comparison::by_name(&archive, &args.reference, &args.target).map_err(Failure::usage)?;
    if args.json {
        return output::print_json(&compared);
    }
    let texts: Vec<String> = compared
        .iter()
        .map(|on| format!("{}: {} against {}\n\n{}", on.dataset, args.target, args.reference, on.comparison))
        .collect();
    output::print(texts.join("\n\n").trim_end())
}
