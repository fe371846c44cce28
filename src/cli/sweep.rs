//! `supermask sweep`: all runs of a grid, into a folder of records.

use super::output::{self, Failure};
use super::progress::ProgressLine;
use super::sweep_progress::SweepProgress;
use super::watch::WatchArgs;
use super::{ArithmeticArg, CheckpointArgs, ConfigArgs, TuningArgs, forecast, interrupt, parse_positive};
use crate::evaluate::adapter::{self, AdapterError, Opened};
use crate::evaluate::backend::GPU_MASKS;
use crate::evaluate::{AdapterChoice, Arithmetic, Backend, Contest, Occasion};
use crate::export;
use crate::flaw::Flaw;
use crate::run::Run;
use crate::sweep::{Folder, Outline, PrepareError, Queue, SweepFailure, SweepOptions, plan, work};
use crate::threads;
use clap::Args;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::mpsc;

#[derive(Debug, Args)]
pub struct SweepArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// Folder of the records [default: results/NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Do only every N-th run, beginning with the I-th: shards of other machines do the others
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,

    #[command(flatten)]
    checkpoints: CheckpointArgs,

    /// Save a run also after every K generations
    #[arg(long, value_name = "K", value_parser = parse_positive)]
    checkpoint_every: Option<usize>,

    /// Memory that the runs of a batch may take, or on a GPU a local search, such as 512MiB or 4GiB [default: 1GiB]
    #[arg(long, value_name = "SIZE")]
    memory: Option<Size>,

    /// Show what would be done and what it would take, and end
    ///
    /// Some of every group of runs is done and timed, for a second or two; nothing of it is kept.
    #[arg(long)]
    dry_run: bool,

    /// Do runs anew whose records are of other data or of another configuration
    #[arg(long)]
    force: bool,

    /// all (every hardware GPU), auto, gpu, software, cpu, or parts of adapters' names, separated by commas
    #[arg(long, default_value = "auto", value_name = "ADAPTERS", value_delimiter = ',')]
    adapter: Vec<String>,

    /// How multiply-add rounds: once (fused) or twice (separate), subnormal results being kept, or flushed to zero as
    /// some GPUs do [default: the adapter's; fused on the CPU]
    #[arg(long, value_enum)]
    arithmetic: Option<ArithmeticArg>,

    #[command(flatten)]
    pub(super) tuning: TuningArgs,

    #[command(flatten)]
    watch: WatchArgs,
}

/// `2/4`: the second of four.
#[derive(Clone, Copy, Debug)]
struct Shard {
    index: usize,
    count: usize,
}

impl FromStr for Shard {
    type Err = Flaw;

    fn from_str(text: &str) -> Result<Self, Flaw> {
        let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((index, count)) if 1 <= index && index <= count => Ok(Self { index, count }),
            _ => Err("give I/N with I from 1 to N, such as 2/4".into()),
        }
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug)]
struct Size(u64);

impl FromStr for Size {
    type Err = Flaw;

    fn from_str(text: &str) -> Result<Self, Flaw> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let factor = match unit.trim().to_ascii_lowercase().as_str() {
            "b" => 1,
            "k" | "kib" => 1 << 10,
            "m" | "mib" => 1 << 20,
            "g" | "gib" => 1 << 30,
            "kb" => 1000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            _ => 0,
        };
        let bytes = number.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)).filter(|&bytes| bytes > 0);
        bytes.map(Self).ok_or_else(|| {
            "give a size with its unit, such as 512MiB or 4GiB (B, KiB, MiB, GiB, kB, MB, GB)".into()
        })
    }
}

pub fn sweep(args: &SweepArgs) -> Result<(), Failure> {
    if !args.dry_run {
        // From now on a signal asks for an end in good order.
        interrupt::listen();
    }
    let mut sweep = args.config.sweep()?;
    if let Some(shard) = args.shard {
        sweep.shard(shard.index, shard.count);
    }
    let path = args.out.clone().unwrap_or_else(|| PathBuf::from("results").join(&sweep.name));
    output::check_folder("--out", &path)?;
    let folder = Folder::at(&path);
    let folder = if args.force { folder.redoing() } else { folder };
    let prepared = ProgressLine::during("loading the data and looking at what is done", || {
        Queue::prepare(&sweep, &folder)
    });
    let prepared = prepared.map_err(|error| preparation_failure(&args.config, error))?;
    for note in &prepared.notes {
        output::tell(format_args!("note: {note}"));
    }
    let mut progress = SweepProgress::new(&sweep, &prepared);
    let memory = args.memory.map_or(plan::DEFAULT_MEMORY, |size| size.0);
    if args.dry_run {
        output::print(progress.overview())?;
        let groups = prepared.queue.outlines().map_err(Failure::usage)?;
        if groups.is_empty() {
            return Ok(());
        }
        let (devices, _) = open_devices(args, memory, &prepared.queue)?;
        return forecast::print(&groups, &devices, memory);
    }
    if !prepared.queue.runs().is_empty() {
        let (devices, contest) = open_devices(args, memory, &prepared.queue)?;
        let others = prepared.finished.iter().filter(|run| run.arithmetic != devices[0].arithmetic());
        match others.count() {
            0 => {}
            n => output::tell(format_args!(
                "note: {n} records in {} were made in another arithmetic than this adapter's",
                path.display()
            )),
        }
        let waiting = prepared.queue.runs();
        let configs = waiting.iter().map(|run| &run.config);
        let watch = args.watch.open(&path, configs, std::slice::from_ref(&args.config.config))?;
        let options = SweepOptions {
            checkpoint_every: args.checkpoint_every,
            checkpoint_interval: args.checkpoints.interval(),
            memory,
            contest,
            ticket: export::beside_record,
            observers: watch.observers.clone(),
        };
        let worked = work_off(&folder, &prepared.queue, &devices, options, &mut progress);
        progress.finish(interrupt::requested());
        let closed = watch.close();
        worked.map_err(Failure::work)?;
        closed?;
    }
    folder.tidy();
    let times: String = progress
        .times()
        .iter()
        .map(|(name, time)| format!("{name:<17} {}\n", output::long_time(*time)))
        .collect();
    let closing = format!("{}\n{times}records           {}", progress.overview(), path.display());
    let printed = output::print(closing);
    if interrupt::requested() {
        output::announce("interrupted; the same command goes on from here");
        return Err(Failure::Interrupted);
    }
    match progress.failed() {
        0 => printed,
        n => Err(Failure::Work(format!("{n} runs failed; see the .failed.json files in {}", path.display()))),
    }
}

/// Does all waiting runs, and shows how that goes.
fn work_off(
    folder: &Folder,
    queue: &Queue,
    devices: &[Arc<dyn Backend>],
    options: SweepOptions,
    progress: &mut SweepProgress,
) -> Result<(), SweepFailure> {
    let (sender, events) = mpsc::channel();
    std::thread::scope(|scope| {
        let work = |sender| work(folder, queue, devices, options.clone(), interrupt::flag(), &sender);
        let own = sender.clone();
        let Some(worker) = threads::beside(scope, move || work(own)) else {
            let result = work(sender);
            progress.follow(&events);
            return result;
        };
        drop(sender);
        progress.follow(&events);
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// What keeps a sweep from beginning: a file of data, its folder, or a setting.
fn preparation_failure(config: &ConfigArgs, error: PrepareError) -> Failure {
    match &error {
        PrepareError::Config { .. } | PrepareError::Memory { .. } => config.about(error),
        PrepareError::Dataset { source, .. } if !source.names_its_file() => config.about(error),
        _ => Failure::usage(error),
    }
}

/// What a sweep wants an adapter for: its largest batches, as all its runs have one arithmetic, and the largest take most
/// of the time.
fn occasion(groups: &[Outline]) -> Option<Occasion<'_>> {
    fn of_group(group: &Outline) -> Occasion<'_> {
        let population = |run: &Run| Some(run.config.algorithm.in_batches()?.population);
        let masks: usize = group.runs.iter().filter_map(population).sum();
        let Outline { dataset, architecture, .. } = group;
        Occasion { architecture, dataset, masks: masks.min(GPU_MASKS) }
    }
    let work = |Occasion { architecture, dataset, masks }: &Occasion<'_>| {
        dataset.train.len() as f64 * architecture.weights() as f64 * *masks as f64
    };
    let with_batches = groups.iter().map(of_group).filter(|occasion| occasion.masks > 0);
    with_batches.max_by(|one, other| work(one).total_cmp(&work(other)))
}

/// Devices, and what one of them was chosen by.
type Devices = (Vec<Arc<dyn Backend>>, Option<Contest>);

/// The devices asked for, all of the same arithmetic: one table never mixes two; and what one was chosen by. Of several,
/// one that does not open is left out.
fn open_devices(args: &SweepArgs, memory: u64, queue: &Queue) -> Result<Devices, Failure> {
    let asked: Option<Arithmetic> = args.arithmetic.map(Into::into);
    let mut arithmetic = asked;
    let (mut opened, mut missing, mut failure) = (Vec::new(), Vec::new(), None);
    // GPUs have one mode, the CPU all: it takes theirs.
    let (cpu, gpus): (Vec<_>, Vec<_>) = args.adapter.iter().partition(|name| *name == "cpu");
    for name in gpus.into_iter().chain(cpu) {
        let devices = if name == "all" {
            adapter::open_all(asked)
        } else {
            let choice: AdapterChoice = name.parse().unwrap_or_default();
            let demand = if choice == AdapterChoice::Cpu { arithmetic } else { asked };
            adapter::open(&choice, demand).map(|opened| (vec![opened], Vec::new()))
        };
        let (mut devices, left_out) = match devices {
            Err(AdapterError::Device(error)) => {
                missing.push(format!("adapter: {name} is left out: {error}"));
                failure.get_or_insert(AdapterError::Device(error));
                continue;
            }
            devices => devices.map_err(super::run::adapter_failure)?,
        };
        if devices.iter().any(Opened::is_open_to_choice) {
            let groups = queue.outlines().map_err(Failure::usage)?;
            let settled = |opened: Opened| opened.settled(occasion(&groups).as_ref());
            devices = devices.into_iter().map(settled).collect();
        }
        missing.extend(left_out);
        arithmetic = arithmetic.or(devices.first().map(|opened| opened.backend.arithmetic()));
        opened.extend(devices);
    }
    if let Some(error) = failure.filter(|_| opened.is_empty()) {
        return Err(super::run::adapter_failure(error));
    }
    missing.iter().chain(opened.iter().map(|opened| &opened.notice)).for_each(output::tell);
    if opened.iter().any(|opened| Some(opened.backend.arithmetic()) != arithmetic) {
        let each = opened
            .iter()
            .map(|Opened { backend, .. }| format!("{} {}", backend.info().name, backend.arithmetic()));
        return Err(Failure::Usage(format!(
            "--adapter {}: the adapters round differently, and one sweep has one arithmetic; choose some that have the \
             same ({})",
            args.adapter.join(","),
            each.collect::<Vec<_>>().join(", ")
        )));
    }
    let contest = opened.iter().find_map(|opened| opened.contest.clone());
    let tuned = |opened: Opened| super::run::tuned(opened.backend, args.tuning.no_autotune);
    let limited = |device: Arc<dyn Backend>| device.with_memory(memory).unwrap_or(device);
    Ok((opened.into_iter().map(tuned).map(limited).collect(), contest))
}
