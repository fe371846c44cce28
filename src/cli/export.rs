//! `supermask export`: the ticket of a record for other programs.

use super::output::{self, Failure};
use super::records::read_for_ticket;
use crate::archive::ArchivedRun;
use crate::dataset::{Dataset, Schema, Split};
use crate::evaluate::Arithmetic;
use crate::export::compact::{Folding, compact};
use crate::export::{self, Ticket, TicketOrigin, csv, npz, onnx, why_float64};
use crate::flaw::Flaw;
use crate::report::ensembles::{self, EnsembleAccuracy};
use crate::run::record::{DataFacts, Match, other_data};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Record of a run (JSON)
    record: PathBuf,

    /// What to write
    #[arg(long, value_enum)]
    format: ExportFormat,

    /// File to write [default: the record's name with the format's ending]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Leave out dead neurons, and fold constant ones into the biases that read them
    #[arg(long)]
    compact: bool,

    /// Further records of the same data and architecture, whose tickets are stacked behind this one's (safetensors)
    ///
    /// Tensors have a first axis of tickets, as torch.func.stack_module_state makes them; the metadata has the test
    /// accuracies by majority vote and by the mean of outputs.
    #[arg(long, value_name = "RECORD", num_args = 1.., conflicts_with = "compact")]
    ensemble: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ExportFormat {
    /// PyTorch names and layout
    Safetensors,
    /// A graph of Gemm and Relu for onnxruntime and others
    Onnx,
    /// NumPy arrays
    Npz,
    /// A line per weight kept and per bias
    Csv,
}

impl ExportFormat {
    fn ending(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Onnx => "onnx",
            Self::Npz => "npz",
            Self::Csv => "csv",
        }
    }
}

/// Writes the tickets of several records, stacked.
fn ensemble(args: &ExportArgs) -> Result<(), Failure> {
    if !matches!(args.format, ExportFormat::Safetensors) {
        return Err(Failure::Usage(
            "--ensemble: tickets are stacked as safetensors; give --format safetensors".to_owned(),
        ));
    }
    let paths: Vec<PathBuf> = std::iter::once(&args.record).chain(&args.ensemble).cloned().collect();
    let path = args.out.clone().unwrap_or_else(|| args.record.with_extension("ensemble.safetensors"));
    output::refuse_inputs("--out", &path, &paths)?;
    output::check_place("--out", &path)?;
    let (mut runs, mut tickets): (Vec<ArchivedRun>, Vec<Ticket>) = (Vec::new(), Vec::new());
    for path in &paths {
        let run = read_for_ticket(path)?;
        let fail = |reason: String| Failure::Usage(format!("--ensemble: {}: {reason}", path.display()));
        let ticket = Ticket::of(&run).map_err(|error| fail(error.to_string()))?;
        if let (Some(first), Some(of_first)) = (runs.first(), tickets.first()) {
            let (own, needed) = (ticket.network.architecture(), of_first.network.architecture());
            if own != needed {
                return Err(fail(format!("its network is {own}, that of the first record {needed}")));
            }
            if run.data_identity != first.data_identity {
                return Err(fail("it is of other data than the first record".to_owned()));
            }
        }
        let is_twin = |other: &Ticket| other.mask == ticket.mask && other.network == ticket.network;
        if let Some(place) = tickets.iter().position(is_twin) {
            return Err(fail(format!("its ticket is that of {}; give each once", paths[place].display())));
        }
        runs.push(run);
        tickets.push(ticket);
    }
    let mut about = TicketOrigin::of(&runs[0]).metadata(tickets[0].network.architecture());
    let names = runs.iter().map(|run| format!("{}-seed{}", run.name, run.seed)).collect::<Vec<_>>();
    about.insert("run".to_owned(), names.join(", "));
    about.remove("test_accuracy");
    let together = ensembles::of_runs(&runs.iter().collect::<Vec<_>>());
    let reached = match together {
        Ok(EnsembleAccuracy { by_vote, by_mean }) => {
            about.insert("test_accuracy_majority_vote".to_owned(), by_vote.to_string());
            about.insert("test_accuracy_mean_of_outputs".to_owned(), by_mean.to_string());
            let (by_vote, by_mean) = (100.0 * by_vote, 100.0 * by_mean);
            format!("test accuracy {by_vote:.2}% by majority vote, {by_mean:.2}% by the mean of outputs")
        }
        Err(reason) => format!("note: no test accuracy: {reason}"),
    };
    let bytes = export::stacked_safetensors(&tickets, about);
    output::write(&path, &bytes)?;
    let (count, size) = (tickets.len(), bytes.len());
    output::print(format_args!("{reached}\nwrote {} ({count} tickets, {size} bytes)", path.display()))
}

pub fn export(args: &ExportArgs) -> Result<(), Failure> {
    if !args.ensemble.is_empty() {
        return ensemble(args);
    }
    let run = read_for_ticket(&args.record)?;
    let fail = |reason: String| Failure::Usage(format!("{}: {reason}", args.record.display()));
    let mut ticket = Ticket::of(&run).map_err(|error| fail(error.to_string()))?;
    let path = args.out.clone().unwrap_or_else(|| {
        let ending = args.format.ending();
        let ending = if args.compact { format!("compact.{ending}") } else { ending.to_owned() };
        args.record.with_extension(ending)
    });
    output::refuse_inputs("--out", &path, std::slice::from_ref(&args.record))?;
    output::check_place("--out", &path)?;
    let mut done = String::new();
    if args.compact {
        let (smaller, what) = compacted(&run, &ticket);
        done = format!("{what}\n");
        ticket = smaller;
    }
    let schema = run.data.as_ref().and_then(DataFacts::schema);
    if let Some(note) = note(args.format, schema.as_ref()) {
        done += &format!("{note}\n");
    }
    let about = TicketOrigin::of(&run).metadata(ticket.network.architecture());
    let bytes = match args.format {
        ExportFormat::Safetensors => export::safetensors(&ticket, about),
        ExportFormat::Onnx => onnx(&ticket, schema.as_ref(), &about),
        ExportFormat::Npz => npz(&ticket, schema.as_ref(), &about).map_err(Failure::work)?,
        ExportFormat::Csv => csv(&ticket).into_bytes(),
    };
    output::write(&path, &bytes)?;
    output::print(format_args!("{done}wrote {} ({} bytes)", path.display(), bytes.len()))
}

/// What who feeds the file must know beforehand.
fn note(format: ExportFormat, schema: Option<&Schema>) -> Option<String> {
    let Some(schema) = schema else {
        return Some(
            "the record is of version 1, without class names and the statistics of the normalisation: so is the file, \
             whose network reads features that are normalised already"
                .to_owned(),
        );
    };
    let why = why_float64(schema).filter(|_| matches!(format, ExportFormat::Onnx))?;
    Some(format!("features are {why}"))
}

/// The smaller ticket, and what a person wants to know of it.
fn compacted(run: &ArchivedRun, ticket: &Ticket) -> (Ticket, String) {
    let arithmetic = run.arithmetic.unwrap_or(Arithmetic::Fused);
    let data = data_of(run);
    let samples =
        data.as_ref().map_or(vec![], |dataset| Split::ALL.map(|split| dataset.split(split)).to_vec());
    let compacted = compact(ticket, arithmetic, &samples);
    let exact = "only constants that keep every sum exact were folded";
    let result = match (data, compacted.compared) {
        (Ok(_), Some(samples)) => match compacted.folding {
            Folding::All => format!("predictions on all {samples} samples are the same"),
            Folding::Exact => format!(
                "predictions on all {samples} samples are the same; folding every constant would have changed \
                 predictions by rounding, so {exact}"
            ),
        },
        (Err(reason), _) => format!("{reason}: compared on nothing, so {exact}"),
        (Ok(_), None) => format!("compared on nothing, so {exact}"),
    };
    let what = format!(
        "compacted {} to {}: {} dead and {} constant neurons removed; {result}",
        ticket.network.architecture(),
        compacted.ticket.network.architecture(),
        compacted.dead,
        compacted.folded,
    );
    (compacted.ticket, what)
}

/// The data of the run, or why they are not to be had.
fn data_of(run: &ArchivedRun) -> Result<Dataset, Flaw> {
    let (Some(config), Some(facts)) = (&run.dataset, &run.data) else {
        return Err("the record does not say on which data it was made".into());
    };
    let dataset = config.load().map_err(|error| format!("the data of the run are not there ({error})"))?;
    match facts.compare(&dataset) {
        Match::Same => Ok(dataset),
        Match::Other(difference) => Err(other_data(config, &difference).into()),
        Match::Unknown => Err(format!(
            "the record is of version 1, without a checksum: whether it is of the data in {} cannot be told",
            config.origin().join(" and ")
        )
        .into()),
    }
}
