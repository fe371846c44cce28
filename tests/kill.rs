//! Nothing is lost: commands that are killed or asked to stop again and again, at any moment, end with the results of
//! undisturbed ones; and a full disk loses nothing that was finished.
//!
//! `SUPERMASK_KILLS` says how many times each command is disturbed.

#![cfg(unix)]

#[path = "program/place.rs"]
mod place;

use place::{Ended, Place, assert_same, records};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use supermask::random::{self, Concern, Stream};

/// How many times each command is disturbed unless told otherwise.
const KILLS: usize = 8;

/// A request to stop must be answered so soon. Two seconds are promised; a busy machine needs more to end a process.
const PATIENCE: Duration = Duration::from_secs(4);

fn kills() -> usize {
    let wanted = std::env::var("SUPERMASK_KILLS").ok();
    wanted.map_or(KILLS, |wanted| wanted.parse().expect("SUPERMASK_KILLS is a number"))
}

/// What disturbing a command came to.
#[derive(Default)]
struct Tally {
    killed: usize,
    asked: usize,
    /// Runs that went on from a checkpoint.
    resumed: usize,
    /// Checkpoints that were there and not gone on from.
    refused: usize,
    slowest_stop: Duration,
}

/// Gives the command `args` again and again, killing it or asking it to stop after a moment, until it ends; leaves it
/// alone once it was disturbed often enough.
fn disturb(place: &Place, args: &[&str], undisturbed: Duration, rng: &mut Stream, tally: &mut Tally) {
    let longest = (undisturbed / 4).max(Duration::from_millis(60)).as_secs_f64();
    loop {
        let mut command = place.command(args);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut asked = None;
        if tally.killed + tally.asked < kills() {
            std::thread::sleep(Duration::from_secs_f64(0.005 + longest * random::unit(rng)));
            // A process that has just ended is not harmed.
            if random::chance(rng, 0.5) {
                child.kill().expect("a child of ours");
                tally.killed += 1;
            } else {
                let process = child.id().to_string();
                let sent = Command::new("kill").args(["-TERM", &process]).stderr(Stdio::null()).status();
                sent.expect("kill");
                asked = Some(Instant::now());
                tally.asked += 1;
            }
        }
        let output = child.wait_with_output().expect("an end");
        if let Some(asked) = asked {
            tally.slowest_stop = tally.slowest_stop.max(asked.elapsed());
        }
        let (code, signal) = (output.status.code(), output.status.signal());
        let ended = Ended::from(output);
        tally.resumed += ended.stderr.matches("goes on from generation").count()
            + ended.stderr.matches("goes on from its initial population").count()
            + ended.stderr.matches("goes on from proposal").count()
            + ended.stderr.matches("goes on from epoch").count();
        tally.refused += ended.stderr.matches("begins anew").count();
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        match (code, signal) {
            (Some(0), _) => return,
            // Interrupted; or killed, or asked to stop before there was anything to save.
            (Some(130), _) | (None, Some(9 | 15)) => {}
            other => panic!("{args:?} ended with {other:?}: {}", ended.stderr),
        }
    }
}

/// Disturbs a command whose records go to a folder, and compares them with those of an undisturbed one.
fn records_survive(args: &[&str], config: &Value, seed: u64) -> Tally {
    let place = Place::new();
    place.write_json("config.json", config);
    let begun = Instant::now();
    place.succeed(&[args, &["--out", "undisturbed"]].concat());
    let undisturbed = begun.elapsed();
    let mut rng = random::stream(seed, Concern::Network);
    let expected = records(&place.path("undisturbed"));
    let names = |folder: &str| {
        let files = std::fs::read_dir(place.path(folder)).expect("the folder");
        let mut names: Vec<_> = files.map(|file| file.expect("a file").file_name()).collect();
        // A single run shares its folder with other commands, and leaves alone what is half-written there.
        names.retain(|name| args[0] == "sweep" || !name.to_string_lossy().starts_with(".writing-"));
        names.sort();
        names
    };
    let mut tally = Tally::default();
    for n in 0.. {
        let out = format!("disturbed-{n}");
        disturb(&place, &[args, &["--out", out.as_str()]].concat(), undisturbed, &mut rng, &mut tally);
        assert_same(&records(&place.path(&out)), &expected);
        assert_eq!(names(&out), names("undisturbed"), "nothing is left behind");
        if tally.killed + tally.asked >= kills() {
            break;
        }
    }
    let what = config["base"]["algorithm"]["kind"].as_str().or(config["algorithm"]["kind"].as_str());
    println!(
        "{} {}: {undisturbed:.1?} undisturbed, {} records; {} killed, {} asked to stop (slowest {:.0?}), {} resumed, \
         {} begun anew, 0 differences",
        args[0],
        what.unwrap_or("of every algorithm"),
        expected.len(),
        tally.killed,
        tally.asked,
        tally.slowest_stop,
        tally.resumed,
        tally.refused
    );
    assert!(tally.slowest_stop < PATIENCE, "{:?} until a stop", tally.slowest_stop);
    assert_eq!(tally.refused, 0, "every checkpoint can be gone on from");
    tally
}

const COMMON: [&str; 7] = ["config.json", "--adapter", "cpu", "-j", "1", "--checkpoint-interval", "0"];

fn termination(generations: usize) -> Value {
    json!({"min_generations": generations, "patience": generations, "max_generations": generations})
}

/// Every algorithm in all of its phases, each for about a second.
fn algorithms() -> BTreeMap<&'static str, Value> {
    let front = json!({"steps": 3, "proposals": 4000, "first_price": 1e-4, "growth": 4.0});
    BTreeMap::from([
        ("GA", json!({"kind": "ga", "population": 40, "termination": termination(400)})),
        (
            "adaptive AB",
            json!({"kind": "ga_adaptive_ab", "population": 40, "termination": termination(150),
                   "accuracy_bound": {"start": 0.86}}),
        ),
        (
            "local search",
            json!({"kind": "local_search", "proposals": 12_000, "chains": 2, "batch": 4, "prune": true,
                   "front": front, "temperature": {"start": 1e-3, "end": 1e-6},
                   "growth": {"samples": 256, "until": 0.5}}),
        ),
        ("edge-popup", json!({"kind": "edge_popup", "epochs": 300, "batch_size": 250, "shuffle": true})),
        ("backprop", json!({"kind": "backprop", "max_epochs": 150, "patience": 150})),
    ])
}

fn base(train_samples: usize) -> Value {
    json!({
        "dataset": {"kind": "moons", "train_samples": train_samples, "test_samples": 200},
        "network": {"hidden": [16, 12]}
    })
}

#[test]
fn a_sweep_of_every_algorithm_gives_the_records_of_an_undisturbed_one() {
    let config = json!({
        "name": "killed", "seeds": 2, "base": base(1000), "grid": {"algorithm": algorithms()}
    });
    let every = ["--checkpoint-every", "3"];
    let tally = records_survive(&[&["sweep"], &COMMON[..], &every].concat(), &config, 2024);
    assert!(tally.resumed > 0, "no run was resumed from a checkpoint");
}

#[test]
fn a_single_run_of_any_algorithm_gives_the_record_of_an_undisturbed_one() {
    let mut resumed = 0;
    for (n, (_, algorithm)) in algorithms().into_iter().enumerate() {
        let mut config = base(2000);
        config["name"] = json!("killed");
        config["algorithm"] = algorithm;
        resumed += records_survive(&[&["run"], &COMMON[..]].concat(), &config, n as u64).resumed;
    }
    assert!(resumed > 0, "no run was resumed from a checkpoint");
}

#[test]
fn a_tuning_that_is_disturbed_does_each_candidate_once() {
    let place = Place::new();
    place.write_json("config.json", &base(300));
    let settings = json!({"candidates": 12, "folds": 3, "base": {"max_epochs": 30}});
    place.write_json("settings.json", &settings);
    let args = |journal| {
        ["tune", "config.json", "--settings", "settings.json", "-j", "1", "--json", "--out", journal]
    };
    let begun = Instant::now();
    let expected = place.succeed(&args("undisturbed.jsonl")).stdout;
    let undisturbed = begun.elapsed();
    let (mut tally, mut rng) = (Tally::default(), random::stream(7, Concern::Network));
    while tally.killed + tally.asked < kills() {
        // What is not there cannot be removed.
        let _ = std::fs::remove_file(place.path("killed.jsonl"));
        disturb(&place, &args("killed.jsonl"), undisturbed, &mut rng, &mut tally);
    }
    println!("tune: {undisturbed:.1?} undisturbed; {} killed, {} asked to stop", tally.killed, tally.asked);
    assert_eq!(place.succeed(&args("killed.jsonl")).stdout, expected);
    let lines = |journal| {
        let text = std::fs::read_to_string(place.path(journal)).expect("a journal");
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(lines("killed.jsonl"), lines("undisturbed.jsonl"));
}

fn sweep(generations: usize, seeds: usize) -> Value {
    let algorithm = |kind| json!({"kind": kind, "population": 40, "termination": termination(generations)});
    json!({
        "name": "killed",
        "seeds": seeds,
        "base": {"dataset": {"kind": "moons", "train_samples": 2000, "test_samples": 200}},
        "grid": {
            "network.hidden": [[10], [8, 8]],
            "algorithm": {"GA": algorithm("ga"), "GA (adaptive AB)": algorithm("ga_adaptive_ab")}
        }
    })
}

fn args(out: &'static str) -> Vec<&'static str> {
    ["sweep", "sweep.json", "--adapter", "cpu", "-j", "1", "--out", out].to_vec()
}

/// A limit on the size of files stands for a full disk: writing fails in the middle of a file, and no
/// privileges are needed.
#[test]
fn a_full_disk_is_a_clear_error_and_nothing_finished_is_lost() {
    let place = Place::new();
    place.write_json("sweep.json", &sweep(30, 2));
    place.succeed(&args("undisturbed"));
    let expected = records(&place.path("undisturbed"));
    place.succeed(&[&args("full")[..], &["--shard", "1/2"]].concat());
    let before = records(&place.path("full"));
    assert_eq!(before.len(), 4);

    let limited = Command::new("sh")
        .args(["-c", "ulimit -f 1; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_supermask")])
        .args(args("full"))
        .current_dir(place.path("."))
        .output();
    let ended = Ended::from(limited.expect("a shell"));
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let error = ended.stderr.lines().find(|line| line.starts_with("error: ")).expect("an error");
    assert!(error.contains("cannot write") && error.contains("goes on from there"), "{error}");
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    assert_same(&records(&place.path("full")), &before);

    place.succeed(&args("full"));
    assert_same(&records(&place.path("full")), &expected);
}

/// Starts a run that lasts, waits for its checkpoint, sends it a signal, and says whether it lived on for a second.
fn lives_on_after(signal: &str, start: &str) -> bool {
    let place = Place::new();
    let mut config = base(2000);
    config["name"] = json!("long");
    config["algorithm"] = json!({"kind": "ga", "population": 40, "termination": termination(1_000_000)});
    place.write_json("config.json", &config);
    let mut child = Command::new("sh")
        .args(["-c", &format!("{start} exec \"$@\""), "sh", env!("CARGO_BIN_EXE_supermask"), "run"])
        .args(COMMON)
        .current_dir(place.path("."))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell");
    let begun = Instant::now();
    while !place.path("results/checkpoints/long-seed0.json").exists() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the run does not begin");
        std::thread::sleep(Duration::from_millis(10));
    }
    let sent = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
    assert!(sent.expect("kill").success());
    let sent = Instant::now();
    while sent.elapsed() < Duration::from_secs(1) {
        if let Some(status) = child.try_wait().expect("a child of ours") {
            assert_eq!(status.code(), Some(130));
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().expect("a child of ours");
    child.wait().expect("an end");
    true
}

#[test]
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    for signal in ["HUP", "INT", "TERM"] {
        assert!(lives_on_after(signal, &format!("trap '' {signal};")), "{signal}, ignored");
    }
    assert!(!lives_on_after("TERM", ""));
}
