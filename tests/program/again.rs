//! What is done again, and what goes on.

use crate::place::{Place, read_json, small_run, with};
use serde_json::{Value, json};
use std::path::PathBuf;

const CPU: [&str; 2] = ["--adapter", "cpu"];

fn files(place: &Place, folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place.path(folder)).expect("a folder");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

#[test]
fn a_run_that_is_done_again_takes_the_place_of_its_events() {
    let place = Place::new();
    place.write_json("run.json", &small_run());
    place.write_json("other.json", &small_run());
    let done = |config: &str, more: &[&str]| {
        let args = ["run", config, "--out", "out", "--log", "log.jsonl", "--tensorboard", "events"];
        place.succeed(&[&args[..], more, &CPU].concat());
    };
    let events = || -> Vec<Value> {
        let text = std::fs::read_to_string(place.path("log.jsonl")).expect("a log");
        let timeless = |line: &str| {
            let mut event: Value = serde_json::from_str(line).expect("JSON");
            ["elapsed_s", "wall_s"]
                .iter()
                .for_each(|key| drop(event.as_object_mut().map(|e| e.remove(*key))));
            event
        };
        text.lines().map(timeless).collect()
    };
    done("run.json", &[]);
    let once = events();
    done("other.json", &[]);
    assert_eq!(events().len(), 2 * once.len());
    done("run.json", &[]);
    let again = events();
    assert_eq!(again.len(), 2 * once.len());
    assert_eq!(again[once.len()..], once[..], "the other run's stay, this one's are the last");
    assert_eq!(files(&place, "events/run-seed0").len(), 1);
    // One that goes on adds to what is there.
    done("run.json", &["--force", "--generations", "3"]);
    done("run.json", &["--generations", "9"]);
    assert_eq!(files(&place, "events/run-seed0").len(), 2);
    let steps: Vec<u64> = events()
        .iter()
        .filter(|e| e["run"] == "run-seed0")
        .filter_map(|e| e["generation"].as_u64())
        .collect();
    assert_eq!(steps, (0..steps.len() as u64).collect::<Vec<_>>());
}

#[test]
fn populations_have_no_gap_where_a_run_went_on() {
    let place = Place::new();
    let lasting = json!({"min_generations": 12, "patience": 5, "max_generations": 12});
    place.write_json("run.json", &with(small_run(), "/algorithm/termination", lasting));
    for most in ["4", "8"] {
        let args = ["run", "run.json", "--out", "out", "--save-population=2", "--generations", most];
        place.succeed(&[&args[..], &CPU].concat());
    }
    for generation in [0, 2, 4, 6, 8] {
        let name = format!("out/run-seed0.population-{generation}.safetensors");
        assert!(place.path(&name).exists(), "{name}");
    }
}

#[test]
fn an_end_by_generations_leaves_the_least_as_it_is_by_default() {
    let place = Place::new();
    place.write_json("run.json", &with(small_run(), "/algorithm/termination", json!({"patience": 5})));
    for (name, most) in [("a", "2"), ("b", "3")] {
        let name = format!("name={name}");
        let args = ["run", "run.json", "--set", &name, "--out", "out", "--generations", most];
        place.succeed(&[&args[..], &CPU].concat());
    }
    let termination = &read_json(&place.path("out/a-seed0.json"))["config"]["algorithm"]["termination"];
    assert_eq!(*termination, json!({"min_generations": 100, "patience": 5, "max_generations": 2}));
    let table = place.succeed(&["table", "out"]).stdout;
    assert!(table.contains("max_generations=3") && !table.contains("min_generations"), "{table}");
}

#[test]
fn folders_of_what_is_written_are_made() {
    let place = Place::new();
    place.write_json("small.json", &small_run());
    let table = "x,y,class\n".to_owned() + &"1,2,a\n2,1,b\n3,4,a\n4,3,b\n".repeat(4);
    place.write("flowers.csv", table);
    place.succeed(&[
        "run",
        "small.json",
        "--out",
        "new/out",
        "--adapter",
        "cpu",
        "--log",
        "new/logs/a.jsonl",
    ]);
    let (record, small) = ("new/out/small-seed0.json", "small.json");
    for (args, made) in [
        (&["report", "new/out", "--out", "new/page/report.html"][..], "new/page/report.html"),
        (&["export", record, "--format", "csv", "--out", "new/csv/a.csv"], "new/csv/a.csv"),
        (&["dataset", small, "--out", "new/data/a.npz"], "new/data/a.npz"),
        (&["init", "flowers.csv", "--out", "new/configs/flowers.json"], "new/configs/flowers.json"),
        (&["man", "--out", "new/man/deep"], "new/man/deep/supermask.1"),
    ] {
        place.succeed(args);
        assert!(place.path(made).exists(), "{made}");
    }
    // A file in the way is named.
    place.write("file", "");
    for args in [
        &["run", small, "--out", "file"][..],
        &["run", small, "--out", "file", "--dry-run"],
        &["sweep", small, "--out", "file"],
        &["man", "--out", "file"],
        &["report", "new/out", "--figures", "file"],
    ] {
        if args[0] == "sweep" {
            let grid = json!({"base": small_run(), "seeds": 1});
            place.write_json("sweep.json", &grid);
            place.refused(&["sweep", "sweep.json", "--out", "file"], &["--out file", "a file, not a folder"]);
        } else {
            place.refused(args, &[" file", "a file, not a folder"]);
        }
    }
    place.refused(&["report", "new/out", "--out", "file/report.html"], &["--out file/report.html"]);
}

#[test]
fn what_was_meant_is_said_where_something_else_was_given() {
    let place = Place::new();
    place.write_json("small.json", &small_run());
    place.succeed(&["run", "small.json", "--out", "out", "--adapter", "cpu"]);
    let ticket = "out/small-seed0.safetensors";
    place.refused(&["run", "small.json", "--seed", "abc"], &["'abc'", "--seed", "whole number from 0 to"]);
    place.refused(&["run", "small.json", "--threads", "0"], &["'0'", "--threads", "from 1 to 512"]);
    let export = ["export", ticket, "--format", "onnx"];
    place.refused(&export, &[ticket, "a safetensors file", ".json beside it"]);
    place.refused(&["table", ticket], &[ticket, "a safetensors file"]);
    place.refused(&["tune", "small.json", "--folds", "1"], &["--folds", "from 2 to", "200", "found 1"]);
    place.write_json("settings.json", &json!({"folds": 1}));
    place.refused(
        &["tune", "small.json", "--settings", "settings.json"],
        &["settings.json: folds", "found 1"],
    );
    place.refused(&["init", "small.json"], &["small.json", "no data", "supermask run small.json"]);
    place.write("tiny.csv", "a,b,kind\n1,2,x\n2,3,y\n");
    place.refused(&["init", "tiny.csv"], &["tiny.csv", "2 samples of 2 classes", "give more rows"]);
}
