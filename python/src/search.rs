//! Searches by asking and telling.

use crate::problem::Network;
use crate::{json, usage};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyUntypedArrayMethods};
use pyo3::prelude::*;
use serde_json::Value;
use std::sync::{Mutex, MutexGuard, PoisonError};
use supermask::objective::{Objective, Score, judged_loss};
use supermask::run::algorithm::AlgorithmConfig;
use supermask::search::chains::{LARGEST_SCORE, LocalSearchConfig, ScoredSearch, ScoredState};
use supermask::search::genetic::{ResolvedGenetic, Search, Selection};
use supermask::settings;

/// Masks `[masks, words]`.
type Masks<'py> = Bound<'py, PyArray2<u32>>;

/// A mask `[words]` and its score.
type Best<'py> = Option<(Bound<'py, PyArray1<u32>>, f64)>;

/// `masks` of `words` words each as an array.
fn array<'py>(py: Python<'py>, masks: &[u32], words: usize) -> PyResult<Masks<'py>> {
    PyArray1::from_slice(py, masks).reshape([masks.len() / words, words])
}

/// The scores that are told where so many masks were `asked` for, each of at most this `size`.
fn told(scores: &PyReadonlyArray1<'_, f64>, asked: usize, size: f64) -> PyResult<Vec<f64>> {
    if asked == 0 {
        return Err(usage("tell: no scores are waited for; ask comes first"));
    }
    if scores.len() != asked {
        let found = scores.len();
        return Err(usage(format!("tell: {asked} masks were asked for, but there are {found} scores")));
    }
    let scores = scores.as_array().to_vec();
    match scores.iter().position(|score| !(score.is_finite() && score.abs() <= size)) {
        None => Ok(scores),
        Some(n) if scores[n].is_finite() => Err(usage(format!(
            "tell: the score of mask {n} is {}; scores must be between -{size} and {size}",
            scores[n]
        ))),
        Some(n) => Err(usage(format!("tell: the score of mask {n} is {}; scores must be finite", scores[n]))),
    }
}

/// A saved search, as its text says it: what it was made with, and where it stands.
fn saved(text: &str, kind: &str) -> PyResult<(Value, Value)> {
    let mut value: Value = serde_json::from_str(text).map_err(|_| foreign(kind))?;
    if value["kind"] != kind {
        return Err(foreign(kind));
    }
    Ok((value["settings"].take(), value["state"].take()))
}

fn foreign(kind: &str) -> PyErr {
    usage(format!("load: this is not a saved search of the kind {kind:?}"))
}

/// The genetic algorithm, whose masks the caller scores; larger is better.
#[pyclass(frozen, module = "supermask._supermask")]
pub struct GeneticSearch {
    search: Mutex<Search>,
    settings: Value,
    words: usize,
}

impl GeneticSearch {
    fn search(&self) -> MutexGuard<'_, Search> {
        self.search.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The resolved `settings` for masks of `network`.
    fn resolved(settings: &Value, network: &Network) -> PyResult<ResolvedGenetic> {
        let mut settings = settings.clone();
        settings["kind"] = "ga".into();
        settings["fitness"] = "own".into();
        let mut config: AlgorithmConfig = settings::read(settings).map_err(usage)?;
        let Some(config) = config.genetic_mut() else { return Err(usage("kind: must be \"ga\"")) };
        let config = config.clone().resolve(network.network.architecture(), 0.0).map_err(usage)?;
        if config.accuracy_bound.is_some() {
            return Err(usage("accuracy_bound: there is no accuracy where the caller scores masks"));
        }
        if config.selection == Selection::Nsga2 {
            return Err(usage(
                "selection: nsga2 takes several objectives, but the caller gives one score a mask",
            ));
        }
        Ok(config)
    }
}

#[pymethods]
impl GeneticSearch {
    /// A search of masks of `network` with the settings of a configuration's `algorithm` section, JSON.
    #[new]
    fn new(network: &Network, settings: &str, seed: u64) -> PyResult<Self> {
        let settings = json(settings)?;
        let config = Self::resolved(&settings, network)?;
        let architecture = network.network.architecture().clone();
        let words = architecture.mask_words();
        let search = Search::new(config, architecture, 1, &[Objective::Judged], seed);
        Ok(Self { search: Mutex::new(search), settings, words })
    }

    /// `[masks, words]`: those to be scored next; None when the search has ended.
    fn ask<'py>(&self, py: Python<'py>) -> PyResult<Option<Masks<'py>>> {
        let mut search = self.search();
        let Some(request) = search.request() else { return Ok(None) };
        array(py, request.masks, self.words).map(Some)
    }

    /// Takes the scores of the masks that were asked for last.
    fn tell(&self, scores: PyReadonlyArray1<'_, f64>) -> PyResult<()> {
        let mut search = self.search();
        let asked =
            if search.is_between_generations() { 0 } else { search.request().map_or(0, |r| r.minimum.len()) };
        let scores = told(&scores, asked, f64::MAX)?;
        let loss = |score: f64| judged_loss(score + 0.0);
        let answers: Vec<_> =
            scores.into_iter().map(|score| Some(Score { correct: 0, loss: loss(score) })).collect();
        search.supply(&answers);
        Ok(())
    }

    /// `(mask, score)` of the best individual; None before the initial population is scored.
    fn best<'py>(&self, py: Python<'py>) -> Best<'py> {
        let search = self.search();
        let loss = search.history().best_loss.last()?;
        let population = search.population();
        let mask = population.mask(population.best(search.ranking()));
        Some((PyArray1::from_slice(py, mask), -loss))
    }

    /// Generations that are complete, the initial population apart.
    #[getter]
    fn generation(&self) -> usize {
        self.search().generations()
    }

    /// Its state as text.
    fn save(&self) -> PyResult<String> {
        let state = serde_json::to_value(&*self.search()).map_err(usage)?;
        Ok(serde_json::json!({ "kind": "genetic", "settings": self.settings, "state": state }).to_string())
    }

    /// The search of a saved state, for the same network.
    #[staticmethod]
    fn load(network: &Network, text: &str) -> PyResult<Self> {
        let (settings, state) = saved(text, "genetic")?;
        let config = Self::resolved(&settings, network)?;
        let architecture = network.network.architecture();
        let search: Search = serde_json::from_value(state).map_err(|_| foreign("genetic"))?;
        search.check(&config, architecture, 1).map_err(|flaw| usage(format!("load: {flaw}")))?;
        Ok(Self { search: Mutex::new(search), settings, words: architecture.mask_words() })
    }
}

/// Local search by flips, whose masks the caller scores; larger is better.
#[pyclass(frozen, module = "supermask._supermask")]
pub struct FlipSearch {
    search: Mutex<ScoredSearch>,
    words: usize,
}

impl FlipSearch {
    fn search(&self) -> MutexGuard<'_, ScoredSearch> {
        self.search.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl FlipSearch {
    /// A search of masks of `network` with the settings of a configuration's `algorithm` section, JSON.
    #[new]
    fn new(network: &Network, settings: &str, seed: u64) -> PyResult<Self> {
        let config: LocalSearchConfig = settings::read(json(settings)?).map_err(usage)?;
        let architecture = network.network.architecture().clone();
        let words = architecture.mask_words();
        let search = ScoredSearch::new(config, architecture, seed).map_err(usage)?;
        Ok(Self { search: Mutex::new(search), words })
    }

    /// `[masks, words]`: those to be scored next; None when all proposals have been made.
    fn ask<'py>(&self, py: Python<'py>) -> PyResult<Option<Masks<'py>>> {
        self.search().ask().map(|masks| array(py, masks, self.words)).transpose()
    }

    /// Takes the scores of the masks that were asked for last.
    fn tell(&self, scores: PyReadonlyArray1<'_, f64>) -> PyResult<()> {
        let mut search = self.search();
        let scores = told(&scores, search.waiting(), LARGEST_SCORE)?;
        search.tell(&scores);
        Ok(())
    }

    /// `(mask, score)` of the best mask that was scored.
    fn best<'py>(&self, py: Python<'py>) -> Best<'py> {
        let search = self.search();
        search.best().map(|(mask, score)| (PyArray1::from_slice(py, mask), score))
    }

    /// Proposals of all chains.
    #[getter]
    fn proposals(&self) -> u64 {
        self.search().proposals()
    }

    /// Its state as text.
    fn save(&self) -> PyResult<String> {
        let state = serde_json::to_value(self.search().state()).map_err(usage)?;
        Ok(serde_json::json!({ "kind": "local", "state": state }).to_string())
    }

    /// The search of a saved state, for the same network.
    #[staticmethod]
    fn load(network: &Network, text: &str) -> PyResult<Self> {
        let (_, state) = saved(text, "local")?;
        let state: ScoredState = serde_json::from_value(state).map_err(|_| foreign("local"))?;
        let architecture = network.network.architecture();
        let search =
            ScoredSearch::resume(state, architecture).map_err(|flaw| usage(format!("load: {flaw}")))?;
        Ok(Self { search: Mutex::new(search), words: architecture.mask_words() })
    }
}
