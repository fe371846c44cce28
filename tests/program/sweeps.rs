//! Sweeps: the records of each run alone, whatever shares a batch, a folder or a device.

use crate::adapter;
use crate::place::{Place, assert_same, read_json, records, without};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use supermask::export::Ticket;
use supermask::network::{Architecture, Network};

const CPU: [&str; 2] = ["--adapter", "cpu"];

fn sweep() -> Value {
    let termination = json!({"min_generations": 8, "patience": 5, "max_generations": 15});
    json!({
        "name": "small",
        "seeds": 3,
        "base": {"network": {"hidden": [5]}},
        "grid": {
            "dataset": {
                "moons": {"kind": "moons", "train_samples": 150, "test_samples": 60},
                "circles": {"kind": "circles", "train_samples": 90, "test_samples": 60}
            },
            "algorithm": {
                "GA": {"kind": "ga", "population": 20, "termination": termination},
                "GA (adaptive AB)": {"kind": "ga_adaptive_ab", "population": 20, "termination": termination}
            }
        }
    })
}

fn place() -> Place {
    let place = Place::new();
    place.write_json("sweep.json", &sweep());
    place
}

fn args<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["sweep", "sweep.json", "--out", out], more].concat()
}

/// Tensors of a network with these weights, as a safetensors file.
fn weights_file(widths: &[usize], weight: f32) -> Vec<u8> {
    let architecture: Architecture = widths.to_vec().try_into().expect("an architecture");
    let mut mask = vec![0; architecture.mask_words()];
    supermask::mask::fill(&mut mask, architecture.weights());
    let mut network = Network::of_zeros(architecture);
    network.weights_mut().fill(weight);
    supermask::export::safetensors(&Ticket { network, mask }, std::collections::HashMap::new())
}

#[test]
fn a_sweep_gives_each_run_what_it_gives_alone_on_any_number_of_threads_and_lanes() {
    let place = place();
    place.succeed(&args("one", &["--adapter", "cpu", "-j", "1"]));
    let one = records(&place.path("one"));
    assert_eq!(one.len(), 12);
    place.succeed(&args("two", &["--adapter", "cpu", "-j", "2", "--memory", "1B"]));
    assert_same(&records(&place.path("two")), &one);
    let widths = |folder: &str| -> Vec<u64> {
        let width = |name: &String| read_json(&place.path(folder).join(name))["timing"]["lockstep"].as_u64();
        one.keys().map(|name| width(name).expect("a width")).collect()
    };
    assert!(widths("one").iter().any(|&width| width > 1), "runs shared batches: {:?}", widths("one"));
    assert!(widths("two").iter().all(|&width| width == 1), "no room for two: {:?}", widths("two"));
    for (name, record) in &one {
        place.write_json("alone.json", &record["config"]);
        place.succeed(&["run", "alone.json", "--out", "alone", "--adapter", "cpu", "-j", "1"]);
        let alone = read_json(&place.path("alone").join(name));
        // Tables name a run by its sweep's labels, and a run alone by its settings.
        assert_eq!(without(alone, &["timing", "cell"]), without(record.clone(), &["cell"]), "{name}");
    }
}

#[test]
fn runs_by_loss_and_by_count_share_a_sweep_and_each_is_what_it_is_alone() {
    let place = Place::new();
    let mut config = sweep();
    config["base"]["dataset"] = config["grid"]["dataset"]["moons"].clone();
    let ga = |kind: &str, fitness: &str, operator: &str| {
        let mut settings = config["grid"]["algorithm"]["GA"].clone();
        for (key, value) in [("kind", kind), ("fitness", fitness), ("mutation_operator", operator)] {
            settings[key] = json!(value);
        }
        settings
    };
    config["grid"] = json!({"algorithm": {
        "count": ga("ga", "accuracy", "single_bit"),
        "margin": ga("ga", "margin", "heavy_tailed"),
        "margin, adaptive": ga("ga_adaptive_ab", "margin", "single_bit"),
        "cross-entropy": ga("ga_adaptive_ab", "cross_entropy", "per_bit")
    }});
    place.write_json("sweep.json", &config);
    place.succeed(&args("together", &["--adapter", "cpu"]));
    let together = records(&place.path("together"));
    assert_eq!(together.len(), 12);
    for (name, record) in &together {
        let (loss, lowest) = (&record["result"]["loss"], &record["history"]["best_loss"]);
        match record["config"]["algorithm"]["fitness"].as_str() {
            Some("accuracy") => assert!(loss.is_null() && lowest.is_null(), "{name}"),
            fitness => {
                let lowest = lowest.as_array().expect("a loss for every generation");
                assert_eq!(Some(lowest.len() as u64 - 1), record["result"]["generations"].as_u64());
                assert_eq!(lowest.last(), Some(&loss["lowest_of_population"]));
                let margin = fitness == Some("margin");
                assert_eq!(loss["tau"].as_f64().is_some_and(|tau| tau > 0.0), margin, "{name}");
                assert_eq!(loss["same_on_all_adapters"], json!(true), "{name}");
            }
        }
        place.write_json("alone.json", &record["config"]);
        place.succeed(&["run", "alone.json", "--out", "alone", "--adapter", "cpu", "-j", "1"]);
        let alone = read_json(&place.path("alone").join(name));
        assert_eq!(without(alone, &["timing", "cell"]), without(record.clone(), &["cell"]), "{name}");
    }
}

#[test]
fn a_run_by_loss_is_the_same_on_a_gpu() {
    for fitness in ["margin", "cross_entropy"] {
        let place = Place::new();
        let mut config = sweep()["grid"]["algorithm"]["GA"].clone();
        config["fitness"] = json!(fitness);
        let run = json!({"dataset": "digits", "network": {"hidden": [6]}, "algorithm": config});
        place.write_json("loss.json", &run);
        place.succeed(&["run", "loss.json", "--out", "gpu", "--adapter", &adapter::name(), "--no-autotune"]);
        let mut gpu = records(&place.path("gpu"))["loss-seed0.json"].clone();
        let arithmetic = gpu["arithmetic"].as_str().expect("an arithmetic");
        place.succeed(&["run", "loss.json", "--out", "cpu", "--adapter", "cpu", "--arithmetic", arithmetic]);
        let mut cpu = records(&place.path("cpu"))["loss-seed0.json"].clone();
        let [on_gpu, on_cpu] = [&mut gpu, &mut cpu].map(|record| {
            let executed = record["result"]["multiply_adds"].as_u64().expect("a count");
            record["result"] = without(record["result"].take(), &["multiply_adds"]);
            executed
        });
        assert!(
            on_cpu > 0 && on_gpu > on_cpu,
            "a GPU multiplies what is masked out by zero: {on_gpu} {on_cpu}"
        );
        assert_eq!(without(gpu, &["adapter"]), without(cpu, &["adapter"]), "{fitness}");
    }
}

#[test]
fn shards_merge_to_the_whole_and_nothing_is_done_twice() {
    let place = place();
    place.succeed(&args("whole", &CPU));
    for shard in ["1/3", "2/3", "3/3"] {
        let folder = format!("shard-{}", &shard[..1]);
        place.succeed(&args(&folder, &["--adapter", "cpu", "--shard", shard]));
        for entry in std::fs::read_dir(place.path(&folder)).expect("the shard") {
            let path = entry.expect("an entry").path();
            std::fs::create_dir_all(place.path("merged")).expect("a folder");
            std::fs::copy(&path, place.path("merged").join(path.file_name().expect("a name")))
                .expect("a copy");
        }
    }
    assert_same(&records(&place.path("merged")), &records(&place.path("whole")));
    let ended = place.succeed(&args("merged", &CPU));
    assert!(ended.stdout.contains("12 runs in 4 cells, 12 done"), "{}", ended.stdout);
    assert!(!ended.stderr.contains("adapter:"), "no device is opened: {}", ended.stderr);
}

#[test]
fn a_failing_run_is_recorded_as_failed_and_the_others_go_on() {
    let place = Place::new();
    let mut config = sweep();
    config["grid"] = json!({"network.weights": {
        "drawn": {"init": "uniform"},
        "missing": {"init": "safetensors", "path": "weights.safetensors"},
        "huge": {"init": "uniform", "bound": 3e38}
    }});
    config["base"] = json!({
        "dataset": {"kind": "moons", "train_samples": 100, "test_samples": 40},
        "network": {"hidden": [5, 5]},
        "algorithm": {"kind": "ga", "population": 20,
            "termination": {"min_generations": 3, "patience": 2, "max_generations": 4}}
    });
    config["seeds"] = json!(1);
    place.write_json("sweep.json", &config);
    let ended = place.run(&args("out", &CPU));
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("2 runs failed"), "{}", ended.stderr);
    let names: Vec<String> = records(&place.path("out")).into_keys().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    let failed = |part: &str| {
        let mut entries = std::fs::read_dir(place.path("out")).expect("the folder");
        entries.any(|entry| {
            let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
            name.contains(part) && name.ends_with(".failed.json")
        })
    };
    assert!(failed("missing") && failed("huge"));

    place.write("weights.safetensors", weights_file(&[2, 5, 5, 2], 0.5));
    let ended = place.run(&args("out", &CPU));
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_eq!(records(&place.path("out")).len(), 2);
    assert!(!failed("missing") && failed("huge"));
}

#[test]
fn damaged_files_are_done_again_and_other_versions_left_alone() {
    let place = place();
    place.succeed(&args("out", &CPU));
    let expected = records(&place.path("out"));
    let names: Vec<&String> = expected.keys().collect();
    let text = std::fs::read(place.path("out").join(names[0])).expect("a record");
    std::fs::write(place.path("out").join(names[0]), &text[..text.len() / 2]).expect("half of it");
    std::fs::write(place.path("out").join(names[1]), b"").expect("nothing of it");
    let ended = place.succeed(&args("out", &CPU));
    assert_eq!(ended.stderr.matches("set aside as").count(), 2, "{}", ended.stderr);
    assert!(place.path("out").join(format!("{}.damaged", names[0])).exists());
    assert_same(&records(&place.path("out")), &expected);

    for (key, value, part) in
        [("schema_version", json!(99), "schema version 99"), ("config", json!(null), "another configuration")]
    {
        let path = place.path("out").join(names[2]);
        let mut record = read_json(&path);
        let whole = record.clone();
        if key == "config" {
            record["config"]["seed"] = json!(12345);
        } else {
            record[key] = value;
        }
        std::fs::write(&path, record.to_string()).expect("a record");
        place.refused(&args("out", &CPU), &[names[2], part]);
        std::fs::write(&path, whole.to_string()).expect("the record");
    }
}

#[test]
fn a_run_that_diverged_is_a_record_like_any_other() {
    let place = Place::new();
    let algorithm = json!({"kind": "backprop", "solver": "sgd", "learning_rate_init": 1e30, "max_epochs": 5});
    let base = crate::place::with(crate::place::small_run(), "/algorithm", algorithm);
    place.write_json("sweep.json", &json!({"seeds": 1, "base": base}));
    place.succeed(&args("out", &CPU));
    let expected = records(&place.path("out"));
    let record = expected.values().next().expect("a record");
    assert_eq!(record["stop_reason"], "diverged");
    assert!(record["epochs"].as_array().expect("epochs").iter().any(|epoch| epoch["loss"].is_null()));
    assert!(place.succeed(&args("out", &CPU)).stdout.contains("1 done"));
    assert_same(&records(&place.path("out")), &expected);
    place.succeed(&["table", "out"]);
}

#[test]
fn a_damaged_checkpoint_is_not_gone_on_from() {
    let place = place();
    place.succeed(&args("out", &CPU));
    let expected = records(&place.path("out"));
    let name = expected.keys().next().expect("a record");
    std::fs::remove_file(place.path("out").join(name)).expect("removed");
    std::fs::create_dir_all(place.path("out/checkpoints")).expect("a folder");
    for garbage in [&b""[..], b"{", b"0123456789abcdef\n{}", &[0xff; 64]] {
        std::fs::write(place.path("out/checkpoints").join(name), garbage).expect("a file");
        let ended = place.succeed(&args("out", &CPU));
        assert!(!ended.stderr.contains("goes on"), "{}", ended.stderr);
        assert_same(&records(&place.path("out")), &expected);
        std::fs::remove_file(place.path("out").join(name)).expect("removed");
        std::fs::create_dir_all(place.path("out/checkpoints")).expect("a folder");
    }
}

#[test]
fn two_processes_share_a_folder() {
    let place = place();
    place.succeed(&args("alone", &CPU));
    let expected = records(&place.path("alone"));
    for round in 0..4 {
        let out = format!("shared-{round}");
        let start = || {
            let mut command = place.command(&args(&out, &["--adapter", "cpu", "-j", "1", "--memory", "1B"]));
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
        };
        for child in [start(), start()] {
            let ended = crate::place::Ended::from(child.wait_with_output().expect("an end"));
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        }
        assert_same(&records(&place.path(&out)), &expected);
    }
}

#[test]
fn a_card_that_does_not_open_is_named_and_left_out_where_there_is_another_device() {
    // AMD's driver without hardware lets itself be found, and opens nothing.
    let Ok(radv) = std::env::var("SUPERMASK_RADV") else {
        println!("not asked: SUPERMASK_RADV names no driver");
        return;
    };
    let place = place();
    let drivers = std::env::var("VK_ICD_FILENAMES").unwrap_or_default();
    let beside = |adapter: &str| {
        let mut command = place.command(&args(adapter, &["--adapter", adapter]));
        command.env("RADV_FORCE_FAMILY", "navi21").env("VK_ICD_FILENAMES", format!("{radv}:{drivers}"));
        crate::place::Ended::from(command.output().expect("the program starts"))
    };
    for alone in ["null hardware", "all"] {
        let failed = beside(alone);
        assert_eq!(failed.code, Some(1), "{}", failed.stderr);
        assert!(failed.stderr.contains("Null hardware (RADV NAVI21)"), "{}", failed.stderr);
    }
    let ended = beside("null hardware,cpu");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("adapter: null hardware is left out: "), "{}", ended.stderr);
    // Nobody asked for this card.
    let ended = beside("auto");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let notice = "adapter: the CPU evaluator, as the best hardware GPU does not open: ";
    assert!(ended.stderr.contains(notice), "{}", ended.stderr);
}

#[test]
fn two_devices_share_a_sweep() {
    let place = place();
    place.succeed(&args("one", &["--adapter", "cpu", "--arithmetic", &adapter::arithmetic()]));
    place.succeed(&args("both", &["--adapter", &format!("{},cpu", adapter::name())]));
    let (one, both) = (records(&place.path("one")), records(&place.path("both")));
    assert_eq!(one.len(), both.len());
    // Who computed, and what that took.
    let comparable = |record: &Value| {
        let mut record = without(record.clone(), &["adapter"]);
        record["result"] = without(record["result"].take(), &["multiply_adds"]);
        record
    };
    for (name, record) in &one {
        assert_eq!(comparable(&both[name]), comparable(record), "{name}");
    }
}

#[test]
fn a_dry_run_times_some_of_every_group_and_writes_nothing() {
    let place = Place::new();
    let mut config = sweep();
    let algorithms = config["grid"]["algorithm"].as_object_mut().expect("algorithms");
    algorithms.insert("GA without an end".into(), json!({"kind": "ga", "population": 20}));
    algorithms.insert("local search".into(), json!({"kind": "local_search", "proposals": 300}));
    algorithms.insert("edge-popup".into(), json!({"kind": "edge_popup", "epochs": 3}));
    algorithms.insert("backprop".into(), json!({"kind": "backprop", "max_epochs": 7, "patience": 4}));
    place.write_json("sweep.json", &config);
    let ended = place.succeed(&args("out", &["--dry-run", "--adapter", "cpu"]));
    assert!(ended.stdout.contains("36 runs in 12 cells, 0 done"), "{}", ended.stdout);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    for (part, has_end) in [
        ("3 runs of ga, [2, 5, 2], generations of each 8 to 15; ", true),
        ("3 runs of ga, [2, 5, 2], generations of each 100 at least; ", false),
        ("3 runs of ga_adaptive_ab, [2, 5, 2], generations of each 8 to 15; ", true),
        ("3 runs of local_search, [2, 5, 2], proposals of each 300; ", true),
        ("3 runs of edge_popup, [2, 5, 2], epochs of each 3; 3 were timed", true),
        ("3 runs of backprop, [2, 5, 2], epochs of each 5 to 7; ", true),
    ] {
        let of_kind: Vec<_> = lines.iter().filter(|line| line.contains(part)).collect();
        assert_eq!(of_kind.len(), 2, "{part} on either data set: {}", ended.stdout);
        assert!(of_kind.iter().all(|line| line.contains(" s at least: ") != has_end), "{of_kind:?}");
    }
    let sum = lines.last().expect("lines");
    assert!(sum.contains(" s at least: all of it"), "one kind has no end: {sum}");
    assert!(!Path::new(&place.path("out")).exists() && !place.remembered("").exists());
}

#[test]
fn all_adapters_are_said_to_be_the_cpu_where_there_is_no_hardware() {
    let place = Place::new();
    place.write_json("sweep.json", &sweep());
    let said = place.succeed(&args("out", &["--dry-run", "--adapter", "all"])).stderr;
    assert!(said.contains("one of all") || said.contains("all stands for every hardware GPU"), "{said}");
}

#[test]
fn the_memory_given_bounds_local_searches_on_a_device() {
    let place = Place::new();
    let mut config = sweep();
    config["seeds"] = json!(1);
    config["grid"]["algorithm"] = json!({"local search": {"kind": "local_search", "proposals": 40}});
    place.write_json("sweep.json", &config);
    for (out, memory, is_recomputed) in [("roomy", "1MiB", None), ("tight", "1KiB", Some(&json!(true)))] {
        place.succeed(&args(out, &["--adapter", &adapter::name(), "--memory", memory]));
        let records = records(Path::new(&place.path(out)));
        assert_eq!(records.len(), 2);
        for record in records.values() {
            assert_eq!(record["local_search"].get("recomputed"), is_recomputed, "{memory}");
        }
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_the_runs_and_the_same_command_goes_on() {
    let long = json!({"min_generations": 15_000, "patience": 15_000, "max_generations": 15_000});
    interrupt(json!({"kind": "ga", "population": 20, "termination": long}), "goes on from generation");
}

#[test]
fn ctrl_c_saves_local_searches_and_the_same_command_goes_on() {
    interrupt(json!({"kind": "local_search", "proposals": 200_000}), "goes on from proposal");
}

/// Interrupts a sweep with this algorithm; the same command must say so as it `goes_on`, and end as an
/// undisturbed one.
fn interrupt(algorithm: Value, goes_on: &str) {
    let place = Place::new();
    let mut config = sweep();
    config["base"]["algorithm"] = algorithm;
    config["grid"].as_object_mut().expect("a grid").remove("algorithm");
    place.write_json("sweep.json", &config);
    let rarely = ["--adapter", "cpu", "-j", "1", "--checkpoint-every", "1000000"];
    place.succeed(&args("undisturbed", &rarely));

    let mut command = place.command(&args("out", &rarely));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let begun = Instant::now();
    while !place.path("out/checkpoints").exists() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the sweep does not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(50));
    let sent = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(sent.expect("kill").success());
    let ended = crate::place::Ended::from(child.wait_with_output().expect("an end"));
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert!(ended.stderr.contains("the same command goes on from here"), "{}", ended.stderr);

    let ended = place.succeed(&args("out", &rarely));
    assert!(ended.stderr.contains(goes_on), "{}", ended.stderr);
    assert_same(&records(&place.path("out")), &records(&place.path("undisturbed")));
}

#[test]
fn a_record_with_settings_that_are_no_more_is_read_where_they_did_nothing() {
    let place = Place::new();
    place.write_json("run.json", &crate::place::small_run());
    place.succeed(&["run", "run.json", "--adapter", "cpu", "--out", "out"]);
    let path = place.path("out/run-seed0.json");
    let mut record = read_json(&path);
    record["schema_version"] = json!(1);
    record["config"]["algorithm"]["islands"] = json!(1);
    record["config"]["algorithm"]["island_interval"] = json!(50);
    std::fs::write(&path, record.to_string()).expect("a record");
    place.succeed(&["evaluate", "out/run-seed0.json", "--adapter", "cpu"]);
    record["config"]["algorithm"]["islands"] = json!(4);
    std::fs::write(&path, record.to_string()).expect("a record");
    place.refused(&["evaluate", "out/run-seed0.json", "--adapter", "cpu"], &["island_interval"]);
}

/// Three points of two classes, over and over, every `stride`-th of the other class.
fn points(samples: usize, stride: usize) -> String {
    let label = |n: usize| if n.is_multiple_of(3) != n.is_multiple_of(stride) { "in" } else { "out" };
    let line = |n: usize| format!("{},{},{}\n", n % 7, n % 11, label(n));
    "a,b,label\n".to_owned() + &(0..samples).map(line).collect::<String>()
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_begins_anew_when_its_data_have_changed() {
    let long = json!({"min_generations": 20_000, "patience": 20_000, "max_generations": 20_000});
    for algorithm in [
        json!({"kind": "ga", "population": 20, "termination": long}),
        json!({"kind": "local_search", "proposals": 500_000}),
        json!({"kind": "edge_popup", "epochs": 20_000}),
        json!({"kind": "backprop", "max_epochs": 20_000, "patience": 20_000}),
    ] {
        let place = Place::new();
        place.write("data.csv", points(400, 17));
        let dataset = json!({"kind": "csv", "train": "data.csv"});
        let base = json!({"dataset": dataset, "network": {"hidden": [6]}, "algorithm": algorithm});
        place.write_json("sweep.json", &json!({"name": "changing", "seeds": 1, "base": base, "grid": {}}));
        let often = ["--adapter", "cpu", "-j", "1", "--checkpoint-interval", "0"];
        let mut command = place.command(&args("out", &often));
        let mut child =
            command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().expect("the program starts");
        let begun = Instant::now();
        while !has_json(&place.path("out/checkpoints")) {
            assert!(begun.elapsed() < Duration::from_secs(30), "the run is not saved");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().expect("a child of ours");
        child.wait().expect("an end");

        place.write("data.csv", points(90, 5));
        let ended = place.succeed(&args("out", &often));
        assert!(
            ended.stderr.contains("begins anew") && ended.stderr.contains("other data"),
            "{}",
            ended.stderr
        );
        place.succeed(&args("fresh", &often));
        assert_same(&records(&place.path("out")), &records(&place.path("fresh")));
    }
}

#[cfg(unix)]
fn has_json(folder: &Path) -> bool {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.map(|file| file.path()).any(|path| path.extension().is_some_and(|ending| ending == "json"))
}

#[test]
fn the_record_of_an_interrupted_run_is_not_taken_for_a_result() {
    let place = place();
    place.succeed(&args("out", &CPU));
    let expected = records(&place.path("out"));
    let path = place.path("out").join(expected.keys().next().expect("a record"));
    let mut record = read_json(&path);
    record["stop_reason"] = json!("interrupted");
    std::fs::write(&path, record.to_string()).expect("a record");
    place.succeed(&args("out", &CPU));
    assert_same(&records(&place.path("out")), &expected);
}
