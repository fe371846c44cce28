//! How the program talks: colours, silence, completions, manual pages, narrow terminals, schemas, first configurations.

use crate::place::{Place, small_run, with};
use serde_json::{Value, json};

#[test]
fn colours_are_as_asked_and_files_have_none() {
    let place = Place::new();
    let said = |args: &[&str]| place.run(args).stderr;
    for args in [&["run", "no.json"][..], &["run", "--nonesuch"]] {
        assert!(!said(args).contains('\x1b'), "{args:?}");
        let asked = said(&[args, &["--color", "always"]].concat());
        assert!(asked.contains("\x1b[31m") && asked.contains("error:"), "{asked:?}");
        assert!(!said(&[args, &["--color=never"]].concat()).contains('\x1b'));
    }
    place.refused(&["adapters", "--color", "blue"], &["--color", "always"]);
}

#[test]
fn silence_leaves_results_and_errors_and_details_are_told_where_asked() {
    let place = Place::new();
    place.write_json("small.json", &small_run());
    let run = ["run", "small.json", "--adapter", "cpu", "--out", "out"];
    let quiet = place.succeed(&[&run[..], &["-q"]].concat());
    assert_eq!(quiet.stderr, "");
    assert!(quiet.stdout.contains("test accuracy"));
    place.refused(&["-q", "run", "no.json"], &["no.json"]);
    let detailed = place.succeed(&[&run[..], &["--verbose"]].concat()).stderr;
    assert!(detailed.contains("\"mutation_rate\": 0.1") && detailed.contains("checksum"), "{detailed}");
    place.refused(&["-q", "-v", "adapters"], &["--quiet"]);
}

#[test]
fn shells_and_manuals_know_every_command() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = place.succeed(&["completions", shell]).stdout;
        assert!(script.contains("supermask") && script.contains("sweep"), "{shell}");
    }
    assert!(place.succeed(&["man"]).stdout.contains(".TH supermask 1"));
    place.succeed(&["man", "--out", "man"]);
    let page = std::fs::read_to_string(place.path("man/supermask-sweep.1")).expect("a page");
    assert!(page.contains("shard"), "{page}");
    let help = place.succeed(&["--help"]).stdout;
    assert!(help.contains("Exit codes: 0 "), "{help}");
}

#[test]
fn tables_fit_a_narrow_terminal() {
    let place = Place::new();
    place.write_json("sweep.json", &json!({"seeds": 2, "base": small_run()}));
    place.succeed(&["sweep", "sweep.json", "--adapter", "cpu", "--out", "out"]);
    for columns in [80, 40] {
        let mut command = place.command(&["table", "out"]);
        let output = command.env("COLUMNS", columns.to_string()).output().expect("the program starts");
        let text = crate::place::Ended::from(output).stdout;
        assert!(text.lines().all(|line| line.chars().count() <= columns), "{columns}\n{text}");
        assert!(text.contains("sparsity %") && text.contains("wall"), "{text}");
    }
}

#[test]
fn a_run_is_estimated_without_being_made() {
    let place = Place::new();
    place.write_json("small.json", &small_run());
    let told = place.succeed(&["run", "small.json", "--adapter", "cpu", "--dry-run"]).stdout;
    assert!(told.contains("\nmemory: at least "), "{told}");
    assert!(told.contains("would be recorded in results/small-seed0.json"), "{told}");
    assert!(told.contains("1 run of ga") && told.contains("all of it"), "{told}");
    assert!(!place.path("results").exists());
}

#[test]
fn a_first_configuration_is_written_for_data_and_runs() {
    let place = Place::new();
    let row = |n: usize| format!("{n},{}.5,{},{}\n", n % 7, n % 5, ["red", "blue"][n % 2]);
    place.write("colours.csv", format!("id,x,y,class\n{}", (0..40).map(row).collect::<String>()));
    let told = place.succeed(&["init", "colours.csv"]);
    assert!(told.stdout.contains("2 features, 2 classes (blue, red)"), "{}", told.stdout);
    let text = std::fs::read_to_string(place.path("colours.json")).expect("a configuration");
    assert!(text.contains("\"label\": \"class\",  //") && text.contains("\"drop\": [0],  //"), "{text}");
    place.succeed(&["run", "colours.json", "--adapter", "cpu", "--generations", "2"]);
    place.refused(&["init", "colours.csv"], &["colours.json is there already", "--force"]);
    place.refused(&["init", "nowhere.csv"], &["cannot open", "nowhere.csv"]);
    let printed = place.succeed(&["init", "colours.csv", "--out", "-", "--label", "3"]).stdout;
    assert!(printed.starts_with("// ") && printed.contains("\"label\": 3,"), "{printed}");
    place.write(
        "tabs.tsv",
        (0..40)
            .map(|n| format!("{}\t{}.25\t{:.3}\n", n % 3, n % 4, 0.137 * f64::from(n)))
            .collect::<String>(),
    );
    place.succeed(&["init", "tabs.tsv"]);
    let text = std::fs::read_to_string(place.path("tabs.json")).expect("a configuration");
    assert!(text.contains("\"delimiter\": \"tab\",") && text.contains("\"label\": 0,"), "{text}");
    assert!(text.contains("local_search"), "three classes: {text}");
    let rows = (0..40).map(|n| format!("{},{},{}\n", n % 7, n % 5, n % 2)).collect::<String>();
    place.write("remarked.csv", format!("# measured on a Tuesday\n% twice, by hand\nx,y,class\n{rows}"));
    place.refused(&["init", "remarked.csv"], &["remarked.csv"]);
    place.write("remarked.csv", format!("# measured on a Tuesday\n# twice\nx,y,class\n{rows}"));
    place.succeed(&["init", "remarked.csv"]);
    let text = std::fs::read_to_string(place.path("remarked.json")).expect("a configuration");
    assert!(text.contains("\"comment\": \"#\",") && text.contains("\"label\": \"class\","), "{text}");
    let first = ["run", "remarked.json", "--adapter", "cpu", "--generations", "2"];
    place.succeed(&first);
    let again = place.succeed(&first);
    assert!(again.stderr.contains("has this run already"), "{}", again.stderr);
    place.write("numpy.csv", format!("# x,y,class\n{rows}"));
    place.succeed(&["init", "numpy.csv"]);
    let text = std::fs::read_to_string(place.path("numpy.json")).expect("a configuration");
    assert!(text.contains("\"label\": \"class\",") && !text.contains("comment"), "{text}");
    place.write("alone.csv", format!("x,y,class\n{rows}3,3,7\n"));
    let told = place.succeed(&["init", "alone.csv"]);
    assert!(told.stderr.contains("1 class without a test sample (\"7\")"), "{}", told.stderr);
}

/// Does `value` have what `schema` says? As much of JSON Schema as the program's schemas use.
fn fits(value: &Value, schema: &Value, root: &Value) -> bool {
    let inner = |part: &str| {
        schema[part].as_array().map(|parts| parts.iter().filter(|s| fits(value, s, root)).count())
    };
    let is_type = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_u64() || value.is_i64(),
        _ => value.is_number(),
    };
    let types = match &schema["type"] {
        Value::String(name) => is_type(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(is_type),
        _ => true,
    };
    let referred = schema["$ref"].as_str().is_none_or(|path| {
        fits(value, root.pointer(path.trim_start_matches('#')).expect("a definition"), root)
    });
    let object = value.as_object().is_none_or(|object| {
        let needed = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let known = &schema["properties"];
        needed.into_iter().all(|key| object.contains_key(key))
            && object.iter().all(|(key, value)| match known.get(key) {
                Some(schema) => fits(value, schema, root),
                None => schema["additionalProperties"] != json!(false),
            })
    });
    let items =
        value.as_array().is_none_or(|items| items.iter().all(|item| fits(item, &schema["items"], root)));
    let least =
        schema["minimum"].as_f64().is_none_or(|least| value.as_f64().is_none_or(|value| value >= least));
    types
        && referred
        && object
        && items
        && least
        && schema.get("const").is_none_or(|only| only == value)
        && schema["enum"].as_array().is_none_or(|values| values.contains(value))
        && inner("anyOf").is_none_or(|count| count > 0)
        && inner("allOf").is_none_or(|count| Some(count) == schema["allOf"].as_array().map(Vec::len))
        && inner("oneOf").is_none_or(|count| count == 1)
}

#[test]
fn every_configuration_of_the_repository_fits_the_schema_and_slips_do_not() {
    let place = Place::new();
    let schema = |of: &str| -> Value {
        let printed = place.succeed(&["schema", "--of", of]).stdout;
        serde_json::from_str(&printed).expect("JSON")
    };
    let [run, sweep, either] = ["run", "sweep", "config"].map(schema);
    let mut tried = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/configs")).expect("configurations") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        let value = crate::place::read_json(&path);
        let is_sweep = value.get("grid").is_some() || value.get("base").is_some();
        assert_eq!(fits(&value, &run, &run), !is_sweep, "{}", path.display());
        assert_eq!(fits(&value, &sweep, &sweep), is_sweep, "{}", path.display());
        assert!(fits(&value, &either, &either), "{}", path.display());
        tried += 1;
    }
    assert!(tried > 50, "{tried}");
    for (pointer, value, is_right) in [
        ("/$schema", json!("supermask.schema.json"), true),
        ("/network/weights", json!("uniform"), true),
        ("/network/weights", json!("safetensors"), false),
        ("/network/hiden", json!([5]), false),
        ("/dataset", json!("digits"), true),
        ("/dataset", json!("csv"), false),
        ("/dataset/normalization", json!("standard"), true),
        ("/algorithm/populaton", json!(5), false),
        ("/algorithm/population", json!(-5), false),
        ("/algorithm/fitness", json!({"program": ["a"], "needs": "outputs"}), true),
    ] {
        let changed = with(small_run(), pointer, value.clone());
        assert_eq!(fits(&changed, &run, &run), is_right, "{pointer} = {value}");
    }
}

#[test]
fn records_results_and_masks_fit_their_schemas() {
    let place = Place::new();
    place.write_json("small.json", &small_run());
    let record = place.succeed(&["run", "small.json", "--adapter", "cpu", "--json"]).stdout;
    let local =
        with(small_run(), "/algorithm", json!({"kind": "local_search", "proposals": 50, "prune": true}));
    place.write_json("local.json", &local);
    let local = place.succeed(&["run", "local.json", "--adapter", "cpu", "--json"]).stdout;
    let trained = with(small_run(), "/algorithm", json!({"kind": "backprop", "max_epochs": 2}));
    place.write_json("trained.json", &trained);
    let trained = place.succeed(&["run", "trained.json", "--adapter", "cpu", "--json"]).stdout;
    let bench =
        ["bench", "--network", "2,5,2", "--samples", "100", "--masks", "2", "--seconds", "0", "--json"];
    let bench = place.succeed(&[&bench[..], &["--adapter", "cpu"]].concat()).stdout;
    let batch = json!({
        "layers": [1, 1, 2], "weights_f4": ["AACAPw==", "AAAAAAAAAAA="], "biases_f4": ["AAAAAA==", "AAAAAAAAAAA="],
        "datasets": {"moons": {}, "own": {"config": {"kind": "blobs"}}}, "cases": [{"mask_hex": "07"}]
    });
    for (of, text) in [
        ("record", record),
        ("record", local),
        ("record", trained),
        ("bench", bench),
        ("batch", batch.to_string()),
    ] {
        let schema: Value =
            serde_json::from_str(&place.succeed(&["schema", "--of", of]).stdout).expect("JSON");
        let value: Value = serde_json::from_str(&text).expect("JSON");
        assert!(fits(&value, &schema, &schema), "{of}: {text}");
        let first = value.as_object().and_then(|object| object.keys().next()).expect("a key").clone();
        let without = crate::place::without(value, &[&first]);
        assert!(!fits(&without, &schema, &schema), "{of} without {first}");
    }
}

#[test]
fn the_reference_of_all_keys_is_what_the_program_prints() {
    let place = Place::new();
    let printed = place.succeed(&["schema", "--markdown"]).stdout;
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CONFIGURATION.md");
    let kept = std::fs::read_to_string(page).expect("the page");
    let hint = "supermask schema --markdown > docs/CONFIGURATION.md";
    for (number, (kept, printed)) in (1..).zip(kept.lines().zip(printed.lines())) {
        assert_eq!(kept, printed, "line {number}; make the page anew: {hint}");
    }
    assert_eq!(kept.lines().count(), printed.lines().count(), "make the page anew: {hint}");
    assert!(!printed.contains("[`") && !printed.contains("::"), "links of the source");
    let rows = printed.lines().filter(|line| line.starts_with("| `"));
    let mute: Vec<&str> = rows.filter(|row| row.ends_with("|  |")).collect();
    assert!(mute.is_empty(), "keys without a word: {mute:?}");
}
