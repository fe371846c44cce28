//! `supermask run`: one search, from configuration to record.

use super::output::{self, Failure};
use super::progress::Progress;
use super::{DeviceArgs, OutArgs, interrupt};
use crate::config::{AlgorithmConfig, RunConfig};
use crate::dataset::{Dataset, DatasetError};
use crate::evaluate::{AdapterInfo, Device, EvaluateError, adapter::AdapterError};
use crate::evolve::{Search, StopReason};
use crate::export::Origin;
use crate::local_search::{SearchError, Watch};
use crate::network::{Network, NetworkError, safetensors};
use crate::record::{Cell, Record, Standing};
use crate::sweep::{Elapsed, Lane, Lockstep, baseline, local_search};
use crate::threads;
use clap::Args;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Configuration of the run (JSON), such as configs/moons-b.json
    config: PathBuf,

    /// Root of all random numbers, in place of the configuration's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Stop after at most this many generations
    #[arg(long, value_name = "N")]
    generations: Option<usize>,

    /// Print the record to standard output and nothing else
    #[arg(long)]
    json: bool,

    /// Replace a record of another configuration or of other data with the same name
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    pub(super) device: DeviceArgs,

    #[command(flatten)]
    out: OutArgs,
}

pub fn run(args: RunArgs) -> Result<(), Failure> {
    let mut config = RunConfig::read(&args.config).map_err(Failure::usage)?;
    config.seed = args.seed.unwrap_or(config.seed);
    if args.generations.is_some() {
        let kind = config.algorithm.kind();
        let genetic = config.algorithm.genetic_mut();
        let genetic = genetic.ok_or_else(|| {
            Failure::Usage(format!("--generations: the algorithm {kind} has no generations"))
        })?;
        genetic.termination.max_generations = args.generations;
    }
    let dataset = config.dataset.load().map_err(|error| dataset_failure(&args.config, error))?;
    let dataset = Arc::new(dataset);
    let config = config.resolve(&dataset).map_err(|error| about(&args.config, error))?;
    config.check_memory().map_err(|error| about(&args.config, error))?;
    let network = config.network.build(config.seed).map_err(|error| network_failure(&args.config, error))?;
    let path = args.out.out.join(Record::stem(&config)).with_added_extension("json");
    for path in [&path, &path.with_extension("safetensors")] {
        if path.symlink_metadata().is_ok() {
            output::check_place("--out", path)?;
        }
    }
    refuse_to_replace_another(&path, &config, &dataset, args.force)?;

    let cell = config.cell();
    let record = match config.algorithm {
        AlgorithmConfig::Ga(_) | AlgorithmConfig::GaAdaptiveAb(_) => {
            search(config, cell, &network, &dataset, &args)?
        }
        AlgorithmConfig::LocalSearch(_) => search_locally(config, cell, &dataset, &args)?,
        _ => {
            output::prepare_folder(&args.out.out)?;
            baseline::train(config, cell, &dataset).map_err(|error| about(&args.config, error))?
        }
    };
    let text = record.to_json();
    let mut written = output::write(&path, text.as_bytes());
    let tensors = record.mask().map(|mask| {
        let mask = mask.expect("a mask of our own making");
        let about = Origin::of_record(&record).metadata(record.config.network.layers());
        (path.with_extension("safetensors"), safetensors::ticket(&network, &mask, about))
    });
    if let Some((path, bytes)) = &tensors {
        written = written.and(output::write(path, bytes));
    }
    let printed = if args.json {
        output::print(&text)
    } else {
        let mut lines = summary(&record);
        if written.is_ok() {
            lines += &format!("\n{:<19}{}", "record", path.display());
            if let Some((path, _)) = &tensors {
                lines += &format!("\n{:<19}{} (PyTorch)", "ticket", path.display());
            }
        }
        output::print(lines)
    };
    written?;
    if record.stop_reason == StopReason::Interrupted { Err(Failure::Interrupted) } else { printed }
}

/// Evolves a mask of `network`, showing how it goes.
fn search(
    config: RunConfig,
    cell: Cell,
    network: &Network,
    dataset: &Arc<Dataset>,
    args: &RunArgs,
) -> Result<Record, Failure> {
    let device = open(&args.device)?;
    let layers = config.network.layers();
    let evaluator = device.evaluator(layers, std::slice::from_ref(network), dataset);
    let genetic = config.algorithm.genetic().expect("a search").clone();
    let samples = dataset.train.len();
    let evaluator = evaluator.map_err(Failure::usage)?;
    let loss = genetic.loss(network, &dataset.train, config.seed, evaluator.arithmetic());
    let search = Search::new(
        genetic,
        layers.clone(),
        samples,
        loss.map_err(|error| about(&args.config, error))?,
        config.seed,
    );
    let mut lockstep = Lockstep::new(evaluator, 1);
    lockstep.start(0, network, Lane::new(search, Elapsed::default())).map_err(Failure::usage)?;
    output::prepare_folder(&args.out.out)?;
    interrupt::listen();
    let mut progress = Progress::new();
    let started = Instant::now();
    while lockstep.step(interrupt::requested()).map_err(Failure::work)? {
        let lane = lockstep.lanes()[0].as_ref().expect("the one run");
        progress.update(|| progress_line(lane, samples, started));
    }
    progress.finish();
    lockstep.lane_mut(0).expect("the one run").interrupt();
    lockstep.record(0, dataset, config, cell).map_err(Failure::work)
}

/// Searches by flips, showing how it goes.
fn search_locally(
    config: RunConfig,
    cell: Cell,
    dataset: &Arc<Dataset>,
    args: &RunArgs,
) -> Result<Record, Failure> {
    let AlgorithmConfig::LocalSearch(settings) = &config.algorithm else {
        unreachable!("{} is no local search", config.algorithm.kind())
    };
    let proposals = settings.total_proposals();
    let device = open(&args.device)?;
    output::prepare_folder(&args.out.out)?;
    interrupt::listen();
    let watch = Watch::new(interrupt::flag());
    let started = Instant::now();
    let search = || local_search::run(config.clone(), cell.clone(), dataset, &device, &watch);
    std::thread::scope(|scope| {
        let Some(search) = threads::beside(scope, search) else {
            return search().map_err(|error| search_failure(&args.config, error));
        };
        let mut progress = Progress::new();
        while !search.is_finished() {
            progress.update(|| local_progress_line(&watch, proposals, started));
            std::thread::sleep(REDRAW_INTERVAL);
        }
        progress.finish();
        match search.join() {
            Ok(record) => record.map_err(|error| search_failure(&args.config, error)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// How often the progress of a local search is looked at.
const REDRAW_INTERVAL: Duration = Duration::from_millis(50);

/// Settings are the user's to change; a device that fails is not.
fn search_failure(config: &Path, error: SearchError) -> Failure {
    match error {
        SearchError::Evaluate(
            EvaluateError::DeviceLost(_) | EvaluateError::OutOfMemory(_) | EvaluateError::Device(_),
        ) => Failure::work(error),
        _ => about(config, error),
    }
}

fn local_progress_line(watch: &Watch<'_>, proposals: u64, started: Instant) -> String {
    let made = watch.proposals();
    let rate = made as f64 / started.elapsed().as_secs_f64();
    let share = 100.0 * made as f64 / proposals as f64;
    let mut line = format!("{made} of {proposals} proposals ({share:.0}%)  {rate:.0} proposals/s");
    if let Some(standing) = watch.latest() {
        line += &format!("  train {:.2}%  loss {:.3e}", 100.0 * standing.accuracy(), standing.loss);
    }
    line
}

/// An error of a configuration, with its file.
pub fn about(config: &Path, error: impl Display) -> Failure {
    Failure::Usage(format!("{}: {error}", config.display()))
}

/// An error of the data of a configuration, which is about a file of data or a setting.
pub fn dataset_failure(config: &Path, error: DatasetError) -> Failure {
    if error.names_its_file() { Failure::usage(error) } else { about(config, error) }
}

/// An error of the network of a configuration, which is about a file of weights or a setting.
pub fn network_failure(config: &Path, error: NetworkError) -> Failure {
    if matches!(error, NetworkError::File { .. }) { Failure::usage(error) } else { about(config, error) }
}

/// Opens the device of `args`, and says which it is and why.
pub fn open(args: &DeviceArgs) -> Result<Device, Failure> {
    let opened = Device::open(&args.adapter, args.arithmetic.map(Into::into));
    let (device, notice) = opened.map_err(adapter_failure)?;
    output::tell(notice);
    Ok(if args.tuning.no_autotune { device.without_autotuning() } else { device })
}

/// An adapter that cannot be had is the user's to change; one that fails is not.
pub fn adapter_failure(error: AdapterError) -> Failure {
    if error.is_usage() { Failure::usage(error) } else { Failure::work(error) }
}

/// A record is replaced only by one of the same configuration on the same data, which has the same result.
fn refuse_to_replace_another(
    path: &Path,
    config: &RunConfig,
    dataset: &Dataset,
    force: bool,
) -> Result<(), Failure> {
    let Ok(bytes) = std::fs::read(path) else { return Ok(()) };
    if force {
        return Ok(());
    }
    let name = path.display();
    let refuse = |reason: String| {
        let cure = "choose another --out or name, or replace it with --force";
        Err(Failure::Usage(format!("{name} {reason}; {cure}")))
    };
    let record = match Record::parse(&bytes) {
        Ok(record) => record,
        Err(reason) => return refuse(format!("is there and no record to replace ({reason})")),
    };
    match record.standing(config, dataset) {
        Standing::OtherConfiguration => refuse("holds the record of another configuration".to_owned()),
        Standing::OtherData(difference) => refuse(format!("is there, and {difference}")),
        Standing::Own if record.data.checksum.is_some() => Ok(()),
        Standing::Own => {
            output::tell(format_args!(
                "note: {name} has no checksum of its data (an earlier supermask made it); it is replaced unchecked"
            ));
            Ok(())
        }
    }
}

fn progress_line(lane: &Lane, samples: usize, started: Instant) -> String {
    let search = lane.search();
    let history = search.history();
    let made = search.counters().made;
    let rate = made as f64 / started.elapsed().as_secs_f64();
    let Some(&best) = history.best_correct.last() else {
        return format!("initial population  {made} evaluations  {rate:.0} evaluations/s");
    };
    let last = history.len() - 1;
    let mut line = format!(
        "generation {last}  best {:.2}%  mean {:.2}%  sparsity {:.1}%  {rate:.0} evaluations/s",
        100.0 * f64::from(best) / samples as f64,
        100.0 * history.mean_accuracy[last],
        100.0 * history.best_sparsity[last],
    );
    if let Some(loss) = history.best_loss.last() {
        line += &format!("  loss {loss:.5}");
    }
    if let Some(bound) = history.accuracy_bound[last] {
        line += &format!("  bound {:.1}%", 100.0 * bound);
    }
    line
}

/// What a person wants to know of a run.
fn summary(record: &Record) -> String {
    let r = &record.result;
    let percent = |share: f64| format!("{:.2}%", 100.0 * share);
    let of = |count: u32, samples: usize| {
        format!("{} ({count} of {samples})", percent(f64::from(count) / samples as f64))
    };
    let stop = match record.stop_reason {
        StopReason::Stalled if r.loss.is_some() => "the lowest loss stood still",
        StopReason::Stalled => "the best training accuracy stood still",
        StopReason::MaxGenerations => "the last generation allowed",
        StopReason::Proposals => "the last proposal allowed",
        StopReason::Interrupted => "interrupted",
        StopReason::Epochs => "the last epoch",
        StopReason::Converged => "the training loss stood still",
        StopReason::Diverged => "the training loss is no number any more",
    };
    let (network, adapter, timing) = (&record.config.network, &record.adapter, &record.timing);
    let mut rows = vec![
        ("network", format!("{} of {} weights, seed {}", network.layers(), r.weights, record.config.seed)),
        ("train accuracy", of(r.train_correct, record.data.train_samples)),
        ("test accuracy", of(r.test_correct, record.data.test_samples)),
    ];
    if let (Some(correct), Some(samples)) = (r.validation_correct, record.data.validation_samples) {
        rows.push(("validation", of(correct, samples)));
    }
    if let Some(best) = r.test_accuracy_best_of_population {
        rows.push(("best of population", format!("{} on the test set", percent(best))));
    }
    if let Some(loss) = &r.loss {
        let margin = loss.tau.map_or("cross-entropy".to_owned(), |tau| format!("margin, tau {tau}"));
        rows.push(("training loss", format!("{:.5} ({margin})", loss.ticket)));
    }
    let kept = format!("{} ({} of {} weights kept)", percent(r.sparsity), r.weights_kept, r.weights);
    let dead = format!("{} of {} hidden neurons can be removed", r.dead_neurons, r.hidden_neurons);
    rows.extend([("sparsity", kept), ("dead neurons", dead)]);
    if let Some(generations) = r.generations {
        rows.push(("generations", format!("{generations} ({stop})")));
    }
    if let Some(evaluations) = r.evaluations {
        rows.push(("evaluations", format!("{} made of {} asked for", evaluations.made, evaluations.asked)));
    }
    if let Some(multiply_adds) = r.multiply_adds {
        rows.push(("multiply-adds", format!("{:.3e}", multiply_adds as f64)));
    }
    if let Some(local) = &record.local_search {
        let work = local.work;
        rows.push(("proposals", format!("{} made, {} accepted ({stop})", work.proposals, work.accepted)));
    }
    if !record.epochs.is_empty() {
        rows.push(("epochs", format!("{} ({stop})", record.epochs.len())));
    }
    if let Some(processor) = timing.processor_s {
        let host =
            timing.host_s.map_or_else(String::new, |host| format!(", {host:.2} s of it the search itself"));
        rows.push(("processor time", format!("{processor:.2} s{host}")));
    }
    rows.extend(timing.device_s.map(|device| ("device time", format!("{device:.2} s"))));
    rows.extend(timing.wall().map(|wall| ("wall time", format!("{wall:.2} s"))));
    let title = |adapter: &AdapterInfo| format!("{} ({}, {})", adapter.name, adapter.backend, adapter.driver);
    rows.push(("adapter", title(adapter)));
    if let Some(neighbours) = record.local_search.as_ref().and_then(|local| local.neighbours.as_ref()) {
        rows.push(("neighbours", format!("scored by {}", title(neighbours))));
    }
    rows.iter().map(|(name, value)| format!("{name:<19}{value}")).collect::<Vec<_>>().join("\n")
}
