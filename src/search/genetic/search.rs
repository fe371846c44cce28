//! One run of the genetic algorithm, as a state that asks for scores and is told them.

use super::accuracy_bound::BoundSchedule;
use super::config::{ResolvedGenetic, Selection, Termination};
use super::goals::Goals;
use super::history::History;
use super::migration::{CANDIDATE_BLOCK, Candidates};
use super::population::{Origin, Population, Scores};
use super::ranking::Ranking;
use super::seen::{ByHash, Seen, hash};
use super::{crossover, mutation, nsga2, selection};
use crate::mask::{self, packed};
use crate::network::Architecture;
use crate::objective::{Objective, Score};
use crate::random::{self, Concern, Stream};
use crate::search::StopReason;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Masks to score on the training set.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `[masks, words per mask]`.
    pub masks: &'a [u32],
    /// `[masks]`: counts below it need not be known exactly.
    pub minimum: &'a [u32],
    /// What each is judged by: one answer for each of these and each mask.
    pub objectives: &'a [Objective],
}

/// How many evaluations a search took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counters {
    /// Individuals whose fitness was needed, rejected candidates included.
    pub asked: u64,
    /// Those that had not been seen before in the run, and so were evaluated.
    pub made: u64,
}

/// A run of the genetic algorithm. Serialised before a request or while one is being answered, it is a checkpoint.
#[derive(Debug, Serialize, Deserialize)]
pub struct Search {
    config: ResolvedGenetic,
    architecture: Architecture,
    ranking: Ranking,
    goals: Goals,
    streams: Streams,
    population: Population,
    /// The generation that is being made, or, between generations, the last one made.
    generation: u32,
    candidates: Option<Candidates>,
    history: History,
    /// `[generation]`: see [`progress`](Self::progress).
    best: Vec<u64>,
    counters: Counters,
    stop_reason: Option<StopReason>,
    #[serde(with = "super::seen")]
    seen: Seen,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open: Option<OpenGeneration>,
    /// The last generation's allocations, for the next one: new ones of this size would be pages to clear.
    #[serde(skip)]
    spare: OpenGeneration,
}

/// One stream per operator.
#[derive(Debug, Serialize, Deserialize)]
struct Streams {
    initial: Stream,
    recombination: Stream,
    mutation: Stream,
    migration: Stream,
}

/// A generation whose new individuals are being scored.
#[derive(Debug, Default, Serialize, Deserialize)]
struct OpenGeneration {
    /// Fresh individuals that the accuracy bound has still to accept.
    fresh_missing: usize,
    fresh_origin: Option<Origin>,
    /// New individuals, and the position in the request of the mask that is theirs.
    waiting: Vec<(usize, usize)>,
    /// Of the requested masks, those that belong to individuals.
    individuals: usize,
    /// Hashes of these masks, and where they stand, while they are being gathered.
    #[serde(skip)]
    requested: ByHash<usize>,
    /// The requested masks: individuals, then candidates.
    #[serde(with = "packed")]
    masks: Vec<u32>,
    minimum: Vec<u32>,
}

impl OpenGeneration {
    /// Forgets the masks of the last request.
    fn clear_request(&mut self) {
        self.individuals = 0;
        self.masks.clear();
        self.minimum.clear();
    }
}

impl Search {
    /// A search with resolved settings on a training set of `samples` samples, with the configuration's
    /// [objectives](ResolvedGenetic::objectives). The same seed gives the same search, whatever scores its masks.
    pub fn new(
        config: ResolvedGenetic,
        architecture: Architecture,
        samples: usize,
        objectives: &[Objective],
        seed: u64,
    ) -> Self {
        Self::begin_with(config, architecture, samples, objectives, (seed, &[]))
    }

    /// The same, whose initial population has the masks of `start`, as far as it has room; the others are random.
    pub fn begin_with(
        config: ResolvedGenetic,
        architecture: Architecture,
        samples: usize,
        objectives: &[Objective],
        (seed, start): (u64, &[Vec<u32>]),
    ) -> Self {
        let ranking = Ranking::new(&config, objectives[0], samples);
        let goals = Goals::new(&config, objectives, &architecture, samples);
        Self::with_candidate_block(config, architecture, (ranking, goals), (seed, start), CANDIDATE_BLOCK)
    }

    fn with_candidate_block(
        config: ResolvedGenetic,
        architecture: Architecture,
        (ranking, goals): (Ranking, Goals),
        (seed, start): (u64, &[Vec<u32>]),
        block: usize,
    ) -> Self {
        let schedule = config.accuracy_bound.as_ref().map(BoundSchedule::new);
        let candidates = schedule.map(|schedule| Candidates::new(schedule, ranking.samples(), block));
        let stream = |concern| random::stream(seed, concern);
        let mut search = Self {
            streams: Streams {
                initial: stream(Concern::InitialPopulation),
                recombination: stream(Concern::Recombination),
                mutation: stream(Concern::Mutation),
                migration: stream(Concern::Migration),
            },
            population: Population::new(&architecture),
            generation: 0,
            candidates,
            history: History::default(),
            best: Vec::new(),
            counters: Counters::default(),
            stop_reason: None,
            seen: Seen::default(),
            open: None,
            spare: OpenGeneration::default(),
            config,
            architecture,
            ranking,
            goals,
        };
        let mut open = OpenGeneration::default();
        let given = start.iter().take(search.config.population);
        for mask in given {
            let index = search.population.push(Origin::Initial, 0);
            search.population.mask_mut(index).copy_from_slice(mask);
        }
        search.ask_for_all_since(&mut open, 0);
        let missing = search.config.population - search.population.len();
        search.add_fresh(&mut open, missing, Origin::Initial);
        search.open = Some(open);
        search
    }

    /// The masks to score next; none when the search has ended.
    pub fn request(&mut self) -> Option<Request<'_>> {
        while self.open.is_none() {
            if self.stop_reason.is_some() {
                return None;
            }
            self.begin_generation();
        }
        let mut open = self.open.take().expect("an open generation");
        if open.fresh_missing > 0 && open.minimum.len() == open.individuals {
            self.ask_for_candidates(&mut open);
        }
        let open = self.open.insert(open);
        Some(Request { masks: &open.masks, minimum: &open.minimum, objectives: self.goals.asked() })
    }

    /// Takes the answers to the last [`request`](Self::request), `[objectives, masks]`: a mask's score on the training
    /// set, or none when its count is below the minimum.
    ///
    /// # Panics
    /// If nothing was requested, the lengths differ, or a score without a minimum is missing.
    pub fn supply(&mut self, answers: &[Option<Score>]) {
        let mut open = self.open.take().expect("scores answer a request");
        let (masks, asked) = (open.minimum.len(), self.goals.asked().len());
        assert_eq!(answers.len(), masks * asked, "one answer per requested mask and objective");
        let answers: Vec<Option<Scores>> = (0..masks).map(|mask| together(answers, mask, masks)).collect();
        let individuals = open.masks.chunks(self.architecture.mask_words()).take(open.individuals);
        for (mask, answer) in individuals.zip(&answers) {
            self.seen.insert(hash(mask), answer.expect("individuals have no minimum"));
        }
        for (individual, position) in open.waiting.drain(..) {
            let scores = answers[position].expect("individuals have no minimum");
            self.population.set_scores(individual, scores);
        }
        if let Some(candidates) = &mut self.candidates {
            candidates.supply(&answers[open.individuals..]);
            self.judge_candidates(&mut open);
        }
        open.clear_request();
        if open.fresh_missing > 0 {
            self.open = Some(open);
        } else {
            self.spare = open;
            self.complete_generation();
        }
    }

    /// Ends the search with the last complete generation. Without one, nothing can be said of the population.
    pub fn interrupt(&mut self) {
        if self.open.take().is_some() && self.generation > 0 {
            let members = self.population.members();
            let last: Vec<usize> =
                (0..members.len()).filter(|&n| members[n].born < self.generation).collect();
            self.population.keep(&last);
            self.generation -= 1;
        }
        self.stop_reason.get_or_insert(StopReason::Interrupted);
    }

    /// Is the last generation that was begun complete?
    pub fn is_between_generations(&self) -> bool {
        self.open.is_none()
    }

    /// Goes on until `termination` is reached, which [`check`](Self::check) has found to be no earlier than now.
    pub fn end_by(&mut self, termination: &Termination) {
        self.config.termination = termination.clone();
        let is_complete = self.open.is_none() && !self.best.is_empty();
        self.stop_reason = if is_complete { termination.reached(&self.best) } else { None };
    }

    pub fn stop_reason(&self) -> Option<StopReason> {
        self.stop_reason
    }

    /// How individuals are ranked.
    pub fn ranking(&self) -> &Ranking {
        &self.ranking
    }

    /// What is asked of each mask, and what several objectives come to.
    pub fn goals(&self) -> &Goals {
        &self.goals
    }

    /// The present population; between generations, every individual has its score.
    pub fn population(&self) -> &Population {
        &self.population
    }

    pub fn history(&self) -> &History {
        &self.history
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Where the search is, as in `generation 12`.
    pub fn whereabouts(&self) -> String {
        if self.history.is_empty() {
            let (drawn, wanted) = (self.population.len(), self.config.population);
            return format!("its initial population ({drawn} of {wanted} individuals)");
        }
        format!("generation {}", self.generations())
    }

    /// Complete generations behind the initial population.
    pub fn generations(&self) -> usize {
        self.history.len().saturating_sub(1)
    }

    fn begin_generation(&mut self) {
        self.generation += 1;
        let incumbents = self.population.len();
        let (config, architecture) = (&self.config, &self.architecture);
        let (population, generation) = (&mut self.population, self.generation);
        let rng = &mut self.streams.recombination;
        crossover::recombine(population, &self.ranking, config, architecture, generation, rng);
        mutation::mutate(population, config, architecture, generation, &mut self.streams.mutation);
        let mut open = std::mem::take(&mut self.spare);
        open.requested.clear();
        self.ask_for_all_since(&mut open, incumbents);
        self.add_fresh(&mut open, self.config.migrants(), Origin::Migrant);
        if open.fresh_missing > 0 || !open.waiting.is_empty() {
            self.open = Some(open);
        } else {
            self.spare = open;
            self.complete_generation();
        }
    }

    /// Appends `count` fresh individuals, or makes them wait for the accuracy bound.
    fn add_fresh(&mut self, open: &mut OpenGeneration, count: usize, origin: Origin) {
        if self.candidates.is_some() {
            open.fresh_missing = count;
            open.fresh_origin = Some(origin);
            self.judge_candidates(open);
            return;
        }
        let first = self.population.len();
        for _ in 0..count {
            let index = self.population.push(origin, self.generation);
            let rng = stream_of(&mut self.streams, origin);
            mask::randomize(self.population.mask_mut(index), self.architecture.weights(), rng);
        }
        self.ask_for_all_since(open, first);
    }

    /// Requests the individuals from `first` on, apart from masks that are known already.
    fn ask_for_all_since(&mut self, open: &mut OpenGeneration, first: usize) {
        for individual in first..self.population.len() {
            let mask = self.population.mask(individual);
            let hash = hash(mask);
            self.counters.asked += 1;
            if let Some(&scores) = self.seen.get(&hash) {
                self.population.set_scores(individual, scores);
                continue;
            }
            let position = *open.requested.entry(hash).or_insert_with(|| {
                self.counters.made += 1;
                open.masks.extend_from_slice(mask);
                open.minimum.push(0);
                open.individuals += 1;
                open.individuals - 1
            });
            open.waiting.push((individual, position));
        }
    }

    fn ask_for_candidates(&mut self, open: &mut OpenGeneration) {
        let candidates = self.candidates.as_mut().expect("fresh individuals wait only for a bound");
        let origin = open.fresh_origin.expect("set with fresh_missing");
        let rng = stream_of(&mut self.streams, origin);
        let (count, minimum) = candidates.request(&self.architecture, rng, &mut open.masks);
        open.minimum.extend(std::iter::repeat_n(minimum, count));
    }

    /// Accepts fresh individuals as long as the scores at hand allow.
    fn judge_candidates(&mut self, open: &mut OpenGeneration) {
        let candidates = self.candidates.as_mut().expect("fresh individuals wait only for a bound");
        let origin = open.fresh_origin.expect("set with fresh_missing");
        while open.fresh_missing > 0 {
            let verdict = candidates.judge(&self.architecture);
            self.counters.asked += verdict.judged;
            self.counters.made += verdict.judged;
            let Some((mask, scores)) = verdict.accepted else { break };
            self.seen.insert(hash(&mask), scores);
            let index = self.population.push(origin, self.generation);
            self.population.mask_mut(index).copy_from_slice(&mask);
            self.population.set_scores(index, scores);
            open.fresh_missing -= 1;
        }
    }

    /// What stands still where the search does: the first part of the best fitness, or the hypervolume.
    fn progress(&self) -> u64 {
        if let Some(&volume) = self.history.hypervolume.last() {
            return volume.to_bits();
        }
        let firsts = self.population.members().iter().map(|member| self.ranking.first(member));
        firsts.max().expect("a population has individuals")
    }

    fn complete_generation(&mut self) {
        let (population, ranking, survivors) = (&mut self.population, &self.ranking, self.config.population);
        if self.generation == 0 {
            self.goals.learn_references(population);
            if let Some(candidates) = &mut self.candidates {
                candidates.clear();
            }
        }
        match (self.config.selection, self.generation) {
            // The initial population, too: tournaments go by the order of individuals.
            (Selection::Nsga2, _) => nsga2::survive(population, &self.goals, survivors),
            (_, 0) => {}
            (Selection::Truncation, _) => selection::select(population, ranking, survivors),
            (Selection::Crowding, _) => selection::crowd(population, ranking, survivors),
        }
        let bound = self.candidates.as_ref().map(Candidates::bound);
        let judged_by = (&self.ranking, &self.goals);
        self.history.push(&self.population, judged_by, self.generation, bound, self.counters.asked);
        self.best.push(self.progress());
        self.stop_reason = self.config.termination.reached(&self.best);
    }
}

/// The scores of the mask at this place of so many `masks`, of `[objectives, masks]` answers.
fn together(answers: &[Option<Score>], mask: usize, masks: usize) -> Option<Scores> {
    let mut scores = Scores::default();
    for (loss, answer) in scores.losses.iter_mut().zip(answers.iter().skip(mask).step_by(masks)) {
        let score = (*answer)?;
        scores.correct = score.correct;
        *loss = score.loss;
    }
    Some(scores)
}

fn stream_of(streams: &mut Streams, origin: Origin) -> &mut Stream {
    if origin == Origin::Initial { &mut streams.initial } else { &mut streams.migration }
}

mod check;
#[cfg(test)]
mod tests;
