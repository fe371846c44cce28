//! Progress of runs as lines of JSON, each an object: what `--log` writes.
//!
//! ```text
//! {"event":"start","run":"moons-b-seed1","seed":1,"dataset":"moons","architecture":"[2, 75, 2]","algorithm":"ga"}
//! {"event":"progress","run":"moons-b-seed1","seed":1,"generation":0,"best_accuracy":0.78, … ,"elapsed_s":0.01}
//! {"event":"end","run":"moons-b-seed1","seed":1,"stop_reason":"stalled","test_accuracy":0.99, … ,"elapsed_s":1.2}
//! ```

use super::record::Record;
use super::steps::{RunStep, Untold};
use super::{Begun, Observer, Progress, Run};
use crate::files::{self, Place};
use crate::search::StopReason;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A file of lines, of one run or of several side by side. It is added to: a run that goes on tells what the file does not
/// have yet, and one that begins anew takes the place of what the file has of it.
pub struct RunLog(Mutex<LogState>);

struct LogState {
    file: Box<dyn Write + Send>,
    /// Where it is a regular file.
    path: Option<PathBuf>,
    runs: HashMap<String, LoggedRun>,
    failure: Option<io::Error>,
}

/// What the log knows of a run.
struct LoggedRun {
    seed: u64,
    began: Instant,
    /// The last step in the file from an earlier start of the program.
    before: Option<u64>,
    /// Where it goes on from.
    from: Option<String>,
    is_started: bool,
    /// Does the file have lines of an earlier start of the program?
    is_known: bool,
    untold: Untold,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("cannot be opened: {0}")]
    Open(io::Error),
    #[error("is there and no log of supermask (line {line} is none of its events); give another file")]
    Foreign { line: usize },
    #[error("another process writes to it; give each process a file of its own")]
    Locked,
}

impl RunLog {
    /// Opens the log at `path`, which is made where it is not there.
    ///
    /// # Errors
    /// Where it cannot be written to, or is something else.
    pub fn open(path: &Path) -> Result<Self, LogError> {
        let place = Place::find(path).map_err(LogError::Open)?;
        let (mut runs, mut regular) = (HashMap::new(), None);
        let file = match &place {
            Place::StandardOutput | Place::Stream(_) => place.append().map_err(LogError::Open)?,
            Place::File(path) => {
                let file = locked(path)?;
                let text = fs::read(path).map_err(LogError::Open)?;
                // A kill may have cut the last line short.
                let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
                runs = earlier_runs(&text[..whole])?;
                if whole == 0 && !text.is_empty() {
                    return Err(LogError::Foreign { line: 1 });
                }
                if whole < text.len() {
                    file.set_len(whole as u64).map_err(LogError::Open)?;
                }
                regular = Some(path.clone());
                Box::new(file)
            }
        };
        Ok(Self(Mutex::new(LogState { file, path: regular, runs, failure: None })))
    }

    /// Ends the log: runs that have neither ended nor failed were interrupted.
    ///
    /// # Errors
    /// The first line that could not be written.
    pub fn close(&self) -> io::Result<()> {
        let state = &mut *self.lock();
        let open: Vec<String> =
            state.runs.iter().filter(|(_, run)| run.is_started).map(|(name, _)| name.clone()).collect();
        for name in open {
            let stopped = [("stop_reason", json!(StopReason::Interrupted))];
            state.write(&name, "end", stopped.into_iter());
            state.runs.remove(&name);
        }
        state.failure.take().map_or(Ok(()), Err)
    }

    fn lock(&self) -> MutexGuard<'_, LogState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The file at `path`, to be added to by this process alone.
fn locked(path: &Path) -> Result<File, LogError> {
    let file = files::appending(path).map_err(LogError::Open)?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(LogError::Locked),
        _ => Ok(file),
    }
}

/// The name of the run that a line is about, and the event.
fn event_of(line: &[u8]) -> Option<(String, Value)> {
    let event: Value = serde_json::from_slice(line).ok()?;
    event["event"].as_str()?;
    Some((event["run"].as_str()?.to_owned(), event))
}

/// The runs in the lines of a log, with the last step of each.
fn earlier_runs(lines: &[u8]) -> Result<HashMap<String, LoggedRun>, LogError> {
    let mut runs = HashMap::new();
    for (number, line) in lines.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty())
    {
        let (name, event) = event_of(line).ok_or(LogError::Foreign { line: number + 1 })?;
        let run = runs.entry(name).or_insert_with(|| LoggedRun { is_known: true, ..LoggedRun::new(0) });
        match event["event"].as_str() {
            Some("start") if event["from"].is_null() => run.before = None,
            Some("progress") => {
                let step = ["generation", "proposals", "epoch"].iter().find_map(|unit| event[*unit].as_u64());
                run.before = step.max(run.before);
            }
            _ => {}
        }
    }
    Ok(runs)
}

impl LoggedRun {
    fn new(seed: u64) -> Self {
        let (began, untold) = (Instant::now(), Untold::default());
        Self { seed, began, before: None, from: None, is_started: false, is_known: false, untold }
    }
}

impl LogState {
    fn run(&mut self, run: &Run) -> &mut LoggedRun {
        let new = || LoggedRun::new(run.config.seed);
        let known = self.runs.entry(run.config.stem()).or_insert_with(new);
        if !known.is_started {
            known.seed = run.config.seed;
        }
        known
    }

    /// Says that the run starts, where that was not said.
    fn start(&mut self, run: &Run) {
        let known = self.run(run);
        if known.is_started {
            return;
        }
        known.is_started = true;
        known.began = Instant::now();
        let from = known.from.take();
        known.untold = match (from.is_some(), known.before) {
            (true, Some(before)) => Untold::behind(before),
            _ => Untold::default(),
        };
        let is_replaced = std::mem::take(&mut known.is_known) && from.is_none();
        if is_replaced && let Err(error) = self.forget(&run.config.stem()) {
            self.failure.get_or_insert(error);
        }
        let mut values = vec![
            ("dataset", json!(run.cell.dataset)),
            ("architecture", json!(run.cell.architecture)),
            ("algorithm", json!(run.cell.algorithm)),
        ];
        if !run.cell.settings.is_empty() {
            values.push(("settings", json!(run.cell.settings)));
        }
        values.extend(from.map(|from| ("from", json!(from))));
        self.write(&run.config.stem(), "start", values.into_iter());
    }

    /// Takes the lines of the run `name` out of the file.
    fn forget(&mut self, name: &str) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let text = fs::read(path)?;
        let others = text.split_inclusive(|&byte| byte == b'\n');
        let others: Vec<&[u8]> =
            others.filter(|line| event_of(line).is_none_or(|(run, _)| run != name)).collect();
        files::write(path, &others.concat())?;
        self.file = Box::new(locked(path).map_err(io::Error::other)?);
        Ok(())
    }

    fn tell(&mut self, name: &str, steps: Vec<RunStep>) {
        let Some(elapsed) = self.runs.get(name).map(|run| run.began.elapsed().as_secs_f64()) else { return };
        for RunStep { unit, number, values } in steps {
            let step = std::iter::once((unit, json!(number)));
            self.write(name, "progress", step.chain(values).chain([("elapsed_s", json!(elapsed))]));
        }
    }

    /// Writes a line. After the first that cannot be written there are no more.
    fn write(&mut self, name: &str, event: &str, values: impl Iterator<Item = (&'static str, Value)>) {
        if self.failure.is_some() {
            return;
        }
        let seed = self.runs.get(name).map_or(0, |run| run.seed);
        let about = [("event", json!(event)), ("run", json!(name)), ("seed", json!(seed))];
        let known = about.into_iter().chain(values).filter(|(_, value)| !value.is_null());
        let line: Map<String, Value> = known.map(|(key, value)| (key.to_owned(), value)).collect();
        let line = format!("{}\n", Value::Object(line));
        self.failure = self.file.write_all(line.as_bytes()).and_then(|()| self.file.flush()).err();
    }
}

impl Observer for RunLog {
    fn begun(&self, run: &Run, begun: Begun) {
        let state = &mut *self.lock();
        let known = state.run(run);
        known.from = match begun {
            Begun::GoesOn(from) => Some(from),
            Begun::Anew(_) => None,
        };
    }

    fn progress(&self, run: &Run, progress: &Progress<'_>) {
        let state = &mut *self.lock();
        state.start(run);
        let steps = state.run(run).untold.of(progress);
        state.tell(&run.config.stem(), steps);
    }

    fn ended(&self, record: &Record) {
        let state = &mut *self.lock();
        let run = Run { config: record.config.clone(), cell: record.cell.clone() };
        state.start(&run);
        let (name, steps) = (run.config.stem(), state.run(&run).untold.of_record(record));
        state.tell(&name, steps);
        let elapsed = state.run(&run).began.elapsed().as_secs_f64();
        state.write(&name, "end", result(record).into_iter().chain([("elapsed_s", json!(elapsed))]));
        state.runs.remove(&name);
    }

    fn failed(&self, run: &Run, error: &str) {
        let state = &mut *self.lock();
        state.start(run);
        state.write(&run.config.stem(), "failed", [("error", json!(error))].into_iter());
        state.runs.remove(&run.config.stem());
    }
}

/// What a run came to.
pub(super) fn result(record: &Record) -> Vec<(&'static str, Value)> {
    let result = &record.result;
    let work = record.local_search.as_ref().map(|search| search.work);
    let epochs = Some(record.epochs.len()).filter(|&epochs| epochs > 0);
    vec![
        ("stop_reason", json!(record.stop_reason)),
        ("train_accuracy", json!(result.train_accuracy)),
        ("test_accuracy", json!(result.test_accuracy)),
        ("validation_accuracy", json!(result.validation_accuracy)),
        ("sparsity", json!(result.sparsity)),
        ("weights_kept", json!(result.weights_kept)),
        ("generations", json!(result.generations)),
        ("evaluations", json!(result.evaluations.map(|evaluations| evaluations.made))),
        ("proposals", json!(work.map(|work| work.proposals))),
        ("epochs", json!(epochs)),
        ("multiply_adds", json!(result.multiply_adds.or(work.map(|work| work.multiply_adds)))),
        ("wall_s", json!(record.timing.wall())),
    ]
}
