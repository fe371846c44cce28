//! `supermask bench`: how fast masks are scored here.

use super::output::{self, Failure};
use super::progress::ProgressLine;
use super::{DeviceArgs, run};
use crate::archive::throughput::{BenchResult, Peaks, ReadError, SCHEMA_VERSION, WorkloadSize};
use crate::bench::check::CheckError;
use crate::bench::{self, BenchComparison, BenchError, Preset, measure};
use crate::evaluate::Backend;
use crate::evaluate::gpu::SOFTWARE;
use crate::flaw::Flaw;
use crate::printable::counted;
use crate::report::{self, throughput_and_roofline};
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Measurements of one call at most.
const MOST_POINTS: usize = 10_000;

#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Layer widths such as 2,75,2, or A, B, C, D, digits, mnist; may be repeated [default: those six]
    #[arg(long = "network", value_name = "WIDTHS")]
    networks: Vec<Preset>,

    /// Masks of a batch, one or more numbers [default: 100, for mnist 32]
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = super::whole(1..=u32::MAX))]
    masks: Vec<u32>,

    /// Samples, one or more numbers [default: 50000 for A to D, digits 1347, others 10000]
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = super::whole(1..=u32::MAX))]
    samples: Vec<u32>,

    /// Shares of weights that are kept
    #[arg(long, value_name = "P,…", value_delimiter = ',', default_value = "0.1,0.5,0.9", value_parser = density)]
    density: Vec<f64>,

    /// Time for each measurement, in seconds; five batches are timed at least
    #[arg(long, value_name = "S", default_value = "1", value_parser = seconds)]
    seconds: Duration,

    /// Measure how a batch's time grows with masks, samples, width and depth, and print the slopes
    ///
    /// Masks go from 1 to 10,000, samples from 1,000 to 1,000,000, hidden layers from 16 to 4,096 neurons, and
    /// layers of weights from 2 to 8; smaller sizes on a software adapter. `--plot` draws the curves.
    #[arg(long, conflicts_with_all = ["networks", "masks", "samples", "density", "compare"])]
    scaling: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,

    /// Write the result here; `supermask report` draws files named *.bench.json
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Draw throughput and roofline to FILE (.svg, .png or .pdf)
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,

    /// Show ratios to an earlier result, point by point
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,

    #[command(flatten)]
    pub(super) device: DeviceArgs,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    result: &'a BenchResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<BenchComparison>,
}

fn density(text: &str) -> Result<f64, Flaw> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a density is a number from 0 to 1".into()),
    }
}

fn seconds(text: &str) -> Result<Duration, Flaw> {
    const LONGEST: f64 = 3600.0;
    match text.parse() {
        Ok(seconds) if (0.0..=LONGEST).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("a time is a number of seconds from 0 to {LONGEST}").into()),
    }
}

pub fn bench(args: &BenchArgs) -> Result<(), Failure> {
    if args.scaling {
        return scaling(args);
    }
    let sizes = sizes(args)?;
    let before = args.compare.as_deref().map(|path| earlier(path, &sizes)).transpose()?;
    check_places(args)?;
    let result = measured(args, &*run::open(&args.device, None)?.backend, sizes)?;
    write_files(args, &result, throughput_and_roofline)?;
    let comparison = before.map(|(name, before)| BenchComparison::new(&result, &before, &name));
    for difference in comparison.iter().flat_map(|comparison| &comparison.differences) {
        output::tell(format_args!("the earlier result has another {difference}"));
    }
    if args.json {
        return output::print_json(&Printed { result: &result, comparison });
    }
    print(&result, comparison.as_ref())
}

/// `--scaling`: curves in place of a table's points.
fn scaling(args: &BenchArgs) -> Result<(), Failure> {
    check_places(args)?;
    let device = run::open(&args.device, None)?.backend;
    let software = device.info().kind == SOFTWARE;
    let curves = bench::curves(software);
    let sizes = curves.iter().flat_map(|curve| curve.sizes.iter().cloned()).collect();
    let result = measured(args, &*device, sizes)?;
    let mut rest = result.points.as_slice();
    let mut measured = Vec::with_capacity(curves.len());
    for curve in curves {
        let (own, others) = rest.split_at(curve.sizes.len());
        measured.push((curve, own.to_vec()));
        rest = others;
    }
    write_files(args, &result, |_| report::scaling(&measured))?;
    if args.json {
        return output::print_json(&result);
    }
    print(&result, None)?;
    for (curve, points) in &measured {
        let (all, last) = report::slopes(curve, points);
        let number = |slope: Option<f64>| slope.map_or_else(|| "–".to_owned(), |slope| format!("{slope:.2}"));
        output::print_wrapped(format_args!(
            "time over {} ({}): slope {}, over the last factor of ten {}",
            curve.axis.title(),
            curve.fixed,
            number(all),
            number(last)
        ))?;
    }
    Ok(())
}

/// Finds out whether what is to be written can be.
fn check_places(args: &BenchArgs) -> Result<(), Failure> {
    if let Some(path) = &args.plot {
        output::check_figure_name("--plot", path)?;
    }
    for (flag, path) in [("--out", &args.out), ("--plot", &args.plot)] {
        if let Some(path) = path {
            output::check_place(flag, path)?;
        }
    }
    Ok(())
}

fn measured(
    args: &BenchArgs,
    device: &dyn Backend,
    sizes: Vec<WorkloadSize>,
) -> Result<BenchResult, Failure> {
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    if build == "debug" {
        output::complain("warning", "a debug build; its figures say little of a release build's");
    }
    let peaks = Peaks::from(device.peak_rates().map_err(Failure::work)?);
    let mut progress = ProgressLine::new();
    let mut points = Vec::with_capacity(sizes.len());
    let all = sizes.len();
    for size in sizes {
        progress.update(|| {
            let done = points.len();
            format!("{done} of {all} measured, now {} at density {}", size.network, size.density)
        });
        points.push(measure(device, size, args.seconds, &peaks).map_err(failure)?);
    }
    progress.finish();
    Ok(BenchResult {
        schema_version: SCHEMA_VERSION,
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        adapter: device.info(),
        arithmetic: device.arithmetic(),
        threads: rayon::current_num_threads(),
        build: build.to_owned(),
        peaks,
        points,
    })
}

/// Writes the result and its drawing where they were asked for.
fn write_files(
    args: &BenchArgs,
    result: &BenchResult,
    draw: impl Fn(&BenchResult) -> String,
) -> Result<(), Failure> {
    if let Some(path) = &args.out {
        output::write(path, result.to_json().as_bytes())?;
    }
    args.plot.as_deref().map_or(Ok(()), |path| output::write_figure(path, draw(result)))
}

/// Everything to measure, in the order of the table.
fn sizes(args: &BenchArgs) -> Result<Vec<WorkloadSize>, Failure> {
    let presets = if args.networks.is_empty() { Preset::all() } else { args.networks.clone() };
    let points = [presets.len(), args.masks.len().max(1), args.samples.len().max(1), args.density.len()];
    let points = points.into_iter().fold(1usize, usize::saturating_mul);
    if points > MOST_POINTS {
        return Err(Failure::Usage(format!(
            "{points} measurements were asked for; {MOST_POINTS} are possible"
        )));
    }
    let mut sizes: Vec<WorkloadSize> = Vec::with_capacity(points);
    for preset in &presets {
        let given = |numbers: &[u32], default: usize| match numbers {
            [] => vec![default],
            numbers => numbers.iter().map(|&number| number as usize).collect(),
        };
        for &samples in &given(&args.samples, preset.samples) {
            for &masks in &given(&args.masks, preset.masks) {
                for &density in &args.density {
                    let size = WorkloadSize { network: preset.network.clone(), masks, samples, density };
                    size.validate().map_err(Failure::usage)?;
                    if !sizes.contains(&size) {
                        sizes.push(size);
                    }
                }
            }
        }
    }
    Ok(sizes)
}

/// Reads an earlier result, which must share a point with what is to be measured.
fn earlier(path: &Path, sizes: &[WorkloadSize]) -> Result<(String, BenchResult), Failure> {
    let name = path.display().to_string();
    let fail = |reason: String| Failure::Usage(format!("--compare {name}: {reason}"));
    let bytes = std::fs::read(path).map_err(|error| fail(format!("cannot be read: {error}")))?;
    let result = BenchResult::parse(&bytes).map_err(|error: ReadError| fail(error.to_string()))?;
    if !result.points.iter().any(|point| sizes.contains(&point.size)) {
        return Err(fail(
            "no point has the network, masks, samples and density of one that is to be measured; ask for the same"
                .to_owned(),
        ));
    }
    Ok((name, result))
}

/// What does not fit the device is the user's to change; a wrong count is not.
fn failure(error: BenchError) -> Failure {
    match error {
        BenchError::Workload(error) => Failure::usage(error),
        BenchError::Check(CheckError::Evaluate(error)) => Failure::work(error),
        other => Failure::work(other),
    }
}

fn print(result: &BenchResult, comparison: Option<&BenchComparison>) -> Result<(), Failure> {
    let (adapter, peaks) = (&result.adapter, &result.peaks);
    output::print_wrapped(format_args!(
        "{} ({}, {}), {}, {} build; peak {:.1} GFMA/s, copy {:.1} GB/s",
        adapter.name,
        adapter.backend,
        adapter.driver,
        counted(result.threads, "thread"),
        result.build,
        peaks.gfma_per_s,
        peaks.copy_gb_per_s
    ))?;
    output::print(bench::table(result, comparison).to_text_within(output::columns()).trim_end())?;
    output::print_wrapped(
        "masks/s is the median over batches, between the slowest (min) and the fastest (max), transfers included. \
         Executed multiply-adds make the share of the peak. Upload and read-back are the host's own copies; other is \
         submission, waiting and the device's copies.",
    )?;
    if let Some(comparison) = comparison {
        output::print_wrapped(format_args!("ratio: masks/s beside {}; above 1 is faster", comparison.with))?;
    }
    Ok(())
}
