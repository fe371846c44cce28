//! The genetic algorithm's runs, alone or in lock-step: the requests of many searches in one batch.

use super::front;
use super::record::{Computed, Correct, Details, Ended, LossFacts, MeasureFacts, Record, Timing};
use super::running_program::RunningProgram;
use super::save_interval::SaveInterval;
use super::{Control, Keeper, PopulationView, Progress, Run, RunError};
use crate::account::Account;
use crate::dataset::{Dataset, Split};
use crate::evaluate::{self, Backend, Batch, EvaluateError, Evaluator, JudgedEvaluator, Problem, Question};
use crate::network::Network;
use crate::objective::measure::Confusion;
use crate::objective::{Fitness, Objective, Score, judged_score};
use crate::search::StopReason;
use crate::search::genetic::{Individual, Population, Ranking, Request, ResolvedGenetic, Search};
use crate::settings::BadSetting;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often it is told how far a run has come.
const TELL_INTERVAL: Duration = Duration::from_millis(100);

/// Runs that share an evaluator, and so its data set and architecture.
pub struct Lockstep<'a> {
    evaluator: Box<dyn Evaluator>,
    dataset: Arc<Dataset>,
    /// None where there is room for a run.
    lanes: Vec<Option<Lane<'a>>>,
    /// What runs ask for that want counts alone, and what those ask for that want losses too.
    batches: [Requests; 2],
    /// When all runs are to be saved.
    interval: SaveInterval,
}

/// Requests of several runs in one batch.
#[derive(Default)]
struct Requests {
    masks: Vec<u32>,
    networks: Vec<u32>,
    minimum: Vec<u32>,
    /// `[masks]`, of those that have a loss; else empty.
    objectives: Vec<Objective>,
    /// The lanes that asked, and for how many answers.
    asked: Vec<(usize, usize)>,
}

impl Requests {
    fn clear(&mut self) {
        self.masks.clear();
        self.networks.clear();
        self.minimum.clear();
        self.objectives.clear();
        self.asked.clear();
    }

    fn add(&mut self, index: usize, request: &Request<'_>) {
        for &objective in request.objectives {
            self.masks.extend_from_slice(request.masks);
            self.minimum.extend_from_slice(request.minimum);
            self.networks.resize(self.minimum.len(), index as u32);
            if objective != Objective::Accuracy {
                self.objectives.resize(self.minimum.len(), objective);
            }
        }
        self.asked.push((index, request.minimum.len() * request.objectives.len()));
    }

    fn score(&self, evaluator: &mut dyn Evaluator) -> Result<Vec<Option<Score>>, EvaluateError> {
        let batch = Batch { masks: &self.masks, networks: &self.networks };
        let question = if self.objectives.is_empty() {
            Question::AtLeast(&self.minimum)
        } else {
            Question::Objectives(&self.objectives)
        };
        evaluator.answer(Split::Train, batch, question)
    }
}

/// One run, whose network is at the same index in the evaluator.
struct Lane<'a> {
    keeper: Keeper<'a>,
    search: Search,
    /// What the search itself took of the processor's time.
    host: Duration,
    multiply_adds: u64,
    /// Runs that shared its batches at most.
    widest: usize,
    /// Generations that its last saved state has.
    saved: usize,
    told: Option<Instant>,
}

/// The state of an unfinished run.
#[derive(Deserialize)]
struct State {
    host: Duration,
    multiply_adds: u64,
    search: Search,
}

/// The same, borrowed.
#[derive(Serialize)]
struct StateOf<'a> {
    host: Duration,
    multiply_adds: u64,
    search: &'a Search,
}

impl<'a> Lane<'a> {
    /// The run from its checkpoint on, or from its beginning.
    ///
    /// # Errors
    /// When the outputs' spread gives no margin.
    fn open(
        run: &Run,
        network: &Network,
        dataset: &Dataset,
        evaluator: &dyn Evaluator,
        control: Control<'a>,
    ) -> Result<Self, RunError> {
        control.observer.phase(run, "preparing the search");
        let (layers, train, seed) = (&run.config.network.layers, &dataset.train, run.config.seed);
        let genetic = run.config.algorithm.genetic().ok_or_else(|| {
            let found = run.config.algorithm.kind().name;
            BadSetting::needs("algorithm.kind", "a genetic algorithm, whose runs share batches", found)
        })?;
        let arithmetic = evaluator.arithmetic();
        let check = |state: &State| {
            state.search.check(genetic, layers, train.len())?;
            Ok(state.search.whereabouts())
        };
        let (keeper, state) = Keeper::open(run, dataset, arithmetic, control, check);
        let State { host, multiply_adds, search } = match state {
            Some(mut state) => {
                state.search.end_by(&genetic.termination);
                state
            }
            None => {
                let objectives = genetic.objectives(network, train, seed, arithmetic)?;
                let start = run.config.start.as_ref();
                let start = start.map_or(Ok(Vec::new()), |start| start.masks(network, None))?;
                let search = Search::begin_with(
                    genetic.clone(),
                    layers.clone(),
                    train.len(),
                    &objectives,
                    (seed, &start),
                );
                State { host: Duration::ZERO, multiply_adds: 0, search }
            }
        };
        search.goals().asked().iter().try_for_each(|objective| evaluator.check_objective(objective))?;
        let saved = search.generations();
        Ok(Self { keeper, search, host, multiply_adds, widest: 0, saved, told: None })
    }

    /// Does the host's `work` for the search.
    fn work<R>(&mut self, work: impl FnOnce(&mut Self) -> R) -> R {
        let account = self.keeper.meter().account().clone();
        let before = account.processor();
        let result = account.charge(|| work(self));
        self.host += account.processor() - before;
        result
    }

    fn save(&mut self) {
        self.saved = self.search.generations();
        let &mut Self { host, multiply_adds, ref search, .. } = self;
        self.keeper.save(&StateOf { host, multiply_adds, search });
    }

    /// Tells how far the run has come, and saves it, if it is time to.
    fn settle(&mut self, dataset: &Dataset) {
        let search = &self.search;
        if search.is_between_generations() && search.stop_reason().is_none() {
            self.keeper.population(&PopulationView { search, dataset, test_correct: None });
        }
        if self.told.is_none() {
            self.keeper.phase("evolving");
        }
        if self.told.is_none_or(|told| told.elapsed() >= TELL_INTERVAL) {
            self.told = Some(Instant::now());
            self.keeper.progress(&Progress::Generations(&self.search));
        }
        let every = self.keeper.generations();
        if every.is_some_and(|every| self.search.generations() >= self.saved + every) {
            self.save();
        }
    }
}

impl<'a> Lockstep<'a> {
    /// Room for `lanes` runs on `evaluator`, which has as many networks and scores them on `dataset`.
    pub fn new(evaluator: Box<dyn Evaluator>, dataset: Arc<Dataset>, lanes: usize) -> Self {
        Self {
            evaluator,
            dataset,
            lanes: (0..lanes).map(|_| None).collect(),
            batches: Default::default(),
            interval: SaveInterval::every(Duration::MAX),
        }
    }

    /// A lane without a run.
    pub fn free_lane(&self) -> Option<usize> {
        self.lanes.iter().position(Option::is_none)
    }

    /// Is there no run?
    pub fn is_empty(&self) -> bool {
        self.lanes.iter().all(Option::is_none)
    }

    /// The searches that are under way.
    pub fn searches(&self) -> impl Iterator<Item = &Search> {
        self.lanes.iter().flatten().map(|lane| &lane.search)
    }

    /// Puts a run of `network` on the free lane at `index`; it goes on from its checkpoint if there is one.
    ///
    /// # Errors
    /// When the outputs' spread gives no margin, and [`EvaluateError::Unsupported`] for a network or a loss that the
    /// evaluator does not take.
    pub fn start(
        &mut self,
        index: usize,
        run: &Run,
        network: &Network,
        control: Control<'a>,
    ) -> Result<(), RunError> {
        if let Some(saving) = &control.saving {
            self.interval = SaveInterval::every(saving.interval);
        }
        let lane = Lane::open(run, network, &self.dataset, &*self.evaluator, control)?;
        self.evaluator.set_network(index, network)?;
        self.lanes[index] = Some(lane);
        Ok(())
    }

    /// Scores what all unfinished runs ask for, as one batch (those that want losses as another), and tells them.
    /// Returns whether any run still asked for something. Saves what it is time to save.
    ///
    /// # Errors
    /// Errors of the device.
    pub fn step(&mut self) -> Result<bool, EvaluateError> {
        self.batches.iter_mut().for_each(Requests::clear);
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            let Some(lane) = lane else { continue };
            let batches = &mut self.batches;
            lane.work(|lane| {
                if let Some(request) = lane.search.request() {
                    batches[usize::from(request.objectives != [Objective::Accuracy])].add(index, &request);
                }
            });
        }
        let mut any = false;
        for requests in self.batches.iter().filter(|requests| !requests.asked.is_empty()) {
            any = true;
            let batch = Account::default();
            let answers = batch.charge(|| requests.score(&mut *self.evaluator))?;
            let mut first = 0;
            for &(index, count) in &requests.asked {
                let lane = self.lanes[index].as_mut().expect("a lane that asked");
                lane.work(|lane| lane.search.supply(&answers[first..first + count]));
                lane.multiply_adds += self.evaluator.executed()[first..first + count].iter().sum::<u64>();
                lane.keeper.meter().account().charge_parts(&batch, count, answers.len());
                first += count;
                lane.widest = lane.widest.max(requests.asked.len());
            }
        }
        let dataset = &self.dataset;
        self.lanes.iter_mut().flatten().for_each(|lane| lane.settle(dataset));
        if self.interval.is_due() {
            self.save_all();
        }
        Ok(any)
    }

    /// Saves where all runs stand.
    pub fn save_all(&mut self) {
        let lanes = &mut self.lanes;
        self.interval.save(|| lanes.iter_mut().flatten().for_each(Lane::save));
    }

    /// Takes a run that has ended off its lane, whose index comes with its record; for that its final population is
    /// scored on the test set.
    ///
    /// # Errors
    /// Errors of the device, and where a state could not be saved.
    pub fn take_ended(&mut self) -> Result<Option<(usize, Record)>, RunError> {
        let has_ended = |lane: &Option<Lane<'_>>| {
            lane.as_ref().is_some_and(|lane| lane.search.stop_reason().is_some() || lane.keeper.has_failed())
        };
        let Some(index) = self.lanes.iter().position(has_ended) else { return Ok(None) };
        let mut lane = self.lanes[index].take().expect("a run that has ended");
        if lane.keeper.keeps_end() && lane.search.stop_reason() == Some(StopReason::MaxGenerations) {
            lane.save();
        }
        if lane.keeper.has_failed() {
            return lane.keeper.close().map(|_| None);
        }
        Ok(Some((index, self.record(index, lane)?)))
    }

    /// Ends the run on the lane at `index` after its last complete generation: its record, if it has one.
    ///
    /// # Errors
    /// Errors of the device, and where its state could not be saved.
    pub fn interrupt(&mut self, index: usize) -> Result<Option<Record>, RunError> {
        let Some(mut lane) = self.lanes[index].take() else { return Ok(None) };
        lane.search.interrupt();
        if lane.search.history().is_empty() || lane.keeper.has_failed() {
            return lane.keeper.close().map(|_| None);
        }
        self.record(index, lane).map(Some)
    }

    fn record(&mut self, index: usize, lane: Lane<'_>) -> Result<Record, RunError> {
        let Lane { keeper, search, host, multiply_adds, widest, .. } = lane;
        keeper.phase("scoring the last population");
        let (population, ranking, dataset) = (search.population(), search.ranking(), &*self.dataset);
        let masks: Vec<u32> = (0..population.len()).flat_map(|n| population.mask(n)).copied().collect();
        let networks = vec![index as u32; population.len()];
        let batch = Batch { masks: &masks, networks: &networks };
        let (account, evaluator) = (keeper.meter().account().clone(), &mut *self.evaluator);
        let test = account.charge(|| evaluator.score(Split::Test, batch))?;
        keeper.population(&PopulationView { search: &search, dataset, test_correct: Some(&test) });
        let best = search.goals().best(population, ranking);
        let (winner, mask) = (&population.members()[best], population.mask(best));
        let validation =
            account.charge(|| evaluate::validation_correct(evaluator, dataset, index as u32, mask))?;
        let run = keeper.run().clone();
        let name = run.config.algorithm.genetic().map_or("", |genetic| genetic.leading_fitness().name());
        let of_ticket = Batch { masks: mask, networks: &[index as u32] };
        let objective = ranking.objective();
        let measure = account.charge(|| measure_facts(name, objective, evaluator, dataset, of_ticket))?;
        let front = account
            .charge(|| front::of_last_population(&run, &search, index as u32, &test, evaluator, dataset))?;
        let best_of_population = test.iter().copied().max().unwrap_or(0);
        let computed = Computed { adapter: evaluator.adapter().clone(), arithmetic: evaluator.arithmetic() };
        let ended = Ended {
            stop_reason: search.stop_reason().expect("the search has ended"),
            mask: Some(mask.to_vec()),
            correct: Correct { train: winner.correct, test: test[best], validation },
            timing: Timing { host_s: Some(host.as_secs_f64()), ..Timing::of(keeper.close()?, widest) },
            details: Details::Generations {
                history: Box::new(search.history().clone()),
                generations: search.generations(),
                evaluations: search.counters(),
                multiply_adds,
                loss: loss_facts(ranking, population, winner),
                measure,
                front,
                best_of_population,
            },
        };
        Ok(Record::new(&run, dataset, computed, ended))
    }
}

/// What a measure or a judge says of the one mask of `batch`, split by split; none where `objective` is another.
fn measure_facts(
    name: &str,
    objective: Objective,
    evaluator: &mut dyn Evaluator,
    dataset: &Dataset,
    batch: Batch<'_>,
) -> Result<Option<MeasureFacts>, EvaluateError> {
    if objective.is_by_sample() {
        return Ok(None);
    }
    let classes = evaluator.architecture().outputs();
    let mut value = |split| -> Result<f64, EvaluateError> {
        Ok(match objective.measure() {
            Some(measure) => measure.value(&Confusion::new(&evaluator.confusion(split, batch)?, classes)),
            None => judged_score(evaluator.judge(split, batch, &[objective])?[0].loss),
        })
    };
    let (train, test) = (value(Split::Train)?, value(Split::Test)?);
    let validation = (!dataset.validation.is_empty()).then(|| value(Split::Validation)).transpose()?;
    Ok(Some(MeasureFacts { name: name.to_owned(), train, test, validation }))
}

fn loss_facts(ranking: &Ranking, population: &Population, ticket: &Individual) -> Option<LossFacts> {
    if !ranking.objective().is_summed() {
        return None;
    }
    let lowest = population.members().iter().map(Individual::loss).min()?;
    Some(LossFacts {
        tau: ranking.margin().map(|margin| margin.tau()),
        ticket: ranking.mean_loss(ticket.loss())?,
        lowest_of_population: ranking.mean_loss(lowest)?,
        same_on_all_adapters: true,
    })
}

/// One run by itself. None where it was stopped in its initial population.
pub(super) fn alone(
    run: &Run,
    dataset: &Arc<Dataset>,
    backend: &dyn Backend,
    control: Control<'_>,
) -> Result<Option<Record>, RunError> {
    control.observer.phase(run, "preparing the evaluator");
    let stop = control.stop;
    let network = run.config.network.build(run.config.seed)?;
    let mut evaluator = backend.evaluator(&Problem::of(&network, dataset))?;
    let mut fitnesses = run.config.algorithm.genetic().into_iter().flat_map(ResolvedGenetic::fitnesses);
    if let Some(Fitness::Program(program)) = fitnesses.find(|fitness| fitness.is_judged()) {
        let judge = Arc::new(RunningProgram::start(program)?);
        evaluator = Box::new(JudgedEvaluator::new(evaluator, judge, Arc::clone(dataset)));
    }
    let mut lockstep = Lockstep::new(evaluator, Arc::clone(dataset), 1);
    lockstep.start(0, run, &network, control)?;
    loop {
        if let Some((_, record)) = lockstep.take_ended()? {
            return Ok(Some(record));
        }
        if stop.load(std::sync::atomic::Ordering::SeqCst) {
            lockstep.save_all();
            return lockstep.interrupt(0);
        }
        if let Err(error) = lockstep.step() {
            // What was computed before stays, whatever is wrong now.
            lockstep.save_all();
            return Err(error.into());
        }
    }
}
