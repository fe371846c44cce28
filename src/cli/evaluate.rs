//! `supermask evaluate`: scores given masks, or a record's ticket once more.

use super::output::{self, Failure};
use super::{DeviceArgs, records, run};
use crate::archive::read_run;
use crate::dataset::{Dataset, Split};
use crate::evaluate::{AdapterInfo, Arithmetic, Batch, BatchFile, Occasion, Problem};
use crate::network::Network;
use crate::run::config::ConfigFile;
use crate::run::record::{Correct, Match, Record, other_data};
use crate::search::StopReason;
use crate::settings;
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// File of weights and masks, or the record of a run (JSON)
    file: PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(super) device: DeviceArgs,
}

/// The answer: numbers of correctly classified samples, masks in order.
#[derive(Debug, Serialize)]
struct Evaluation {
    adapter: AdapterInfo,
    arithmetic: Arithmetic,
    datasets: BTreeMap<String, SplitCounts>,
}

#[derive(Debug, Serialize)]
struct SplitCounts {
    train: Vec<u32>,
    test: Vec<u32>,
    /// Where samples are held out.
    #[serde(skip_serializing_if = "Option::is_none")]
    validation: Option<Vec<u32>>,
}

impl SplitCounts {
    /// The counts with the names of their sets.
    fn columns(&self) -> impl Iterator<Item = (&str, &Vec<u32>)> {
        let validation = self.validation.iter().map(|counts| ("validation", counts));
        [("training", &self.train), ("test", &self.test)].into_iter().chain(validation)
    }

    /// The correct samples of the first mask.
    fn first(&self) -> Correct {
        let validation = self.validation.as_ref().map(|counts| counts[0]);
        Correct { train: self.train[0], test: self.test[0], validation }
    }
}

pub fn evaluate(args: &EvaluateArgs) -> Result<(), Failure> {
    let name = args.file.display();
    let value = ConfigFile::read(&args.file).map_err(Failure::usage)?.value;
    if value.get("schema_version").is_some() {
        // Checked as by every command that looks at records.
        read_run(&args.file).map_err(Failure::usage)?;
        let record = Record::from_value(value).map_err(|error| Failure::Usage(format!("{name}: {error}")))?;
        return rescore(args, record);
    }
    let file: BatchFile = settings::read(value).map_err(|error| {
        Failure::Usage(format!("{name}: {error} (so it is neither a record nor a file of masks)"))
    })?;
    let fail = |error| Failure::Usage(format!("{name}: {error}"));
    let network = file.network().map_err(fail)?;
    let masks = file.masks().map_err(fail)?;
    let datasets = file.datasets().map_err(fail)?;
    let evaluation = score(args, &network, &masks, datasets)?;
    print(args, &evaluation)
}

fn rescore(args: &EvaluateArgs, record: Record) -> Result<(), Failure> {
    let name = args.file.display();
    let fail = |reason: String| Failure::Usage(format!("{name}: {reason}"));
    let dataset = record.config.dataset.load().map_err(|error| fail(error.to_string()))?;
    let config = &record.config.dataset;
    match record.data.compare(&dataset) {
        Match::Same => {}
        Match::Unknown => output::tell(format_args!(
            "note: {name} has no checksum (an earlier supermask made it): whether it is of the data in {} cannot be told",
            config.origin().join(" and ")
        )),
        Match::Other(difference) => {
            return Err(fail(format!("{}; put those back, or run anew", other_data(config, &difference))));
        }
    }
    let network = record.config.network.build(record.config.seed).map_err(|error| fail(error.to_string()))?;
    if record.stop_reason == StopReason::Interrupted {
        output::complain("warning", records::interrupted(&args.file));
    }
    let mask = record.mask().ok_or_else(|| fail("a trained network has no mask to score".into()))?;
    let mask = mask.map_err(|reason| fail(format!("ticket.mask_hex: {reason}")))?;
    let datasets = BTreeMap::from([(record.config.dataset.kind().to_owned(), dataset)]);
    let evaluation = score(args, &network, &mask, datasets)?;
    print(args, &evaluation)?;
    let counts = evaluation.answer.datasets.values().next().expect("one data set");
    let result = &record.result;
    let recorded = Correct {
        train: result.train_correct,
        test: result.test_correct,
        validation: result.validation_correct,
    };
    if evaluation.answer.arithmetic == record.arithmetic && counts.first() != recorded {
        return Err(Failure::Work(format!(
            "{name} records {} and {} correct samples: the ticket does not give what its record says",
            recorded.train, recorded.test
        )));
    }
    Ok(())
}

/// The answer, and the number of samples of each data set, in the order of [`Split::ALL`].
struct Scored {
    answer: Evaluation,
    sizes: Vec<[usize; 3]>,
}

fn score(
    args: &EvaluateArgs,
    network: &Network,
    masks: &[u32],
    datasets: BTreeMap<String, Dataset>,
) -> Result<Scored, Failure> {
    let networks = vec![0; masks.len() / network.architecture().mask_words()];
    let datasets: Vec<_> = datasets.into_iter().map(|(name, dataset)| (name, Arc::new(dataset))).collect();
    // What takes longest decides.
    let largest = datasets.iter().map(|(_, dataset)| dataset).max_by_key(|dataset| dataset.train.len());
    let occasion = largest.map(|dataset| Occasion {
        architecture: network.architecture(),
        dataset,
        masks: networks.len(),
    });
    let device = run::open(&args.device, occasion.as_ref())?.backend;
    let batch = Batch { masks, networks: &networks };
    let mut answer =
        Evaluation { adapter: device.info(), arithmetic: device.arithmetic(), datasets: BTreeMap::new() };
    let mut sizes = Vec::new();
    for (name, dataset) in datasets {
        let samples = Split::ALL.map(|split| dataset.split(split).len());
        sizes.push(samples);
        let mut evaluator = device.evaluator(&Problem::of(network, &dataset)).map_err(Failure::usage)?;
        let mut counts = |split| evaluator.score(split, batch).map_err(Failure::work);
        let (train, test) = (counts(Split::Train)?, counts(Split::Test)?);
        let held_out = samples[Split::Validation as usize] > 0;
        let validation = if held_out { Some(counts(Split::Validation)?) } else { None };
        answer.datasets.insert(name, SplitCounts { train, test, validation });
    }
    Ok(Scored { answer, sizes })
}

fn print(args: &EvaluateArgs, scored: &Scored) -> Result<(), Failure> {
    if args.json {
        return output::print_json(&scored.answer);
    }
    for ((name, counts), sizes) in scored.answer.datasets.iter().zip(&scored.sizes) {
        let columns: Vec<_> = counts.columns().zip(sizes).collect();
        let of = columns.iter().map(|((set, _), size)| format!("{size} {set}")).collect::<Vec<_>>();
        output::print(format_args!("{name}: correct of {} samples", of.join(" and ")))?;
        let titles = columns.iter().map(|((set, _), _)| format!("{set:<18}")).collect::<String>();
        output::print(format!("  mask    {titles}").trim_end())?;
        for mask in 0..counts.train.len() {
            let row = columns.iter().map(|((_, counts), size)| {
                let (count, size) = (counts[mask], **size);
                format!("{count:>7} {:>8}", output::percent(count, size))
            });
            output::print(format_args!("  {mask:<6}{}", row.collect::<Vec<_>>().join("  ")))?;
        }
    }
    Ok(())
}
