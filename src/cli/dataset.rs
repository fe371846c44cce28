//! `supermask dataset`: what the data of a configuration are.

use super::output::{self, Failure};
use super::run;
use crate::dataset::{DatasetConfig, DatasetSummary};
use crate::run::config::read_json;
use crate::settings;
use clap::Args;
use serde_json::Value;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct DatasetArgs {
    /// A run's configuration (JSON), or only its "dataset" part
    config: PathBuf,

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
    let mut value = read_json(&args.config).map_err(Failure::usage)?;
    if let Some(part) = value.get_mut("dataset") {
        value = part.take();
    }
    if let Value::String(kind) = value {
        value = serde_json::json!({ "kind": kind });
    }
    let config: DatasetConfig =
        settings::read_at("dataset", value).map_err(|error| run::about(&args.config, error))?;
    if let Some(path) = &args.out {
        output::refuse_inputs("--out", path, std::slice::from_ref(&args.config))?;
        output::refuse_inputs("--out", path, &config.origin())?;
    }
    let (summary, dataset) =
        DatasetSummary::load(&config).map_err(|error| run::dataset_failure(&args.config, error))?;
    if let Some(path) = &args.out {
        dataset.write_npz(path).map_err(Failure::work)?;
    }
    if args.json { output::print_json(&summary) } else { output::print(summary) }
}
