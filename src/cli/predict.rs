//! `supermask predict`: classifies new data with the ticket of a record.

use super::output::{self, Failure};
use super::records::read_for_ticket;
use crate::dataset::{Delimiter, Header, NewData, NewDataFormat};
use crate::evaluate::Arithmetic;
use crate::evaluate::plain;
use crate::export::Ticket;
use crate::printable;
use crate::run::record::DataFacts;
use clap::Args;
use rayon::prelude::*;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct PredictArgs {
    /// Record of a run (JSON)
    record: PathBuf,

    /// Samples to classify: text (CSV), one sample a row, or an array of NumPy or IDX; - is standard input
    ///
    /// Features are as in the original data; they are normalised by the statistics of the record's training
    /// set (also where the record's test set was normalised by its own). Columns with names may stand in any
    /// order, and beside others; without names they are the features in the order of the training data.
    data: PathBuf,

    /// What is between columns: a character, tab, or whitespace [default: as in the training data]
    #[arg(long, value_name = "DELIMITER")]
    delimiter: Option<Delimiter>,

    /// Whether the first row names the columns: true, false or auto
    #[arg(long, default_value = "auto", value_name = "ANSWER")]
    header: Header,

    /// Write class names as they are, also those that a spreadsheet would take for formulas
    #[arg(long)]
    raw: bool,

    /// Write the class names to a file, one a line, in place of printing them
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub fn predict(args: &PredictArgs) -> Result<(), Failure> {
    if let Some(path) = &args.out {
        output::check_place("--out", path)?;
    }
    let run = read_for_ticket(&args.record)?;
    let fail = |reason: String| Failure::Usage(format!("{}: {reason}", args.record.display()));
    let ticket = Ticket::of(&run).map_err(|error| fail(error.to_string()))?;
    let schema = run.data.as_ref().and_then(DataFacts::schema).ok_or_else(|| {
        fail("an earlier supermask made this record, without class names and normalisation; make it anew (`run`)".to_owned())
    })?;
    let width = ticket.network.architecture().inputs();
    schema
        .check(width, ticket.network.architecture().outputs())
        .map_err(|problem| fail(format!("data.{problem}")))?;
    let mut format = run.dataset.as_ref().map(NewDataFormat::of).unwrap_or_default();
    format.delimiter = args.delimiter.unwrap_or(format.delimiter);
    format.header = args.header;
    let NewData { features, notes } = schema.read(&args.data, width, &format).map_err(Failure::usage)?;
    notes.iter().for_each(|note| output::tell(format_args!("note: {note}")));
    let arithmetic = run.arithmetic.unwrap_or(Arithmetic::Fused);
    let names = class_names(&schema.class_names, args.raw);
    let classes: Vec<&str> = features
        .par_chunks_exact(width)
        .map(|sample| plain::predict(&ticket.network, &ticket.mask, sample, arithmetic))
        .map(|class| names[class as usize].as_str())
        .collect();
    let text = classes.join("\n");
    match &args.out {
        None => output::print(text),
        Some(path) => output::write(path, format!("{text}\n").as_bytes()),
    }
}

/// Class names as they are written: each on one line, and, unless they are to be raw, none that a spreadsheet
/// would run.
fn class_names(names: &[String], raw: bool) -> Vec<String> {
    let on_one_line = |name: &String| -> String {
        let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        name.chars().map(escaped).collect()
    };
    let written: Vec<String> = names.iter().map(on_one_line).collect();
    if raw {
        return written;
    }
    // A sign alone is no formula, and the name of a class in well-known data.
    let is_formula = |name: &str| name.chars().count() > 1 && printable::is_formula(name);
    let safe = |name: &String| if is_formula(name) { format!("'{name}") } else { name.clone() };
    let safe: Vec<String> = written.iter().map(safe).collect();
    if let Some((name, safe)) = written.iter().zip(&safe).find(|(name, safe)| name != safe) {
        output::tell(format_args!(
            "note: class {name} would be a formula in a spreadsheet and is written as {safe}; --raw leaves it as it is"
        ));
    }
    safe
}
