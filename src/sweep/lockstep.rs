//! Runs in lock-step: the requests of many searches in one batch.

use crate::account::Account;
use crate::dataset::{Dataset, Split};
use crate::evaluate::{self, Batch, EvaluateError, Evaluator, Question};
use crate::mask;
use crate::meter::{Meter, Taken};
use crate::network::Network;
use crate::objective::{Objective, Score};
use crate::run::Checkpoint;
use crate::run::config::RunConfig;
use crate::run::record::{
    Cell, Correct, DataFacts, LossFacts, Outcome, Record, SCHEMA_VERSION, Ticket, Timing,
};
use crate::search::genetic::{Individual, Population, Ranking, Request, Search};
use crate::settings::BadSetting;
use serde::{Deserialize, Serialize};
use std::io;
use std::time::Duration;

/// Runs that share an evaluator, and so its data set and architecture.
pub struct Lockstep {
    evaluator: Box<dyn Evaluator>,
    lanes: Vec<Option<Lane>>,
    /// What runs ask for that want counts alone, and what those ask for that want losses too.
    batches: [Requests; 2],
}

/// Requests of several runs in one batch.
#[derive(Default)]
struct Requests {
    masks: Vec<u32>,
    networks: Vec<u32>,
    minimum: Vec<u32>,
    /// `[masks]`, of those that have a loss; else empty.
    objectives: Vec<Objective>,
    /// The lanes that asked, and for how many masks.
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
        self.masks.extend_from_slice(request.masks);
        self.minimum.extend_from_slice(request.minimum);
        self.networks.resize(self.minimum.len(), index as u32);
        if request.objective != Objective::Accuracy {
            self.objectives.resize(self.minimum.len(), request.objective);
        }
        self.asked.push((index, request.minimum.len()));
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
pub struct Lane {
    search: Search,
    meter: Meter,
    /// What the search itself took of the processor's time.
    host: Duration,
    multiply_adds: u64,
    widest: usize,
}

/// The state of an unfinished run.
#[derive(Deserialize)]
struct State {
    elapsed: Elapsed,
    search: Search,
}

/// The same, borrowed.
#[derive(Serialize)]
struct StateOf<'a> {
    elapsed: Elapsed,
    search: &'a Search,
}

impl Lane {
    /// The run of `config` from its checkpoint on, or from its beginning; says where it goes on from. `note` is
    /// told why a checkpoint is not gone on from.
    ///
    /// # Errors
    /// When the outputs' spread gives no margin.
    ///
    /// # Panics
    /// If the algorithm is not genetic.
    pub fn open(
        config: &RunConfig,
        network: &Network,
        dataset: &Dataset,
        checkpoint: &Checkpoint<'_>,
        note: impl FnOnce(String),
    ) -> Result<(Self, Option<String>), BadSetting> {
        let genetic = config.algorithm.genetic().expect("a genetic algorithm");
        let (layers, train) = (config.network.layers(), &dataset.train);
        let check = |state: &State| state.search.check(genetic, layers, train.len());
        if let Some(State { elapsed, search }) = checkpoint.load(check).state(note) {
            let whereabouts = search.whereabouts();
            return Ok((Self::new(search, elapsed), Some(whereabouts)));
        }
        let objective =
            genetic.objective(network, train, config.seed, checkpoint.arithmetic()).map_err(|error| {
                BadSetting::new("algorithm.margin", format!("{error}; give another margin.tau"))
            })?;
        let search = Search::new(genetic.clone(), layers.clone(), train.len(), objective, config.seed);
        Ok((Self::new(search, Elapsed::default()), None))
    }

    /// Saves where the run stands.
    ///
    /// # Errors
    /// When the checkpoint cannot be written.
    pub fn save(&self, checkpoint: &Checkpoint<'_>) -> io::Result<()> {
        checkpoint.save(&StateOf { elapsed: self.elapsed(), search: &self.search })
    }

    /// A run that begins, or, with what it has taken so far, goes on.
    pub fn new(search: Search, elapsed: Elapsed) -> Self {
        let Elapsed { taken, host, multiply_adds } = elapsed;
        Self { search, meter: Meter::after(taken), host, multiply_adds, widest: 0 }
    }

    /// What the run has taken so far.
    pub fn elapsed(&self) -> Elapsed {
        Elapsed { taken: self.meter.taken(), host: self.host, multiply_adds: self.multiply_adds }
    }

    /// Does the host's `work` for the search.
    fn work<R>(&mut self, work: impl FnOnce(&mut Self) -> R) -> R {
        let account = self.meter.account().clone();
        let before = account.processor();
        let result = account.charge(|| work(self));
        self.host += account.processor() - before;
        result
    }

    /// The search of the run.
    pub fn search(&self) -> &Search {
        &self.search
    }

    /// Ends the run after its last complete generation.
    pub fn interrupt(&mut self) {
        self.search.interrupt();
    }
}

impl Lockstep {
    /// Room for `lanes` runs on `evaluator`, which has as many networks.
    pub fn new(evaluator: Box<dyn Evaluator>, lanes: usize) -> Self {
        let lanes = (0..lanes).map(|_| None).collect();
        Self { evaluator, lanes, batches: Default::default() }
    }

    pub fn evaluator(&self) -> &dyn Evaluator {
        &*self.evaluator
    }

    /// The runs by index; none where there is room for one.
    pub fn lanes(&self) -> &[Option<Lane>] {
        &self.lanes
    }

    /// Puts a run on the free lane at `index`.
    ///
    /// # Errors
    /// [`EvaluateError::Unsupported`] for a network or an objective that the evaluator does not take.
    pub fn start(&mut self, index: usize, network: &Network, lane: Lane) -> Result<(), EvaluateError> {
        self.evaluator.check_objective(&lane.search.ranking().objective())?;
        self.evaluator.set_network(index, network)?;
        self.lanes[index] = Some(lane);
        Ok(())
    }

    /// The run at `index`, to interrupt it.
    pub fn lane_mut(&mut self, index: usize) -> Option<&mut Lane> {
        self.lanes[index].as_mut()
    }

    /// Takes the run at `index` off its lane.
    pub fn remove(&mut self, index: usize) -> Option<Lane> {
        self.lanes[index].take()
    }

    /// Scores what all unfinished runs ask for, as one batch (those that want losses as another), and tells them.
    /// Returns whether any run still asked for something.
    pub fn step(&mut self) -> Result<bool, EvaluateError> {
        self.batches.iter_mut().for_each(Requests::clear);
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            let Some(lane) = lane else { continue };
            let batches = &mut self.batches;
            lane.work(|lane| {
                if let Some(request) = lane.search.request() {
                    batches[usize::from(request.objective != Objective::Accuracy)].add(index, &request);
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
                lane.meter.account().charge_parts(&batch, count, answers.len());
                first += count;
                lane.widest = lane.widest.max(requests.asked.len());
            }
        }
        Ok(any)
    }

    /// The record of the run at `index`, which has ended: its final population is scored on the test set.
    ///
    /// # Panics
    /// If there is no run at `index`, or it has not ended.
    pub fn record(
        &mut self,
        index: usize,
        dataset: &Dataset,
        config: RunConfig,
        cell: Cell,
    ) -> Result<Record, EvaluateError> {
        let lane = self.lanes[index].as_ref().expect("a run on this lane");
        let population = lane.search.population();
        let masks: Vec<u32> = (0..population.len()).flat_map(|n| population.mask(n)).copied().collect();
        let networks = vec![index as u32; population.len()];
        let account = lane.meter.account().clone();
        let batch = Batch { masks: &masks, networks: &networks };
        let test = account.charge(|| self.evaluator.score(Split::Test, batch))?;
        let ranking = lane.search.ranking();
        let best = population.best(ranking);
        let (winner, mask) = (&population.members()[best], population.mask(best));
        let evaluator = &mut *self.evaluator;
        let validation =
            account.charge(|| evaluate::validation_correct(evaluator, dataset, index as u32, mask))?;
        let correct = Correct { train: winner.correct, test: test[best], validation };
        let architecture = config.network.layers();
        let best_of_population = test.iter().copied().max().unwrap_or(0);
        let result = Outcome {
            test_accuracy_best_of_population: Some(f64::from(best_of_population) / dataset.test.len() as f64),
            generations: Some(lane.search.generations()),
            evaluations: Some(lane.search.counters()),
            multiply_adds: Some(lane.multiply_adds),
            loss: loss_facts(ranking, population, winner),
            ..Outcome::new(architecture, dataset, Some(mask), correct)
        };
        Ok(Record {
            schema_version: SCHEMA_VERSION,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            cell,
            stop_reason: lane.search.stop_reason().expect("the search has ended"),
            adapter: self.evaluator.adapter().clone(),
            arithmetic: self.evaluator.arithmetic(),
            data: DataFacts::of(dataset),
            result,
            timing: Timing {
                host_s: Some(lane.host.as_secs_f64()),
                ..Timing::of(lane.meter.taken(), lane.widest)
            },
            ticket: Some(Ticket { mask_hex: mask::to_hex(mask, architecture.weights()) }),
            history: Some(lane.search.history().clone()),
            local_search: None,
            epochs: Vec::new(),
            config,
        })
    }
}

fn loss_facts(ranking: &Ranking, population: &Population, ticket: &Individual) -> Option<LossFacts> {
    let lowest = population.members().iter().map(|member| member.loss).min()?;
    Some(LossFacts {
        tau: ranking.margin().map(|margin| margin.tau()),
        ticket: ranking.mean_loss(ticket.loss)?,
        lowest_of_population: ranking.mean_loss(lowest)?,
        same_on_all_adapters: ranking.margin().is_some(),
    })
}

/// What a run has taken so far: time, and the evaluator's work. Part of its checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Elapsed {
    taken: Taken,
    host: Duration,
    multiply_adds: u64,
}
