//! Random search for backpropagation's hyperparameters, by k-fold cross-validation.

mod journal;

use crate::baseline::BaselineError;
use crate::baseline::backprop::{self, BackpropConfig, Solver};
use crate::baseline::optimizer::Schedule;
use crate::dataset::Samples;
use crate::network::Architecture;
use crate::random::{self, Concern, Stream};
use crate::settings::{BadSetting, ensure};
use journal::{Heading, Journal};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

/// What to draw candidates from. Each list is drawn from uniformly.
///
/// The paper publishes what its search found (Table 2), not the grid. Its values (0.001, 0.004642,
/// 0.021544, 0.1 as rates; 0.0001, 0.000215, 0.046416 as penalties; 4.64e-9 as epsilon) lie on logarithmic
/// grids of three points a decade, and so do the defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ranges {
    /// Optimisers.
    pub solver: Vec<Solver>,
    /// Learning rates at first.
    pub learning_rate_init: Vec<f64>,
    /// How the rate changes; SGD only.
    pub schedule: Vec<Schedule>,
    /// SGD only.
    pub momentum: Vec<f64>,
    /// Nesterov's form of the momentum; SGD only.
    pub nesterov: Vec<bool>,
    /// Adam only.
    pub epsilon: Vec<f64>,
    /// L2 penalties on the weights.
    pub alpha: Vec<f64>,
    /// Samples per minibatch.
    pub batch_size: Vec<usize>,
}

impl Default for Ranges {
    fn default() -> Self {
        Self {
            solver: vec![Solver::Adam, Solver::Sgd],
            learning_rate_init: thirds_of_decades(-4, -1),
            schedule: vec![Schedule::Constant, Schedule::Adaptive],
            momentum: vec![0.0, 0.5, 0.9],
            nesterov: vec![true, false],
            epsilon: thirds_of_decades(-9, -7),
            alpha: thirds_of_decades(-5, -1),
            batch_size: vec![32, 64, 128, 256],
        }
    }
}

/// Three points a decade, from 10^first to 10^last.
fn thirds_of_decades(first: i32, last: i32) -> Vec<f64> {
    (3 * first..=3 * last).map(|thirds| libm::pow(10.0, f64::from(thirds) / 3.0)).collect()
}

/// A search's settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TuneConfig {
    /// Settings to try.
    pub candidates: usize,
    /// Parts that the training samples are dealt into; each is held out once.
    pub folds: usize,
    /// Root of all random numbers of the search.
    pub seed: u64,
    /// What to draw candidates from, each list uniformly.
    pub ranges: Ranges,
    /// Everything that is not drawn, such as `max_epochs`.
    pub base: BackpropConfig,
}

/// Networks that one search trains at most.
const MOST_TRAININGS: usize = 10_000_000;

impl Default for TuneConfig {
    fn default() -> Self {
        Self { candidates: 60, folds: 5, seed: 0, ranges: Ranges::default(), base: BackpropConfig::default() }
    }
}

impl TuneConfig {
    /// Refuses values without meaning, in the ranges too.
    pub fn validate(&self, samples: usize) -> Result<(), BadSetting> {
        ensure(self.candidates > 0, "candidates", "at least 1", self.candidates)?;
        ensure(
            (2..=samples).contains(&self.folds),
            "folds",
            format_args!("from 2 to the number of training samples, {samples}"),
            self.folds,
        )?;
        ensure(
            self.candidates.saturating_mul(self.folds) <= MOST_TRAININGS,
            "candidates",
            "so few that candidates × folds is at most 10000000",
            self.candidates,
        )?;
        let ranges = &self.ranges;
        let lengths = [
            ("ranges.solver", ranges.solver.len()),
            ("ranges.learning_rate_init", ranges.learning_rate_init.len()),
            ("ranges.schedule", ranges.schedule.len()),
            ("ranges.momentum", ranges.momentum.len()),
            ("ranges.nesterov", ranges.nesterov.len()),
            ("ranges.epsilon", ranges.epsilon.len()),
            ("ranges.alpha", ranges.alpha.len()),
            ("ranges.batch_size", ranges.batch_size.len()),
        ];
        for (key, length) in lengths {
            ensure(length > 0, key, "a list of at least one value", "none")?;
        }
        self.base.validate().map_err(|error| error.below("base"))?;
        (0..self.candidates)
            .try_for_each(|candidate| self.candidate(candidate).validate())
            .map_err(|error| error.below("ranges"))
    }

    /// The candidate at `index`. All keys are drawn for every candidate, whether its solver reads them or
    /// not, and candidates do not depend on how many there are.
    pub fn candidate(&self, index: usize) -> BackpropConfig {
        let rng = &mut random::stream(self.seed, Concern::Tuning);
        // A candidate takes 8 draws of one word each but for rare rejections; 64 words keep them apart.
        rng.set_word_pos(64 * (index as u128 + 1));
        let ranges = &self.ranges;
        BackpropConfig {
            solver: pick(&ranges.solver, rng),
            learning_rate_init: pick(&ranges.learning_rate_init, rng),
            schedule: pick(&ranges.schedule, rng),
            momentum: pick(&ranges.momentum, rng),
            nesterov: pick(&ranges.nesterov, rng),
            epsilon: pick(&ranges.epsilon, rng),
            alpha: pick(&ranges.alpha, rng),
            batch_size: pick(&ranges.batch_size, rng),
            ..self.base.clone()
        }
    }
}

fn pick<T: Copy>(values: &[T], rng: &mut Stream) -> T {
    values[random::index(rng, values.len())]
}

/// A candidate and how it did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TuneCandidate {
    pub index: usize,
    pub config: BackpropConfig,
    /// Validation accuracy per fold.
    pub accuracies: Vec<f64>,
}

impl TuneCandidate {
    pub fn mean_accuracy(&self) -> f64 {
        self.accuracies.iter().sum::<f64>() / self.accuracies.len() as f64
    }
}

/// What the outside has to do with a search.
#[derive(Clone, Copy)]
pub struct TuneControl<'a> {
    /// The file of finished candidates.
    pub journal: Option<&'a Path>,
    /// When this becomes true, the search ends; candidates that are not finished are lost.
    pub stop: &'a AtomicBool,
    /// Is told what the user should know of the journal.
    pub note: &'a dyn Fn(String),
    /// Is told of each candidate that is finished, and how many are.
    pub finished: &'a (dyn Fn(&TuneCandidate, usize) + Sync),
}

/// Searches, and returns all candidates, the best by mean validation accuracy first (the lower index on
/// ties).
///
/// Work is spread over (candidate, fold) on the current rayon pool; the result does not depend on its size.
/// With a `journal`, each finished candidate becomes a line of JSON in that file, and candidates that it
/// already holds are not computed again; `candidates` may grow from one call to the next.
///
/// # Errors
/// If the configuration is out of range, the data do not fit the architecture, or the journal cannot be read or
/// written, or belongs to another search or process; [`BaselineError::Interrupted`] if the search was stopped.
pub fn tune(
    samples: &Samples,
    classes: usize,
    architecture: &Architecture,
    config: &TuneConfig,
    outside: &TuneControl<'_>,
) -> Result<Vec<TuneCandidate>, BaselineError> {
    config.validate(samples.len())?;
    super::check_samples("training", samples, architecture)?;
    super::check_classes(classes, architecture)?;
    let (journal, mut candidates) = match outside.journal {
        Some(path) => {
            let heading = Heading::new(samples, classes, architecture, config);
            let (journal, candidates) = Journal::open(path, &heading, outside.note)?;
            (Some(journal), candidates)
        }
        None => (None, Vec::new()),
    };
    // Processes that wrote to one journal without its lock, as earlier versions did, did some candidates twice.
    let mut known = HashSet::new();
    candidates.retain(|candidate| candidate.index < config.candidates && known.insert(candidate.index));

    let folds = deal(samples.len(), config);
    let open: Vec<usize> = (0..config.candidates).filter(|index| !known.contains(index)).collect();
    let progress = Mutex::new(TuneProgress {
        accuracies: open.iter().map(|_| vec![None; config.folds]).collect(),
        journal,
        finished: candidates,
    });
    let work: Vec<(usize, usize)> =
        (0..open.len()).flat_map(|slot| (0..config.folds).map(move |fold| (slot, fold))).collect();
    let (stop, told) = (outside.stop, outside.finished);
    work.into_par_iter().with_max_len(1).try_for_each(|(slot, fold)| {
        let candidate = config.candidate(open[slot]);
        let rows = (0..config.folds).filter(|&other| other != fold).flat_map(|other| folds[other].clone());
        let accuracy = backprop::validation_accuracy(
            samples,
            (rows.collect(), &folds[fold]),
            (architecture, classes),
            &candidate,
            config.seed,
            stop,
        );
        let accuracy = accuracy.ok_or(BaselineError::Interrupted)?;
        let mut progress = progress.lock().expect("no thread panicked while it held the lock");
        if progress.finish(open[slot], slot, fold, accuracy, candidate)?
            && let Some(candidate) = progress.finished.last()
        {
            told(candidate, progress.finished.len());
        }
        Ok::<(), BaselineError>(())
    })?;

    let progress = progress.into_inner().expect("no thread panicked while it held the lock");
    let mut candidates = progress.finished;
    candidates.sort_by(|a, b| b.mean_accuracy().total_cmp(&a.mean_accuracy()).then(a.index.cmp(&b.index)));
    Ok(candidates)
}

/// The samples' indices in random order, dealt into folds whose sizes differ by at most one.
fn deal(samples: usize, config: &TuneConfig) -> Vec<Vec<u32>> {
    let mut rows: Vec<u32> = (0..samples as u32).collect();
    random::shuffle(&mut rows, &mut random::stream(config.seed, Concern::Split));
    (0..config.folds).map(|fold| rows.iter().copied().skip(fold).step_by(config.folds).collect()).collect()
}

/// A search in progress.
struct TuneProgress {
    /// Per open candidate and fold.
    accuracies: Vec<Vec<Option<f64>>>,
    journal: Option<Journal>,
    finished: Vec<TuneCandidate>,
}

impl TuneProgress {
    /// Notes one fold; a candidate whose folds are all known is finished, which is returned.
    fn finish(
        &mut self,
        index: usize,
        slot: usize,
        fold: usize,
        accuracy: f64,
        config: BackpropConfig,
    ) -> Result<bool, BaselineError> {
        self.accuracies[slot][fold] = Some(accuracy);
        let Some(accuracies) = self.accuracies[slot].iter().copied().collect() else { return Ok(false) };
        let candidate = TuneCandidate { index, config, accuracies };
        if let Some(journal) = &mut self.journal {
            journal.append(&candidate)?;
        }
        self.finished.push(candidate);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::testing::{architecture, rings};
    use std::fs::File;

    /// A search that nobody stops, with this journal.
    fn search(
        samples: &Samples,
        architecture: &Architecture,
        config: &TuneConfig,
        journal: Option<&Path>,
    ) -> Result<Vec<TuneCandidate>, BaselineError> {
        let stop = AtomicBool::new(false);
        tune(
            samples,
            2,
            architecture,
            config,
            &TuneControl { journal, stop: &stop, note: &|_| {}, finished: &|_, _| {} },
        )
    }

    fn quick() -> TuneConfig {
        let base = BackpropConfig { max_epochs: 15, ..BackpropConfig::default() };
        TuneConfig { candidates: 6, folds: 3, base, ..TuneConfig::default() }
    }

    #[test]
    fn the_default_grids_hold_the_papers_values() {
        let ranges = Ranges::default();
        // The paper gives three to five digits.
        let holds = |values: &[f64], value: f64| values.iter().any(|x| (x / value - 1.0).abs() < 3e-3);
        for rate in [0.1, 0.021544, 0.004642, 0.001] {
            assert!(holds(&ranges.learning_rate_init, rate), "{rate}");
        }
        for alpha in [0.0001, 0.000215, 0.046416] {
            assert!(holds(&ranges.alpha, alpha), "{alpha}");
        }
        assert!(holds(&ranges.epsilon, 4.64e-9));
        assert!(!holds(&ranges.alpha, 0.03));
    }

    #[test]
    fn folds_hold_every_sample_once() {
        let folds = deal(100, &TuneConfig { folds: 7, ..TuneConfig::default() });
        let mut rows = folds.concat();
        assert!(folds.iter().all(|fold| (14..=15).contains(&fold.len())));
        rows.sort_unstable();
        assert_eq!(rows, (0..100).collect::<Vec<u32>>());
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads() {
        let samples = rings(200, 3);
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
            pool.install(|| search(&samples, &architecture(&[2, 8, 2]), &quick(), None)).expect("a search")
        };
        let candidates = on(1);
        assert_eq!(candidates, on(3));
        assert_eq!(candidates.len(), 6);
        assert!(candidates.windows(2).all(|pair| pair[0].mean_accuracy() >= pair[1].mean_accuracy()));
        assert!(candidates[0].mean_accuracy() > candidates[5].mean_accuracy());
    }

    #[test]
    fn an_interrupted_search_goes_on_where_it_was() {
        let samples = rings(120, 3);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("search.jsonl");
        let architecture = architecture(&[2, 8, 2]);
        let go_on = |config: &TuneConfig| search(&samples, &architecture, config, Some(&path));
        let whole = search(&samples, &architecture, &quick(), None).expect("a search");

        go_on(&TuneConfig { candidates: 2, ..quick() }).expect("a search");
        // A sure sign of what was taken over, and a torn line.
        let text = std::fs::read_to_string(&path).expect("a journal");
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut first: TuneCandidate = serde_json::from_str(&lines[1]).expect("a candidate");
        first.accuracies = vec![2.0; 3];
        lines[1] = serde_json::to_string(&first).expect("JSON");
        std::fs::write(&path, lines.join("\n") + "\n{\"index\":5,\"con").expect("a journal");

        let resumed = go_on(&quick()).expect("a search");
        assert_eq!(resumed[0], first);
        assert_eq!(resumed.len(), 6);
        for candidate in &resumed[1..] {
            assert!(whole.contains(candidate));
        }
        let text = std::fs::read_to_string(&path).expect("a journal");
        assert_eq!(text.lines().count(), 7);
    }

    #[test]
    fn a_journal_of_another_search_is_refused_and_kept() {
        let samples = rings(60, 3);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("search.jsonl");
        let architecture = architecture(&[2, 4, 2]);
        let config = TuneConfig { candidates: 1, folds: 2, ..quick() };
        search(&samples, &architecture, &config, Some(&path)).expect("a search");
        let before = std::fs::read(&path).expect("a journal");
        let other = TuneConfig { seed: 1, ..config };
        let error = search(&samples, &architecture, &other, Some(&path)).expect_err("another seed");
        assert!(error.to_string().contains("its seed differs"), "{error}");
        assert_eq!(std::fs::read(&path).expect("a journal"), before);
    }

    #[test]
    fn a_journal_that_another_process_has_is_refused_and_a_candidate_in_it_twice_counts_once() {
        let samples = rings(60, 3);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("search.jsonl");
        let architecture = architecture(&[2, 4, 2]);
        let config = TuneConfig { candidates: 2, folds: 2, ..quick() };
        let once = search(&samples, &architecture, &config, Some(&path)).expect("a search");
        let text = std::fs::read_to_string(&path).expect("a journal");
        let last = text.lines().last().expect("a candidate");
        std::fs::write(&path, format!("{text}{last}\n")).expect("a journal");
        assert_eq!(search(&samples, &architecture, &config, Some(&path)).expect("a search"), once);

        let held = File::open(&path).expect("a journal");
        held.lock().expect("a lock");
        let error = search(&samples, &architecture, &config, Some(&path)).expect_err("it is locked");
        assert!(matches!(error, BaselineError::Busy { .. }), "{error}");
    }

    #[test]
    fn an_empty_range_is_refused_by_its_key() {
        let ranges = Ranges { alpha: Vec::new(), ..Ranges::default() };
        let error = TuneConfig { ranges, ..quick() }.validate(100).expect_err("an empty range");
        assert!(error.to_string().starts_with("ranges.alpha: "), "{error}");
    }
}
