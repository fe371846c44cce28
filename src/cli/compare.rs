//! `supermask compare`: a target algorithm against a reference, or all pairs.

use super::output::{self, Failure};
use super::records::RecordsArgs;
use crate::archive::Archive;
use crate::flaw::Flaw;
use crate::printable;
use crate::report::all_pairs::compare_all;
use crate::report::comparison::{self, Compared, OnDataset};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct CompareArgs {
    #[command(flatten)]
    records: RecordsArgs,

    /// The algorithm compared with, by label or kind: ga, "GA (adaptive AB)", edge-popup, backprop
    #[arg(long, value_name = "ALGORITHM", required_unless_present = "all", conflicts_with = "all")]
    reference: Option<String>,

    /// The algorithm that is compared
    #[arg(long, value_name = "ALGORITHM", required_unless_present = "all", conflicts_with = "all")]
    target: Option<String>,

    /// Compare every pair of algorithms: rank tests with Holm's correction, Vargha and Delaney's A12, mean ranks
    #[arg(long)]
    all: bool,

    /// Draw the critical-difference diagram to FILE (.svg, .png or .pdf)
    #[arg(long, value_name = "FILE")]
    figure: Option<PathBuf>,

    /// What is significant in the diagram and its groups [default: 0.05]
    #[arg(long, value_name = "P", value_parser = parse_alpha)]
    alpha: Option<f64>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is significant where nothing else is said.
const ALPHA: f64 = 0.05;

fn parse_alpha(text: &str) -> Result<f64, Flaw> {
    let alpha = text.parse().ok().filter(|&alpha: &f64| alpha > 0.0 && alpha < 1.0);
    alpha.ok_or_else(|| "give a probability between 0 and 1, such as 0.05".into())
}

pub fn compare(args: &CompareArgs) -> Result<(), Failure> {
    let of_all = [("--figure", args.figure.is_some()), ("--alpha", args.alpha.is_some())];
    if let Some((flag, _)) = of_all.iter().find(|(_, is_given)| *is_given && !args.all) {
        let reason = format!("{flag} is of all algorithms; give --all in place of --reference and --target");
        return Err(Failure::Usage(reason));
    }
    if let Some(path) = &args.figure {
        output::check_figure_name("--figure", path)?;
        output::check_place("--figure", path)?;
    }
    let archive = args.records.read()?;
    if let Some(conflict) = archive.conflicts.first() {
        return Err(Failure::usage(conflict));
    }
    let (Some(reference), Some(target)) = (&args.reference, &args.target) else {
        return all(args, &archive);
    };
    let compared = comparison::by_name(&archive, reference, target);
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
        format!("{}: {} against {}\n\n{comparison}", on.dataset, target, reference)
    };
    let texts: Vec<String> = on.iter().map(text).collect();
    output::print_wrapped(printable::lines(texts.join("\n\n").trim_end()))
}

/// Compares every pair.
fn all(args: &CompareArgs, archive: &Archive) -> Result<(), Failure> {
    let compared = compare_all(archive, args.alpha.unwrap_or(ALPHA)).map_err(Failure::usage)?;
    if compared.ranks.is_none() {
        let why = "no data set, architecture and seed has runs of all algorithms";
        match &args.figure {
            Some(path) => return Err(Failure::Usage(format!("--figure {}: {why}", path.display()))),
            None => output::tell(format_args!("note: no mean ranks: {why}")),
        }
    }
    if let (Some(path), Some(svg)) = (&args.figure, compared.diagram()) {
        output::write_figure(path, svg)?;
    }
    if args.json {
        return output::print_json(&compared);
    }
    let mut text = compared.pairs().to_text_within(output::columns());
    text += "\np by Holm's method over the pairs of a data set; A12: the chance that a run of the first is better\n";
    if let Some((table, rests_on)) = compared.ranks() {
        text += &format!("\n{}\n{rests_on}", table.to_text_within(output::columns()));
    }
    output::print(text.trim_end())
}
