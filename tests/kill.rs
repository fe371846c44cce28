//! Nothing is lost: a sweep that is killed again and again, and one whose disk is full.

#![cfg(unix)]

mod program;

use program::{Ended, Place, assert_same, records};
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use supermask::random::{self, Concern};

const LEAST_KILLS: usize = 20;

/// Kills at most; then the sweep may end in peace.
const MOST_KILLS: usize = 60;

fn sweep(generations: usize, seeds: usize) -> Value {
    let termination = json!({
        "min_generations": generations, "patience": generations, "max_generations": generations
    });
    json!({
        "name": "killed",
        "seeds": seeds,
        "base": {"dataset": {"kind": "moons", "train_samples": 2000, "test_samples": 200}},
        "grid": {
            "network.hidden": [[10], [8, 8]],
            "algorithm": {
                "GA": {"kind": "ga", "population": 40, "termination": termination},
                "GA (adaptive AB)": {"kind": "ga_adaptive_ab", "population": 40, "termination": termination}
            }
        }
    })
}

const ARGS: [&str; 8] = ["sweep", "sweep.json", "--adapter", "cpu", "-j", "1", "--checkpoint-every", "3"];

fn args(out: &'static str) -> Vec<&'static str> {
    [&ARGS[..], &["--out", out]].concat()
}

#[test]
fn a_sweep_killed_many_times_gives_the_records_of_an_undisturbed_one() {
    let place = Place::new();
    place.write_json("sweep.json", &sweep(400, 3));
    let begun = Instant::now();
    place.succeed(&args("undisturbed"));
    let undisturbed = begun.elapsed();
    let expected = records(&place.path("undisturbed"));
    assert_eq!(expected.len(), 12);
    println!("undisturbed: {} runs in {undisturbed:.2?}", expected.len());

    // So short that the work lasts for more than enough kills.
    let longest = (undisturbed / 16).max(Duration::from_millis(60)).as_secs_f64();
    let mut rng = random::stream(2024, Concern::Network);
    let (mut kills, mut resumed) = (0, 0);
    loop {
        let child = place
            .command(&args("killed"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let pause = Duration::from_secs_f64(0.005 + longest * random::unit(&mut rng));
        let mut child = child;
        if kills < MOST_KILLS {
            std::thread::sleep(pause);
            // SIGKILL; a process that has just ended is not harmed.
            child.kill().expect("a child of ours");
        }
        let output = child.wait_with_output().expect("an end");
        let was_killed = output.status.code().is_none();
        let ended = Ended::from(output);
        let goes_on = ended.stderr.matches("goes on from generation").count();
        resumed += goes_on;
        let finished = place.path("killed").is_dir().then(|| records(&place.path("killed")).len());
        if !was_killed {
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
            break;
        }
        kills += 1;
        println!(
            "kill {kills} after {pause:.0?}: {goes_on} runs had been resumed, {} records are there",
            finished.unwrap_or(0)
        );
    }
    assert_same(&records(&place.path("killed")), &expected);
    assert!(kills >= LEAST_KILLS, "{kills} kills only");
    assert!(resumed > 0, "no run was resumed from a checkpoint");
    println!("{kills} kills, {resumed} resumptions, {} records, 0 differences", expected.len());
    let left: Vec<_> = std::fs::read_dir(place.path("killed")).expect("the folder").collect();
    assert_eq!(left.len(), expected.len(), "litter: {left:?}");
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
        .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_supermask")])
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
