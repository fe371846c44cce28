//! `supermask run`: one search, from configuration to record.

use super::output::{self, Failure};
use super::progress::ProgressLine;
use super::run_display::RunDisplay;
use super::watch::{Watch, WatchArgs};
use super::{CheckpointArgs, ConfigArgs, DeviceArgs, OutArgs, forecast, interrupt};
use crate::dataset::{Dataset, Split};
use crate::evaluate::adapter::{self, AdapterError, Opened};
use crate::evaluate::{AdapterInfo, Backend, Occasion};
use crate::export;
use crate::memory::amount;
use crate::run::config::ResolvedConfig;
use crate::run::record::{MeasureFacts, ParetoFront, Record, RecordStanding};
use crate::run::{self, Control, Observer, Run, Saving};
use crate::search::StopReason;
use crate::search::genetic::GeneticConfig;
use crate::sweep::{Claim, Folder, Outline, plan};
use crate::threads;
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A run that takes so much memory says it before it begins.
const MUCH_MEMORY: u64 = 256 << 20;

#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// Root of all random numbers, in place of the configuration's
    #[arg(long, value_name = "N", value_parser = super::whole(0..=u64::MAX))]
    seed: Option<u64>,

    /// Stop after at most this many generations; with a larger number the same run goes on from there
    #[arg(long, value_name = "N", value_parser = super::parse_positive)]
    generations: Option<usize>,

    /// Show what would be done and what it would take, and end
    ///
    /// Some of the run is done and timed, for a second or two; nothing of it is kept.
    #[arg(long)]
    dry_run: bool,

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

    #[command(flatten)]
    checkpoints: CheckpointArgs,

    #[command(flatten)]
    watch: WatchArgs,
}

pub fn run(args: RunArgs) -> Result<(), Failure> {
    if !args.dry_run {
        // From now on a signal asks for an end in good order.
        interrupt::listen();
    }
    let (config, dataset) = read(&args)?;
    config.network.build(config.seed).map_err(|error| args.config.network_failure(error))?;
    output::check_folder("--out", &args.out.out)?;
    let path = record_path(&args.out, &config);
    for path in [&path, &path.with_extension("safetensors")] {
        if path.symlink_metadata().is_ok() {
            output::check_place("--out", path)?;
        }
    }
    refuse_to_replace_another(&path, &config, &dataset, args.force)?;
    if args.dry_run {
        return dry_run(&args, &path, config, dataset);
    }

    let was_there = args.out.out.exists();
    let folder = Folder::at(&args.out.out);
    let job = Run { cell: config.cell(), config };
    let inputs = std::slice::from_ref(&args.config.config);
    let watch = args.watch.open(&args.out.out, [&job.config], inputs)?;
    let made = make(&job, &dataset, &folder, (&args, &watch));
    let watched = watch.close();
    let (record, claim) = match made {
        Ok((Some(record), claim)) => (record, claim),
        Ok((None, _claim)) => {
            output::announce(
                "interrupted before there was anything to record; the same command goes on from here",
            );
            return Err(Failure::Interrupted);
        }
        Err(failure) => {
            if folder.tidy_checkpoints() && !was_there {
                // Where something has been written to it since, it stays.
                let _ = std::fs::remove_dir(&args.out.out);
            }
            return Err(failure);
        }
    };
    let printed = write(&record, &path, args.json)?;
    watched?;
    if record.stop_reason == StopReason::Interrupted {
        output::announce("interrupted; the same command goes on from here");
        return Err(Failure::Interrupted);
    }
    if args.generations.is_some() && record.stop_reason == StopReason::MaxGenerations {
        // Without it, a run of more generations begins anew, and comes to the same.
        let _ = std::fs::rename(folder.checkpoint_path(&record.config), end_state(&path));
    }
    folder.forget(&record.config);
    drop(claim);
    folder.tidy_checkpoints();
    printed
}

/// Where the record of the run goes.
fn record_path(out: &OutArgs, config: &ResolvedConfig) -> PathBuf {
    out.out.join(config.stem()).with_added_extension("json")
}

/// Where the last state is of a run that `--generations` ended: beside its record.
fn end_state(record: &Path) -> PathBuf {
    record.with_extension("state")
}

/// The configuration, resolved against its data, and these.
fn read(args: &RunArgs) -> Result<(ResolvedConfig, Arc<Dataset>), Failure> {
    let mut config = args.config.run()?;
    config.seed = args.seed.unwrap_or(config.seed);
    if let Some(most) = args.generations {
        let kind = config.algorithm.kind().name;
        let genetic = config.algorithm.genetic_mut();
        let genetic = genetic.ok_or_else(|| {
            Failure::Usage(format!("--generations: the algorithm {kind} has no generations"))
        })?;
        let (termination, unchanged): (_, GeneticConfig) =
            (&mut genetic.termination, GeneticConfig::default());
        termination.max_generations = Some(most);
        // The default gives way by itself, and the record has it as it is.
        if termination.min_generations != unchanged.termination.min_generations {
            termination.min_generations = termination.min_generations.min(most);
        }
    }
    let dataset = ProgressLine::during("loading the data", || config.dataset.load());
    let dataset = Arc::new(dataset.map_err(|error| args.config.dataset_failure(error))?);
    dataset.notes.iter().for_each(|note| output::tell(format_args!("note: {note}")));
    let config = config.resolve(&dataset).map_err(|error| args.config.about(error))?;
    config.check_memory().map_err(|error| args.config.about(error))?;
    let written = serde_json::to_string_pretty(&config).expect("configurations serialise");
    output::detail(format_args!(
        "checksum of the data {}\nthe configuration, in full:\n{written}",
        dataset.checksum()
    ));
    Ok((config, dataset))
}

/// Says what the run would do, and what it would take.
fn dry_run(
    args: &RunArgs,
    path: &Path,
    config: ResolvedConfig,
    dataset: Arc<Dataset>,
) -> Result<(), Failure> {
    let job = Run { cell: config.cell(), config };
    let saved = [Folder::at(&args.out.out).checkpoint_path(&job.config), end_state(path)];
    let what = match (saved.iter().find(|state| state.exists()), path.exists()) {
        (Some(state), _) => format!("the run would go on from {}, and be recorded in", state.display()),
        (None, true) => "the run would be done anew, and replace its record".to_owned(),
        _ => "the run would be recorded in".to_owned(),
    };
    output::print(format_args!("{}, seed {}: {what} {}", job.cell, job.config.seed, path.display()))?;
    let layers = job.config.network.layers.clone();
    let device = open(&args.device, occasion(&job, &dataset).as_ref())?.backend;
    output::print(least_memory(&job.config, &dataset, &*device).1)?;
    let outline = Outline { dataset, architecture: layers, runs: vec![job] };
    forecast::print(&[outline], &[device], plan::DEFAULT_MEMORY)
}

/// The bytes that a run takes at least beside its data, and those of an adapter that judges its masks, in all and in words.
fn least_memory(config: &ResolvedConfig, dataset: &Dataset, device: &dyn Backend) -> (u64, String) {
    let own = config.least_bytes();
    let samples = Split::ALL.map(|split| dataset.split(split).len()).iter().sum();
    let in_batches = config.algorithm.in_batches();
    let of_adapter = in_batches.map_or(0, |_| device.evaluator_bytes(&config.network.layers, 1, samples));
    let more = match of_adapter {
        0 => String::new(),
        bytes => format!(", and {} of the adapter's", amount(bytes)),
    };
    (own.saturating_add(of_adapter), format!("memory: at least {}{more}", amount(own)))
}

/// Writes the record to `path` and its ticket beside it, and prints what it says. What could not be written is not
/// lost, as the run goes on from its checkpoint; whether printing failed is returned apart.
fn write(record: &Record, path: &Path, json: bool) -> Result<Result<(), Failure>, Failure> {
    let text = record.to_json();
    let mut written = output::write(path, text.as_bytes());
    let ticket = path.with_extension("safetensors");
    let tensors = export::beside_record(record);
    let tensors =
        tensors.map_err(|error| Failure::Work(format!("cannot write {}: {error}", ticket.display())))?;
    if let Some(bytes) = &tensors {
        written = written.and(output::write(&ticket, bytes));
    }
    let printed = if json {
        output::print(&text)
    } else {
        let mut lines = summary(record);
        if written.is_ok() {
            lines += &format!("\n{:<19}{}", "record", path.display());
            if tensors.is_some() {
                lines += &format!("\n{:<19}{} (PyTorch)", "ticket", ticket.display());
            }
        }
        output::print(lines)
    };
    written.map(|()| printed)
}

/// Makes the run, showing how it goes; with the claim that keeps other processes from it until its record is written.
fn make(
    job: &Run,
    dataset: &Arc<Dataset>,
    folder: &Folder,
    (args, watch): (&RunArgs, &Watch),
) -> Result<(Option<Record>, Claim), Failure> {
    let Opened { backend: device, contest, .. } = open(&args.device, occasion(job, dataset).as_ref())?;
    let (bytes, memory) = least_memory(&job.config, dataset, &*device);
    if bytes >= MUCH_MEMORY {
        output::tell(memory);
    }
    let claim = folder.claim(&job.config).map_err(Failure::work)?;
    let claim = claim.ok_or_else(|| {
        let folder = folder.path().display();
        Failure::Work(format!("another process works on this run in {folder}; wait, or give another --out"))
    })?;
    let (saved, record) = (folder.checkpoint_path(&job.config), record_path(&args.out, &job.config));
    if !saved.exists() && end_state(&record).exists() {
        // Where that cannot be, the run begins anew.
        let _ = std::fs::rename(end_state(&record), &saved);
    }
    let every = args.checkpoints.interval();
    output::detail(format_args!(
        "saved every {every:?} to {}",
        folder.checkpoint_path(&job.config).display()
    ));
    let display = Arc::new(RunDisplay::new());
    let mut observers = watch.observers.clone();
    observers.push(display.clone());
    let saving = Saving {
        path: folder.checkpoint_path(&job.config),
        interval: args.checkpoints.interval(),
        generations: None,
        end: args.generations.is_some(),
    };
    let control = Control { stop: interrupt::flag(), observer: &observers, saving: Some(saving) };
    let work = || run::run(job, dataset, &*device, &control);
    let record = std::thread::scope(|scope| {
        let Some(run) = threads::beside(scope, work) else { return work() };
        display.follow(|| run.is_finished());
        run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    display.tell_begun();
    match record {
        Ok(record) => {
            let record = record.map(|record| Record { contest, ..record });
            record.iter().for_each(|record| observers.ended(record));
            Ok((record, claim))
        }
        Err(error) => {
            observers.failed(job, &error.to_string());
            Err(if error.is_usage() { args.config.about(error) } else { Failure::work(error) })
        }
    }
}

/// Opens the device of `args`, the faster one on the `occasion` where they name none, and says which it is and why.
pub fn open(args: &DeviceArgs, occasion: Option<&Occasion<'_>>) -> Result<Opened, Failure> {
    let opened = adapter::open(&args.adapter, args.arithmetic.map(Into::into));
    let mut opened = opened.map_err(adapter_failure)?.settled(occasion);
    output::tell(&opened.notice);
    opened.backend = tuned(opened.backend, args.tuning.no_autotune);
    Ok(opened)
}

/// What a run wants an adapter for, where it judges batches of masks.
pub fn occasion<'a>(run: &'a Run, dataset: &'a Arc<Dataset>) -> Option<Occasion<'a>> {
    let genetic = run.config.algorithm.genetic()?;
    Some(Occasion { architecture: &run.config.network.layers, dataset, masks: genetic.population })
}

/// `device`, with its default kernels where measuring others is forbidden.
pub fn tuned(device: Arc<dyn Backend>, no_autotune: bool) -> Arc<dyn Backend> {
    if no_autotune { device.without_tuning().unwrap_or(device) } else { device }
}

/// An adapter that cannot be had is the user's to change; one that fails is not.
pub fn adapter_failure(error: AdapterError) -> Failure {
    if error.is_usage() { Failure::usage(error) } else { Failure::work(error) }
}

/// A record is replaced only by one of the same configuration on the same data, which has the same result.
fn refuse_to_replace_another(
    path: &Path,
    config: &ResolvedConfig,
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
        RecordStanding::OtherConfiguration if record.is_begun_of(config, dataset) => Ok(()),
        RecordStanding::OtherConfiguration => refuse("holds the record of another configuration".to_owned()),
        RecordStanding::OtherData(difference) => refuse(format!("is there, and {difference}")),
        RecordStanding::Own if record.data.checksum.is_some() => {
            let is_done = record.stop_reason != StopReason::Interrupted;
            if is_done {
                output::tell(format_args!(
                    "note: {name} has this run already; it is made again, and replaced"
                ));
            }
            Ok(())
        }
        RecordStanding::Own => {
            output::tell(format_args!(
                "note: {name} has no checksum of its data (an earlier supermask made it); it is replaced unchecked"
            ));
            Ok(())
        }
    }
}

/// The front of a run, in a line.
fn front_line(front: &ParetoFront) -> String {
    let ParetoFront { objectives, hypervolume, masks, .. } = front;
    let sparsities = || masks.iter().map(|mask| 100.0 * mask.sparsity);
    let (least, most) = (sparsities().fold(100.0, f64::min), sparsities().fold(0.0, f64::max));
    let (count, objectives) = (masks.len(), objectives.join(", "));
    format!("{count} masks by {objectives}; {least:.1} to {most:.1}% sparse; hypervolume {hypervolume:.4}")
}

/// What a person wants to know of a run.
fn summary(record: &Record) -> String {
    let r = &record.result;
    let percent = |share: f64| format!("{:.2}%", 100.0 * share);
    let of =
        |count: u32, samples: usize| format!("{} ({count} of {samples})", output::percent(count, samples));
    let stop = match record.stop_reason {
        StopReason::Stalled if record.front.is_some() => "the hypervolume stood still",
        StopReason::Stalled if r.loss.is_some() => "the lowest loss stood still",
        StopReason::Stalled if r.measure.is_some() => "the best fitness stood still",
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
        ("network", format!("{} of {} weights, seed {}", network.layers, r.weights, record.config.seed)),
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
    if let Some(MeasureFacts { name, train, test, validation }) = &r.measure {
        let validation = validation.map_or_else(String::new, |value| format!(", validation {value:.4}"));
        rows.push(("fitness", format!("{name}: train {train:.4}, test {test:.4}{validation}")));
    }
    rows.extend(record.front.as_ref().map(|front| ("front", front_line(front))));
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
