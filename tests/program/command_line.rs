//! What the commands promise their users.

use crate::adapter;
use crate::place::{Place, read_json, small_run, with, without};
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::{Duration, Instant};

const CPU: [&str; 2] = ["--adapter", "cpu"];

fn run_args<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["run", "small.json", "--out", "out"], more].concat()
}

fn place() -> Place {
    let place = Place::new();
    place.write_json("small.json", &small_run());
    place
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn assert_plain(text: &str) {
    assert!(!text.contains(['\x1b', '\r']), "control codes in {text:?}");
}

#[test]
fn a_run_writes_its_record_and_its_ticket_and_a_summary() {
    let place = place();
    let ended = place.succeed(&run_args(&CPU));
    let record = read_json(&place.path("out/small-seed0.json"));
    assert!(place.path("out/small-seed0.safetensors").exists());
    for part in ["train accuracy", "test accuracy", "sparsity", "dead neurons", "generations", "adapter"] {
        assert!(ended.stdout.contains(part), "{}", ended.stdout);
    }
    assert_plain(&ended.stdout);
    assert_plain(&ended.stderr);
    assert_eq!(record["schema_version"], supermask::run::record::SCHEMA_VERSION);
    assert_eq!(record["data"]["train_samples"], 200);
    assert_eq!(std::fs::read_dir(place.path("out")).expect("the folder").count(), 2);
}

#[test]
fn what_a_command_reads_is_never_written_over() {
    let place = place();
    place.succeed(&run_args(&CPU));
    place.write("flowers.csv", "a,b,label\n1,2,x\n2,1,y\n1,3,x\n3,1,y\n");
    place.write_json("flowers.json", &json!({"kind": "csv", "train": "flowers.csv", "label": "label"}));
    let kept = ["small.json", "flowers.csv", "out/small-seed0.json"]
        .map(|name| (name, std::fs::read(place.path(name)).expect("a file")));
    place.refused(&["dataset", "small.json", "--out", "small.json"], &["--out small.json: ", "reads"]);
    place.refused(&["dataset", "flowers.json", "--out", "flowers.csv"], &["--out flowers.csv: ", "reads"]);
    let record = "out/small-seed0.json";
    place
        .refused(&["export", record, "--format", "onnx", "--out", record], &["--out out/small-seed0.json: "]);
    for (name, bytes) in kept {
        assert_eq!(std::fs::read(place.path(name)).expect("still there"), bytes, "{name}");
    }
}

#[test]
fn json_is_one_document_and_nothing_else() {
    let place = place();
    let ended = place.succeed(&run_args(&["--adapter", "cpu", "--json"]));
    assert_eq!(json_of(&ended.stdout), read_json(&place.path("out/small-seed0.json")));
    let again = place.succeed(&["evaluate", "out/small-seed0.json", "--json", "--adapter", "cpu"]);
    let (record, scores) = (json_of(&ended.stdout), json_of(&again.stdout));
    assert_eq!(scores["datasets"]["moons"]["train"], json!([record["result"]["train_correct"]]));
    assert_eq!(scores["datasets"]["moons"]["test"], json!([record["result"]["test_correct"]]));
    let adapters = json_of(&place.succeed(&["adapters", "--json"]).stdout);
    assert_eq!(adapters[0]["kind"], "cpu");
    let data = place.succeed(&["dataset", "small.json", "--json", "--out", "data.npz"]);
    assert_eq!(json_of(&data.stdout)["train"]["samples"], 200);
    assert_eq!(&std::fs::read(place.path("data.npz")).expect("the arrays")[..2], b"PK");
}

#[test]
fn one_seed_gives_one_ticket_on_every_evaluator_and_any_number_of_threads() {
    let place = place();
    let mut records = Vec::new();
    let (name, arithmetic) = (adapter::name(), adapter::arithmetic());
    for device in [
        ["--adapter", &name, "--no-autotune", "-j", "2"].as_slice(),
        &["--adapter", "cpu", "--arithmetic", &arithmetic, "-j", "1"],
        &["--adapter", "cpu", "--arithmetic", &arithmetic, "-j", "2"],
    ] {
        let ended = place.succeed(&run_args(&[device, &["--json", "--seed", "7"]].concat()));
        records.push(without(json_of(&ended.stdout), &["timing", "adapter"]));
    }
    // What a device executes for it is another matter; the number of threads is not.
    assert_eq!(records[1]["result"]["multiply_adds"], records[2]["result"]["multiply_adds"]);
    for record in &mut records {
        record["result"] = without(record["result"].take(), &["multiply_adds"]);
    }
    assert_eq!(records[0]["arithmetic"], arithmetic);
    assert_eq!(records[0], records[1]);
    assert_eq!(records[1], records[2]);
    let other = place.succeed(&run_args(&["--adapter", "cpu", "--json", "--seed", "8"]));
    assert_ne!(json_of(&other.stdout)["ticket"], records[0]["ticket"]);
}

#[test]
fn generations_and_seed_replace_the_configurations() {
    let place = place();
    let ended =
        place.succeed(&run_args(&["--adapter", "cpu", "--json", "--seed", "3", "--generations", "2"]));
    let record = json_of(&ended.stdout);
    assert_eq!(record["config"]["seed"], 3);
    assert_eq!(record["result"]["generations"], 2);
    assert_eq!(record["stop_reason"], "max_generations");
    assert!(place.path("out/small-seed3.json").exists());
}

#[test]
fn a_run_goes_on_beyond_its_last_generation_as_if_it_had_not_ended_there() {
    let place = Place::new();
    let endless = json!({"min_generations": 50, "patience": 5, "max_generations": null});
    place.write_json("small.json", &with(small_run(), "/algorithm/termination", endless));
    let run = |more: &[&str]| place.succeed(&run_args(&[&CPU[..], more].concat()));
    run(&["--generations", "4"]);
    let dry = place.succeed(&run_args(&["--adapter", "cpu", "--dry-run"])).stdout;
    assert!(dry.contains("would go on from") && dry.contains("small-seed0.state"), "{dry}");
    let longer = run(&["--generations", "9"]);
    assert!(longer.stderr.contains("goes on from generation 4"), "{}", longer.stderr);
    let gone_on = without(read_json(&place.path("out/small-seed0.json")), &["timing"]);
    assert_eq!(gone_on["result"]["generations"], 9);
    // Fewer generations are another run, and the same ones are there at once.
    place.refused(&run_args(&["--adapter", "cpu", "--generations", "7"]), &["--force"]);
    assert!(run(&["--generations", "9"]).stderr.contains("goes on from generation 9"));
    let undisturbed =
        place.succeed(&["run", "small.json", "--adapter", "cpu", "--out", "other", "--generations", "9"]);
    assert!(!undisturbed.stderr.contains("goes on"));
    assert_eq!(without(read_json(&place.path("other/small-seed0.json")), &["timing"]), gone_on);
    // Where the state is gone, the run is made from its beginning; at its own end nothing is kept.
    std::fs::remove_file(place.path("out/small-seed0.state")).expect("the state");
    run(&["--generations", "12"]);
    run(&["--generations", "400"]);
    assert!(!place.path("out/checkpoints").exists() && !place.path("out/small-seed0.state").exists());
}

#[test]
fn a_record_of_another_configuration_is_replaced_only_by_force() {
    let place = place();
    place.succeed(&run_args(&CPU));
    place.refused(&run_args(&["--adapter", "cpu", "--generations", "3"]), &["small-seed0.json", "--force"]);
    place.succeed(&run_args(&["--adapter", "cpu", "--generations", "3", "--force"]));
    assert_eq!(read_json(&place.path("out/small-seed0.json"))["result"]["generations"], 3);
}

#[test]
fn a_record_that_does_not_give_what_it_says_is_found_out() {
    let place = place();
    place.succeed(&run_args(&CPU));
    let record = read_json(&place.path("out/small-seed0.json"));
    let better = with(record.clone(), "/result/train_correct", json!(200));
    let mut better = with(better, "/result/train_accuracy", json!(1.0));
    *better["history"]["best_correct"].as_array_mut().and_then(|best| best.last_mut()).expect("an entry") =
        json!(200);
    place.write_json("better.json", &better);
    let ended = place.run(&["evaluate", "better.json", "--adapter", "cpu"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("does not give what its record says"), "{}", ended.stderr);
    for (pointer, value) in [
        ("/config/network/layers", json!([3, 6, 2])),
        ("/config/network/layers", json!([2, 6, 5])),
        ("/config/network/weights", json!({"init": "uniform", "bound": -1.0})),
        ("/ticket/mask_hex", json!("zz")),
        ("/schema_version", json!("two")),
    ] {
        place.write_json("changed.json", &with(record.clone(), pointer, value));
        let args = ["evaluate", "changed.json", "--adapter", "cpu"];
        place.refused(&args, &["changed.json"]);
    }
    let mut unresolved = record;
    let network = unresolved["config"]["network"].as_object_mut().expect("a section");
    network.remove("layers");
    place.write_json("unresolved.json", &unresolved);
    place.refused(&["evaluate", "unresolved.json", "--adapter", "cpu"], &["layers"]);
}

#[test]
fn every_command_explains_itself() {
    let place = Place::new();
    for command in ["run", "sweep", "evaluate", "dataset", "adapters", "bench"] {
        let ended = place.succeed(&[command, "--help"]);
        assert!(ended.stdout.contains(&format!("supermask {command}")), "{}", ended.stdout);
        assert_plain(&ended.stdout);
        assert!(place.succeed(&["--help"]).stdout.contains(command));
    }
    assert_eq!(place.succeed(&["--version"]).stdout, format!("supermask {}\n", env!("CARGO_PKG_VERSION")));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_run_with_its_record() {
    let place = Place::new();
    let endless = json!({"min_generations": 100_000_000, "patience": 5, "max_generations": null});
    place.write_json("small.json", &with(small_run(), "/algorithm/termination", endless));
    let child = place
        .command(&run_args(&CPU))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let begun = Instant::now();
    while !place.path("out").exists() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the run does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    // The folder is made just before the handler is set.
    std::thread::sleep(Duration::from_millis(500));
    let sent = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(sent.expect("kill").success());
    let ended = crate::place::Ended::from(child.wait_with_output().expect("an end"));
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    let record = read_json(&place.path("out/small-seed0.json"));
    assert_eq!(record["stop_reason"], "interrupted");
    assert!(record["result"]["generations"].as_u64().expect("a number") > 0);
    assert_plain(&ended.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn a_standard_error_that_cannot_be_written_ends_nothing() {
    let place = place();
    let full = || std::fs::File::options().write(true).open("/dev/full").expect("/dev/full");
    let status = place.command(&run_args(&CPU)).stdout(Stdio::null()).stderr(full()).status();
    assert_eq!(status.expect("an end").code(), Some(0));
    assert!(place.path("out/small-seed0.json").exists());
    let output = place.command(&run_args(&CPU)).stdout(full()).output().expect("an end");
    let ended = crate::place::Ended::from(output);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("cannot write to standard output"), "{}", ended.stderr);
}
