//! `supermask export`: the ticket of a record for other programs.

use super::output::{self, Failure};
use crate::archive::{Run, read_run};
use crate::dataset::Split;
use crate::evaluate::Arithmetic;
use crate::export::compact::{Folding, compact};
use crate::export::{Ticket, csv, metadata, npz, onnx};
use crate::network::safetensors;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Record of a run (JSON)
    record: PathBuf,

    /// What to write
    #[arg(long, value_enum)]
    format: Format,

    /// File to write [default: the record's name with the format's ending]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Leave out dead neurons, and fold constant ones into the biases that read them
    #[arg(long)]
    compact: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// PyTorch names and layout
    Safetensors,
    /// A graph of Gemm and Relu for onnxruntime and others
    Onnx,
    /// NumPy arrays
    Npz,
    /// A line per weight kept and per bias
    Csv,
}

impl Format {
    fn ending(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Onnx => "onnx",
            Self::Npz => "npz",
            Self::Csv => "csv",
        }
    }
}

pub fn export(args: &ExportArgs) -> Result<(), Failure> {
    let run = read_run(&args.record).map_err(Failure::usage)?;
    let fail = |reason: String| Failure::Usage(format!("{}: {reason}", args.record.display()));
    let mut ticket = Ticket::of(&run).map_err(|error| fail(error.to_string()))?;
    let path = args.out.clone().unwrap_or_else(|| {
        let ending = args.format.ending();
        let ending = if args.compact { format!("compact.{ending}") } else { ending.to_owned() };
        args.record.with_extension(ending)
    });
    output::check_place("--out", &path)?;
    let mut done = String::new();
    if args.compact {
        let (smaller, what) = compacted(&run, &ticket);
        done = format!("{what}\n");
        ticket = smaller;
    }
    let about = metadata(&run, &ticket);
    let bytes = match args.format {
        Format::Safetensors => safetensors::ticket(&ticket.network, &ticket.mask, about),
        Format::Onnx => onnx(&ticket, &about),
        Format::Npz => npz(&ticket).map_err(Failure::work)?,
        Format::Csv => csv(&ticket).into_bytes(),
    };
    output::write(&path, &bytes)?;
    output::print(format_args!("{done}wrote {} ({} bytes)", path.display(), bytes.len()))
}

/// The smaller ticket, and what a person wants to know of it.
fn compacted(run: &Run, ticket: &Ticket) -> (Ticket, String) {
    let arithmetic = run.arithmetic.unwrap_or(Arithmetic::Fused);
    let dataset = run.dataset.as_ref().and_then(|config| config.load().ok());
    let samples =
        dataset.as_ref().map_or(vec![], |dataset| Split::ALL.map(|split| dataset.split(split)).to_vec());
    let compacted = compact(ticket, arithmetic, &samples);
    let compared = match compacted.compared {
        Some(samples) => format!("predictions on all {samples} samples are the same"),
        None => "the data set is not there to compare on, so only constants that keep every sum exact \
                 were folded"
            .to_owned(),
    };
    let exact = match (compacted.folding, compacted.compared) {
        (Folding::Exact, Some(_)) => {
            "; folding every constant would have changed predictions by rounding, so only those that keep \
             every sum exact were folded"
        }
        _ => "",
    };
    let what = format!(
        "compacted {} to {}: {} dead and {} constant neurons removed; {compared}{exact}",
        ticket.network.architecture, compacted.ticket.network.architecture, compacted.dead, compacted.folded,
    );
    (compacted.ticket, what)
}
