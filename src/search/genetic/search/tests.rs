use super::*;
use crate::dataset::Samples;
use crate::evaluate::{Arithmetic, plain};
use crate::network::{Network, NetworkInit};
use crate::objective::Fitness;
use crate::objective::measure::Measure;
use crate::search::genetic::GeneticConfig;
use crate::search::genetic::config::MutationOperator;
use serde_json::json;

/// Two half planes: learnable by a handful of neurons.
fn half_planes() -> Samples {
    let features: Vec<f32> =
        (0..200).flat_map(|n| [(n % 20) as f32 / 10.0 - 0.95, (n / 20) as f32 / 5.0 - 0.9]).collect();
    let labels = features.chunks(2).map(|x| u32::from(x[0] + 0.5 * x[1] > 0.1)).collect();
    Samples { features, labels, width: 2 }
}

fn network() -> Network {
    let config: NetworkInit = serde_json::from_str(r#"{"layers": [2, 8, 2]}"#).expect("valid");
    config.build(5).expect("a network")
}

fn answer(search: &mut Search, network: &Network, samples: &Samples) -> bool {
    let words = network.architecture().mask_words();
    let Some(request) = search.request() else { return false };
    assert!(!request.minimum.is_empty(), "a request asks for something");
    let mut answers: Vec<Option<Score>> = Vec::new();
    for objective in request.objectives {
        let score = |mask: &[u32]| plain::score(network, mask, samples, objective, Arithmetic::Fused);
        answers.extend(
            request
                .masks
                .chunks(words)
                .zip(request.minimum)
                .map(|(mask, &minimum)| Some(score(mask)).filter(|score| score.correct >= minimum)),
        );
    }
    search.supply(&answers);
    true
}

fn config(adaptive: bool) -> ResolvedGenetic {
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

fn run_with(config: &ResolvedGenetic, seed: u64, block: usize) -> Search {
    let (network, samples) = (network(), half_planes());
    let mut search = begin(config, seed, block);
    while answer(&mut search, &network, &samples) {}
    search
}

fn begin(config: &ResolvedGenetic, seed: u64, block: usize) -> Search {
    let (network, samples) = (network(), half_planes());
    let objectives = config.objectives(&network, &samples, seed, Arithmetic::Fused).expect("a margin");
    let ranking = Ranking::new(config, objectives[0], samples.len());
    let goals = Goals::new(config, &objectives, network.architecture(), samples.len());
    Search::with_candidate_block(
        config.clone(),
        network.architecture().clone(),
        (ranking, goals),
        (seed, &[]),
        block,
    )
}

/// Searches with several objectives: the default ones, three of them with two losses, and with the accuracy bound.
fn several_objectives() -> Vec<ResolvedGenetic> {
    let names = |objectives: serde_json::Value| serde_json::from_value(objectives).expect("names");
    let with = |adaptive: bool, objectives: serde_json::Value| ResolvedGenetic {
        selection: Selection::Nsga2,
        objectives: names(objectives),
        ..config(adaptive)
    };
    vec![
        with(false, json!(["accuracy", "sparsity"])),
        with(false, json!(["balanced_accuracy", "sparsity", "margin"])),
        with(true, json!(["sparsity", "cross_entropy", "accuracy"])),
    ]
}

/// Both configurations of the paper, by accuracy and by each loss, and one with crowding.
fn every_fitness() -> Vec<ResolvedGenetic> {
    let all = [
        Fitness::Accuracy,
        Fitness::Margin,
        Fitness::CrossEntropy,
        Fitness::Measure(Measure::BalancedAccuracy),
    ];
    let with = |adaptive: bool| all.clone().map(|fitness| ResolvedGenetic { fitness, ..config(adaptive) });
    let crowded = ResolvedGenetic { selection: Selection::Crowding, ..with(true)[1].clone() };
    [&with(false)[..], &with(true), &[crowded]].concat()
}

fn outcome(search: &Search) -> (Vec<u32>, &History, Counters) {
    let population = search.population();
    let best = search.goals().best(population, search.ranking());
    (population.mask(best).to_vec(), search.history(), search.counters())
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
    assert!(bounds.first() > bounds.last(), "the bound must fall for this test to mean anything: {bounds:?}");
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
        let ticket = members[search.population().best(search.ranking())];
        if search.ranking().objective().is_summed() {
            assert_eq!(Some(ticket.correct), members.iter().map(|member| member.correct).max());
        } else {
            assert_eq!(Some(ticket.loss()), members.iter().map(|member| member.loss()).min());
        }
    }
    assert!(run(false, 1, CANDIDATE_BLOCK).history().best_loss.is_empty());
}

#[test]
fn crowding_keeps_a_population_more_diverse_and_still_improves() {
    for seed in [1, 2, 3] {
        let [truncated, crowded] = [Selection::Truncation, Selection::Crowding].map(|selection| {
            run_with(&ResolvedGenetic { selection, ..config(false) }, seed, CANDIDATE_BLOCK)
        });
        let (best, diversity) = (&crowded.history().best_correct, &crowded.history().diversity);
        assert_eq!(crowded.population().len(), 20);
        assert!(best.windows(2).all(|pair| pair[0] <= pair[1]) && best[40] > best[0], "{best:?}");
        assert!(diversity[40] > 2.0 * truncated.history().diversity[40], "{diversity:?}");
    }
}

#[test]
fn several_objectives_give_a_front_that_nothing_dominates_and_that_grows() {
    for config in several_objectives() {
        let search = run_with(&config, 4, CANDIDATE_BLOCK);
        let (population, goals) = (search.population(), search.goals());
        assert_eq!(population.len(), 20);
        let front = goals.front(population, search.ranking());
        let losses = |n: usize| goals.losses(&population.members()[n], population.weights());
        let dominates = |one: usize, other: usize| {
            losses(one) != losses(other)
                && losses(one).iter().zip(losses(other)).all(|(one, other)| *one <= other)
        };
        let is_dominated = |&n: &usize| (0..population.len()).any(|other| dominates(other, n));
        assert!(front.len() > 3 && !front.iter().any(is_dominated), "{front:?}");
        let others = (0..population.len()).filter(|n| !front.contains(n));
        assert!(others.into_iter().all(|n| is_dominated(&n)
            || front.iter().any(|&of_front| population.mask(of_front) == population.mask(n))));
        let claims = front.iter().map(|&n| search.ranking().claim(&population.members()[n]));
        assert!(claims.is_sorted_by(|one, next| one >= next), "the ticket comes first");
        let volumes = &search.history().hypervolume;
        assert_eq!(volumes.len(), 41);
        assert!(0.0 < volumes[0] && volumes[0] < volumes[40] && volumes[40] < 1.0, "{volumes:?}");
        let sparsest = &search.history().highest_sparsity;
        assert!(sparsest[40] > sparsest[0]);
    }
    assert!(run(false, 4, CANDIDATE_BLOCK).history().hypervolume.is_empty());
}

#[test]
fn operators_give_searches_of_their_own_that_improve() {
    let operators = [MutationOperator::SingleBit, MutationOperator::HeavyTailed, MutationOperator::PerBit];
    let searches = operators.map(|mutation_operator| {
        run_with(&ResolvedGenetic { mutation_operator, ..config(true) }, 5, CANDIDATE_BLOCK)
    });
    let best = searches.each_ref().map(|search| &search.history().best_correct);
    assert!(best.iter().all(|best| best[40] > best[0]));
    assert!(best[0] != best[1] && best[1] != best[2] && best[0] != best[2]);
}

#[test]
fn a_checkpoint_goes_on_as_if_nothing_had_happened() {
    let (network, samples) = (network(), half_planes());
    for config in every_fitness().into_iter().chain(several_objectives()) {
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

fn saved_and_restored(search: &Search, config: &ResolvedGenetic) -> Search {
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
    let best = search.goals().best(search.population(), search.ranking());
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
        ("/goals/asked", json!([])),
        ("/goals/aims", json!(["sparsity"])),
        ("/goals/references", json!([1])),
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
    for index in (0..population.len()).filter(|&index| population.members()[index].origin != Origin::Initial)
    {
        assert!(mask::has_path(population.mask(index), &search.architecture));
    }
}
