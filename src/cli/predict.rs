//! `supermask predict`: classifies new data with the ticket of a record.

use super::output::{self, Failure};
use crate::archive::read_run;
use crate::evaluate::Arithmetic;
use crate::evaluate::cpu::plain;
use crate::export::Ticket;
use clap::Args;
use rayon::prelude::*;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct PredictArgs {
    /// Record of a run (JSON)
    record: PathBuf,

    /// Samples to classify: CSV, one sample a row, features only; a first row of names is skipped
    ///
    /// Features are as in the original data; they are normalised by the statistics of the record's training
    /// set (also where the record's test set was normalised by its own).
    data: PathBuf,

    /// Character between columns
    #[arg(long, default_value = ",", value_name = "CHARACTER")]
    delimiter: char,

    /// Write the class names to a file, one a line, in place of printing them
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub fn predict(args: &PredictArgs) -> Result<(), Failure> {
    if let Some(path) = &args.out {
        output::check_place("--out", path)?;
    }
    let run = read_run(&args.record).map_err(Failure::usage)?;
    let fail = |reason: String| Failure::Usage(format!("{}: {reason}", args.record.display()));
    let ticket = Ticket::of(&run).map_err(|error| fail(error.to_string()))?;
    let config = run
        .dataset
        .as_ref()
        .ok_or_else(|| fail("config.dataset: this program does not know this data set".to_owned()))?;
    let dataset = config
        .load()
        .map_err(|error| fail(format!("its training data are needed for the normalisation: {error}")))?;
    let (schema, width) = (&dataset.schema, ticket.network.architecture.inputs());
    schema.check(width, ticket.network.architecture.outputs()).map_err(fail)?;
    let features = schema.read_csv(&args.data, args.delimiter, width).map_err(Failure::usage)?;
    let arithmetic = run.arithmetic.unwrap_or(Arithmetic::Fused);
    let classes: Vec<&str> = features
        .par_chunks_exact(width)
        .map(|sample| plain::predict(&ticket.network, &ticket.mask, sample, arithmetic))
        .map(|class| schema.class_names[class as usize].as_str())
        .collect();
    let text = classes.join("\n");
    match &args.out {
        None => output::print(text),
        Some(path) => output::write(path, format!("{text}\n").as_bytes()),
    }
}
