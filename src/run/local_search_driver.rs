//! The driver of a local search: scores, walks and saves what the search asks for.

use super::parent_seat::ParentSeat;
use super::watch::{Phase, Watch};
use crate::account::Current;
use crate::dataset::{Dataset, Split};
use crate::evaluate::gpu::neighbours::DEFAULT_MEMORY;
use crate::evaluate::neighbours::{Race, Tiles};
use crate::evaluate::spread::{self, SpreadError};
use crate::evaluate::{
    self, Arithmetic, Backend, Batch, CpuBackend, Demand, EvaluateError, Evaluator, Neighbourhood, Problem,
};
use crate::mask;
use crate::meter::Taken;
use crate::network::{Network, NetworkError};
use crate::objective::Objective;
use crate::objective::margin::Margin;
use crate::random::{self, Concern};
use crate::search::chains::{
    Chain, ChainSchedule, ChainState, FrontPoint, LocalSearch, LocalSearchConfig, LocalSearchFacts, Pruning,
    Terrain, Walk,
};
use crate::settings::BadSetting;
use rayon::prelude::*;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often it is told where a search stands between the points of a chain's history, which changes nothing of its
/// way.
const TELL_INTERVAL: Duration = Duration::from_secs(1);

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalSearchResult {
    /// The ticket: the winning mask's words.
    pub mask: Vec<u32>,
    /// Correct training samples, all of them looked at, by the exact evaluator.
    pub train_correct: u32,
    /// Correct test samples of the ticket.
    pub test_correct: u32,
    /// Correct samples of the ticket among those held out for validation, where there are any.
    pub validation_correct: Option<u32>,
    /// Weights that the ticket keeps.
    pub weights_kept: usize,
    pub taken: Taken,
    /// Was the search stopped before its end? This is the best of what it had found.
    pub is_stopped: bool,
    pub facts: LocalSearchFacts,
}

/// Why a search cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error(transparent)]
    Setting(#[from] BadSetting),
    #[error("algorithm.margin: {0}; give another margin.tau")]
    Margin(#[from] SpreadError),
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    #[error(transparent)]
    Network(#[from] NetworkError),
}

/// Searches for a ticket of `network` on the training set of `dataset`, on `device`; only pruning is done on the CPU
/// in any case.
///
/// The result depends on the configuration, the seed and the device's arithmetic, not on the device (see
/// [`LocalSearchFacts::recomputed`]), the number of threads, the instruction set, or on when the search was
/// interrupted and gone on with.
///
/// # Errors
/// When a setting makes no sense, shapes do not match, or the device fails.
pub fn search(
    config: &LocalSearchConfig,
    network: &Network,
    dataset: &Arc<Dataset>,
    device: &dyn Backend,
    seed: u64,
    watch: &Watch<'_>,
) -> Result<LocalSearchResult, SearchError> {
    watch.meter().account().charge(|| {
        config.validate()?;
        let search = watch.take_from();
        let search =
            search.unwrap_or_else(|| LocalSearch::new(config.clone(), network.architecture().clone(), seed));
        let driver = Driver { config, network, dataset, seed, watch, search: Mutex::new(search) };
        driver.run(device)
    })
}

struct Driver<'a> {
    config: &'a LocalSearchConfig,
    network: &'a Network,
    dataset: &'a Arc<Dataset>,
    seed: u64,
    watch: &'a Watch<'a>,
    search: Mutex<LocalSearch>,
}

impl Driver<'_> {
    fn run(&self, device: &dyn Backend) -> Result<LocalSearchResult, SearchError> {
        let (network, arithmetic) = (self.network, device.arithmetic());
        let mut evaluator = device.evaluator(&Problem::of(network, self.dataset))?;
        self.watch.enter(Phase::Spread);
        let objective = self.objective(arithmetic)?;
        self.watch.enter(Phase::Preparing);
        let neighbourhood = &*self.neighbourhood(device, objective)?;
        self.watch.enter(Phase::FirstSums);
        let chunks = neighbourhood.tiles().chunks().iter();
        let terrain = Terrain {
            architecture: network.architecture().clone(),
            objective,
            chunk_samples: chunks.map(|chunk| chunk.samples()).collect(),
        };
        self.walk_chains(neighbourhood, &terrain)?;
        self.heed_stop();
        self.watch.enter(Phase::Confirming);
        self.confirm(&mut *evaluator)?;
        self.prune(arithmetic)?;
        self.heed_stop();
        self.walk_front(neighbourhood, &terrain)?;
        self.heed_stop();
        self.watch.enter(Phase::Scoring);
        self.score(neighbourhood, &mut *evaluator)
    }

    fn search(&self) -> MutexGuard<'_, LocalSearch> {
        self.search.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of what the search has come to, and saves that if it is time to.
    fn note(&self, change: impl FnOnce(&mut LocalSearch)) {
        let mut search = self.search();
        change(&mut search);
        if !search.is_interrupted() {
            self.watch.note(&search);
        }
    }

    /// Saves and ends the search if it is to end.
    fn heed_stop(&self) {
        let mut search = self.search();
        if self.watch.stopping() && !search.is_interrupted() {
            self.watch.save(&search);
            search.interrupt();
        }
    }

    /// What masks are judged by; a search that goes on knows its margin.
    fn objective(&self, arithmetic: Arithmetic) -> Result<Objective, SpreadError> {
        let (config, train) = (self.config, &self.dataset.train);
        let tau = self.search().tau();
        let objective = match tau {
            Some(tau) => Objective::Margin(Margin::new(tau)?),
            None => {
                spread::objective(config.fitness, &config.margin, self.network, train, self.seed, arithmetic)?
            }
        };
        if let Some(margin) = objective.margin() {
            self.note(|search| search.settle_margin(margin));
        }
        Ok(objective)
    }

    /// Flips, scored on the samples of the configuration.
    fn neighbourhood(
        &self,
        device: &dyn Backend,
        objective: Objective,
    ) -> Result<Box<dyn Neighbourhood>, EvaluateError> {
        let mut rng = random::stream(self.seed, Concern::Subsample);
        let chosen = self.config.draw_samples(self.dataset.train.len(), &mut rng);
        let tiles = Tiles::new(&self.dataset.train, &chosen, &mut rng);
        let LocalSearchConfig { chains: parents, batch, .. } = *self.config;
        let demand = Demand { parents, batch, memory: DEFAULT_MEMORY };
        device.neighbourhood(self.network, tiles, objective, demand)
    }

    /// Walks the chains side by side, each to its end if nothing stops it.
    fn walk_chains(&self, neighbourhood: &dyn Neighbourhood, terrain: &Terrain) -> Result<(), EvaluateError> {
        let account = Current::get();
        (0..self.config.chains).into_par_iter().with_max_len(1).try_for_each(|n| {
            let _charging = account.help();
            let Some(state) = self.search().chain(n) else { return Ok(()) };
            let chain = Chain::new(terrain, ChainSchedule::of_chains(self.config), state);
            let at_rest = |state: &ChainState| self.note(|search| search.chain_is_at(n, state));
            if let Some(walk) = self.walk(chain, neighbourhood, at_rest)? {
                self.search().end_chain(n, walk);
            }
            Ok(())
        })
    }

    /// Walks `chain` to its end; tells `at_rest` now and then where it could go on, and at a stop. None when it was
    /// stopped.
    fn walk(
        &self,
        mut chain: Chain<'_>,
        neighbourhood: &dyn Neighbourhood,
        at_rest: impl Fn(&ChainState),
    ) -> Result<Option<Walk>, EvaluateError> {
        if self.watch.stopping() {
            return Ok(None);
        }
        let mut seat = ParentSeat::new(neighbourhood);
        let mut told = Instant::now();
        let mut made = chain.proposals();
        while let Some(request) = chain.ask() {
            let answer = seat.answer(request)?;
            chain.tell(answer);
            if chain.at_rest().is_none() {
                continue;
            }
            if self.watch.phase().0 == Phase::FirstSums {
                self.watch.enter(Phase::Walking);
            }
            self.watch.count(chain.proposals() - made);
            made = chain.proposals();
            let stops = self.watch.stopping() && !chain.is_done();
            let mut progress = chain.take_point();
            if progress.is_none() && !stops && told.elapsed() >= TELL_INTERVAL {
                progress = Some(chain.progress(seat.wrong()?));
            }
            if let Some(progress) = progress {
                told = Instant::now();
                self.watch.tell(progress);
            }
            if progress.is_some() || stops {
                chain.count(seat.take_multiply_adds());
                chain.at_rest().into_iter().for_each(&at_rest);
            }
            if stops {
                return Ok(None);
            }
        }
        chain.count(seat.take_multiply_adds());
        Ok(Some(chain.into_walk()))
    }

    /// Counts what the chains came to exactly.
    fn confirm(&self, evaluator: &mut dyn Evaluator) -> Result<(), EvaluateError> {
        let unconfirmed = self.search().unconfirmed();
        if let Some(masks) = unconfirmed {
            let networks = vec![0; self.config.chains];
            let correct = evaluator.score(Split::Train, Batch { masks: &masks, networks: &networks })?;
            self.note(|search| search.confirm(correct));
        }
        Ok(())
    }

    /// Prunes what the search found, on the CPU, by all training samples.
    fn prune(&self, arithmetic: Arithmetic) -> Result<(), EvaluateError> {
        let state = self.search().pruning();
        let Some(state) = state.filter(|_| !self.watch.stopping()) else { return Ok(()) };
        self.watch.enter(Phase::Pruning);
        let train = &self.dataset.train;
        let all: Vec<usize> = (0..train.len()).collect();
        let tiles = Tiles::new(train, &all, &mut random::substream(self.seed, Concern::Subsample, 1));
        let chunks = tiles.chunks().len();
        let demand = Demand { parents: 1, batch: 1, memory: DEFAULT_MEMORY };
        let cpu = CpuBackend(arithmetic);
        let neighbourhood = cpu.neighbourhood(self.network, tiles, Objective::Accuracy, demand)?;
        let race = self.config.race.map(|deviations| Race { deviations });
        let mut pruning = Pruning::new(self.network, race, chunks, state);
        let mut seat = ParentSeat::new(&*neighbourhood);
        let mut told = Instant::now();
        while let Some(request) = pruning.ask() {
            let answer = seat.answer(request)?;
            pruning.tell(answer);
            let stops = self.watch.stopping();
            if pruning.at_rest().is_some() && (stops || told.elapsed() >= TELL_INTERVAL) {
                told = Instant::now();
                pruning.count(seat.take_multiply_adds());
                pruning
                    .at_rest()
                    .into_iter()
                    .for_each(|state| self.note(|search| search.pruning_is_at(state)));
                if stops {
                    return Ok(());
                }
            }
        }
        pruning.count(seat.take_multiply_adds());
        self.search().end_pruning(pruning.into_state());
        Ok(())
    }

    /// Walks the chains of the front one after the other, as long as nothing stops them.
    fn walk_front(&self, neighbourhood: &dyn Neighbourhood, terrain: &Terrain) -> Result<(), EvaluateError> {
        let Some(front) = &self.config.front else { return Ok(()) };
        loop {
            let next = self.search().front_chain();
            let Some((state, price)) = next else { return Ok(()) };
            self.watch.enter(Phase::Front);
            let chain = Chain::new(terrain, ChainSchedule::of_front(self.config, front, price), state);
            let at_rest = |state: &ChainState| self.note(|search| search.front_is_at(state));
            let Some(walk) = self.walk(chain, neighbourhood, at_rest)? else { return Ok(()) };
            self.note(|search| search.end_front_chain(walk));
        }
    }

    /// Scores the ticket and the front exactly.
    fn score(
        &self,
        neighbourhood: &dyn Neighbourhood,
        evaluator: &mut dyn Evaluator,
    ) -> Result<LocalSearchResult, SearchError> {
        let search = self.search();
        let ticket = search.ticket().expect("chains that are confirmed have a winner");
        let mut score = |split, mask: &[u32]| -> Result<u32, EvaluateError> {
            Ok(evaluator.score(split, Batch { masks: mask, networks: &[0] })?[0])
        };
        let train_correct = score(Split::Train, ticket)?;
        let weights = self.network.architecture().weights();
        let point = |(price, mask): (f64, &[u32])| {
            let weights_kept = mask::count_ones(mask);
            Ok(FrontPoint {
                price,
                sparsity: 1.0 - weights_kept as f64 / weights as f64,
                weights_kept,
                train_correct: score(Split::Train, mask)?,
                test_correct: score(Split::Test, mask)?,
                mask_hex: mask::to_hex(mask, weights),
            })
        };
        let front = search.front().map(point).collect::<Result<_, EvaluateError>>()?;
        let test_correct = score(Split::Test, ticket)?;
        let facts = LocalSearchFacts {
            neighbours: Some(neighbourhood.adapter()),
            recomputed: neighbourhood.is_recomputed(),
            tau: search.tau(),
            work: search.work(),
            members_train_correct: search.correct().to_vec(),
            history: search.winner().map(|walk| walk.history.clone()).unwrap_or_default(),
            pruned: search.pruned(),
            front,
        };
        Ok(LocalSearchResult {
            train_correct,
            test_correct,
            validation_correct: evaluate::validation_correct(evaluator, self.dataset, 0, ticket)?,
            weights_kept: mask::count_ones(ticket),
            taken: self.watch.meter().taken(),
            is_stopped: search.is_interrupted(),
            mask: ticket.to_vec(),
            facts,
        })
    }
}
