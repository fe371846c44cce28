//! Local searches as runs: the driver scores, walks and saves what a search asks for.

use super::parent_seat::ParentSeat;
use super::record::{Computed, Correct, Details, Ended, Record, Timing};
use super::{Control, Keeper, Progress, Run, RunError};
use crate::account::Current;
use crate::dataset::{Dataset, Split};
use crate::evaluate::neighbours::{Race, Tiles};
use crate::evaluate::spread::{self, SpreadError};
use crate::evaluate::{
    self, Arithmetic, Backend, Batch, CpuBackend, Demand, EvaluateError, Evaluator, Neighbourhood, Problem,
};
use crate::mask;
use crate::network::Network;
use crate::objective::Objective;
use crate::objective::margin::Margin;
use crate::random::{self, Concern};
use crate::search::StopReason;
use crate::search::chains::{
    Chain, ChainProgress, ChainSchedule, ChainState, FrontPoint, LocalSearch, LocalSearchConfig,
    LocalSearchFacts, Pruning, Terrain, Walk,
};
use rayon::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often a chain tells where it stands between the points of its history, which changes nothing of its way.
const TELL_INTERVAL: Duration = Duration::from_millis(250);

/// The phase in which the chains walk that the search begins with.
const CHAINS: &str = "searching";

/// The phase in which those of the front walk.
const FRONT: &str = "searching for sparser masks";

/// Searches for a ticket on the training set of `dataset`, on `device`; only pruning is done on the CPU in any case.
///
/// The ticket depends on the configuration and the device's arithmetic, not on the device (see
/// [`LocalSearchFacts::recomputed`]), the number of threads, the instruction set, or on when the search was
/// interrupted and gone on with.
pub fn run(
    run: &Run,
    settings: &LocalSearchConfig,
    dataset: &Arc<Dataset>,
    device: &dyn Backend,
    control: Control<'_>,
) -> Result<Record, RunError> {
    let (architecture, seed) = (&run.config.network.layers, run.config.seed);
    let network = &run.config.network.build(seed)?;
    let check = |state: &LocalSearch| {
        state.check(settings, architecture)?;
        Ok(format!("proposal {}", state.proposals()))
    };
    let (keeper, state) = Keeper::open(run, dataset, device.arithmetic(), control, check);
    let search = match (state, &run.config.start) {
        (Some(state), _) => state,
        (None, start) => {
            let mut search = LocalSearch::new(settings.clone(), architecture.clone(), seed);
            if let Some(start) = start {
                search.begin_with(&start.masks(network, None)?);
            }
            search
        }
    };
    let account = keeper.meter().account().clone();
    let driver = Driver {
        config: Arc::new(settings.clone()),
        network,
        dataset,
        seed,
        keeper,
        phase: Mutex::new(""),
        made: AtomicU64::new(search.proposals()),
        search: Mutex::new(search),
    };
    // On a thread of the pool: from outside of it, each proposal that is shared out would wake a thread and wait.
    let ended = rayon::scope(|_| account.charge(|| driver.run(device)))?;
    let computed = Computed { adapter: device.info(), arithmetic: device.arithmetic() };
    Ok(Record::new(run, dataset, computed, ended))
}

struct Driver<'a> {
    config: Arc<LocalSearchConfig>,
    network: &'a Network,
    dataset: &'a Arc<Dataset>,
    seed: u64,
    keeper: Keeper<'a>,
    /// What the search is at.
    phase: Mutex<&'static str>,
    /// Proposals of all chains.
    made: AtomicU64,
    search: Mutex<LocalSearch>,
}

impl Driver<'_> {
    fn run(self, device: &dyn Backend) -> Result<Ended, RunError> {
        let (network, arithmetic) = (self.network, device.arithmetic());
        let mut evaluator = device.evaluator(&Problem::of(network, self.dataset))?;
        self.enter("estimating the spread of the outputs");
        let objective = self.objective(arithmetic)?;
        self.enter("laying out the samples");
        let neighbourhood = &*self.neighbourhood(device, objective)?;
        self.enter("computing all sums of the first masks");
        let chunks = neighbourhood.tiles().chunks().iter();
        let terrain = Arc::new(Terrain {
            architecture: network.architecture().clone(),
            unit_per_sample: objective.steps_per_unit().unwrap_or(1.0),
            chunk_samples: chunks.map(|chunk| chunk.samples()).collect(),
        });
        self.walk_chains(neighbourhood, &terrain)?;
        self.heed_stop();
        self.enter("scoring what the chains came to");
        self.confirm(&mut *evaluator)?;
        self.prune(arithmetic)?;
        self.heed_stop();
        self.walk_front(neighbourhood, &terrain)?;
        self.heed_stop();
        self.enter("scoring the ticket");
        self.score(neighbourhood, &mut *evaluator)
    }

    fn search(&self) -> MutexGuard<'_, LocalSearch> {
        self.search.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that the search comes to a phase, where it is not there yet.
    fn enter(&self, phase: &'static str) {
        let mut present = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        if *present != phase {
            *present = phase;
            self.keeper.phase(phase);
        }
    }

    /// Takes note of what the search has come to, and saves that if it is time to.
    fn note(&self, change: impl FnOnce(&mut LocalSearch)) {
        let mut search = self.search();
        change(&mut search);
        if !search.is_interrupted() {
            self.keeper.goes_on(&*search);
        }
    }

    /// Saves and ends the search if it is to end.
    fn heed_stop(&self) {
        let mut search = self.search();
        if !search.is_interrupted() && !self.keeper.goes_on(&*search) {
            search.interrupt();
        }
    }

    /// What masks are judged by; a search that goes on knows its margin.
    fn objective(&self, arithmetic: Arithmetic) -> Result<Objective, SpreadError> {
        let (config, train) = (&self.config, &self.dataset.train);
        let tau = self.search().tau();
        let objective = match tau {
            Some(tau) => Objective::Margin(Margin::new(tau)?),
            None => spread::objective(
                &config.fitness,
                &config.margin,
                self.network,
                train,
                self.seed,
                arithmetic,
            )?,
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
        let demand = Demand { parents, batch };
        device.neighbourhood(self.network, tiles, objective, demand)
    }

    /// Walks the chains side by side, each to its end if nothing stops it.
    fn walk_chains(
        &self,
        neighbourhood: &dyn Neighbourhood,
        terrain: &Arc<Terrain>,
    ) -> Result<(), EvaluateError> {
        let account = Current::get();
        (0..self.config.chains).into_par_iter().with_max_len(1).try_for_each(|n| {
            let _charging = account.help();
            let Some(state) = self.search().chain(n) else { return Ok(()) };
            let chain = Chain::new(Arc::clone(terrain), ChainSchedule::of_chains(&self.config), state);
            let at_rest = |state: &ChainState| self.note(|search| search.chain_is_at(n, state));
            if let Some(walk) = self.walk(CHAINS, chain, neighbourhood, at_rest)? {
                self.search().end_chain(n, walk);
            }
            Ok(())
        })
    }

    /// Walks `chain` to its end, which makes this the `phase`; tells `at_rest` now and then where it could go on, and at
    /// a stop. None when it was stopped.
    fn walk(
        &self,
        phase: &'static str,
        mut chain: Chain,
        neighbourhood: &dyn Neighbourhood,
        at_rest: impl Fn(&ChainState),
    ) -> Result<Option<Walk>, EvaluateError> {
        if self.keeper.is_stopping() {
            return Ok(None);
        }
        let mut seat = ParentSeat::new(neighbourhood);
        let (mut told, mut made) = (Instant::now(), chain.proposals());
        while let Some(request) = chain.ask() {
            let answer = seat.answer(request)?;
            chain.tell(answer);
            if chain.at_rest().is_none() {
                continue;
            }
            self.made.fetch_add(chain.proposals() - made, Ordering::Relaxed);
            made = chain.proposals();
            let stops = self.keeper.is_stopping() && !chain.is_done();
            let mut progress = chain.take_point();
            if progress.is_none() && (stops || told.elapsed() >= TELL_INTERVAL) {
                progress = Some(chain.progress(seat.wrong()?));
            }
            let Some(progress) = progress else { continue };
            self.enter(phase);
            self.tell(progress);
            told = Instant::now();
            chain.count(seat.take_multiply_adds());
            chain.at_rest().into_iter().for_each(&at_rest);
            if stops {
                return Ok(None);
            }
        }
        chain.count(seat.take_multiply_adds());
        Ok(Some(chain.into_walk()))
    }

    /// Tells how far the search has come, and a chain of it.
    fn tell(&self, latest: ChainProgress) {
        let made = self.made.load(Ordering::Relaxed);
        self.keeper.progress(&Progress::Proposals { made, latest });
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
        let Some(state) = state.filter(|_| !self.keeper.is_stopping()) else { return Ok(()) };
        self.enter("pruning the ticket");
        let train = &self.dataset.train;
        let all: Vec<usize> = (0..train.len()).collect();
        let tiles = Tiles::new(train, &all, &mut random::substream(self.seed, Concern::Subsample, 1));
        let chunks = tiles.chunks().len();
        let demand = Demand { parents: 1, batch: 1 };
        let cpu = CpuBackend(arithmetic);
        let neighbourhood = cpu.neighbourhood(self.network, tiles, Objective::Accuracy, demand)?;
        let race = self.config.race.map(|deviations| Race { deviations });
        let mut pruning = Pruning::new(self.network, race, chunks, state);
        let mut seat = ParentSeat::new(&*neighbourhood);
        let mut told = Instant::now();
        while let Some(request) = pruning.ask() {
            let answer = seat.answer(request)?;
            pruning.tell(answer);
            let stops = self.keeper.is_stopping();
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
    fn walk_front(
        &self,
        neighbourhood: &dyn Neighbourhood,
        terrain: &Arc<Terrain>,
    ) -> Result<(), EvaluateError> {
        let Some(front) = &self.config.front else { return Ok(()) };
        loop {
            let next = self.search().front_chain();
            let Some((state, price)) = next else { return Ok(()) };
            self.enter(FRONT);
            let chain =
                Chain::new(Arc::clone(terrain), ChainSchedule::of_front(&self.config, front, price), state);
            let at_rest = |state: &ChainState| self.note(|search| search.front_is_at(state));
            let Some(walk) = self.walk(FRONT, chain, neighbourhood, at_rest)? else { return Ok(()) };
            self.note(|search| search.end_front_chain(walk));
        }
    }

    /// Scores the ticket and the front exactly.
    fn score(
        self,
        neighbourhood: &dyn Neighbourhood,
        evaluator: &mut dyn Evaluator,
    ) -> Result<Ended, RunError> {
        let search = self.search.into_inner().unwrap_or_else(PoisonError::into_inner);
        let ticket = search.ticket().expect("chains that are confirmed have a winner");
        let validation = evaluate::validation_correct(evaluator, self.dataset, 0, ticket)?;
        let mut score = |split, mask: &[u32]| -> Result<u32, EvaluateError> {
            Ok(evaluator.score(split, Batch { masks: mask, networks: &[0] })?[0])
        };
        let correct =
            Correct { train: score(Split::Train, ticket)?, test: score(Split::Test, ticket)?, validation };
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
        Ok(Ended {
            stop_reason: if search.is_interrupted() {
                StopReason::Interrupted
            } else {
                StopReason::Proposals
            },
            mask: Some(ticket.to_vec()),
            correct,
            timing: Timing::of(self.keeper.close()?, 1),
            details: Details::LocalSearch(facts),
        })
    }
}
