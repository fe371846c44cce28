//! Whole runs, which Ctrl-C ends and a callback watches.

use crate::evaluator::{open, raised};
use crate::judge::Callable;
use crate::{failure, json, usage, warn};
use pyo3::prelude::*;
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;
use supermask::evaluate::adapter::Opened;
use supermask::evaluate::{JudgedBackend, Occasion};
use supermask::run::config::{Assignment, ConfigFile, RunConfig};
use supermask::run::record::Record;
use supermask::run::{self, Control, Observer, Progress, Run, RunError, Saving};
use supermask::search::StopReason;

/// How often Python may see that somebody pressed Ctrl-C.
const LOOK: Duration = Duration::from_millis(50);

/// What a run tells.
type Told = (&'static str, f64, f64);

/// Sends how far a run has come to the thread that waits for it.
struct Messenger(Sender<Told>);

impl Observer for Messenger {
    fn progress(&self, _: &Run, progress: &Progress<'_>) {
        let told = match progress {
            Progress::Generations(search) => {
                let samples = search.ranking().samples() as f64;
                search
                    .history()
                    .best_correct
                    .last()
                    .map(|&best| ("generation", search.generations() as f64, f64::from(best) / samples))
            }
            Progress::Proposals { made, latest } => Some(("proposals", *made as f64, latest.accuracy())),
            Progress::Epochs(epochs) => {
                epochs.last().map(|last| ("epoch", epochs.len() as f64, last.accuracy))
            }
        };
        if let Some(told) = told {
            // Nobody listens any more when the run is being ended.
            let _ = self.0.send(told);
        }
    }
}

/// A configuration.
#[derive(FromPyObject)]
pub enum Source {
    /// JSON.
    Text(String),
    File(PathBuf),
}

impl Source {
    /// The configuration with these `settings` in place of its own, JSON.
    fn read(self, settings: &str) -> PyResult<RunConfig> {
        let mut file = match self {
            Self::Text(text) => ConfigFile::held("configuration".as_ref(), json(&text)?),
            Self::File(path) => ConfigFile::read(&path).map_err(usage)?,
        };
        let settings: Map<String, Value> = serde_json::from_str(settings).map_err(usage)?;
        let settings: Vec<Assignment> =
            settings.into_iter().map(|(key, value)| Assignment { key, value }).collect();
        file.set(&settings).and_then(|()| file.run()).map_err(usage)
    }
}

/// Makes the run of a configuration with other `settings`, which are an object of paths and values, and returns its record;
/// all of it JSON. `device` is an adapter and an arithmetic, `fitness` a function and what it needs.
#[pyfunction]
#[pyo3(name = "run", signature = (config, settings, device, fitness, callback, checkpoint))]
pub fn make_run(
    py: Python<'_>,
    config: Source,
    settings: &str,
    device: (String, Option<String>),
    fitness: Option<(Py<PyAny>, String)>,
    callback: Option<Py<PyAny>>,
    checkpoint: Option<PathBuf>,
) -> PyResult<String> {
    let config = config.read(settings)?;
    warn(&config.notes)?;
    let judge = fitness.map(|(function, needs)| Callable::new(function, &needs).map(Arc::new)).transpose()?;
    let stop = AtomicBool::new(false);
    let saving = checkpoint.map(|path| Saving {
        path,
        interval: Duration::from_secs(5),
        generations: None,
        end: false,
    });
    let (sender, told) = mpsc::channel();
    let work = || -> Result<_, PyErr> {
        let messenger = Messenger(sender);
        let data = Arc::new(config.dataset.load().map_err(usage)?);
        warn(&data.notes)?;
        let config = config.resolve(&data).map_err(usage)?;
        let architecture = &config.network.layers;
        let masks = config.algorithm.genetic().map(|genetic| genetic.population);
        let occasion = masks.map(|masks| Occasion { architecture, dataset: &data, masks });
        let Opened { mut backend, contest, .. } = open(&device.0, device.1.as_deref(), occasion.as_ref())?;
        if let Some(judge) = &judge {
            backend = Arc::new(JudgedBackend::new(backend, Arc::clone(judge) as _));
        }
        let job = Run { cell: config.cell(), config };
        let control = Control { stop: &stop, observer: &messenger, saving };
        let made = run::run(&job, &data, &*backend, &control);
        made.map(|record| record.map(|record| Record { contest, ..record })).map_err(|error| match error {
            RunError::Evaluate(error) => raised(error),
            error if error.is_usage() => usage(error),
            error => failure(error),
        })
    };
    let made = py.detach(|| {
        std::thread::scope(|scope| {
            let worker = scope.spawn(work);
            let interrupted = follow(told, callback.as_ref(), &stop);
            let made = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            interrupted.and(made)
        })
    });
    if let Some(error) = judge.as_ref().and_then(|judge| judge.take_raised()) {
        return Err(error);
    }
    let record = made?.ok_or_else(|| failure("the run was stopped before there was anything to record"))?;
    debug_assert!(record.stop_reason != StopReason::Interrupted, "nobody stops a run without an error");
    Ok(record.to_json())
}

/// Hands on what is told until the run has ended. What Python raises meanwhile, Ctrl-C above all, stops the run.
fn follow(told: mpsc::Receiver<Told>, callback: Option<&Py<PyAny>>, stop: &AtomicBool) -> PyResult<()> {
    let mut result = Ok(());
    loop {
        let news = match told.recv_timeout(LOOK) {
            Ok(news) => Some(news),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return result,
        };
        if result.is_ok() {
            result = Python::attach(|py| {
                py.check_signals()?;
                if let (Some((unit, made, accuracy)), Some(callback)) = (news, callback) {
                    callback.call1(py, (unit, made, accuracy))?;
                }
                Ok(())
            });
            if result.is_err() {
                stop.store(true, Ordering::SeqCst);
            }
        }
    }
}
