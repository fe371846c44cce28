//! `supermask tune`: hyperparameters of backpropagation, by random search with cross-validation.

use super::output::{self, Failure};
use super::progress::{ProgressLine, is_live};
use super::{ConfigArgs, TuningArgs, config_args, interrupt};
use crate::baseline::BaselineError;
use crate::baseline::tune::{TuneCandidate, TuneConfig, TuneControl, tune};
use crate::files::Place;
use crate::run::algorithm::Algorithm;
use crate::run::config::ConfigFile;
use crate::settings;
use crate::table::Table;
use clap::Args;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

#[derive(Debug, Args)]
pub struct TuneArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// Settings of the search (JSON): candidates, folds, seed, ranges, base [default: the paper's ranges]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,

    /// Candidates to try [default: 60]
    #[arg(long, value_name = "N", value_parser = super::parse_positive)]
    candidates: Option<usize>,

    /// Parts of the training set, each held out once [default: 5]
    #[arg(long, value_name = "K", value_parser = super::parse_positive)]
    folds: Option<usize>,

    /// Root of all random numbers
    #[arg(long, value_name = "N", value_parser = super::whole(0..=u64::MAX))]
    seed: Option<u64>,

    /// Journal of finished candidates; a search that was stopped goes on from it
    /// [default: results/NAME.tune.jsonl]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Print all candidates as JSON, the best first
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(super) tuning: TuningArgs,
}

/// Candidates shown as text.
const SHOWN: usize = 10;

pub fn tune_backprop(args: &TuneArgs) -> Result<(), Failure> {
    let config = args.config.run()?;
    let mut settings = match &args.settings {
        None => TuneConfig::default(),
        Some(path) => {
            let file = ConfigFile::read(path).map_err(Failure::usage)?;
            settings::read(file.value).map_err(|error| config_args::about(path, error))?
        }
    };
    settings.candidates = args.candidates.unwrap_or(settings.candidates);
    settings.folds = args.folds.unwrap_or(settings.folds);
    settings.seed = args.seed.unwrap_or(settings.seed);
    let dataset = config.dataset.load().map_err(|error| args.config.dataset_failure(error))?;
    let network = config.network.resolve(dataset.train.width, dataset.classes());
    let architecture = network.map_err(|error| args.config.about(error))?.layers;
    settings.validate(dataset.train.len()).map_err(|error| {
        let is_given = [("candidates", args.candidates.is_some()), ("folds", args.folds.is_some())];
        match &args.settings {
            _ if is_given.contains(&(error.key(), true)) => Failure::Usage(format!("--{error}")),
            Some(path) => config_args::about(path, error),
            None => Failure::usage(error),
        }
    })?;
    let name = format!("{}.tune.jsonl", config.name);
    let journal = args.out.clone().unwrap_or_else(|| PathBuf::from("results").join(name));
    if !matches!(Place::find(&journal), Ok(Place::File(_)) | Err(_)) {
        let reason = "a journal is read again, and so has to be a regular file";
        return Err(Failure::Usage(format!("--out {}: {reason}", journal.display())));
    }
    output::check_place("--out", &journal)?;
    output::tell(format_args!(
        "{} candidates, {} folds; finished ones go to {}",
        settings.candidates,
        settings.folds,
        journal.display()
    ));
    interrupt::listen();
    let note = |note| output::tell(format_args!("note: {note}"));
    let display = TuneDisplay::new(settings.candidates);
    let finished = |candidate: &TuneCandidate, done| display.tell(candidate, done);
    let outside =
        TuneControl { journal: Some(&journal), stop: interrupt::flag(), note: &note, finished: &finished };
    let candidates = tune(&dataset.train, dataset.classes(), &architecture, &settings, &outside);
    display.finish();
    let candidates = candidates.map_err(failure)?;
    if args.json { output::print_json(&candidates) } else { output::print(table(&candidates)) }
}

/// How a search goes: a line that is kept up to date, or a line for each candidate.
struct TuneDisplay {
    candidates: usize,
    shown: Mutex<(ProgressLine, Option<(f64, usize)>)>,
}

impl TuneDisplay {
    fn new(candidates: usize) -> Self {
        let mut line = ProgressLine::new();
        if is_live() {
            line.update(|| format!("0 of {candidates} candidates"));
        }
        Self { candidates, shown: Mutex::new((line, None)) }
    }

    fn tell(&self, candidate: &TuneCandidate, done: usize) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let (line, best) = &mut *shown;
        let (accuracy, index) = (100.0 * candidate.mean_accuracy(), candidate.index);
        let (most, of) =
            *best.insert(best.filter(|(most, _)| *most >= accuracy).unwrap_or((accuracy, index)));
        let text = format!(
            "[{done}/{}] best {most:.2}% (candidate {of}), candidate {index}: validation accuracy {accuracy:.2}%",
            self.candidates
        );
        if is_live() { line.update(|| text) } else { output::tell(text) }
    }

    fn finish(self) {
        self.shown.into_inner().unwrap_or_else(PoisonError::into_inner).0.finish();
    }
}

/// A journal that cannot be written now is a failure of the work; everything else is the user's to change.
fn failure(error: BaselineError) -> Failure {
    match error {
        BaselineError::Interrupted => {
            output::announce("interrupted; the same command goes on from the candidates that are finished");
            Failure::Interrupted
        }
        BaselineError::File { .. } | BaselineError::Busy { .. } => Failure::work(error),
        other => Failure::usage(other),
    }
}

fn table(candidates: &[TuneCandidate]) -> String {
    const DRAWN: [&str; 6] = ["solver", "learning_rate_init", "schedule", "batch_size", "alpha", "momentum"];
    let names = ["solver", ">rate", "schedule", ">batch", ">alpha", ">momentum"];
    let columns = [&["candidate", ">validation accuracy %"], &names[..]].concat();
    let mut table = Table::new("candidates", "", &columns);
    for candidate in candidates.iter().take(SHOWN) {
        let settings = serde_json::to_value(&candidate.config).expect("settings serialise");
        let drawn = DRAWN.map(|key| match &settings[key] {
            Value::String(word) => word.clone(),
            Value::Number(number) if number.is_f64() => {
                format!("{:.3e}", number.as_f64().unwrap_or_default())
            }
            value => value.to_string(),
        });
        let accuracy = format!("{:.2}", 100.0 * candidate.mean_accuracy());
        table.push([vec![candidate.index.to_string(), accuracy], drawn.to_vec()].concat());
    }
    let mut text = table.to_text_within(output::columns());
    if let Some(best) = candidates.first() {
        let algorithm = Algorithm::Backprop(best.config.clone());
        let settings = serde_json::to_string_pretty(&algorithm).expect("settings serialise");
        text += &format!("\nthe best, for a configuration:\n\"algorithm\": {settings}");
    }
    text
}
