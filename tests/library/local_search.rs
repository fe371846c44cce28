//! Local searches repeat, whatever the number of threads; find what is there; and report exact counts.

use crate::adapter;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use supermask::dataset::{Dataset, DatasetConfig};
use supermask::evaluate::plain::count_correct;
use supermask::evaluate::{Arithmetic, Backend, CpuBackend, GpuBackend};
use supermask::mask;
use supermask::network::{Network, NetworkInit};
use supermask::run::config::RunConfig;
use supermask::run::record::Record;
use supermask::run::{self, Begun, Control, Observer, Progress, Run, RunError, Saving};
use supermask::search::StopReason;
use supermask::search::chains::{LocalSearchConfig, LocalSearchFacts};
use supermask::timing::Timing;

const DIGITS: &str = r#"{"kind": "digits", "classes": 3}"#;
const NETWORK: &str = r#"{"layers": [64, 12, 3]}"#;

fn digits() -> Arc<Dataset> {
    let config: DatasetConfig = serde_json::from_str(DIGITS).expect("a data set");
    Arc::new(config.load().expect("the digits"))
}

fn network(seed: u64) -> Network {
    let config: NetworkInit = serde_json::from_str(NETWORK).expect("a network");
    config.build(seed).expect("a network")
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// A local search with these settings.
fn local_search(settings: &str, seed: u64) -> Run {
    let mut algorithm = json_of(settings);
    algorithm["kind"] = json!("local_search");
    let config = json!({
        "name": "test", "seed": seed, "dataset": json_of(DIGITS), "network": json_of(NETWORK), "algorithm": algorithm
    });
    let config =
        RunConfig::from_value(config).expect("settings").resolve(&digits()).expect("settings with sense");
    Run { cell: config.cell(), config }
}

fn found_with(threads: usize, settings: &str, seed: u64) -> Record {
    let never = AtomicBool::new(false);
    found_on(&CpuBackend(Arithmetic::Fused), threads, settings, seed, &Control::stopping_at(&never))
}

fn found_on(
    device: &dyn Backend,
    threads: usize,
    settings: &str,
    seed: u64,
    control: &Control<'_>,
) -> Record {
    let run = local_search(settings, seed);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
    let record = pool.install(|| run::run(&run, &digits(), device, control));
    record.expect("a search").expect("a record")
}

fn facts(record: &Record) -> &LocalSearchFacts {
    record.local_search.as_ref().expect("a local search")
}

/// The ticket's words.
fn ticket(record: &Record) -> Vec<u32> {
    record.mask().expect("a ticket").expect("a mask")
}

/// The tests' adapter, shared by all of them.
fn on_adapter() -> &'static GpuBackend {
    static GPU: OnceLock<GpuBackend> = OnceLock::new();
    GPU.get_or_init(adapter::open)
}

/// What must repeat: all but the time.
fn without_time(mut found: Record) -> Record {
    found.timing = Timing::default();
    found.local_search.as_mut().expect("a local search").history.seconds.clear();
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
        let one = without_time(found_with(1, kind, 1));
        assert_eq!(one, without_time(found_with(3, kind, 1)), "{kind}");
        assert_ne!(ticket(&one), ticket(&found_with(1, kind, 2)), "{kind}");
    }
}

/// Takes note of the phases that a run comes to.
#[derive(Default)]
struct Phases(Mutex<Vec<String>>);

impl Observer for Phases {
    fn phase(&self, _run: &Run, phase: &str) {
        self.0.lock().expect("phases").push(phase.to_owned());
    }
}

#[test]
fn a_search_says_what_it_is_at_from_the_first_phase_to_the_last() {
    let settings = r#"{"proposals": 200, "chains": 2, "prune": true,
        "front": {"steps": 2, "proposals": 80, "first_price": 1e-4, "growth": 4.0}}"#;
    let (stop, phases) = (AtomicBool::new(false), Phases::default());
    let control = Control { observer: &phases, ..Control::stopping_at(&stop) };
    found_on(&CpuBackend(Arithmetic::Fused), 2, settings, 1, &control);
    let expected = [
        "estimating the spread of the outputs",
        "laying out the samples",
        "computing all sums of the first masks",
        "searching",
        "scoring what the chains came to",
        "pruning the ticket",
        "searching for sparser masks",
        "scoring the ticket",
    ];
    assert_eq!(phases.0.into_inner().expect("phases"), expected);
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
    r#"{"proposals": 1}"#,
];

/// What is the same wherever neighbours are scored.
fn without_device(found: Record) -> Record {
    let mut found = without_time(found);
    found.adapter = CpuBackend(found.arithmetic).info();
    let facts = found.local_search.as_mut().expect("a local search");
    facts.neighbours = None;
    facts.work.multiply_adds = 0;
    found
}

#[test]
fn a_search_on_a_device_goes_the_way_of_the_cpus() {
    let device = on_adapter();
    let host = CpuBackend(device.arithmetic());
    for kind in SHORT_KINDS {
        let never = AtomicBool::new(false);
        let control = Control::stopping_at(&never);
        let found = |device: &dyn Backend, threads| found_on(device, threads, kind, 1, &control);
        let (ours, theirs) = (found(device, 2), found(&host, 2));
        let facts = facts(&ours);
        assert_eq!(facts.neighbours.as_ref(), Some(&device.info()), "{kind}");
        assert!(!facts.recomputed && facts.work.multiply_adds > 0);
        let is_blind = json_of(kind)["proposals"] == 1;
        assert!(facts.work.accepted >= 10 || is_blind, "{kind}: {:?}", facts.work);
        assert_eq!(without_device(ours.clone()), without_device(theirs), "{kind}");
        assert_eq!(without_time(ours), without_time(found(device, 1)), "{kind}");
    }
}

#[test]
fn a_search_on_a_device_that_may_take_little_goes_the_same_way_as_long_as_one_parent_fits() {
    let never = AtomicBool::new(false);
    let found = |memory: usize| {
        let device = on_adapter().with_memory(memory as u64).expect("a device that keeps parents");
        found_on(&*device, 2, SHORT_KINDS[4], 1, &Control::stopping_at(&never))
    };
    // 15 neurons, for samples in tiles of 64.
    let parent = 4 * 15 * digits().train.len().next_multiple_of(64);
    let (roomy, tight, none) = (found(1 << 30), found(parent * 3 / 2), found(parent / 2));
    assert!(!facts(&tight).recomputed && facts(&none).recomputed);
    assert_eq!(without_time(tight), without_time(roomy));
}

#[test]
fn a_gpu_that_nobody_asked_for_scores_only_large_batches_of_neighbours() {
    let by_default = GpuBackend::new(on_adapter().device().clone(), false);
    for (kind, place) in [
        (r#"{"proposals": 8, "batch": 8}"#, CpuBackend(by_default.arithmetic()).info()),
        (r#"{"proposals": 64, "batch": 64}"#, by_default.info()),
    ] {
        let never = AtomicBool::new(false);
        let found = found_on(&by_default, 1, kind, 1, &Control::stopping_at(&never));
        assert_eq!(facts(&found).neighbours, Some(place), "{kind}");
    }
}

#[test]
fn a_search_on_a_device_in_pieces_finds_what_an_undisturbed_one_does() {
    let (found, stops) = found_in_pieces(on_adapter(), SHORT_KINDS[2], 20);
    assert!(stops >= 1);
    let never = AtomicBool::new(false);
    let whole = found_on(on_adapter(), 2, SHORT_KINDS[2], 1, &Control::stopping_at(&never));
    assert_eq!(without_time(found), without_time(whole));
}

/// Stops a run when it has told so many times how far it has come.
struct Stopper {
    stop: AtomicBool,
    told: AtomicUsize,
    most: usize,
    /// How the run began, where it has a checkpoint.
    begun: Mutex<Vec<Begun>>,
}

impl Observer for Stopper {
    fn begun(&self, _run: &Run, begun: Begun) {
        self.begun.lock().expect("notes").push(begun);
    }

    fn progress(&self, _run: &Run, progress: &Progress<'_>) {
        assert!(matches!(progress, Progress::Proposals { .. }));
        let told = self.told.fetch_add(1, Ordering::Relaxed);
        self.stop.fetch_or(told == self.most, Ordering::Relaxed);
    }
}

fn saving(path: PathBuf, interval: Duration) -> Option<Saving> {
    Some(Saving { path, interval, generations: None, end: false })
}

/// Stops the search again and again, when its chains have come to so many points of their histories, and
/// goes on from what was saved.
fn found_in_pieces(device: &dyn Backend, settings: &str, points: usize) -> (Record, usize) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for stops in 0.. {
        let observer = Stopper {
            stop: AtomicBool::new(false),
            told: AtomicUsize::new(0),
            most: points,
            begun: Mutex::default(),
        };
        let control = Control {
            stop: &observer.stop,
            observer: &observer,
            saving: saving(folder.path().join("checkpoint.json"), Duration::from_secs(60)),
        };
        let found = found_on(device, 2, settings, 1, &control);
        let begun = observer.begun.into_inner().expect("notes");
        match &begun[..] {
            [] if stops == 0 => {}
            [Begun::GoesOn(from)] if stops > 0 => assert!(from.starts_with("proposal "), "{from}"),
            other => panic!("it begins with {other:?} after {stops} stops"),
        }
        if found.stop_reason != StopReason::Interrupted {
            assert_eq!(found.stop_reason, StopReason::Proposals);
            assert_eq!(found.timing.stretches.len(), stops + 1);
            return (found, stops);
        }
    }
    unreachable!("every piece brings the search nearer to its end")
}

#[test]
fn a_search_in_pieces_finds_what_an_undisturbed_one_does() {
    for kind in KINDS {
        // A front is done in one piece.
        let points = if json_of(kind).get("front").is_some() { 200 } else { 20 };
        let (found, stops) = found_in_pieces(&CpuBackend(Arithmetic::Fused), kind, points);
        assert!(stops >= 1, "{kind}");
        assert_eq!(without_time(found), without_time(found_with(2, kind, 1)), "{kind}");
    }
}

#[test]
fn a_search_that_is_stopped_tells_the_best_of_what_it_found() {
    let stop = AtomicBool::new(true);
    let control = Control::stopping_at(&stop);
    let found = found_on(&CpuBackend(Arithmetic::Fused), 2, KINDS[3], 1, &control);
    assert_eq!(found.stop_reason, StopReason::Interrupted);
    assert!(facts(&found).work.proposals == 0 && facts(&found).front.is_empty());
    let count = count_correct(&network(1), &ticket(&found), &digits().train, Arithmetic::Fused);
    assert_eq!(found.result.train_correct, count);
}

#[test]
fn a_state_that_cannot_be_saved_ends_the_run_and_leaves_the_callers_flag_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // A file stands where the folder of the checkpoint would have to be.
    let path = folder.path().join("file").join("checkpoint.json");
    std::fs::write(folder.path().join("file"), "").expect("a file");
    let stop = AtomicBool::new(false);
    let phases = Phases::default();
    let control = Control { stop: &stop, observer: &phases, saving: saving(path.clone(), Duration::ZERO) };
    let run = local_search(r#"{"proposals": 1000000000, "chains": 2}"#, 1);
    match run::run(&run, &digits(), &CpuBackend(Arithmetic::Fused), &control) {
        Err(RunError::Save { path: named, .. }) => assert_eq!(named, path),
        other => panic!("a run that cannot be saved: {other:?}"),
    }
    assert!(!stop.load(Ordering::Relaxed));
}

#[test]
fn the_counts_reported_are_those_of_the_plain_form() {
    let dataset = digits();
    for kind in KINDS {
        let found = found_with(2, kind, 1);
        let count = |samples| count_correct(&network(1), &ticket(&found), samples, Arithmetic::Fused);
        assert_eq!(found.result.train_correct, count(&dataset.train), "{kind}");
        assert_eq!(found.result.test_correct, count(&dataset.test), "{kind}");
        let members = &facts(&found).members_train_correct;
        assert_eq!(found.result.train_correct, *members.iter().max().expect("members"));
        assert_eq!(found.result.weights_kept, mask::count_ones(&ticket(&found)));
    }
}

#[test]
fn a_search_learns_and_no_search_does_not() {
    let learned = found_with(2, r#"{"proposals": 10000}"#, 1).result;
    let samples = digits().train.len() as u32;
    assert!(learned.train_correct * 100 >= samples * 97, "{} of {samples}", learned.train_correct);
    let blind = found_with(2, r#"{"proposals": 1}"#, 1).result;
    assert!(blind.train_correct * 100 <= samples * 75, "{} of {samples}", blind.train_correct);
}

#[test]
fn a_cold_search_never_gets_worse() {
    let found = found_with(1, r#"{"proposals": 5000, "refresh": 10}"#, 3);
    let cost = &facts(&found).history.cost;
    assert!(cost.len() >= 40);
    // A refresh corrects the drift of ten flips: a part in a million.
    assert!(cost.windows(2).all(|pair| pair[1] as f64 <= pair[0] as f64 * 1.000_001));
    assert!(cost[cost.len() - 1] * 4 < cost[0]);
}

#[test]
fn a_front_is_sparser_from_step_to_step() {
    let settings = r#"{"proposals": 10000, "front": {"steps": 4, "proposals": 5000, "first_price": 1e-4, "growth": 4.0}}"#;
    let found = found_with(2, settings, 1);
    let sparsities: Vec<f64> = facts(&found).front.iter().map(|point| point.sparsity).collect();
    assert_eq!(sparsities.len(), 4);
    assert!(sparsities[0] > 0.5 && sparsities[3] > 0.8, "{sparsities:?}");
    assert!(sparsities.windows(2).all(|pair| pair[0] <= pair[1] + 0.01), "{sparsities:?}");
}

#[test]
fn a_pruned_ticket_is_as_good_and_misses_each_weight_that_it_keeps() {
    let settings = |prune| format!(r#"{{"proposals": 5000, "prune": {prune}, "race": null}}"#);
    let (whole, pruned) = (found_with(1, &settings(false), 1), found_with(3, &settings(true), 1));
    let removed = facts(&pruned).pruned.expect("it was asked for").weights_removed;
    let (ticket, whole, pruned) = (ticket(&pruned), whole.result, pruned.result);
    assert_eq!(pruned.weights_kept, whole.weights_kept - removed);
    assert!(removed * 4 > whole.weights_kept, "{removed} of {}", whole.weights_kept);
    assert!(pruned.train_correct >= whole.train_correct);
    let (dataset, network) = (digits(), network(1));
    let kept = (0..network.architecture().weights()).filter(|&bit| mask::get(&ticket, bit));
    for bit in kept {
        let mut without = ticket.clone();
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
        let settings: LocalSearchConfig = serde_json::from_str(json).expect("settings");
        let error = settings.validate().expect_err("no sense");
        assert!(error.to_string().contains(key), "{error}");
    }
    assert!(serde_json::from_str::<LocalSearchConfig>(r#"{"chain": 2}"#).is_err());
}
