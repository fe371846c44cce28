//! One run of the genetic algorithm, as a state that asks for scores and is told them.

use super::accuracy_bound::BoundSchedule;
use super::config::{GeneticConfig, Selection};
use super::history::History;
use super::migration::{CANDIDATE_BLOCK, Candidates};
use super::population::{Origin, Population};
use super::ranking::Ranking;
use super::{crossover, mutation, selection};
use crate::flaw::Flaw;
use crate::mask::{self, packed};
use crate::network::Architecture;
use crate::objective::{Objective, Score};
use crate::random::{self, Concern, Stream};
use crate::search::StopReason;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use xxhash_rust::xxh3::xxh3_128;

/// Masks to score on the training set.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `[masks, words per mask]`.
    pub masks: &'a [u32],
    /// `[masks]`: counts below it need not be known exactly.
    pub minimum: &'a [u32],
    /// What they are judged by.
    pub objective: Objective,
}

/// How many evaluations a search took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Individuals whose fitness was needed, rejected candidates included.
    pub asked: u64,
    /// Those that had not been seen before in the run, and so were evaluated.
    pub made: u64,
}

/// A run of the genetic algorithm. Serialised before a request or while one is being answered, it is a checkpoint.
#[derive(Debug, Serialize, Deserialize)]
pub struct Search {
    config: GeneticConfig,
    architecture: Architecture,
    ranking: Ranking,
    streams: Streams,
    population: Population,
    /// The generation that is being made, or, between generations, the last one made.
    generation: u32,
    candidates: Option<Candidates>,
    history: History,
    /// `[generation]`: the first part of the best fitness.
    best: Vec<u64>,
    counters: Counters,
    stop_reason: Option<StopReason>,
    #[serde(with = "seen_masks")]
    seen: ByHash<Score>,
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

/// A map whose keys are hashes already, of which it takes the low 64 bits as they are.
type ByHash<V> = HashMap<u128, V, BuildHasherDefault<TakenAsIs>>;

#[derive(Default)]
struct TakenAsIs(u64);

impl Hasher for TakenAsIs {
    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are of 128 bits");
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Search {
    /// A search with resolved settings on a training set of `samples` samples, with the `objective` of
    /// [`GeneticConfig::objective`]. The same seed gives the same search, whatever scores its masks.
    pub fn new(
        config: GeneticConfig,
        architecture: Architecture,
        samples: usize,
        objective: Objective,
        seed: u64,
    ) -> Self {
        let ranking = Ranking::new(&config, objective, samples);
        Self::with_candidate_block(config, architecture, ranking, seed, CANDIDATE_BLOCK)
    }

    fn with_candidate_block(
        config: GeneticConfig,
        architecture: Architecture,
        ranking: Ranking,
        seed: u64,
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
            seen: ByHash::default(),
            open: None,
            spare: OpenGeneration::default(),
            config,
            architecture,
            ranking,
        };
        let mut open = OpenGeneration::default();
        search.add_fresh(&mut open, search.config.population, Origin::Initial);
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
        Some(Request { masks: &open.masks, minimum: &open.minimum, objective: self.ranking.objective() })
    }

    /// Takes the answers to the last [`request`](Self::request): per mask its score on the training set, or
    /// none when its count is below the minimum.
    ///
    /// # Panics
    /// If nothing was requested, the lengths differ, or a score without a minimum is missing.
    pub fn supply(&mut self, answers: &[Option<Score>]) {
        let mut open = self.open.take().expect("scores answer a request");
        assert_eq!(answers.len(), open.minimum.len(), "one answer per requested mask");
        let individuals = open.masks.chunks(self.architecture.mask_words()).take(open.individuals);
        for (mask, answer) in individuals.zip(answers) {
            self.seen.insert(hash(mask), answer.expect("individuals have no minimum"));
        }
        for (individual, position) in open.waiting.drain(..) {
            let score = answers[position].expect("individuals have no minimum");
            self.population.set_score(individual, score);
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

    /// Could this be an unfinished search with these resolved settings on `samples` training samples?
    ///
    /// # Errors
    /// Says what is impossible.
    pub fn check(
        &self,
        config: &GeneticConfig,
        architecture: &Architecture,
        samples: usize,
    ) -> Result<(), Flaw> {
        let is_ours = self.config == *config && self.architecture == *architecture;
        if !is_ours || !self.ranking.is_of(config, samples) {
            return Err("a search for something else".into());
        }
        if self.stop_reason.is_some() || self.candidates.is_some() != config.accuracy_bound.is_some() {
            return Err("a search that has ended, or of another kind".into());
        }
        let complete = self.generation as usize + usize::from(self.open.is_none());
        if self.history.len() != complete || self.best.len() != complete || !self.history.is_whole() {
            return Err("a history of another length".into());
        }
        self.population.check(architecture, samples)?;
        if self.open.is_none() && self.population.len() != config.population {
            return Err("a population of another size".into());
        }
        let is_counted = self.counters.made <= self.counters.asked;
        if !is_counted || self.seen.values().any(|score| score.correct as usize > samples) {
            return Err("impossible counts".into());
        }
        if let Some(candidates) = &self.candidates {
            candidates.check(architecture, samples)?;
        }
        self.open.as_ref().map_or(Ok(()), |open| self.check_open(open))
    }

    fn check_open(&self, open: &OpenGeneration) -> Result<(), Flaw> {
        let (asked, words) = (open.minimum.len(), self.architecture.mask_words());
        let population = &self.population;
        let is_request = open.masks.len() == asked * words
            && open.individuals <= asked
            && open.minimum[..open.individuals].iter().all(|&minimum| minimum == 0);
        let known = population.len() + open.fresh_missing;
        let has_all = if self.generation == 0 {
            known == self.config.population
        } else {
            population.len() >= self.config.population
        };
        let is_awaited = |&(individual, position): &(usize, usize)| {
            individual < population.len() && position < open.individuals
        };
        let waits_for_bound =
            open.fresh_missing == 0 || (self.candidates.is_some() && open.fresh_origin.is_some());
        let waiting = self.candidates.as_ref().map_or(0, Candidates::waiting);
        let fits =
            asked - open.individuals.min(asked) <= waiting && open.fresh_missing <= self.config.population;
        if is_request && has_all && waits_for_bound && fits && open.waiting.iter().all(is_awaited) {
            return Ok(());
        }
        Err("an impossible generation".into())
    }

    pub fn stop_reason(&self) -> Option<StopReason> {
        self.stop_reason
    }

    /// How individuals are ranked.
    pub fn ranking(&self) -> &Ranking {
        &self.ranking
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
            if let Some(&score) = self.seen.get(&hash) {
                self.population.set_score(individual, score);
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
            let Some((mask, score)) = verdict.accepted else { break };
            self.seen.insert(hash(&mask), score);
            let index = self.population.push(origin, self.generation);
            self.population.mask_mut(index).copy_from_slice(&mask);
            self.population.set_score(index, score);
            open.fresh_missing -= 1;
        }
    }

    fn complete_generation(&mut self) {
        if self.generation > 0 {
            let (config, population, ranking) = (&self.config, &mut self.population, &self.ranking);
            match config.selection {
                Selection::Truncation => selection::select(population, ranking, config.population),
                Selection::Crowding => selection::crowd(population, ranking, config.population),
            }
        } else if let Some(candidates) = &mut self.candidates {
            candidates.clear();
        }
        let bound = self.candidates.as_ref().map(Candidates::bound);
        self.history.push(&self.population, &self.ranking, self.generation, bound, self.counters.asked);
        let firsts = self.population.members().iter().map(|member| self.ranking.first(member));
        self.best.push(firsts.max().expect("a population has individuals"));
        self.stop_reason = self.config.termination.reached(&self.best);
    }
}

fn stream_of(streams: &mut Streams, origin: Origin) -> &mut Stream {
    if origin == Origin::Initial { &mut streams.initial } else { &mut streams.migration }
}

/// 128 bits of a mask: the chance that any two of a billion different masks agree is below 1e-20.
fn hash(mask: &[u32]) -> u128 {
    xxh3_128(bytemuck::cast_slice(mask))
}

/// Scores of masks seen, in a checkpoint: seven words each, sorted.
mod seen_masks {
    use super::{ByHash, Score};
    use crate::mask::packed;
    use serde::{Deserializer, Serializer, de::Error};

    type Seen = ByHash<Score>;

    const WORDS: usize = 7;

    pub fn serialize<S: Serializer>(seen: &Seen, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entries: Vec<_> = seen.iter().collect();
        entries.sort_unstable_by_key(|(hash, _)| **hash);
        let words = |(hash, score): (&u128, &Score)| -> [u32; WORDS] {
            let hash = [*hash, hash >> 32, hash >> 64, hash >> 96].map(|part| part as u32);
            let loss = [score.loss as u32, (score.loss >> 32) as u32];
            [hash[0], hash[1], hash[2], hash[3], score.correct, loss[0], loss[1]]
        };
        packed::serialize(&entries.into_iter().flat_map(words).collect::<Vec<u32>>(), serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Seen, D::Error> {
        let words = packed::deserialize(deserializer)?;
        if words.len() % WORDS != 0 {
            return Err(D::Error::custom("seen masks are cut short"));
        }
        let hash = |w: &[u32]| (0..4).fold(0u128, |hash, n| hash | u128::from(w[n]) << (32 * n));
        let score = |w: &[u32]| Score { loss: u64::from(w[5]) | u64::from(w[6]) << 32, correct: w[4] };
        Ok(words.chunks_exact(WORDS).map(|w| (hash(w), score(w))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::MutationOperator;
    use super::*;
    use crate::dataset::Samples;
    use crate::evaluate::{Arithmetic, plain};
    use crate::network::{Network, NetworkConfig};
    use crate::objective::Fitness;
    use serde_json::json;

    /// Two half planes: learnable by a handful of neurons.
    fn half_planes() -> Samples {
        let features: Vec<f32> =
            (0..200).flat_map(|n| [(n % 20) as f32 / 10.0 - 0.95, (n / 20) as f32 / 5.0 - 0.9]).collect();
        let labels = features.chunks(2).map(|x| u32::from(x[0] + 0.5 * x[1] > 0.1)).collect();
        Samples { features, labels, width: 2 }
    }

    fn network() -> Network {
        let config: NetworkConfig = serde_json::from_str(r#"{"layers": [2, 8, 2]}"#).expect("valid");
        config.build(5).expect("a network")
    }

    fn answer(search: &mut Search, network: &Network, samples: &Samples) -> bool {
        let words = network.architecture().mask_words();
        let Some(request) = search.request() else { return false };
        assert!(!request.minimum.is_empty(), "a request asks for something");
        let score =
            |mask: &[u32]| plain::score(network, mask, samples, &request.objective, Arithmetic::Fused);
        let answers: Vec<Option<Score>> = request
            .masks
            .chunks(words)
            .zip(request.minimum)
            .map(|(mask, &minimum)| Some(score(mask)).filter(|score| score.correct >= minimum))
            .collect();
        search.supply(&answers);
        true
    }

    fn config(adaptive: bool) -> GeneticConfig {
        let mut config = if adaptive { GeneticConfig::adaptive() } else { GeneticConfig::default() };
        config.population = 20;
        config.termination.max_generations = Some(40);
        if let Some(bound) = &mut config.accuracy_bound {
            (bound.tries_soft, bound.tries_max) = (8, 20);
        }
        config.resolve(network().architecture(), 0.5).expect("valid")
    }

    fn run(adaptive: bool, seed: u64, block: usize) -> Search {
        run_with(&config(adaptive), seed, block)
    }

    fn run_with(config: &GeneticConfig, seed: u64, block: usize) -> Search {
        let (network, samples) = (network(), half_planes());
        let mut search = begin(config, seed, block);
        while answer(&mut search, &network, &samples) {}
        search
    }

    fn begin(config: &GeneticConfig, seed: u64, block: usize) -> Search {
        let (network, samples) = (network(), half_planes());
        let objective = config.objective(&network, &samples, seed, Arithmetic::Fused).expect("a margin");
        let ranking = Ranking::new(config, objective, samples.len());
        Search::with_candidate_block(config.clone(), network.architecture().clone(), ranking, seed, block)
    }

    /// Both configurations of the paper, by accuracy and by each loss, and one with crowding.
    fn every_fitness() -> Vec<GeneticConfig> {
        let all = [Fitness::Accuracy, Fitness::Margin, Fitness::CrossEntropy];
        let with = |adaptive: bool| all.map(|fitness| GeneticConfig { fitness, ..config(adaptive) });
        let crowded = GeneticConfig { selection: Selection::Crowding, ..with(true)[1].clone() };
        [&with(false)[..], &with(true), &[crowded]].concat()
    }

    fn outcome(search: &Search) -> (Vec<u32>, &History, Counters) {
        let population = search.population();
        (population.mask(population.best(search.ranking())).to_vec(), search.history(), search.counters())
    }

    #[test]
    fn the_best_accuracy_never_falls_and_the_population_keeps_its_size() {
        for adaptive in [false, true] {
            let search = run(adaptive, 1, CANDIDATE_BLOCK);
            let best = &search.history().best_correct;
            assert_eq!(best.len(), 41);
            assert!(best.windows(2).all(|pair| pair[0] <= pair[1]), "{best:?}");
            assert!(best[40] > best[0], "{best:?}");
            assert_eq!(search.population().len(), 20);
            assert_eq!(search.stop_reason(), Some(StopReason::MaxGenerations));
        }
    }

    #[test]
    fn a_seed_repeats_its_search_and_another_seed_differs() {
        for adaptive in [false, true] {
            let [once, again, other] = [3, 3, 4].map(|seed| run(adaptive, seed, CANDIDATE_BLOCK));
            assert_eq!(outcome(&once), outcome(&again));
            assert_ne!(outcome(&once), outcome(&other));
        }
    }

    #[test]
    fn candidates_drawn_ahead_in_blocks_give_what_one_at_a_time_gives() {
        let one_at_a_time = run(true, 6, 1);
        for block in [2, 7, 64, 256] {
            let in_blocks = run(true, 6, block);
            assert!(outcome(&in_blocks) == outcome(&one_at_a_time), "block {block} differs");
        }
        let bounds = &one_at_a_time.history().accuracy_bound;
        assert!(
            bounds.first() > bounds.last(),
            "the bound must fall for this test to mean anything: {bounds:?}"
        );
    }

    #[test]
    fn the_lowest_loss_never_rises_and_has_an_entry_for_every_generation() {
        for config in every_fitness().iter().filter(|config| config.fitness != Fitness::Accuracy) {
            let search = run_with(config, 1, CANDIDATE_BLOCK);
            let lowest = &search.history().best_loss;
            assert_eq!(lowest.len(), search.history().len());
            assert!(lowest.windows(2).all(|pair| pair[0] >= pair[1]), "{lowest:?}");
            assert!(lowest[40] < lowest[0], "{lowest:?}");
            let members = search.population().members();
            let most = members.iter().map(|member| member.correct).max();
            assert_eq!(Some(members[search.population().best(search.ranking())].correct), most);
        }
        assert!(run(false, 1, CANDIDATE_BLOCK).history().best_loss.is_empty());
    }

    #[test]
    fn crowding_keeps_a_population_more_diverse_and_still_improves() {
        for seed in [1, 2, 3] {
            let [truncated, crowded] = [Selection::Truncation, Selection::Crowding].map(|selection| {
                run_with(&GeneticConfig { selection, ..config(false) }, seed, CANDIDATE_BLOCK)
            });
            let (best, diversity) = (&crowded.history().best_correct, &crowded.history().diversity);
            assert_eq!(crowded.population().len(), 20);
            assert!(best.windows(2).all(|pair| pair[0] <= pair[1]) && best[40] > best[0], "{best:?}");
            assert!(diversity[40] > 2.0 * truncated.history().diversity[40], "{diversity:?}");
        }
    }

    #[test]
    fn operators_give_searches_of_their_own_that_improve() {
        let operators =
            [MutationOperator::SingleBit, MutationOperator::HeavyTailed, MutationOperator::PerBit];
        let searches = operators.map(|mutation_operator| {
            run_with(&GeneticConfig { mutation_operator, ..config(true) }, 5, CANDIDATE_BLOCK)
        });
        let best = searches.each_ref().map(|search| &search.history().best_correct);
        assert!(best.iter().all(|best| best[40] > best[0]));
        assert!(best[0] != best[1] && best[1] != best[2] && best[0] != best[2]);
    }

    #[test]
    fn a_checkpoint_goes_on_as_if_nothing_had_happened() {
        let (network, samples) = (network(), half_planes());
        for config in every_fitness() {
            let undisturbed = run_with(&config, 9, CANDIDATE_BLOCK);
            let mut search = begin(&config, 9, CANDIDATE_BLOCK);
            while answer(&mut search, &network, &samples) {
                search = saved_and_restored(&search, &config);
                // In the middle of a generation too: before its next request, and while that is being answered.
                if search.request().is_some() {
                    search = saved_and_restored(&search, &config);
                }
            }
            assert_eq!(outcome(&search), outcome(&undisturbed));
        }
    }

    fn saved_and_restored(search: &Search, config: &GeneticConfig) -> Search {
        let saved = serde_json::to_string(search).expect("serialises");
        let restored: Search = serde_json::from_str(&saved).expect("deserialises");
        if restored.stop_reason.is_none() {
            restored.check(config, network().architecture(), 200).expect("a possible state");
        }
        restored
    }

    #[test]
    fn an_interrupted_search_has_its_last_complete_generation() {
        let (network, samples) = (network(), half_planes());
        let config = config(true);
        let mut search = begin(&config, 9, CANDIDATE_BLOCK);
        while search.generations() < 3 || search.is_between_generations() {
            answer(&mut search, &network, &samples);
            search.request();
        }
        search.interrupt();
        assert_eq!((search.population().len(), search.generations()), (20, 3));
        assert_eq!(search.stop_reason(), Some(StopReason::Interrupted));
        let best = search.population().best(search.ranking());
        let found = &search.population().members()[best];
        assert_eq!(Some(&found.correct), search.history().best_correct.last());
    }

    #[test]
    fn states_that_cannot_be_are_refused() {
        let config = config(true);
        let mut search = begin(&config, 9, CANDIDATE_BLOCK);
        for _ in 0..40 {
            answer(&mut search, &network(), &half_planes());
        }
        search.request();
        let saved = serde_json::to_value(&search).expect("serialises");
        let refusal = |pointer: &str, value: serde_json::Value| {
            let mut changed = saved.clone();
            *changed.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer} in {saved}")) = value;
            let read: Result<Search, _> = serde_json::from_value(changed);
            let checked = read.map_err(|error| error.to_string()).and_then(|search| {
                let checked = search.check(&config, network().architecture(), 200);
                checked.map_err(|flaw| flaw.to_string())
            });
            checked.expect_err(pointer)
        };
        for (pointer, value) in [
            ("/population/members/0/correct", json!(4484)),
            ("/population/members/0/slot", json!(10_000)),
            ("/population/members/1/slot", saved["population"]["members"][0]["slot"].clone()),
            ("/population/store", json!("AAAA")),
            ("/population/store", json!("")),
            ("/ranking/samples", json!(100)),
            ("/history/mean_accuracy", json!([])),
            ("/history/mean_accuracy/0", json!(null)),
            ("/candidates/schedule/bound", json!(2.0)),
            ("/candidates/waiting/0/mask", json!("AAAA////AAAA")),
            ("/counters/made", json!(u64::MAX)),
            ("/config/population", json!(21)),
            ("/generation", json!(7)),
            ("/open/individuals", json!(1000)),
            ("/open/masks", json!("AAAA////")),
            ("/stop_reason", json!("stalled")),
        ] {
            println!("{pointer}: {}", refusal(pointer, value));
        }
    }

    #[test]
    fn a_mask_is_evaluated_once() {
        let search = run(false, 2, CANDIDATE_BLOCK);
        let counters = search.counters();
        assert_eq!(counters.made, search.seen.len() as u64);
        assert!(counters.made < counters.asked, "{counters:?}");
    }

    #[test]
    fn a_required_path_is_kept_by_every_individual() {
        let search = run(true, 8, CANDIDATE_BLOCK);
        let population = search.population();
        for index in
            (0..population.len()).filter(|&index| population.members()[index].origin != Origin::Initial)
        {
            assert!(mask::has_path(population.mask(index), &search.architecture));
        }
    }
}
