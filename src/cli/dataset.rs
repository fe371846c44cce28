//! `supermask dataset`: what the data of a configuration are.

use super::ConfigArgs;
use super::output::{self, Failure};
use crate::dataset::DatasetSummary;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct DatasetArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// Also write the arrays x_train, y_train, x_test, y_test (and x_validation, y_validation) for NumPy
    #[arg(long, value_name = "FILE.npz")]
    out: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn dataset(args: &DatasetArgs) -> Result<(), Failure> {
    if let Some(path) = &args.out {
        output::check_place("--out", path)?;
    }
    let config = args.config.dataset()?;
    if let Some(path) = &args.out {
        output::refuse_inputs("--out", path, std::slice::from_ref(&args.config.config))?;
        output::refuse_inputs("--out", path, &config.origin())?;
    }
    let loaded = DatasetSummary::load(&config);
    let (summary, dataset) = loaded.map_err(|error| args.config.dataset_failure(error))?;
    if let Some(path) = &args.out {
        dataset.write_npz(path).map_err(Failure::work)?;
    }
    if args.json { output::print_json(&summary) } else { output::print(summary) }
}
