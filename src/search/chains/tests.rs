//! Local search on parents that are made up: what they cost is a function of the mask, and nothing is evaluated.

use super::*;
use crate::evaluate::neighbours::Candidate;
use crate::mask;
use crate::network::{Architecture, Network, NetworkInit};
use crate::random::{Concern, stream};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Costs ten on each chunk for every bit in which its mask differs from the target, and some more for each move since
/// it was exact, as if by drift.
struct MadeUp {
    target: Vec<u32>,
    /// Do only bits cost something that the target has and the mask has not?
    only_missing: bool,
    drift: u64,
    /// Bits whose absence only exact counts see.
    hidden: Vec<u32>,
    all_chunks: usize,
    mask: Vec<u32>,
    chunks: usize,
    moves: u64,
    multiply_adds: u64,
    /// What it was asked for.
    asked: Vec<&'static str>,
}

impl MadeUp {
    fn new(target: &[u32], all_chunks: usize) -> Self {
        Self {
            target: target.to_vec(),
            only_missing: false,
            drift: 1,
            hidden: Vec::new(),
            all_chunks,
            mask: Vec::new(),
            chunks: 0,
            moves: 0,
            multiply_adds: 0,
            asked: Vec::new(),
        }
    }

    /// One that needs some bits and does not mind others.
    fn needing(target: &[u32]) -> Self {
        Self { only_missing: true, drift: 0, ..Self::new(target, 8) }
    }

    fn distance(&self, mask: &[u32]) -> u64 {
        let differ = |(a, b): (&u32, &u32)| if self.only_missing { !a & b } else { a ^ b };
        mask.iter().zip(&self.target).map(differ).map(|bits| u64::from(bits.count_ones())).sum()
    }

    fn cost(&self) -> u64 {
        let is_overlooked = |&&bit: &&u32| !mask::get(&self.mask, bit as usize);
        let hidden =
            if self.moves == 0 { 0 } else { self.hidden.iter().filter(is_overlooked).count() as u64 };
        10 * self.chunks as u64 * (self.distance(&self.mask) - hidden) + self.drift * self.moves
    }

    fn step(&mut self, flips: &[u32]) {
        flips.iter().for_each(|&bit| mask::flip(&mut self.mask, bit as usize));
        self.moves += 1;
    }

    fn change(&mut self, candidate: &Candidate<'_>) -> Option<i64> {
        let (mask, moves, before) = (self.mask.clone(), self.moves, self.cost() as i64);
        self.step(candidate.flips);
        let change = self.cost() as i64 - before;
        (self.mask, self.moves) = (mask, moves);
        (change <= candidate.allowed).then_some(change)
    }

    fn answer(&mut self, request: &ParentRequest<'_>) -> ParentAnswer {
        self.multiply_adds += 1;
        let (name, answer) = match request {
            ParentRequest::Begin { mask, chunks, moves, is_again } => {
                (self.mask, self.chunks, self.moves) = (mask.to_vec(), *chunks, 0);
                moves.iter().for_each(|flips| self.step(flips));
                if *is_again {
                    self.multiply_adds = 0;
                }
                ("begin", ParentAnswer::Cost(self.cost()))
            }
            ParentRequest::LookAt(chunks) => {
                (self.chunks, self.moves) = (*chunks, 0);
                ("look at", ParentAnswer::Cost(self.cost()))
            }
            ParentRequest::Refresh => {
                assert!(self.asked.contains(&"begin"), "nothing to refresh");
                self.moves = 0;
                ("refresh", ParentAnswer::Cost(self.cost()))
            }
            ParentRequest::Wrong => {
                assert_eq!(self.moves, 0, "the history has exact entries");
                ("wrong", ParentAnswer::Wrong(self.distance(&self.mask)))
            }
            ParentRequest::Screen { candidates, .. } => {
                let changes = candidates.iter().map(|candidate| self.change(candidate)).collect();
                ("screen", ParentAnswer::Changes(changes))
            }
            ParentRequest::Attempt { candidate, .. } => {
                let passed = self.change(candidate).is_some();
                if passed {
                    self.step(candidate.flips);
                }
                ("attempt", ParentAnswer::Attempt { passed, cost: self.cost(), is_exact: self.moves == 0 })
            }
            ParentRequest::ExactCost(mask) => {
                let cost = 10 * self.all_chunks as u64 * self.distance(mask);
                ("exact cost", ParentAnswer::Cost(cost))
            }
        };
        self.asked.push(name);
        answer
    }
}

fn architecture() -> Architecture {
    vec![6, 8, 4].try_into().expect("an architecture")
}

fn terrain() -> Arc<Terrain> {
    Arc::new(Terrain { architecture: architecture(), unit_per_sample: 1.0, chunk_samples: vec![16; 8] })
}

/// A mask of one's own for each seed.
fn random_mask(seed: u64) -> Vec<u32> {
    let mut mask = vec![0; architecture().mask_words()];
    mask::randomize(&mut mask, architecture().weights(), &mut stream(seed, Concern::InitialPopulation));
    mask
}

fn settings(changes: Value) -> LocalSearchConfig {
    let mut settings = json!({"fitness": "accuracy", "proposals": 600, "refresh": 5});
    settings.as_object_mut().expect("an object").extend(changes.as_object().expect("an object").clone());
    serde_json::from_value(settings).expect("settings")
}

fn kinds() -> [LocalSearchConfig; 4] {
    [
        settings(json!({})),
        settings(json!({"batch": 7, "swap_rate": 0.4})),
        settings(json!({"batch": 4, "temperature": {"start": 0.1, "end": 0.001}, "weight_price": 0.002})),
        settings(
            json!({"growth": {"samples": 16, "until": 0.6}, "temperature": {"start": 0.3, "end": 0.01}}),
        ),
    ]
}

fn fresh(seed: u64) -> ChainState {
    ChainState::new(random_mask(seed), stream(seed, Concern::LocalSearch))
}

/// A copy by way of a file.
fn restored<T: Serialize + DeserializeOwned>(state: &T) -> T {
    serde_json::from_str(&serde_json::to_string(state).expect("a text")).expect("a state")
}

/// Walks on from `state`; `at_rest` is told of every state that could be gone on from.
fn walk(
    schedule: ChainSchedule,
    state: ChainState,
    parent: &mut MadeUp,
    mut at_rest: impl FnMut(&ChainState),
) -> Walk {
    let mut chain = Chain::new(terrain(), schedule, state);
    while let Some(request) = chain.ask() {
        let answer = parent.answer(&request);
        chain.tell(answer);
        if chain.at_rest().is_some() {
            parent.asked.push("rest");
            chain.count(std::mem::take(&mut parent.multiply_adds));
        }
        chain.at_rest().into_iter().for_each(&mut at_rest);
    }
    chain.count(std::mem::take(&mut parent.multiply_adds));
    let mut walk = chain.into_walk();
    walk.history.seconds.clear();
    walk
}

#[test]
fn a_chain_improves_and_says_what_it_did() {
    for config in kinds() {
        let mut parent = MadeUp::new(&random_mask(9), 8);
        let walk = walk(ChainSchedule::of_chains(&Arc::new(config.clone())), fresh(1), &mut parent, |_| {});
        let first = 80 * parent.distance(&random_mask(1));
        assert!(walk.cost * 4 < first, "{} of {first} with {config:?}", walk.cost);
        assert_eq!(walk.cost, 80 * parent.distance(&walk.mask));
        assert_eq!((walk.proposals, walk.history.proposals.last()), (600, Some(&600)));
        assert!(walk.accepted >= 10 && walk.history.proposals.len() >= 40);
        let attempts = parent.asked.iter().filter(|&&name| name == "attempt").count();
        assert!(attempts >= 10 && walk.multiply_adds > attempts as u64);
    }
}

#[test]
fn a_chain_that_is_restored_goes_on_as_if_nothing_had_been() {
    for config in kinds() {
        let schedule = ChainSchedule::of_chains(&Arc::new(config.clone()));
        let mut states = Vec::new();
        let mut parent = MadeUp::new(&random_mask(9), 8);
        let whole = walk(schedule.clone(), fresh(1), &mut parent, |state| states.push(restored(state)));
        assert!(states.iter().any(|state| !state.moves.is_empty()), "moves that were not yet exact");
        for state in states.into_iter().step_by(3) {
            state.check(architecture().weights(), config.proposals).expect("a possible state");
            let mut parent = MadeUp::new(&random_mask(9), 8);
            assert_eq!(walk(schedule.clone(), state, &mut parent, |_| {}), whole);
        }
    }
}

#[test]
fn a_chain_asks_in_an_order_that_can_be_relied_on() {
    let mut seen = BTreeSet::new();
    for config in kinds() {
        let mut parent = MadeUp::new(&random_mask(9), 8);
        walk(ChainSchedule::of_chains(&Arc::new(config.clone())), fresh(1), &mut parent, |_| {});
        let asked = &parent.asked;
        assert_eq!((asked[0], asked[1], asked[2]), ("begin", "wrong", "rest"));
        assert_eq!(asked[asked.len() - 2..], ["rest", "exact cost"]);
        for pair in asked.windows(2) {
            let follows = match pair[1] {
                "wrong" => pair[0] != "rest",
                "screen" | "exact cost" => pair[0] == "rest",
                "attempt" => ["rest", "screen", "attempt"].contains(&pair[0]),
                "begin" => false,
                "rest" => pair[0] != "rest",
                _ => ["attempt", "screen", "refresh"].contains(&pair[0]),
            };
            assert!(follows, "{} after {}", pair[1], pair[0]);
            seen.insert(pair[1]);
        }
    }
    assert_eq!(seen.len(), 7, "everything was asked for: {seen:?}");
}

#[test]
fn what_is_asked_again_is_the_same() {
    let (terrain, config) = (terrain(), settings(json!({"batch": 3})));
    let mut chain = Chain::new(terrain, ChainSchedule::of_chains(&Arc::new(config.clone())), fresh(1));
    let mut parent = MadeUp::new(&random_mask(9), 8);
    for _ in 0..50 {
        let first = format!("{:?}", chain.ask());
        let again = chain.ask().expect("a request");
        assert_eq!(first, format!("{:?}", Some(&again)));
        let answer = parent.answer(&again);
        chain.tell(answer);
    }
}

#[test]
#[should_panic(expected = "is no answer to Begin")]
fn an_answer_to_something_else_is_refused() {
    let (terrain, config) = (terrain(), settings(json!({})));
    let mut chain = Chain::new(terrain, ChainSchedule::of_chains(&Arc::new(config.clone())), fresh(1));
    chain.ask();
    chain.tell(ParentAnswer::Wrong(3));
}

fn network() -> Network {
    let config: NetworkInit = serde_json::from_value(json!({"layers": [6, 8, 4]})).expect("a network");
    config.build(1).expect("a network")
}

/// Prunes on from `state`; `at_rest` is told of every state that could be gone on from.
fn prune(state: PruningState, parent: &mut MadeUp, mut at_rest: impl FnMut(&PruningState)) -> PruningState {
    let network = network();
    let mut pruning = Pruning::new(&network, None, 8, state);
    while let Some(request) = pruning.ask() {
        let answer = parent.answer(&request);
        pruning.tell(answer);
        if pruning.at_rest().is_some() {
            pruning.count(std::mem::take(&mut parent.multiply_adds));
        }
        pruning.at_rest().into_iter().for_each(&mut at_rest);
    }
    pruning.count(std::mem::take(&mut parent.multiply_adds));
    pruning.into_state()
}

/// All weights, and those of them that are needed.
fn whole_and_needed() -> (Vec<u32>, Vec<u32>) {
    let (mut whole, mut needed) = (vec![0; architecture().mask_words()], random_mask(5));
    (0..architecture().weights()).for_each(|bit| mask::flip(&mut whole, bit));
    let missing = (0..80).find(|&bit| !mask::get(&needed, bit)).expect("a bit that is not set");
    mask::flip(&mut needed, missing);
    (whole, needed)
}

#[test]
fn pruning_removes_what_is_not_needed_and_is_restored_as_it_was() {
    let (whole, needed) = whole_and_needed();
    let mut states = Vec::new();
    let mut parent = MadeUp::needing(&needed);
    let pruned = prune(PruningState::new(whole.clone()), &mut parent, |state| states.push(restored(state)));
    assert_eq!(pruned.mask(), needed);
    let removed = mask::count_ones(&whole) - mask::count_ones(&needed);
    assert_eq!(pruned.pruned().weights_removed, removed);
    // Once all, and then those that are left.
    assert_eq!(pruned.pruned().tries as usize, mask::count_ones(&whole) + mask::count_ones(&needed));
    for state in states.into_iter().step_by(5) {
        state.check(architecture().weights()).expect("a possible state");
        assert_eq!(prune(state, &mut MadeUp::needing(&needed), |_| {}), pruned);
    }
}

#[test]
fn removals_that_rounding_has_misled_are_undone() {
    let (whole, needed) = whole_and_needed();
    let overlooked = (0..80).rfind(|&bit| mask::get(&needed, bit)).expect("a bit that is set");
    let mut parent = MadeUp { hidden: vec![overlooked as u32], ..MadeUp::needing(&needed) };
    // One weight too many is removed, of which only the exact count tells.
    let pruned = prune(PruningState::new(whole.clone()), &mut parent, |_| {});
    assert_eq!(pruned.mask(), whole);
    assert_eq!(parent.asked.iter().filter(|&&name| name == "begin").count(), 2, "it began again");
    assert_eq!(pruned.pruned().weights_removed, 0);
}

/// A whole search that is saved and restored before everything that it does, where `restores`.
fn search(config: &LocalSearchConfig, restores: bool) -> LocalSearch {
    let mut search = LocalSearch::new(config.clone(), architecture(), 3);
    let renew = |search: &mut LocalSearch| {
        search.check(config, &architecture()).expect("a possible state");
        if restores {
            *search = restored(search);
        }
    };
    let parent = || MadeUp::new(&random_mask(9), 8);
    for n in 0..config.chains {
        renew(&mut search);
        let state = search.chain(n).expect("a chain that has not ended");
        let ended = walk(ChainSchedule::of_chains(&Arc::new(config.clone())), state, &mut parent(), |_| {});
        search.end_chain(n, Walk { history: ChainHistory::default(), ..ended });
    }
    renew(&mut search);
    let words = architecture().mask_words();
    let masks = search.unconfirmed().expect("chains that were not confirmed");
    search.confirm(masks.chunks(words).map(|mask| 80 - parent().distance(mask) as u32).collect());
    while let Some(state) = search.pruning() {
        renew(&mut search);
        search.end_pruning(prune(state, &mut MadeUp::needing(&random_mask(9)), |_| {}));
    }
    while let Some((state, price)) = search.front_chain() {
        renew(&mut search);
        let front = config.front.as_ref().expect("a front");
        let schedule = ChainSchedule::of_front(&Arc::new(config.clone()), front, price);
        search.end_front_chain(walk(schedule, state, &mut parent(), |_| {}));
    }
    renew(&mut search);
    search
}

#[test]
fn a_search_that_is_restored_at_every_turn_finds_the_same() {
    let front = json!({"steps": 3, "proposals": 200, "first_price": 0.3, "growth": 3.0});
    let config = settings(json!({"chains": 3, "prune": true, "proposals": 150, "front": front}));
    let whole = search(&config, false);
    assert_eq!(whole, search(&config, true));
    let best = whole.correct().iter().max().expect("counts");
    let winner = &whole.winner().expect("a winner").mask;
    assert_eq!(u64::from(80 - best), MadeUp::new(&random_mask(9), 8).distance(winner));
    assert!(whole.pruned().is_some() && whole.unconfirmed().is_none());
    let prices: Vec<f64> = whole.front().map(|(price, _)| price).collect();
    assert_eq!(prices, [0.3, 0.3 * 3.0, 0.3 * 3.0 * 3.0]);
    let kept: Vec<usize> = whole.front().map(|(_, mask)| mask::count_ones(mask)).collect();
    assert!(kept[2] < kept[0], "{kept:?}");
    assert_eq!(whole.proposals(), config.total_proposals());
}

#[test]
fn a_search_that_is_interrupted_has_the_best_of_what_its_chains_had_found() {
    let config = settings(json!({"chains": 2, "prune": true}));
    let mut search = LocalSearch::new(config, architecture(), 3);
    let start = search.chain(1).expect("a chain").mask;
    search.interrupt();
    assert!(search.chain(0).is_none() && search.proposals() == 0);
    search.confirm(vec![5, 7]);
    assert_eq!(search.ticket(), Some(&start[..]));
    assert!(search.pruning().is_none() && search.front_chain().is_none());
}

#[test]
fn states_of_other_searches_are_refused() {
    let config = settings(json!({"chains": 2}));
    let search = LocalSearch::new(config.clone(), architecture(), 3);
    assert!(search.check(&settings(json!({"chains": 3})), &architecture()).is_err());
    assert!(search.check(&config, &vec![6, 9, 4].try_into().expect("an architecture")).is_err());
    let mut text = serde_json::to_value(&search).expect("JSON");
    text["correct"] = json!([70, 71]);
    let confirmed: LocalSearch = serde_json::from_value(text).expect("a state");
    assert!(confirmed.check(&config, &architecture()).is_err(), "its chains have not ended");
}

/// What a caller may make of a mask: the share of the target's bits, less a tenth for each other bit.
fn scores(masks: &[u32]) -> Vec<f64> {
    let target = random_mask(77);
    let score = |mask: &[u32]| {
        let both = mask.iter().zip(&target).map(|(a, b)| (a & b).count_ones()).sum::<u32>();
        f64::from(both) - 0.1 * f64::from(mask::count_ones(mask) as u32 - both)
    };
    masks.chunks_exact(architecture().mask_words()).map(score).collect()
}

#[test]
fn scored_chains_find_what_the_caller_likes_and_go_on_from_any_state() {
    for changes in [
        json!({}),
        json!({"chains": 3, "batch": 5, "temperature": {"start": 0.5, "end": 0.01}, "swap_rate": 0.3}),
    ] {
        let mut changes = changes;
        changes["fitness"] = json!("margin");
        let begin = || ScoredSearch::new(settings(changes.clone()), architecture(), 4).expect("settings");
        let (mut whole, mut stopped, mut rounds) = (begin(), begin(), 0);
        while let Some(masks) = whole.ask() {
            let told = scores(masks);
            whole.tell(&told);
            rounds += 1;
        }
        let (best, score) = whole.best().expect("a mask");
        assert_eq!(scores(best), [score]);
        assert_eq!(score, f64::from(mask::count_ones(&random_mask(77)) as u32), "{changes}");
        let mut round = 0;
        while let Some(masks) = stopped.ask() {
            let told = scores(masks);
            stopped.tell(&told);
            round += 1;
            if round % 97 == 0 {
                stopped.ask();
                stopped = ScoredSearch::resume(restored(&stopped.state()), &architecture()).expect("a state");
            }
        }
        assert!(rounds > 97 && stopped.best() == whole.best() && stopped.proposals() == whole.proposals());
    }
    for (key, value) in
        [("prune", json!(true)), ("growth", json!({})), ("train_samples", json!(3)), ("front", json!({}))]
    {
        let error = ScoredSearch::new(settings(json!({"fitness": "margin", key: value})), architecture(), 4);
        assert_eq!(error.expect_err("no samples").key(), key);
    }
}
