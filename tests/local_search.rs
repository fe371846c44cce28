//! Local searches repeat, whatever the number of threads; find what is there; and report exact counts.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use supermask::dataset::{Dataset, DatasetConfig};
use supermask::evaluate::plain::count_correct;
use supermask::evaluate::{AdapterChoice, Arithmetic, Backend, CpuBackend, GpuBackend, adapter};
use supermask::mask;
use supermask::meter::Taken;
use supermask::network::{Network, NetworkConfig};
use supermask::run::local_search_driver::search;
use supermask::run::{LocalSearchResult, Phase, SavedSearch, Watch};
use supermask::search::chains::{ChainProgress, LocalSearchConfig};

fn digits() -> Arc<Dataset> {
    let config: DatasetConfig =
        serde_json::from_str(r#"{"kind": "digits", "classes": 3}"#).expect("a data set");
    Arc::new(config.load().expect("the digits"))
}

fn network(seed: u64) -> Network {
    let config: NetworkConfig = serde_json::from_str(r#"{"layers": [64, 12, 3]}"#).expect("a network");
    config.build(seed).expect("a network")
}

fn settings(json: &str) -> LocalSearchConfig {
    serde_json::from_str(json).expect("settings")
}

fn found_with(threads: usize, config: &LocalSearchConfig, seed: u64) -> LocalSearchResult {
    watched(threads, config, seed, &Watch::new(&AtomicBool::new(false)))
}

fn watched(threads: usize, config: &LocalSearchConfig, seed: u64, watch: &Watch<'_>) -> LocalSearchResult {
    watched_on(&CpuBackend(Arithmetic::Fused), threads, config, seed, watch)
}

fn watched_on(
    device: &dyn Backend,
    threads: usize,
    config: &LocalSearchConfig,
    seed: u64,
    watch: &Watch<'_>,
) -> LocalSearchResult {
    let network = network(seed);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
    pool.install(|| search(config, &network, &digits(), device, seed, watch).expect("a search"))
}

/// The software adapter; a machine without one fails.
fn software() -> &'static GpuBackend {
    static GPU: OnceLock<GpuBackend> = OnceLock::new();
    GPU.get_or_init(|| {
        adapter::open_gpu(&AdapterChoice::Software)
            .expect("these tests need a software adapter (Mesa's lavapipe)")
    })
}

/// What must repeat: all but the time.
fn without_time(mut found: LocalSearchResult) -> LocalSearchResult {
    found.taken = Taken::default();
    found.facts.history.seconds.clear();
    found
}

const KINDS: [&str; 5] = [
    r#"{"proposals": 3000, "batch": 16}"#,
    r#"{"proposals": 3000, "chains": 3, "swap_rate": 0.5, "temperature": {"start": 1e-3, "end": 1e-6}, "race": null}"#,
    r#"{"proposals": 3000, "batch": 8, "growth": {"samples": 64, "until": 0.5}, "weight_price": 1e-5}"#,
    r#"{"proposals": 2000, "fitness": "accuracy", "train_samples": 200, "temperature": {"start": 0.02, "end": 2e-5}}"#,
    r#"{"proposals": 1000, "chains": 4,
        "front": {"steps": 2, "proposals": 500, "first_price": 1e-4, "growth": 4.0}}"#,
];

#[test]
fn a_search_repeats_with_any_number_of_threads_and_differs_by_seed() {
    for kind in KINDS {
        let config = settings(kind);
        let one = without_time(found_with(1, &config, 1));
        assert_eq!(one, without_time(found_with(3, &config, 1)), "{kind}");
        assert_ne!(one.mask, found_with(1, &config, 2).mask, "{kind}");
    }
}

#[test]
fn a_search_says_what_it_is_at_from_the_first_phase_to_the_last() {
    let config = settings(
        r#"{"proposals": 200, "chains": 2, "prune": true,
            "front": {"steps": 1, "proposals": 80, "first_price": 1e-4, "growth": 4.0}}"#,
    );
    let (stop, phases) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let announce = |phase| phases.lock().expect("phases").push(phase);
    watched(2, &config, 1, &Watch::new(&stop).announcing(&announce));
    let expected = [
        Phase::Spread,
        Phase::Preparing,
        Phase::FirstSums,
        Phase::Walking,
        Phase::Confirming,
        Phase::Pruning,
        Phase::Front,
        Phase::Scoring,
    ];
    assert_eq!(phases.into_inner().expect("phases"), expected);
}

/// Shorter ones, for a device on which each proposal is a round trip.
const SHORT_KINDS: [&str; 6] = [
    r#"{"proposals": 320, "batch": 16, "refresh": 3}"#,
    r#"{"proposals": 60, "chains": 2, "swap_rate": 0.5, "temperature": {"start": 1e-3, "end": 1e-6}, "race": null}"#,
    r#"{"proposals": 320, "batch": 8, "growth": {"samples": 64, "until": 0.5}, "weight_price": 1e-5}"#,
    r#"{"proposals": 160, "batch": 4, "fitness": "accuracy", "train_samples": 200, "chains": 2, "swap_rate": 0.3,
        "temperature": {"start": 0.02, "end": 2e-5}, "race": 0.5}"#,
    r#"{"proposals": 160, "chains": 3, "batch": 8,
        "front": {"steps": 1, "proposals": 80, "first_price": 1e-4, "growth": 4.0}, "prune": true}"#,
    r#"{"proposals": 0}"#,
];

/// What is the same wherever neighbours are scored.
fn without_device(found: LocalSearchResult) -> LocalSearchResult {
    let mut found = without_time(found);
    found.facts.neighbours = None;
    found.facts.work.multiply_adds = 0;
    found
}

#[test]
fn a_search_on_a_device_goes_the_way_of_the_cpus() {
    let device = software();
    let host = CpuBackend(device.arithmetic());
    for kind in SHORT_KINDS {
        let config = settings(kind);
        let stop = AtomicBool::new(false);
        let found =
            |device: &dyn Backend, threads| watched_on(device, threads, &config, 1, &Watch::new(&stop));
        let (ours, theirs) = (found(device, 2), found(&host, 2));
        assert_eq!(ours.facts.neighbours.as_ref(), Some(&device.info()), "{kind}");
        assert!(!ours.facts.recomputed && ours.facts.work.multiply_adds > 0);
        assert!(ours.facts.work.accepted >= 10 || config.proposals == 0, "{kind}: {:?}", ours.facts.work);
        assert_eq!(without_device(ours.clone()), without_device(theirs), "{kind}");
        assert_eq!(without_time(ours), without_time(found(device, 1)), "{kind}");
    }
}

#[test]
fn a_gpu_that_nobody_asked_for_scores_only_large_batches_of_neighbours() {
    let by_default = GpuBackend::new(software().device().clone(), false);
    for (kind, place) in [
        (r#"{"proposals": 8, "batch": 8}"#, CpuBackend(by_default.arithmetic()).info()),
        (r#"{"proposals": 64, "batch": 64}"#, by_default.info()),
    ] {
        let found = watched_on(&by_default, 1, &settings(kind), 1, &Watch::new(&AtomicBool::new(false)));
        assert_eq!(found.facts.neighbours, Some(place), "{kind}");
    }
}

#[test]
fn a_search_on_a_device_in_pieces_finds_what_an_undisturbed_one_does() {
    let config = settings(SHORT_KINDS[2]);
    let (found, stops) = found_in_pieces(software(), &config, 1, 20);
    assert!(stops >= 1);
    let whole = watched_on(software(), 2, &config, 1, &Watch::new(&AtomicBool::new(false)));
    assert_eq!(without_time(found), without_time(whole));
}

/// Stops the search again and again, when its chains have come to so many points of their histories, and
/// goes on from what was saved.
fn found_in_pieces(
    device: &dyn Backend,
    config: &LocalSearchConfig,
    seed: u64,
    points: usize,
) -> (LocalSearchResult, usize) {
    let saved: Mutex<Option<SavedSearch>> = Mutex::default();
    for stops in 0.. {
        let stop = AtomicBool::new(false);
        let save = |state: &SavedSearch| {
            let text = serde_json::to_string(state).expect("states serialise");
            *saved.lock().expect("a state") = Some(serde_json::from_str(&text).expect("a state"));
        };
        let told = AtomicUsize::new(0);
        let tell = |_: u64, _: Option<ChainProgress>| {
            stop.fetch_or(told.fetch_add(1, Ordering::Relaxed) == points, Ordering::Relaxed);
        };
        let state = saved.lock().expect("a state").clone();
        let mut watch = Watch::new(&stop).saving(&save).telling(&tell);
        if let Some(state) = state {
            watch = watch.from(state);
        }
        let found = watched_on(device, 2, config, seed, &watch);
        if !found.is_stopped {
            return (found, stops);
        }
    }
    unreachable!("every piece brings the search nearer to its end")
}

#[test]
fn a_search_in_pieces_finds_what_an_undisturbed_one_does() {
    for kind in KINDS {
        let config = settings(kind);
        // A front is done in one piece.
        let device = CpuBackend(Arithmetic::Fused);
        let (found, stops) =
            found_in_pieces(&device, &config, 1, if config.front.is_some() { 200 } else { 20 });
        assert!(stops >= 1, "{kind}");
        assert_eq!(without_time(found), without_time(found_with(2, &config, 1)), "{kind}");
    }
}

#[test]
fn a_search_that_is_stopped_tells_the_best_of_what_it_found() {
    let stop = AtomicBool::new(true);
    let config = settings(KINDS[3]);
    let found = watched(2, &config, 1, &Watch::new(&stop));
    assert!(found.is_stopped && found.facts.work.proposals == 0 && found.facts.front.is_empty());
    let count = count_correct(&network(1), &found.mask, &digits().train, Arithmetic::Fused);
    assert_eq!(found.train_correct, count);
}

#[test]
fn the_counts_reported_are_those_of_the_plain_form() {
    let dataset = digits();
    for kind in KINDS {
        let found = found_with(2, &settings(kind), 1);
        let count = |samples| count_correct(&network(1), &found.mask, samples, Arithmetic::Fused);
        assert_eq!(found.train_correct, count(&dataset.train), "{kind}");
        assert_eq!(found.test_correct, count(&dataset.test), "{kind}");
        assert_eq!(found.train_correct, *found.facts.members_train_correct.iter().max().expect("members"));
        assert_eq!(found.weights_kept, mask::count_ones(&found.mask));
    }
}

#[test]
fn a_search_learns_and_no_search_does_not() {
    let learned = found_with(2, &settings(r#"{"proposals": 10000}"#), 1);
    let samples = digits().train.len() as u32;
    assert!(learned.train_correct * 100 >= samples * 97, "{} of {samples}", learned.train_correct);
    let blind = found_with(2, &settings(r#"{"proposals": 0}"#), 1);
    assert!(blind.train_correct * 100 <= samples * 75, "{} of {samples}", blind.train_correct);
}

#[test]
fn a_cold_search_never_gets_worse() {
    let found = found_with(1, &settings(r#"{"proposals": 5000, "refresh": 10}"#), 3);
    let cost = &found.facts.history.cost;
    assert!(cost.len() >= 40);
    // A refresh corrects the drift of ten flips: a part in a million.
    assert!(cost.windows(2).all(|pair| pair[1] as f64 <= pair[0] as f64 * 1.000_001));
    assert!(cost[cost.len() - 1] * 4 < cost[0]);
}

#[test]
fn a_front_is_sparser_from_step_to_step() {
    let config = settings(
        r#"{"proposals": 10000, "front": {"steps": 4, "proposals": 5000, "first_price": 1e-4, "growth": 4.0}}"#,
    );
    let found = found_with(2, &config, 1);
    let sparsities: Vec<f64> = found.facts.front.iter().map(|point| point.sparsity).collect();
    assert_eq!(sparsities.len(), 4);
    assert!(sparsities[0] > 0.5 && sparsities[3] > 0.8, "{sparsities:?}");
    assert!(sparsities.windows(2).all(|pair| pair[0] <= pair[1] + 0.01), "{sparsities:?}");
}

#[test]
fn a_pruned_ticket_is_as_good_and_misses_each_weight_that_it_keeps() {
    let settings = |prune| settings(&format!(r#"{{"proposals": 5000, "prune": {prune}, "race": null}}"#));
    let (whole, pruned) = (found_with(1, &settings(false), 1), found_with(3, &settings(true), 1));
    let removed = pruned.facts.pruned.expect("it was asked for").weights_removed;
    assert_eq!(pruned.weights_kept, whole.weights_kept - removed);
    assert!(removed * 4 > whole.weights_kept, "{removed} of {}", whole.weights_kept);
    assert!(pruned.train_correct >= whole.train_correct);
    let (dataset, network) = (digits(), network(1));
    let kept = (0..network.architecture().weights()).filter(|&bit| mask::get(&pruned.mask, bit));
    for bit in kept {
        let mut without = pruned.mask.clone();
        mask::flip(&mut without, bit);
        let correct = count_correct(&network, &without, &dataset.train, Arithmetic::Fused);
        assert!(correct < whole.train_correct, "{bit} is not needed");
    }
}

#[test]
fn settings_without_sense_are_refused_by_name() {
    for (json, key) in [
        (r#"{"chains": 0}"#, "chains"),
        (r#"{"race": -1.0}"#, "race"),
        (r#"{"temperature": {"start": 1.0}}"#, "temperature"),
        (r#"{"initial_density": 1.5}"#, "initial_density"),
        (r#"{"growth": {"samples": 0}}"#, "growth.samples"),
        (r#"{"growth": {"until": 2}}"#, "growth.until"),
        (r#"{"weight_price": -1}"#, "weight_price"),
    ] {
        let error = settings(json).validate().expect_err("no sense");
        assert!(error.to_string().contains(key), "{error}");
    }
    assert!(serde_json::from_str::<LocalSearchConfig>(r#"{"chain": 2}"#).is_err());
}
