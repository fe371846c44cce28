//! Bad input: one clear error that names the place, exit code 2, nothing written.

use crate::place::{Place, small_run, with};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::OnceLock;
use supermask::dataset::Dataset;
use supermask::evaluate::BatchFile;
use supermask::run::config::RunConfig;
use supermask::run::record::Record;
use supermask::sweep::Sweep;

const RUN: [&str; 6] = ["run", "bad.json", "--adapter", "cpu", "--out", "out"];

#[test]
fn settings_that_make_no_sense_are_named() {
    let place = Place::new();
    for (pointer, value, parts) in [
        ("/sed", json!(1), ["bad.json", "sed"].as_slice()),
        ("/network/hiden", json!([5]), &["bad.json", "hiden"]),
        ("/dataset/nois", json!(0.1), &["bad.json", "nois"]),
        ("/algorithm/pop", json!(5), &["bad.json", "pop"]),
        ("/algorithm/termination/patients", json!(5), &["bad.json", "patients"]),
        ("/dataset", json!("stars"), &["bad.json", "stars"]),
        ("/network", json!({"layers": [3, 5, 2]}), &["[3, 5, 2]", "2 features"]),
        ("/network", json!({"layers": [2, 5, 3]}), &["[2, 5, 3]", "2 classes"]),
        ("/network", json!({"hidden": [0]}), &["network"]),
        ("/network", json!({"layers": [2, 4_000_000_000u64, 2]}), &["network", "more than"]),
        ("/network", json!({}), &["layers", "hidden"]),
        ("/algorithm/mutation_rate", json!(1.5), &["mutation_rate", "1.5"]),
        ("/algorithm/migration_rate", json!(-0.1), &["migration_rate", "-0.1"]),
        ("/algorithm/recombination_rate", json!("high"), &["recombination_rate"]),
        ("/algorithm/population", json!(3), &["parent_rate"]),
        ("/algorithm/population", json!(0), &["population"]),
        ("/algorithm/population", json!(-3), &["population"]),
        ("/algorithm/fitness", json!("loss"), &["fitness", "loss"]),
        ("/algorithm/fitness_tolerance", json!(0.1), &["fitness_tolerance", "0.1"]),
        ("/algorithm/margin", json!({"tau": 0.0}), &["margin.tau", "found 0"]),
        ("/algorithm/margin", json!({"tua": 1.0}), &["tua"]),
        ("/algorithm/mutation_operator", json!("two_bits"), &["mutation_operator", "two_bits"]),
        ("/algorithm/mutation_exponent", json!(1.0), &["mutation_exponent", "found 1"]),
        ("/algorithm/mutation_bits", json!(1000), &["mutation_bits", "1000"]),
        ("/algorithm/accuracy_bound", json!({"start": 0.8}), &["algorithm.accuracy_bound", "ga_adaptive_ab"]),
        ("/algorithm/population", json!(1e3), &["algorithm.population", "found 1000.0", "digits alone"]),
        ("/algorithm/population", json!(10.5), &["algorithm.population", "found 10.5", "digits alone"]),
        ("/algorithm/population", json!(1e30), &["algorithm.population", "found 1", "digits alone"]),
        ("/algorithm", json!({"kind": "local_search", "proposals": 0}), &["algorithm.proposals", "found 0"]),
        ("/seed", json!(-1), &["seed"]),
        ("/seed", json!(0.5), &["seed"]),
        ("/name", json!("a/b"), &["name", "a/b"]),
        ("/name", json!("x".repeat(300)), &["name", "200"]),
        ("/dataset", json!({"kind": "blobs", "classes": 1}), &["classes"]),
        ("/dataset", json!({"kind": "blobs", "classes": 0}), &["classes"]),
        ("/network/weights", json!({"init": "uniform", "bound": 0.0}), &["weights.bound"]),
        ("/network/weights", json!({"init": "uniform", "bound": 1e300}), &["eight"]),
    ] {
        place.write_json("bad.json", &with(small_run(), pointer, value));
        place.refused(&RUN, parts);
    }
}

/// A search with these settings beside the defaults of its kind.
fn search(kind: &str, settings: Value) -> Value {
    let mut algorithm = json!({"kind": kind});
    algorithm.as_object_mut().expect("an object").extend(settings.as_object().expect("settings").clone());
    algorithm
}

#[test]
fn settings_that_nothing_reads_are_refused_and_those_beside_what_reads_them_are_not() {
    let place = Place::new();
    let ends = json!({"min_generations": 3, "max_generations": 2});
    for (kind, settings, key, remedy, read_by) in [
        ("ga", json!({"margin": {"tau": 2.0}}), "margin", "fitness", json!({"fitness": "margin"})),
        (
            "local_search",
            json!({"fitness": "accuracy", "margin": {"tau": 2.0}}),
            "margin",
            "fitness",
            json!({"fitness": "margin"}),
        ),
        (
            "ga",
            json!({"fitness_tolerance": 0.5}),
            "fitness_tolerance",
            "fitness",
            json!({"fitness": "margin"}),
        ),
        (
            "ga",
            json!({"mutation_operator": "per_bit", "mutation_exponent": 2.0}),
            "mutation_exponent",
            "heavy_tailed",
            json!({"mutation_operator": "heavy_tailed"}),
        ),
        (
            "ga",
            json!({"mutation_bits": 2.0}),
            "mutation_bits",
            "per_bit",
            json!({"mutation_operator": "per_bit"}),
        ),
        (
            "ga",
            json!({"termination": ends}),
            "termination.min_generations",
            "max_generations 2",
            json!({"termination": {"min_generations": 2, "max_generations": 2}}),
        ),
    ] {
        let unread = search(kind, settings);
        place.write_json("bad.json", &with(small_run(), "/algorithm", unread.clone()));
        let begin = format!("error: bad.json: algorithm.{key}: ");
        place.refused(&RUN, &[&begin, "has no effect here", remedy]);
        let mut read = search(kind, unread);
        read.as_object_mut().expect("an object").extend(read_by.as_object().expect("settings").clone());
        let run = RunConfig::parse(Path::new("good.json"), with(small_run(), "/algorithm", read));
        assert!(run.expect("a configuration").resolve(data()).is_ok(), "{kind} {key}");
    }
    // A default that gives way is nobody's wish.
    let short = search("ga", json!({"termination": {"max_generations": 2}}));
    let run = RunConfig::parse(Path::new("good.json"), with(small_run(), "/algorithm", short));
    assert!(run.expect("a configuration").resolve(data()).is_ok());
}

#[test]
fn a_record_that_names_no_algorithm_is_no_result() {
    let place = Place::new();
    for version in [1, 2, 3] {
        let mut record = with(valid()[0].clone(), "/schema_version", json!(version));
        record["config"].as_object_mut().expect("a configuration").remove("algorithm");
        place.write_json("nameless-seed0.json", &record);
        let ended = place.run(&["table", "."]);
        assert!(ended.code != Some(0) && ended.stdout.is_empty(), "{ended:?}");
        assert!(
            ended.stderr.contains("nameless-seed0.json") && ended.stderr.contains("algorithm"),
            "{ended:?}"
        );
    }
}

#[test]
fn errors_of_a_configuration_begin_with_its_file_and_the_full_key() {
    let place = Place::new();
    let local = |settings: Value| {
        let mut algorithm = json!({"kind": "local_search"});
        settings
            .as_object()
            .expect("settings")
            .iter()
            .for_each(|(key, value)| algorithm[key] = value.clone());
        algorithm
    };
    let far = json!({"steps": usize::MAX, "proposals": u64::MAX});
    for (pointer, value, key) in [
        ("/network", json!(5), "network: expected an object"),
        ("/network", json!({"layers": [2, 2]}), "network.layers: "),
        ("/network", json!({"layers": [3, 5, 2]}), "network.layers "),
        ("/network", json!({"hidden": ["5"]}), "network.hidden[0]: "),
        ("/network/weights", json!(["uniform"]), "network.weights: expected an object"),
        ("/network/weights", json!("he"), "network.weights.init: unknown init \"he\""),
        ("/network/weights", json!({"init": "uniform", "bound": 0}), "network.weights.bound: "),
        ("/dataset/noise", json!(-1), "dataset.noise: "),
        (
            "/dataset/normalization",
            json!({"method": "min_max", "range": [1, 0]}),
            "dataset.normalization.range: ",
        ),
        (
            "/dataset/normalization",
            json!({"method": "min_max", "rang": [0, 1]}),
            "dataset.normalization.rang: ",
        ),
        ("/algorithm/margin", json!("tau"), "algorithm.margin: expected an object"),
        ("/algorithm/margin", json!({"tau": 0}), "algorithm.margin.tau: "),
        ("/algorithm/termination/patience", json!(0), "algorithm.termination.patience: "),
        ("/algorithm", local(json!({"margin": {"tau": 0}})), "algorithm.margin.tau: "),
        ("/algorithm", local(json!({"margin": {"tau": 1e300}})), "algorithm.margin.tau: "),
        ("/algorithm", local(json!({"front": far})), "algorithm.proposals: "),
        ("/algorithm", local(json!({"chains": 0})), "algorithm.chains: "),
        ("/seed", json!("0"), "seed: "),
        ("/name", json!(""), "name: "),
        ("/name", json!("x".repeat(3_000_000)), "name: "),
    ] {
        place.write_json("bad.json", &with(small_run(), pointer, value));
        place.refused(&RUN, &[&format!("error: bad.json: {key}")]);
    }
    let constant = place.write("constant.csv", "1,a\n1,b\n".repeat(8));
    place.write_json("bad.json", &with(small_run(), "/dataset", json!({"kind": "csv", "train": constant})));
    place.refused(&RUN, &["error: bad.json: dataset.normalization: ", "constant"]);
    place.refused(&["dataset", "bad.json"], &["error: bad.json: dataset.normalization: "]);
    place.write_json("bad.json", &json!({"kind": "moons", "noise": "x"}));
    place.refused(&["dataset", "bad.json"], &["error: bad.json: dataset.noise: expected a number"]);
    let base = small_run();
    for (sweep, key) in [
        (json!({"base": with(base.clone(), "/network/hidden", json!([0.5]))}), "base.network.hidden[0]: "),
        (json!({"base": base, "grid": {"dataset.noise": [0.1, "x"]}}), "grid.dataset.noise: "),
        (json!({"base": base, "seeds": -1}), "seeds: "),
        (json!({"base": base, "grid": {"algorithm.mutation_rate": [2]}}), "algorithm.mutation_rate: "),
        (json!({"base": base, "grid": {"dataset.noise": [-1]}}), "dataset.noise: "),
    ] {
        place.write_json("bad.json", &sweep);
        let sweep = ["sweep", "bad.json", "--adapter", "cpu", "--out", "out"];
        place.refused(&sweep, &[&format!("error: bad.json: {key}")]);
    }
}

#[test]
fn a_key_given_twice_is_refused_wherever_it_stands() {
    let place = Place::new();
    let run = small_run().to_string();
    let masks = r#"{"layers": [1, 1, 2], "cases": [{"mask_hex": "07", "mask_hex": "00"}]}"#;
    for (text, args, key) in [
        (run.replacen('{', r#"{"seed": 1, "seed": 2, "#, 1), &RUN[..], "seed"),
        (
            run.replace(r#""kind":"moons""#, r#""kind":"moons","noise":0.1,"noise":0.2"#),
            &RUN,
            "dataset.noise",
        ),
        (
            format!(r#"{{"base": {run}, "grid": {{"dataset": ["moons"], "dataset": ["circles"]}}}}"#),
            &["sweep", "bad.json", "--adapter", "cpu", "--out", "out"],
            "grid.dataset",
        ),
        (masks.to_owned(), &["evaluate", "bad.json", "--adapter", "cpu"], "cases[0].mask_hex"),
        (r#"{"kind": "moons", "kind": "circles"}"#.to_owned(), &["dataset", "bad.json"], "kind"),
    ] {
        place.write("bad.json", text);
        place.refused(args, &[&format!("error: bad.json: {key} is given twice")]);
    }
}

#[test]
fn configurations_of_any_editor_are_read_or_named() {
    let place = Place::new();
    let config = json!({"kind": "moons", "train_samples": 20, "test_samples": 20}).to_string();
    place.write("marked.json", format!("\u{feff}{config}\r\n"));
    place.succeed(&["dataset", "marked.json"]);
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for (bytes, part) in [
        (utf16(&format!("\u{feff}{config}")), "UTF-16"),
        (utf16(&config), "UTF-16"),
        (config.replace("moons", "\u{1b}[31m").into_bytes(), "control character"),
        (b"PK\x03\x04".to_vec(), "zip archive"),
        (b"{'kind': 'moons'}".to_vec(), "double quotes"),
        (b"{\"kind\": \"moons\", # here\n}".to_vec(), "comments are for configurations, and begin with //"),
        (b"{\"kind\": \"moons\" /* here\n}".to_vec(), "the comment that begins in line 1 does not end"),
    ] {
        place.write("bad.json", bytes);
        place.refused(&["dataset", "bad.json"], &["error: bad.json: ", part]);
    }
    for value in ["x".repeat(3_000_000), "[".repeat(3_000_000)] {
        place.write_json("bad.json", &json!({"kind": "moons", "noise": value}));
        let said = place.run(&["dataset", "bad.json"]).stderr;
        assert!(said.len() < 300 && said.contains("dataset.noise"), "{} bytes", said.len());
    }
}

#[test]
fn files_that_are_no_configuration_are_named() {
    let place = Place::new();
    place.refused(&RUN, &["bad.json", "cannot read"]);
    for contents in [&b""[..], b"{", b"[]", b"3", b"null", b"\"moons\"", b"\xff\xfe", b"{\"dataset\": 1e999}"]
    {
        place.write("bad.json", contents);
        place.refused(&RUN, &["bad.json"]);
        place.refused(&["sweep", "bad.json", "--adapter", "cpu", "--out", "out"], &["bad.json"]);
        place.refused(&["evaluate", "bad.json", "--adapter", "cpu"], &["bad.json"]);
        if contents != b"\"moons\"" {
            place.refused(&["dataset", "bad.json", "--out", "out.npz"], &["bad.json"]);
        }
    }
}

#[test]
fn damaged_data_are_named_with_the_place() {
    let place = Place::new();
    let csv = json!({"kind": "csv", "train": "train.csv", "test": "test.csv"});
    place.write_json("bad.json", &with(small_run(), "/dataset", csv));
    place.write("test.csv", "1,2,0\n3,5,1\n");
    place.refused(&RUN, &["train.csv"]);
    for (contents, parts) in [
        ("", ["train.csv"].as_slice()),
        ("1,2,0\n3,1\n", &["train.csv"]),
        ("1,2,0\n3,nan,1\n2,1,0\n", &["train.csv", "row 2", "column 2"]),
        ("1,2,0\n3,inf,1\n2,1,0\n", &["train.csv", "row 2", "column 2"]),
        ("1,2,0\n3,x,1\n2,1,0\n", &["train.csv", "row 2", "column 2"]),
        ("1,2,0\n3,4,0\n", &["train.csv", "one class"]),
        ("1,2,0\n3,4,7\n", &["test.csv", "class 1"]),
    ] {
        place.write("train.csv", contents);
        place.refused(&RUN, parts);
        place.refused(&["dataset", "bad.json", "--out", "data.npz"], parts);
    }
    let npy = json!({"kind": "npy", "train_features": "x.npy", "train_labels": "y.npy"});
    place.write_json("bad.json", &with(small_run(), "/dataset", npy));
    place.write("y.npy", b"\x93NUMPY\x01\x00");
    place.write(
        "x.npy",
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (9, 2), }\n",
    );
    place.refused(&RUN, &["x.npy"]);
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let place = Place::new();
    let file = json!({"init": "safetensors", "path": "w.safetensors"});
    place.write_json("bad.json", &with(small_run(), "/network/weights", file));
    place.refused(&RUN, &["w.safetensors", "cannot read"]);
    place.write("w.safetensors", b"garbage");
    place.refused(&RUN, &["w.safetensors", "safetensors"]);
    let other = Place::new();
    other.write_json("other.json", &with(small_run(), "/network/hidden", json!([9])));
    other.succeed(&["run", "other.json", "--adapter", "cpu", "--out", "out", "--generations", "1"]);
    std::fs::copy(other.path("out/other-seed0.safetensors"), place.path("w.safetensors")).expect("a copy");
    place.refused(&RUN, &["w.safetensors", "[9, 2]", "[6, 2]"]);
}

#[test]
fn wrong_options_are_named() {
    let place = Place::new();
    place.write_json("good.json", &small_run());
    place.write_json("sweep.json", &json!({"base": small_run()}));
    place.write("file", "not a folder");
    let run = ["run", "good.json", "--out"];
    place.refused(&[&run[..], &["out", "--adapter", "nonesuch"]].concat(), &["--adapter nonesuch", "cpu"]);
    place.refused(&[&run[..], &["out", "--threads", "0"]].concat(), &["--threads"]);
    place.refused(&[&run[..], &["out", "--seed=-1"]].concat(), &["--seed"]);
    place.refused(&[&run[..], &["out", "--generations", "-1"]].concat(), &["--generations", "at least 1"]);
    place.refused(&[&run[..], &["file/out", "--adapter", "cpu"]].concat(), &["file/out"]);
    let sweep = ["sweep", "sweep.json", "--out"];
    place.refused(&[&sweep[..], &["file/out", "--adapter", "cpu"]].concat(), &["file/out"]);
    place.refused(&[&sweep[..], &["out", "--adapter", "cpu,nonesuch"]].concat(), &["--adapter nonesuch"]);
    for (option, values) in [
        ("--shard", ["0/2", "3/2", "1", "a/b"].as_slice()),
        ("--memory", &["0", "lots", "12", "99999999999GiB", "-1"]),
        ("--checkpoint-every", &["0", "x"]),
        ("--threads", &["0", "99999"]),
    ] {
        for value in values {
            let option_value = format!("{option}={value}");
            place.refused(&[&sweep[..], &["out", &option_value]].concat(), &[option]);
        }
    }
}

#[test]
fn a_wrong_sweep_is_refused_as_a_whole() {
    let place = Place::new();
    for (config, parts) in [
        (json!({"base": small_run(), "sedes": 2}), ["bad.json", "sedes"].as_slice()),
        (json!({"base": with(small_run(), "/network/hiden", json!(1))}), &["bad.json", "hiden"]),
        (json!({"base": small_run(), "grid": {"algorithm.pop": [1]}}), &["bad.json", "pop"]),
        (json!({"base": small_run(), "grid": {"algorithm.mutation_rate": [0.1, 2.0]}}), &["mutation_rate"]),
        (json!({"base": small_run(), "grid": {"network.layers": [[2, 3, 2]]}}), &["layers"]),
        (json!({"base": small_run(), "name": "../elsewhere"}), &["name"]),
        (json!({"base": small_run(), "seeds": u64::MAX}), &["seeds"]),
    ] {
        place.write_json("bad.json", &config);
        place.refused(&["sweep", "bad.json", "--adapter", "cpu"], parts);
    }
}

/// A valid record, a valid file of masks, a valid configuration and a valid sweep.
fn valid() -> &'static [Value; 4] {
    static VALID: OnceLock<[Value; 4]> = OnceLock::new();
    VALID.get_or_init(|| {
        let place = Place::new();
        place.write_json("small.json", &small_run());
        let ended = place.succeed(&["run", "small.json", "--json", "--adapter", "cpu"]);
        let record = serde_json::from_str(&ended.stdout).expect("a record");
        let masks = json!({
            "layers": [1, 1, 2], "weights_f4": ["AACAPw==", "AAAAAAAAAAA="],
            "biases_f4": ["AAAAAA==", "AAAAAAAAAAA="], "datasets": {"moons": {}}, "cases": [{"mask_hex": "07"}]
        });
        let grid = json!({"dataset": ["moons", {"kind": "blobs"}], "algorithm.population": [20, 30]});
        [record, masks, small_run(), json!({"seeds": 2, "base": small_run(), "grid": grid})]
    })
}

fn data() -> &'static Dataset {
    static DATA: OnceLock<Dataset> = OnceLock::new();
    DATA.get_or_init(|| {
        let config = RunConfig::parse(Path::new("small.json"), small_run()).expect("a configuration");
        config.dataset.load().expect("data")
    })
}

/// Gives the value to every parser; an error is as good as an answer.
fn parse_everywhere(text: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("garbage.json");
    std::fs::write(&path, text).expect("a file");
    let _ = Sweep::read(&path);
    if let Ok(config) = RunConfig::read(&path)
        && let Ok(resolved) = config.resolve(data())
        && resolved.network.layers.weights() < 1 << 20
    {
        let _ = resolved.network.build(0);
    }
    let _ = serde_json::from_str::<Record>(text);
    if let Ok(file) = serde_json::from_str::<BatchFile>(text) {
        let _ = (file.network(), file.masks());
    }
}

fn pointers(value: &Value, prefix: &str, into: &mut Vec<String>) {
    into.push(prefix.to_owned());
    match value {
        Value::Object(object) => {
            object.iter().for_each(|(key, v)| pointers(v, &format!("{prefix}/{key}"), into))
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, v)| pointers(v, &format!("{prefix}/{index}"), into));
        }
        _ => {}
    }
}

fn odd_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!([])),
        Just(json!({})),
        Just(json!(u64::MAX)),
        Just(json!(-1)),
        Just(json!(0)),
        Just(json!(1e308)),
        Just(json!(-0.0)),
        Just(json!([1, 1, 1])),
        Just(json!({"kind": "moons"})),
        ".{0,8}".prop_map(|text| json!(text)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn no_parser_panics_on_garbage(text in prop_oneof![".{0,40}", r#"[\[\]{}":,0-9a-z. ]{0,40}"#]) {
        parse_everywhere(&text);
    }

    #[test]
    fn no_parser_panics_on_changed_valid_input(
        which in 0usize..4,
        changes in prop::collection::vec((any::<prop::sample::Index>(), odd_value()), 1..3),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut value = valid()[which].clone();
        for (place, change) in changes {
            let mut places = Vec::new();
            pointers(&value, "", &mut places);
            *value.pointer_mut(place.get::<String>(&places)).expect("a place") = change;
        }
        let mut text = value.to_string();
        if let Some(cut) = cut {
            let mut at = cut.index(text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            text.truncate(at);
        }
        parse_everywhere(&text);
    }
}

#[test]
fn a_file_of_another_kind_is_said_to_be_one() {
    let place = Place::new();
    place.write_json("small.json", &small_run());
    place.write_json("sweep.json", &json!({"seeds": 2, "base": small_run()}));
    place.succeed(&["run", "small.json", "--adapter", "cpu", "--out", "out"]);
    place.refused(&["run", "sweep.json"], &["sweep.json: ", "supermask sweep"]);
    place.refused(&["sweep", "small.json"], &["small.json: ", "supermask run"]);
    place.refused(&["run", "out/small-seed0.json"], &["schema_version: ", "a record"]);
}
