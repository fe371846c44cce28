//! `supermask evaluate`: scores given masks, or a record's ticket once more.

use super::output::{self, Failure};
use super::{DeviceArgs, run};
use crate::config::read_json;
use crate::dataset::{Dataset, Split};
use crate::evaluate::{AdapterInfo, Arithmetic, Batch, BatchFile, Device};
use crate::network::Network;
use crate::record::Record;
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
    device: DeviceArgs,
}

/// The answer: numbers of correctly classified samples, masks in order.
#[derive(Debug, Serialize)]
struct Evaluation {
    adapter: AdapterInfo,
    arithmetic: Arithmetic,
    datasets: BTreeMap<String, Counts>,
}

#[derive(Debug, Serialize)]
struct Counts {
    train: Vec<u32>,
    test: Vec<u32>,
}

pub fn evaluate(args: &EvaluateArgs) -> Result<(), Failure> {
    let name = args.file.display();
    let value = read_json(&args.file).map_err(Failure::usage)?;
    if value.get("schema_version").is_some() {
        let record: Record = serde_path_to_error::deserialize(value)
            .map_err(|error| Failure::Usage(format!("{name}: not a record of this version: {error}")))?;
        return rescore(args, &record);
    }
    let file: BatchFile = serde_path_to_error::deserialize(value)
        .map_err(|error| Failure::Usage(format!("{name}: neither a record nor a file of masks: {error}")))?;
    let fail = |error| Failure::Usage(format!("{name}: {error}"));
    let network = file.network().map_err(fail)?;
    let masks = file.masks().map_err(fail)?;
    let datasets = file.datasets().map_err(fail)?;
    let device = run::open(&args.device)?;
    let evaluation = score(&device, &network, &masks, datasets)?;
    print(args, &evaluation)
}

fn rescore(args: &EvaluateArgs, record: &Record) -> Result<(), Failure> {
    let name = args.file.display();
    let fail = |reason: String| Failure::Usage(format!("{name}: {reason}"));
    let dataset = record.config.dataset.load().map_err(|error| fail(error.to_string()))?;
    let network = record.config.network.build(record.config.seed).map_err(|error| fail(error.to_string()))?;
    let mask = record.mask().ok_or_else(|| fail("a trained network has no mask to score".into()))?;
    let mask = mask.map_err(|reason| fail(format!("ticket.mask_hex: {reason}")))?;
    let device = run::open(&args.device)?;
    let datasets = BTreeMap::from([(record.config.dataset_kind(), dataset)]);
    let evaluation = score(&device, &network, &mask, datasets)?;
    print(args, &evaluation)?;
    let counts = evaluation.answer.datasets.values().next().expect("one data set");
    let recorded = (record.result.train_correct, record.result.test_correct);
    if evaluation.answer.arithmetic == record.arithmetic && (counts.train[0], counts.test[0]) != recorded {
        return Err(Failure::Work(format!(
            "{name} records {} and {} correct samples: the ticket does not give what its record says",
            recorded.0, recorded.1
        )));
    }
    Ok(())
}

/// The answer, and the number of training and test samples of each data set.
struct Scored {
    answer: Evaluation,
    sizes: Vec<(usize, usize)>,
}

fn score(
    device: &Device,
    network: &Network,
    masks: &[u32],
    datasets: BTreeMap<String, Dataset>,
) -> Result<Scored, Failure> {
    let networks = vec![0; masks.len() / network.architecture.mask_words()];
    let batch = Batch { masks, networks: &networks };
    let mut answer =
        Evaluation { adapter: device.info(), arithmetic: device.arithmetic(), datasets: BTreeMap::new() };
    let mut sizes = Vec::new();
    for (name, dataset) in datasets {
        sizes.push((dataset.train.len(), dataset.test.len()));
        let mut evaluator = device
            .evaluator(&network.architecture, std::slice::from_ref(network), &Arc::new(dataset))
            .map_err(Failure::usage)?;
        let train = evaluator.score(Split::Train, batch).map_err(Failure::work)?;
        let test = evaluator.score(Split::Test, batch).map_err(Failure::work)?;
        answer.datasets.insert(name, Counts { train, test });
    }
    Ok(Scored { answer, sizes })
}

fn print(args: &EvaluateArgs, scored: &Scored) -> Result<(), Failure> {
    if args.json {
        return output::print_json(&scored.answer);
    }
    for ((name, counts), (train, test)) in scored.answer.datasets.iter().zip(&scored.sizes) {
        output::print(format_args!("{name}: correct of {train} training and {test} test samples"))?;
        output::print("  mask    train             test")?;
        for (index, (a, b)) in counts.train.iter().zip(&counts.test).enumerate() {
            let percent = |count: u32, samples: usize| 100.0 * f64::from(count) / samples as f64;
            let (pa, pb) = (percent(*a, *train), percent(*b, *test));
            output::print(format_args!("  {index:<6}{a:>7} {pa:>7.2}%  {b:>7} {pb:>7.2}%"))?;
        }
    }
    Ok(())
}
