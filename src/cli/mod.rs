//! The command line.

mod adapters;
mod bench;
mod check;
mod compare;
mod config_args;
mod dataset;
mod evaluate;
mod export;
mod forecast;
mod init;
mod interrupt;
mod output;
mod predict;
mod progress;
mod records;
mod report;
mod run;
mod run_display;
mod schema;
mod shell;
mod sweep;
mod sweep_progress;
mod table;
mod tune;
mod watch;

use crate::evaluate::{AdapterChoice, Arithmetic};
use crate::excerpt;
use crate::flaw::Flaw;
use crate::run::CHECKPOINT_SECONDS;
use crate::run::algorithm::{ALGORITHMS, AlgorithmKind};
use crate::threads;
use clap::{Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use config_args::ConfigArgs;
use output::Failure;
use std::ffi::OsString;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Finds strong lottery tickets: subnetworks of untrained random networks that already solve the task.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    manners: Manners,

    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 work that failed, 2 a wrong option or configuration, 130 interrupted (the same command goes on).";

/// How the program talks.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Output")]
struct Manners {
    /// When to use colours; `auto` is on terminals, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    color: ColorChoice,

    /// Say nothing but results, errors and interruptions
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    quiet: bool,

    /// Say also what a configuration comes to, and where states are saved
    #[arg(long, short, global = true)]
    verbose: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look at a file of data and write a configuration for it, with comments
    Init(init::InitArgs),
    /// Evolve a mask for one configuration and write its record
    #[command(after_help = algorithms())]
    Run(run::RunArgs),
    /// Do all runs of a sweep, in batches; continues where it was stopped
    #[command(after_help = algorithms())]
    Sweep(sweep::SweepArgs),
    /// Score given masks of given weights, or re-score the ticket of a record
    Evaluate(evaluate::EvaluateArgs),
    /// Say what the data of a configuration are: shapes, class counts, ranges, checksums
    Dataset(dataset::DatasetArgs),
    /// Make a page (and figures) of a folder of records
    Report(report::ReportArgs),
    /// Print the results of a folder of records, mean and deviation per cell
    Table(table::TableArgs),
    /// Compare two algorithms: mixed model, and rank tests per architecture
    Compare(compare::CompareArgs),
    /// Write the ticket of a record for other programs
    Export(export::ExportArgs),
    /// Classify new data with the ticket of a record
    Predict(predict::PredictArgs),
    /// Search hyperparameters of backpropagation, by cross-validation on the training set
    Tune(tune::TuneArgs),
    /// Measure how fast masks are scored here, beside what the machine can do
    Bench(bench::BenchArgs),
    /// Find out whether an adapter computes what it should, what it is like, and how fast it is
    Check(check::CheckArgs),
    /// List what can score masks on this machine
    Adapters(adapters::AdaptersArgs),
    /// Print a JSON Schema of configurations, for editors, or the reference of all keys
    Schema(schema::SchemaArgs),
    /// Print what completes commands and options in a shell
    Completions(shell::CompletionsArgs),
    /// Print the manual page, or write those of all commands
    Man(shell::ManArgs),
}

/// What a configuration may name as its algorithm.
fn algorithms() -> String {
    let row = |kind: &AlgorithmKind| format!("\n  {:<15} {}", kind.name, kind.about);
    format!("Values of algorithm.kind:{}", ALGORITHMS.iter().map(row).collect::<String>())
}

/// What scores masks.
#[derive(Debug, Args)]
struct DeviceArgs {
    /// auto, gpu, software, cpu, or part of an adapter's name (see `supermask adapters`)
    ///
    /// NAME:2 is the second adapter of that name.
    ///
    /// `auto` takes the faster of the CPU evaluator and a hardware GPU whose results are the CPU's. A software
    /// adapter is only for testing and has to be asked for.
    #[arg(long, default_value = "auto", value_name = "ADAPTER")]
    adapter: AdapterChoice,

    /// How multiply-add rounds: once (fused) or twice (separate), subnormal results being kept, or flushed to zero as
    /// some GPUs do [default: the adapter's; fused on the CPU]
    #[arg(long, value_enum)]
    arithmetic: Option<ArithmeticArg>,

    #[command(flatten)]
    tuning: TuningArgs,
}

/// How fast masks are scored; none of it changes a result.
#[derive(Clone, Copy, Debug, Args)]
struct TuningArgs {
    /// Threads of the CPU evaluator [default: one per core]
    #[arg(long, short = 'j', value_name = "N", value_parser = whole(1..=512_u16))]
    threads: Option<u16>,

    /// Take the default GPU kernels, without measuring which are fastest on this adapter
    #[arg(long)]
    no_autotune: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum ArithmeticArg {
    Fused,
    Separate,
    FusedFlushed,
    SeparateFlushed,
}

impl From<ArithmeticArg> for Arithmetic {
    fn from(arg: ArithmeticArg) -> Self {
        match arg {
            ArithmeticArg::Fused => Self::Fused,
            ArithmeticArg::Separate => Self::Separate,
            ArithmeticArg::FusedFlushed => Self::FusedFlushed,
            ArithmeticArg::SeparateFlushed => Self::SeparateFlushed,
        }
    }
}

/// How often the state of a run is saved; it does not change a result.
#[derive(Clone, Copy, Debug, Args)]
struct CheckpointArgs {
    /// Seconds between two checkpoints of a run; where saving takes long, more
    #[arg(long, value_name = "SECONDS", default_value_t = CHECKPOINT_SECONDS, value_parser = parse_seconds)]
    checkpoint_interval: f64,
}

impl CheckpointArgs {
    fn interval(self) -> Duration {
        Duration::from_secs_f64(self.checkpoint_interval)
    }
}

fn parse_positive(text: &str) -> Result<usize, Flaw> {
    text.parse().ok().filter(|&n| n > 0).ok_or_else(|| "give a whole number of at least 1".into())
}

/// Reads a whole number of this range.
fn whole<T>(range: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, Flaw> + Clone + Send + Sync
where
    T: FromStr + PartialOrd + Display + Clone + Send + Sync,
{
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        let (least, most) = (range.start(), range.end());
        number.ok_or_else(|| format!("give a whole number from {least} to {most}").into())
    }
}

fn parse_seconds(text: &str) -> Result<f64, Flaw> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=1e9).contains(seconds));
    seconds.ok_or_else(|| "give a number of seconds, such as 5".into())
}

/// Where results go.
#[derive(Debug, Args)]
struct OutArgs {
    /// Folder of the results; made when it is not there
    #[arg(long, default_value = "results", value_name = "DIR")]
    out: PathBuf,
}

/// Runs the program with `arguments`, of which the first is its name. Exit codes: 0 for success, 1 for work that failed, 2 for usage and configuration, 130
/// for work that was interrupted.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    interrupt::survive_file_limits();
    let Cli { manners, command } = parse(arguments);
    output::behave(manners.quiet, manners.verbose);
    let result = start_threads(&command).and_then(|()| command.run());
    match result {
        Ok(()) | Err(Failure::ClosedPipe) => 0,
        Err(Failure::Usage(message)) => fail(&message, 2),
        Err(Failure::Work(message)) => fail(&message, 1),
        Err(Failure::Interrupted) => 130,
    }
}

/// Reads the command line. A negative number is a value, which its option refuses, and no option that nobody knows.
fn parse(arguments: impl IntoIterator<Item = OsString>) -> Cli {
    let with_value = |arg: clap::Arg| {
        let takes_values = arg.get_action().takes_values();
        if takes_values { arg.allow_negative_numbers(true) } else { arg }
    };
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let color = asked_color(&arguments);
    output::color(color);
    let commands = Cli::command().color(color).mut_subcommands(|command| command.mut_args(with_value));
    Cli::from_arg_matches(&commands.get_matches_from(arguments)).unwrap_or_else(|error| error.exit())
}

/// What `--color` says, which holds for messages about the command line too.
fn asked_color(arguments: &[OsString]) -> ColorChoice {
    let mut words = arguments.iter().skip(1).filter_map(|word| word.to_str());
    let mut asked = ColorChoice::Auto;
    while let Some(word) = words.next() {
        let value = match word {
            "--color" => words.next(),
            "--" => break,
            word => word.strip_prefix("--color="),
        };
        asked = value.and_then(|value| value.parse().ok()).unwrap_or(asked);
    }
    asked
}

/// Starts the threads that the command asks for, else as many as there can be.
fn start_threads(command: &Command) -> Result<(), Failure> {
    let asked = command.threads();
    match threads::start(asked) {
        Ok(note) => {
            note.iter().for_each(output::tell);
            Ok(())
        }
        Err(error) => Err(match asked {
            Some(threads) => Failure::Usage(format!("--threads {threads}: {error}")),
            None => Failure::Work(format!("cannot start threads: {error}")),
        }),
    }
}

impl Command {
    fn run(self) -> Result<(), Failure> {
        match self {
            Self::Init(args) => init::init(&args),
            Self::Run(args) => run::run(args),
            Self::Sweep(args) => sweep::sweep(&args),
            Self::Evaluate(args) => evaluate::evaluate(&args),
            Self::Dataset(args) => dataset::dataset(&args),
            Self::Report(args) => report::report(&args),
            Self::Table(args) => table::table(&args),
            Self::Compare(args) => compare::compare(&args),
            Self::Export(args) => export::export(&args),
            Self::Predict(args) => predict::predict(&args),
            Self::Tune(args) => tune::tune_backprop(&args),
            Self::Bench(args) => bench::bench(&args),
            Self::Check(args) => check::check(&args),
            Self::Adapters(args) => adapters::adapters(&args),
            Self::Schema(args) => schema::schema(&args),
            Self::Completions(args) => shell::completions(&args, Cli::command()),
            Self::Man(args) => shell::man(&args, Cli::command()),
        }
    }

    /// What `--threads` says.
    fn threads(&self) -> Option<u16> {
        let tuning = match self {
            Self::Run(args) => &args.device.tuning,
            Self::Evaluate(args) => &args.device.tuning,
            Self::Bench(args) => &args.device.tuning,
            Self::Sweep(args) => &args.tuning,
            Self::Tune(args) => &args.tuning,
            _ => return None,
        };
        tuning.threads
    }
}

fn fail(message: &str, code: u8) -> u8 {
    output::complain("error", excerpt::message(message));
    code
}
