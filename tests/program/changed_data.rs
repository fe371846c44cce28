//! A file changes behind a record: whatever uses the record says so, or does not need the file.

use crate::place::{Place, read_json, records, small_run, with, without};
use serde_json::{Value, json};
use supermask::run::record::{Record, SCHEMA_VERSION};

const CPU: [&str; 2] = ["--adapter", "cpu"];

const RECORD: &str = "out/run-seed0.json";

/// Three classes in three corners, 90 samples.
fn rows() -> Vec<[String; 3]> {
    let row = |n: u32| {
        let class = ["blue", "green", "red"][n as usize % 3];
        let near = |center: f64, step: u32| format!("{:.2}", center + 0.01 * f64::from(n * step % 50));
        match class {
            "blue" => [near(0.0, 7), near(10.0, 11), class.to_owned()],
            "green" => [near(1.0, 13), near(10.0, 3), class.to_owned()],
            _ => [near(0.5, 9), near(12.0, 17), class.to_owned()],
        }
    };
    (0..90).map(row).collect()
}

fn csv(header: &str, rows: &[[String; 3]]) -> String {
    let lines: String = rows.iter().map(|row| format!("{}\n", row.join(","))).collect();
    format!("{header}\n{lines}")
}

fn original() -> String {
    csv("width,height,class", &rows())
}

/// What may have become of the file, what the message says of it, and its contents.
fn changes() -> Vec<(&'static str, &'static str, String)> {
    let header = "width,height,class";
    let mut renamed = rows();
    renamed.iter_mut().filter(|row| row[2] == "red").for_each(|row| row[2] = "scarlet".to_owned());
    let mut units = rows();
    units.iter_mut().for_each(|row| row[1] = row[1].replace('.', ""));
    let mut swapped = rows();
    swapped.iter_mut().for_each(|row| row.swap(0, 1));
    let mut corrected = rows();
    corrected[3][2] = "green".to_owned();
    let gone: Vec<_> = rows().into_iter().filter(|row| row[2] != "green").collect();
    let mut added = rows();
    added.extend((0..9).map(|n| [format!("2.{n}"), format!("14.{n}"), "amber".to_owned()]));
    let wider: Vec<_> = rows()
        .into_iter()
        .map(|[width, height, class]| [width, format!("{height},1.{}", class.len()), class])
        .collect();
    vec![
        ("class gone", "class \"green\" is gone", csv(header, &gone)),
        ("class added", "class \"amber\" is new", csv(header, &added)),
        ("class renamed", "class \"scarlet\" is new", csv(header, &renamed)),
        ("feature added", "2 features, now 3", csv("width,height,depth,class", &wider)),
        ("units changed", "the features' statistics differ", csv(header, &units)),
        ("columns swapped", "the feature", csv("height,width,class", &swapped)),
        ("rows removed", "training samples, now", csv(header, &rows()[..80])),
        ("labels corrected", "features or labels differ", csv(header, &corrected)),
    ]
}

fn config() -> Value {
    let csv = json!({"kind": "csv", "train": "data.csv", "split": {"stratify": false}});
    with(small_run(), "/dataset", csv)
}

/// A run on the original file, whose record is at [`RECORD`].
fn place() -> Place {
    let place = Place::new();
    place.write("data.csv", original());
    place.write_json("run.json", &config());
    place.succeed(&[&["run", "run.json", "--out", "out"], &CPU[..]].concat());
    place
}

#[test]
fn evaluation_on_other_data_is_refused_with_what_differs() {
    let place = place();
    let evaluate = [&["evaluate", RECORD], &CPU[..]].concat();
    place.succeed(&evaluate);
    for (change, part, contents) in changes() {
        place.write("data.csv", contents);
        let ended = place.run(&evaluate);
        assert_eq!(ended.code, Some(2), "{change}: {}", ended.stderr);
        assert!(ended.stderr.contains(part), "{change}: {}", ended.stderr);
        place.refused(&evaluate, &[RECORD, "data.csv is not the data of the run (checksum ", part]);
    }
    place.write("data.csv", original());
    place.succeed(&evaluate);
}

#[test]
fn every_export_is_the_same_whatever_became_of_the_file() {
    let place = place();
    let formats = ["onnx", "npz", "csv"];
    let export = |format: &str, out: &str, more: &[&str]| {
        place.succeed(&[&["export", RECORD, "--format", format, "--out", out], more].concat()).stdout
    };
    for format in formats {
        export(format, &format!("before.{format}"), &[]);
    }
    let same = export("onnx", "compact.onnx", &["--compact"]);
    assert!(same.contains("predictions on all 90 samples are the same"), "{same}");
    for (change, part, contents) in changes() {
        place.write("data.csv", contents);
        for format in formats {
            export(format, &format!("after.{format}"), &[]);
            let read = |name: &str| std::fs::read(place.path(&format!("{name}.{format}"))).expect("a file");
            assert!(read("before") == read("after"), "{change}, {format}");
        }
        let said = export("onnx", "compact.onnx", &["--compact"]);
        assert!(said.contains("data.csv is not the data of the run (checksum "), "{change}: {said}");
        assert!(said.contains(part) && said.contains("compared on nothing"), "{change}: {said}");
        assert!(!said.contains("are the same"), "{change}: {said}");
    }
    std::fs::remove_file(place.path("data.csv")).expect("removed");
    export("safetensors", "after.safetensors", &[]);
    let said = export("npz", "compact.npz", &["--compact"]);
    assert!(said.contains("are not there") && said.contains("compared on nothing"), "{said}");
}

#[test]
fn regions_are_not_drawn_over_other_data() {
    let place = place();
    let caption = |place: &Place| {
        place.succeed(&["report", "out", "--out", "page.html"]);
        std::fs::read_to_string(place.path("page.html")).expect("a page")
    };
    assert!(!caption(&place).contains("not the data of the run"));
    for (change, _, contents) in changes() {
        place.write("data.csv", contents);
        assert!(caption(&place).contains("data.csv is not the data of the run"), "{change}");
    }
}

#[test]
fn files_of_a_ticket_hold_the_names_and_the_statistics() {
    let place = place();
    let data = read_json(&place.path(RECORD))["data"].clone();
    assert_eq!(data["class_names"], json!(["blue", "green", "red"]));
    assert_eq!(data["normalization"]["method"], "min_max");
    let statistics = data["normalization"].to_string();
    place.succeed(&["export", RECORD, "--format", "safetensors", "--out", "again.safetensors"]);
    for name in ["out/run-seed0.safetensors", "again.safetensors"] {
        let bytes = std::fs::read(place.path(name)).expect("a ticket");
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).expect("a header");
        let metadata = header.metadata().as_ref().expect("metadata");
        assert_eq!(metadata["class_names"], r#"["blue","green","red"]"#, "{name}");
        let names = data.get("feature_names").map(ToString::to_string);
        assert_eq!(metadata.get("feature_names"), names.as_ref(), "{name}");
        assert_eq!(metadata["normalization"], statistics, "{name}");
        assert_eq!(json!(metadata["data_checksum"]), data["checksum"], "{name}");
    }
    place.succeed(&["export", RECORD, "--format", "npz", "--out", "ticket.npz"]);
    let mut npz = npyz::npz::NpzArchive::open(place.path("ticket.npz")).expect("an archive");
    for name in ["min", "max"] {
        let array = npz.by_name(&format!("normalization.{name}")).expect("an entry").expect("an array");
        let numbers = array.into_vec::<f64>().expect("numbers");
        assert_eq!(json!(numbers), data["normalization"][name], "{name}");
    }
    let text = npz.by_name("class_names").expect("an entry").expect("an array");
    assert_eq!((text.dtype().descr().as_str(), text.shape()), ("'<U5'", &[3u64][..]));
}

#[test]
fn a_run_on_other_data_replaces_a_record_only_when_it_is_told_to() {
    let place = place();
    let run = [&["run", "run.json", "--out", "out"], &CPU[..]].concat();
    place.succeed(&run);
    for (_, part, contents) in changes() {
        place.write("data.csv", contents);
        place.refused(&run, &[RECORD, "data.csv is not the data of the run (checksum ", part, "--force"]);
    }
    let before = read_json(&place.path(RECORD))["data"]["checksum"].clone();
    place.succeed(&[&run[..], &["--force"]].concat());
    assert_ne!(read_json(&place.path(RECORD))["data"]["checksum"], before);
}

#[test]
fn a_sweep_stops_before_work_at_a_record_of_other_data_and_does_it_anew_when_told_to() {
    let place = Place::new();
    place.write("data.csv", original());
    place.write_json("sweep.json", &json!({"name": "s", "seeds": 2, "base": config()}));
    let sweep = [&["sweep", "sweep.json", "--out", "out"], &CPU[..]].concat();
    place.succeed(&sweep);
    let first = records(&place.path("out"));
    assert_eq!(first.len(), 2);
    for (_, part, contents) in changes() {
        place.write("data.csv", contents);
        let parts =
            ["-seed0.json: ", "data.csv is not the data of the run (checksum ", part, "--out", "--force"];
        place.refused(&sweep, &parts);
    }
    // Also where some runs are still to do.
    place.write_json("sweep.json", &json!({"name": "s", "seeds": 3, "base": config()}));
    place.refused(&sweep, &["data.csv is not the data of the run"]);
    let ended = place.succeed(&[&sweep[..], &["--force"]].concat());
    assert!(ended.stdout.contains("3 done"), "{}", ended.stdout);
    let anew = records(&place.path("out"));
    let sums: Vec<_> = anew.values().map(|record| record["data"]["checksum"].clone()).collect();
    assert!(sums.iter().all(|sum| *sum == sums[0]), "{sums:?}");
    assert_ne!(first.values().next().expect("a record")["data"]["checksum"], sums[0]);
    // What is of the same data is left alone.
    let again = place.succeed(&[&sweep[..], &["--force"]].concat());
    assert!(again.stdout.contains("3 done"), "{}", again.stdout);
    assert_eq!(records(&place.path("out")), anew);
}

/// The record as version 1 had it.
fn of_version_1(mut record: Value) -> Value {
    record["schema_version"] = json!(1);
    let data = record["data"].as_object_mut().expect("facts");
    data.retain(|key, _| key.ends_with("samples") || key == "features" || key == "classes");
    record
}

#[test]
fn records_of_version_1_are_used_where_they_can_be_and_say_what_cannot_be_checked() {
    let place = Place::new();
    place.write("data.csv", original());
    place.write_json("sweep.json", &json!({"name": "s", "seeds": 2, "base": config()}));
    let sweep = [&["sweep", "sweep.json", "--out", "out"], &CPU[..]].concat();
    place.succeed(&sweep);
    let names: Vec<String> = records(&place.path("out")).into_keys().collect();
    for name in &names {
        let path = place.path("out").join(name);
        std::fs::write(&path, of_version_1(read_json(&path)).to_string()).expect("written");
    }
    let ended = place.succeed(&sweep);
    assert_eq!(ended.stderr.matches("cannot be checked").count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("2 records in out"), "{}", ended.stderr);
    place.succeed(&["table", "out"]);
    let record = format!("out/{}", names[0]);
    let evaluate = [&["evaluate", &record], &CPU[..]].concat();
    assert!(place.succeed(&evaluate).stderr.contains("no checksum"));
    let said = place.succeed(&["export", &record, "--format", "onnx", "--compact"]).stdout;
    assert!(said.contains("compared on nothing") && said.contains("normalised already"), "{said}");
    // What even version 1 tells.
    place.write("data.csv", csv("width,height,class", &rows()[..80]));
    place.refused(&evaluate, &["data.csv is not the data of the run (", "training samples, now"]);
    place.refused(&sweep, &["data.csv is not the data of the run (", "--force"]);
}

#[test]
fn a_record_of_a_newer_program_is_refused_by_name_and_left_where_it_is() {
    let place = place();
    let newer = with(read_json(&place.path(RECORD)), "/schema_version", json!(SCHEMA_VERSION + 1));
    let unreadable = without(newer.clone(), &["result", "config"]);
    for record in [newer, unreadable] {
        place.write_json(RECORD, &record);
        let run = [&["run", "run.json", "--out", "out"], &CPU[..]].concat();
        place.write_json("sweep.json", &json!({"name": "run", "base": config()}));
        let name = record["cell"]["dataset"].as_str().expect("a name").to_owned();
        assert_eq!(name, "csv");
        for args in [
            run,
            [&["evaluate", RECORD], &CPU[..]].concat(),
            vec!["export", RECORD, "--format", "csv"],
            vec!["predict", RECORD, "data.csv"],
            vec!["table", "out"],
        ] {
            place.refused(&args, &["run-seed0.json", "made by a newer supermask"]);
        }
    }
}

#[test]
fn a_complete_file_under_a_records_name_is_never_renamed() {
    let place = Place::new();
    place.write("data.csv", original());
    place.write_json("sweep.json", &json!({"name": "s", "base": config()}));
    let sweep = [&["sweep", "sweep.json", "--out", "out"], &CPU[..]].concat();
    place.succeed(&sweep);
    let name = records(&place.path("out")).into_keys().next().expect("a record");
    let record = read_json(&place.path("out").join(&name));
    for (other, part) in [
        (with(record.clone(), "/schema_version", json!(SCHEMA_VERSION + 1)), "made by a newer supermask"),
        (with(record.clone(), "/schema_version", json!("4")), "schema_version is \"4\""),
        (with(record.clone(), "/config/algorithm/kind", json!("annealing")), "annealing"),
        (with(record.clone(), "/result/train_correct", json!(1)), "result.train_accuracy"),
        (json!({"note": "mine"}), "no schema_version"),
    ] {
        place.write_json(&format!("out/{name}"), &other);
        place.refused(&sweep, &[&name, part, "left as it is"]);
    }
    let twice = record.to_string().replacen('{', "{\"schema_version\":4,", 1);
    place.write(&format!("out/{name}"), twice);
    for args in [sweep, vec!["table", "out"]] {
        place.refused(&args, &[&name, "schema_version", "twice"]);
    }
}

#[test]
fn a_record_that_contradicts_itself_is_refused_with_the_key() {
    let place = place();
    let record = read_json(&place.path(RECORD));
    assert!(Record::from_value(record.clone()).is_ok());
    for (pointer, value, part) in [
        ("/result/train_correct", json!(1000), "result.train_correct"),
        ("/result/test_accuracy", json!(0.123), "result.test_accuracy"),
        ("/result/test_accuracy_best_of_population", json!(0.01), "best_of_population"),
        ("/result/weights_kept", json!(3), "weights"),
        ("/result/sparsity", json!(0.99), "result.sparsity"),
        ("/result/weights", json!(7), "weights"),
        ("/ticket/mask_hex", json!("ff"), "ticket.mask_hex"),
        ("/data/features", json!(5), "data.features"),
        ("/data/classes", json!(2), "data.classes"),
        ("/data/class_names", json!(["a", "b"]), "data.class_names"),
        ("/data/feature_names", json!(["a"]), "data.feature_names"),
        ("/data/normalization/min", json!([0.0, 1.0, 2.0]), "data.normalization"),
        ("/data/normalization/method", json!("log"), "data.normalization"),
        ("/data/checksum", Value::Null, "checksum"),
        ("/data/test_samples", json!(0), "data.test_samples"),
        ("/data/class_nmaes", json!(["a"]), "data.class_nmaes: a record has no such key"),
    ] {
        let error = Record::from_value(with(record.clone(), pointer, value)).expect_err(pointer).to_string();
        assert!(error.contains(part), "{pointer}: {error}");
    }
}

#[test]
fn a_file_of_weights_that_changed_is_not_taken_for_the_runs() {
    let place = Place::new();
    place.write("data.csv", original());
    place.write_json("other.json", &with(config(), "/seed", json!(1)));
    place.write_json("run.json", &with(config(), "/seed", json!(2)));
    for name in ["other", "run"] {
        place.succeed(&[&["run", &format!("{name}.json"), "--out", "tickets"], &CPU[..]].concat());
    }
    let weights = |name: &str| std::fs::copy(place.path(name), place.path("w.safetensors")).expect("a copy");
    weights("tickets/run-seed2.safetensors");
    let file = json!({"init": "safetensors", "path": "w.safetensors"});
    place.write_json("run.json", &with(config(), "/network/weights", file.clone()));
    let run = [&["run", "run.json", "--out", "out"], &CPU[..]].concat();
    place.succeed(&run);
    place.succeed(&run);
    let base = with(config(), "/network/weights", file);
    place.write_json("sweep.json", &json!({"name": "s", "base": base}));
    let sweep = [&["sweep", "sweep.json", "--out", "swept"], &CPU[..]].concat();
    place.succeed(&sweep);
    place.succeed(&sweep);
    place.write("new.csv", "0.5,10.5\n");
    weights("tickets/other-seed1.safetensors");
    for args in [
        vec!["predict", RECORD, "new.csv"],
        vec!["export", RECORD, "--format", "csv"],
        [&["evaluate", RECORD], &CPU[..]].concat(),
    ] {
        place.refused(&args, &[RECORD, "w.safetensors", "is not the file of weights of the run"]);
    }
    place.refused(&run, &[RECORD, "w.safetensors holds other weights than the run's", "--force"]);
    place.refused(&sweep, &["w.safetensors holds other weights than the run's", "--force"]);
    place.succeed(&[&sweep[..], &["--force"]].concat());
    place.succeed(&sweep);
}
