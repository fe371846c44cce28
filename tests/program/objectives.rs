//! Several objectives at once: the front in the record, and what the commands make of it.

use crate::place::{Place, read_json, small_run, with, without};
use serde_json::{Value, json};

fn several(objectives: Value) -> Value {
    let config = with(small_run(), "/algorithm/selection", json!("nsga2"));
    let config = with(config, "/algorithm/mutation_operator", json!("heavy_tailed"));
    let config = with(config, "/algorithm/recombination_rate", json!(1));
    match objectives {
        Value::Null => config,
        objectives => with(config, "/algorithm/objectives", objectives),
    }
}

/// `[objective]` values of a mask of the front, all to be large.
fn values(mask: &Value, split: &str) -> Vec<f64> {
    let values = mask[split].as_array().expect("a value for each objective");
    values.iter().map(|value| value.as_f64().expect("a number")).collect()
}

#[test]
fn the_front_is_in_the_record_with_the_ticket_first() {
    let place = Place::new();
    let config = with(several(Value::Null), "/dataset/validation", json!(0.2));
    place.write_json("run.json", &with(config, "/network/hidden", json!([30])));
    let args = ["run", "run.json", "--adapter", "cpu", "--out", "out"];
    let ended = place.succeed(&args);
    let record = read_json(&place.path("out").join("run-seed0.json"));
    let (front, result) = (&record["front"], &record["result"]);
    assert_eq!(front["objectives"], json!(["accuracy", "sparsity"]));
    assert_eq!(record["config"]["algorithm"]["objectives"], front["objectives"]);
    assert_eq!(front["references"], json!([0.0, 0.0]));
    assert_eq!(
        record["history"]["hypervolume"].as_array().and_then(|all| all.last()),
        Some(&front["hypervolume"])
    );
    let masks = front["masks"].as_array().expect("masks");
    assert!(masks.len() > 1, "{}", ended.stdout);
    assert!(
        ended.stdout.contains(&format!("{} masks by accuracy, sparsity; ", masks.len())),
        "{}",
        ended.stdout
    );
    assert_eq!(masks[0]["mask_hex"], record["ticket"]["mask_hex"]);
    for (key, same) in [
        ("train_correct", "train_correct"),
        ("test_correct", "test_correct"),
        ("validation_correct", "validation_correct"),
        ("sparsity", "sparsity"),
    ] {
        assert_eq!(masks[0][key], result[same], "{key}");
    }
    assert_eq!(masks[0]["test"], json!([result["test_accuracy"], result["sparsity"]]));
    let train = |n: usize| values(&masks[n], "train");
    // By falling accuracy, and each sparser than the one before: nothing on a front dominates another.
    assert!((1..masks.len()).all(|n| train(n - 1)[0] > train(n)[0] && train(n - 1)[1] < train(n)[1]));
}

#[test]
fn tables_figures_and_exports_know_what_to_do_with_a_front() {
    let place = Place::new();
    place.write_json("run.json", &several(Value::Null));
    for seed in ["1", "2"] {
        place.succeed(&["run", "run.json", "--adapter", "cpu", "--seed", seed, "--out", "out"]);
    }
    let record = read_json(&place.path("out").join("run-seed1.json"));
    let table = place.succeed(&["table", "out"]);
    assert!(table.stdout.contains("hypervolume") && !table.stderr.contains("left out"), "{}", table.stdout);
    place.succeed(&["report", "out", "--out", "page.html", "--figures", "figures"]);
    let svg = std::fs::read_to_string(place.path("figures/sparsity-01-moons.svg")).expect("a figure");
    let masks = |seed: usize| {
        let record = read_json(&place.path("out").join(format!("run-seed{seed}.json")));
        record["front"]["masks"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(svg.matches("<circle").count(), masks(1) + masks(2));
    let svg = std::fs::read_to_string(place.path("figures/fronts-01-moons.svg")).expect("a figure");
    assert_eq!(svg.matches("<circle").count(), masks(1) + masks(2));
    place.succeed(&[
        "export",
        "out/run-seed1.json",
        "--format",
        "safetensors",
        "--out",
        "ticket.safetensors",
    ]);

    let other = without(record.clone(), &["ticket"]);
    for (changed, part) in [
        (with(record.clone(), "/front/masks/0/weights_kept", json!(1)), "front.masks[0].sparsity"),
        (with(record.clone(), "/front/masks/0/train", json!([0.5])), "front.masks[0].train has 1 entries"),
        (with(record.clone(), "/front/references", json!([])), "front.references has 0 entries"),
        (other, "front.masks does not begin with the ticket"),
    ] {
        place.write_json("out/run-seed1.json", &changed);
        let table = place.succeed(&["table", "out"]);
        assert!(table.stderr.contains(part), "{part}: {}", table.stderr);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_program_may_say_one_of_several_objectives() {
    let place = Place::new();
    // Counts what is right of the second of two classes.
    let script = r#"
        while read -r heading; do
            masks=${heading#*\"masks\":}
            masks=${masks%%,*}
            head -c 10 > beginning
            head -c "$(od -An -tu2 -j8 beginning | tr -d ' ')" > /dev/null
            head -c $((masks * 16)) | od -An -v -tu4 -w16 | awk '{print $4}'
        done"#;
    let program = json!({"program": ["sh", "-c", script], "needs": "confusion"});
    place.write_json("run.json", &several(json!([program, "sparsity", "balanced_accuracy"])));
    place.succeed(&["run", "run.json", "--adapter", "cpu", "--out", "out"]);
    let record = read_json(&place.path("out").join("run-seed0.json"));
    assert_eq!(record["front"]["objectives"], json!(["program", "sparsity", "balanced_accuracy"]));
    let ticket = &record["front"]["masks"][0];
    for split in ["train", "test"] {
        assert_eq!(values(ticket, split)[0], record["result"]["measure"][split], "{split}");
        assert!((0.0..=1.0).contains(&values(ticket, split)[2]));
    }
    let volumes = record["history"]["hypervolume"].as_array().expect("a history");
    assert!(volumes.iter().all(|volume| volume.as_f64().is_some_and(f64::is_finite)), "{volumes:?}");
}

#[test]
fn settings_that_make_no_sense_of_several_objectives_are_refused() {
    let place = Place::new();
    for (pointer, value, part) in [
        (
            "/algorithm/objectives",
            json!(["accuracy"]),
            "algorithm.objectives: must be two or three different ones",
        ),
        ("/algorithm/objectives", json!(["accuracy", "size"]), "`sparsity`"),
        ("/algorithm/fitness", json!("margin"), "algorithm.fitness: \"margin\" has no effect here"),
        (
            "/algorithm/selection",
            json!("truncation"),
            "algorithm.objectives: [\"accuracy\",\"macro_f1\"] has no effect",
        ),
    ] {
        let config = several(json!(["accuracy", "macro_f1"]));
        place.write_json("run.json", &with(config, pointer, value));
        place.refused(&["run", "run.json", "--adapter", "cpu"], &[part]);
    }
}
