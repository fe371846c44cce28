//! Readers under mutated input: whatever a file holds, a reader answers or says what is wrong. It never panics, never
//! aborts, never hangs, and never takes memory that the file does not warrant.
//!
//! Every target runs in processes of its own, one after the other until its time is over, so that an abort or a
//! stack overflow ends one process and is found. Inputs follow from a seed: a run repeats (but for checkpoints, which
//! are seen at some generation of a run), and a longer run begins with the inputs of a shorter one.
//!
//! | variable | what it says |
//! |---|---|
//! | `SUPERMASK_FUZZ_SECONDS` | how long all targets take together, on all processors (60) |
//! | `SUPERMASK_FUZZ_SEED` | another seed, other inputs (0) |
//! | `SUPERMASK_FUZZ_TARGETS` | only these, with commas between them |
//!
//! `cargo test --test fuzz -- FILE TARGET` reads one input again, as it was written when it was found.

mod memory;
mod mutate;
mod targets;

use mutate::Rng;
use std::collections::BTreeMap;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use targets::{TARGETS, Target, Valid};

/// Time that one input may take. Inputs are small; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// The exit code of a process whose input took longer.
const TIMED_OUT: i32 = 87;

/// Inputs of one target that are kept at most.
const KEPT: usize = 20;

fn main() -> ExitCode {
    match std::env::var("SUPERMASK_FUZZ_CHILD") {
        Ok(job) => work(&job),
        Err(_) => supervise(),
    }
}

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text}: give a whole number")),
        Err(_) => default,
    }
}

/// What came of a target.
#[derive(Default)]
struct Outcome {
    executions: u64,
    crashes: u64,
    time_outs: u64,
    /// Bytes that were held at a time, at most.
    peak: u64,
    /// Where inputs at fault lie, by what was wrong.
    found: BTreeMap<String, PathBuf>,
}

/// Gives every target its share of the time, as many at a time as there are processors.
fn supervise() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    if let [file, target] = words[..] {
        return again(Path::new(file), target);
    }
    // The filter of `cargo test NAME`, and `cargo test -- --list`.
    if words.iter().any(|word| !"fuzz".contains(word.as_str())) || args.iter().any(|arg| arg == "--list") {
        return ExitCode::SUCCESS;
    }
    let wanted = std::env::var("SUPERMASK_FUZZ_TARGETS").ok();
    let wanted =
        |target: &&Target| wanted.as_ref().is_none_or(|w| w.split(',').any(|name| name == target.name));
    let targets: Vec<&Target> = TARGETS.iter().filter(wanted).collect();
    let processors = std::thread::available_parallelism().map_or(1, usize::from).min(targets.len().max(1));
    let seconds = setting("SUPERMASK_FUZZ_SECONDS", 60) as f64;
    let share = Duration::from_secs_f64(seconds * processors as f64 / targets.len().max(1) as f64);
    let waiting = Mutex::new(targets.iter());
    let outcomes = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..processors {
            scope.spawn(|| {
                while let Some(target) = { waiting.lock().expect("the queue").next() } {
                    let outcome = fuzz(target, share);
                    outcomes.lock().expect("the outcomes").insert(target.name, outcome);
                }
            });
        }
    });
    print(&outcomes.into_inner().expect("the outcomes"))
}

fn print(outcomes: &BTreeMap<&str, Outcome>) -> ExitCode {
    println!("{:<14} {:>12} {:>8} {:>10} {:>12}", "target", "executions", "crashes", "time-outs", "peak MiB");
    let mut sum = Outcome::default();
    for (name, outcome) in outcomes {
        let peak = outcome.peak as f64 / f64::from(1 << 20);
        let Outcome { executions, crashes, time_outs, .. } = outcome;
        println!("{name:<14} {executions:>12} {crashes:>8} {time_outs:>10} {peak:>12.1}");
        sum.executions += executions;
        sum.crashes += crashes;
        sum.time_outs += time_outs;
        sum.peak = sum.peak.max(outcome.peak);
    }
    let peak = sum.peak as f64 / f64::from(1 << 20);
    println!("{:<14} {:>12} {:>8} {:>10} {peak:>12.1}", "all", sum.executions, sum.crashes, sum.time_outs);
    for (name, outcome) in outcomes {
        for (what, path) in &outcome.found {
            println!("\n{name}: {}\n  {what}", path.display());
        }
    }
    if sum.crashes + sum.time_outs == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Where inputs at fault are kept.
fn findings() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
    std::fs::create_dir_all(&folder).expect("a folder for findings");
    folder
}

/// Runs processes of a target until its time is over; each goes on behind the input that ended the last.
fn fuzz(target: &Target, share: Duration) -> Outcome {
    let mut outcome = Outcome::default();
    let ends = Instant::now() + share;
    let mut first = 0;
    while let Some(left) = ends.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        let place = tempfile::tempdir().expect("a temporary folder");
        let errors = std::fs::File::create(place.path().join("errors")).expect("a file");
        let job = format!("{} {first} {}", target.name, left.as_millis());
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.env("SUPERMASK_FUZZ_CHILD", job).current_dir(place.path()).stdin(Stdio::null());
        // One thread: reading is not parallel, and processes are.
        command.env("RAYON_NUM_THREADS", "1").stdout(Stdio::null()).stderr(errors);
        let status = command.status().expect("this program starts again");
        let progress = Progress::read(place.path());
        outcome.executions += progress.next - first;
        outcome.peak = outcome.peak.max(progress.peak);
        if status.success() {
            break;
        }
        let input = std::fs::read(place.path().join(target.file)).unwrap_or_default();
        let errors = std::fs::read(place.path().join("errors")).unwrap_or_default();
        let errors = String::from_utf8_lossy(&errors).trim().to_owned();
        let what = format!("{status}: {}", errors.lines().take(4).collect::<Vec<_>>().join(" | "));
        assert!(progress.next > first, "{} cannot begin: {what}", target.name);
        if status.code() == Some(TIMED_OUT) {
            outcome.time_outs += 1;
        } else {
            outcome.crashes += 1;
        }
        if outcome.found.len() < KEPT && !outcome.found.contains_key(&what) {
            let path = findings().join(format!("{}-{}-{}", target.name, seed(), progress.next - 1));
            std::fs::write(&path, input).expect("the input is kept");
            outcome.found.insert(what, path);
        }
        first = progress.next;
    }
    outcome
}

fn seed() -> u64 {
    setting("SUPERMASK_FUZZ_SEED", 0)
}

/// Reads one input again, in this process.
fn again(file: &Path, target: &str) -> ExitCode {
    let target = TARGETS.iter().find(|known| known.name == target).expect("a target's name");
    let input = std::fs::read(file).expect("a readable input");
    let place = tempfile::tempdir().expect("a temporary folder");
    let valid = Valid::new(place.path());
    let path = place.path().join(target.file);
    // What else is drawn depends on the number of the input, at the end of its name.
    let name = file.to_string_lossy();
    let mut numbers = name.rsplit('-').map(|number| number.parse().unwrap_or(0));
    let (number, seed) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let mut rng = Rng::of(seed, target.name, number);
    let _ = (target.input)(&mut rng, &valid);
    std::fs::write(&path, input).expect("the input");
    (target.read)(&mut rng, &valid, &path);
    println!("{}: no fault", file.display());
    ExitCode::SUCCESS
}

/// How far a process has come, in a file that outlives it.
struct Progress {
    /// The input behind the one that is being read.
    next: u64,
    peak: u64,
}

const PROGRESS: &str = "progress";

impl Progress {
    fn write(&self, mut file: &std::fs::File) {
        let bytes = [self.next.to_le_bytes(), self.peak.to_le_bytes()].concat();
        file.rewind().and_then(|()| file.write_all(&bytes)).expect("progress is written");
    }

    fn read(place: &Path) -> Self {
        let bytes = std::fs::read(place.join(PROGRESS)).unwrap_or_default();
        let word = |at: usize| {
            bytes.get(at..at + 8).map_or(0, |b| u64::from_le_bytes(b.try_into().expect("8 bytes")))
        };
        Self { next: word(0), peak: word(8) }
    }
}

/// Reads input after input. A fault ends this process, and the file of the input tells which it was.
fn work(job: &str) -> ExitCode {
    let words: Vec<&str> = job.split(' ').collect();
    let [name, first, milliseconds] = words[..] else { panic!("no job: {job}") };
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let place = std::env::current_dir().expect("a folder");
    let progress = std::fs::File::create(place.join(PROGRESS)).expect("a file");
    let valid = Valid::new(&place);
    let started = Instant::now();
    let milliseconds_since = Arc::new(AtomicU64::new(0));
    watch(started, Arc::clone(&milliseconds_since));
    let ends = Duration::from_millis(number(milliseconds));
    let path = place.join(target.file);
    let mut input = number(first);
    while started.elapsed() < ends {
        milliseconds_since.store(started.elapsed().as_millis() as u64, Relaxed);
        let mut rng = Rng::of(seed(), target.name, input);
        let bytes = (target.input)(&mut rng, &valid);
        let mut file = std::fs::File::create(&path).expect("a file");
        file.write_all(&bytes).expect("the input is written");
        input += 1;
        Progress { next: input, peak: memory::peak() as u64 }.write(&progress);
        (target.read)(&mut rng, &valid, &path);
    }
    Progress { next: input, peak: memory::peak() as u64 }.write(&progress);
    ExitCode::SUCCESS
}

/// Ends this process when one input takes too long.
fn watch(started: Instant, begun: Arc<AtomicU64>) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(500));
            let begun = Duration::from_millis(begun.load(Relaxed));
            if started.elapsed().saturating_sub(begun) > PATIENCE {
                std::process::exit(TIMED_OUT);
            }
        }
    });
}
