//! New data, classified by a record alone.

use crate::place::{Ended, Place, read_json};
use serde_json::{Value, json};
use std::io::Write;
use std::process::Stdio;

const RECORD: &str = "out/run-seed0.json";

/// A quick search.
fn algorithm() -> Value {
    let termination = json!({"min_generations": 20, "patience": 10, "max_generations": 40});
    json!({"kind": "ga", "population": 60, "termination": termination})
}

/// Samples whose width tells the class: the features' cells and the class.
fn samples(classes: [&str; 2]) -> Vec<([String; 2], String)> {
    let sample = |n: usize| {
        let (width, height) = (n * 7919 % 1000, n * 104_729 % 1000);
        let class = classes[usize::from(width >= 500)];
        ([format!("0.{width:03}"), format!("{}.5", 1_700_000_000 + height)], class.to_owned())
    };
    (0..120).map(sample).collect()
}

/// Makes the record of a run on `train.csv` (with an id column that is left out), and removes the training file.
fn record(classes: [&str; 2], delimiter: &str) -> Place {
    let place = Place::new();
    let d = delimiter;
    let row = |(n, ([width, height], class)): (usize, ([String; 2], String))| {
        format!("a{n}{d}{width}{d}{height}{d}\"{class}\"\n")
    };
    let rows: String = samples(classes).into_iter().enumerate().map(row).collect();
    let file = place.write("train.csv", format!("id{d}width{d}height{d}kind\n{rows}"));
    let dataset =
        json!({"kind": "csv", "train": file, "label": "kind", "drop": ["id"], "delimiter": delimiter});
    let run = json!({"dataset": dataset, "network": {"hidden": [10]}, "algorithm": algorithm()});
    place.write_json("run.json", &run);
    place.succeed(&["run", "run.json", "--adapter", "cpu", "--out", "out"]);
    std::fs::remove_file(file).expect("the training file");
    place
}

/// The samples with these columns, in text.
fn text(header: &str, delimiter: &str, columns: impl Fn(&[String; 2], &str) -> Vec<String>) -> String {
    let rows = samples(["narrow", "wide"]).into_iter();
    let row = |(features, class): ([String; 2], String)| columns(&features, &class).join(delimiter) + "\n";
    header.to_owned() + &rows.map(row).collect::<String>()
}

fn plain(features: &[String; 2], _: &str) -> Vec<String> {
    features.to_vec()
}

fn fed(place: &Place, args: &[&str], input: &str) -> Ended {
    let mut command = place.command(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends").into()
}

#[test]
fn columns_are_matched_by_their_names_and_no_training_file_is_needed() {
    let place = record(["narrow", "wide"], ",");
    let predicted = |contents: String| {
        place.write("new.csv", contents);
        place.succeed(&["predict", RECORD, "new.csv"])
    };
    let truth: Vec<String> = samples(["narrow", "wide"]).into_iter().map(|(_, class)| class).collect();
    let expected = predicted(text("width,height\n", ",", plain)).stdout;
    let right = expected.lines().zip(&truth).filter(|(found, class)| found == class).count();
    assert!(expected.lines().count() == 120 && right >= 90, "{right} of 120");
    let swapped = |[width, height]: &[String; 2], _: &str| vec![height.clone(), width.clone()];
    for contents in [
        text("", ",", plain),
        text("height,width\n", ",", swapped),
        text("width, kind ,height,id\n", ",", |[width, height], class| {
            vec![width.clone(), class.to_owned(), height.clone(), String::new()]
        }),
    ] {
        let ended = predicted(contents.clone());
        assert_eq!(ended.stdout, expected, "{}", &contents[..40]);
        assert!(!ended.stderr.contains("note"), "{}", ended.stderr);
    }
    let note = predicted(text("width,height,colour\n", ",", |[width, height], _| {
        vec![width.clone(), height.clone(), "red".to_owned()]
    }));
    assert_eq!(note.stdout, expected);
    assert!(note.stderr.contains("new.csv: no features of the record, left out: colour"), "{}", note.stderr);
}

#[test]
fn new_data_that_do_not_fit_are_refused_and_never_fewer_lines_written_than_rows_read() {
    let place = record(["narrow", "wide"], ",");
    for (contents, parts) in [
        ("price,weight\n1,2\n", vec!["no column is called width, height", "price, weight"]),
        ("width,weight\n1,2\n", vec!["no column is called height"]),
        ("width,width,height\n1,1,2\n", vec!["several columns are called \"width\""]),
        ("NA,NA\n1,2\n", vec!["row 1, column 1: found NA"]),
        ("\"1,5\",\"2,5\"\n1,2\n", vec!["row 1, column 1: \"1,5\" is not a number", "point"]),
        ("0,1\n0.5,1.5\n", vec!["row 1 (0, 1, …)", "--header"]),
        ("1,2\n3,\"4\n5,6\n", vec!["row 2, column 2: the quote that opens here"]),
        ("1,2\n3\n", vec!["row 2 has 1 columns"]),
        ("1,2,wide\n", vec!["row 1 has 3 columns", "leave out the column of the classes"]),
        ("1;2\n3;4\n", vec!["row 1 has 1 columns", "--delimiter \";\""]),
        ("width,height\n", vec!["has no samples"]),
    ] {
        place.write("new.csv", contents);
        let parts: Vec<&str> = parts.into_iter().chain(["new.csv"]).collect();
        place.refused(&["predict", RECORD, "new.csv"], &parts);
    }
    place.write("new.csv", "0,1\n0.5,1.5\n");
    let lines = |header: &str| {
        let args = ["predict", RECORD, "new.csv", "--header", header];
        place.succeed(&args).stdout.lines().count()
    };
    assert_eq!(lines("false"), 2);
    place.write("new.csv", "width,height\n0.5,1.5\n");
    assert_eq!(lines("true"), 1);
}

#[test]
fn the_records_delimiter_standard_input_and_standard_output_are_the_defaults() {
    let place = record(["narrow", "wide"], ";");
    let contents = text("width;height\n", ";", plain);
    place.write("new.csv", &contents);
    let expected = place.succeed(&["predict", RECORD, "new.csv"]).stdout;
    assert_eq!(expected.lines().count(), 120);
    assert_eq!(fed(&place, &["predict", RECORD, "-"], &contents).stdout, expected);
    #[cfg(unix)]
    assert_eq!(fed(&place, &["predict", RECORD, "/dev/stdin"], &contents).stdout, expected);
    assert_eq!(place.succeed(&["predict", RECORD, "new.csv", "--out", "-"]).stdout, expected);
    place.succeed(&["predict", RECORD, "new.csv", "--out", "classes.txt"]);
    assert_eq!(std::fs::read_to_string(place.path("classes.txt")).expect("written"), expected);
    let tabs = text("width\theight\n", "\t", plain);
    for delimiter in ["\\t", "tab", "\t", "whitespace"] {
        let args = ["predict", RECORD, "-", "--delimiter", delimiter];
        assert_eq!(fed(&place, &args, &tabs).stdout, expected, "{delimiter:?}");
    }
}

fn npy(shape: &str, numbers: &[f64]) -> Vec<u8> {
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    numbers.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
    bytes
}

#[test]
fn arrays_are_classified_as_text_is() {
    let place = record(["narrow", "wide"], ",");
    place.write("new.csv", text("", ",", plain));
    let expected = place.succeed(&["predict", RECORD, "new.csv"]).stdout;
    let features = samples(["narrow", "wide"]).into_iter().flat_map(|(features, _)| features);
    let numbers: Vec<f64> = features.map(|cell| cell.parse().expect("a number")).collect();
    place.write("new.npy", npy("(120, 2)", &numbers));
    assert_eq!(place.succeed(&["predict", RECORD, "new.npy"]).stdout, expected);
    let mut idx = vec![0, 0, 0x0e, 2, 0, 0, 0, 120, 0, 0, 0, 2];
    numbers.iter().for_each(|number| idx.extend(number.to_be_bytes()));
    place.write("new.idx", idx);
    assert_eq!(place.succeed(&["predict", RECORD, "new.idx"]).stdout, expected);
    place.write("flat.npy", npy("(240,)", &numbers));
    place.refused(&["predict", RECORD, "flat.npy"], &["flat.npy", "1 features", "reads 2"]);
}

#[test]
fn class_names_take_one_line_each_and_are_no_formulas() {
    let place = record(["=1+1", "two\nlines"], ",");
    place.write("new.csv", text("", ",", plain));
    let ended = place.succeed(&["predict", RECORD, "new.csv"]);
    assert_eq!(ended.stdout.lines().count(), 120);
    assert!(ended.stdout.lines().all(|line| ["'=1+1", "two\\nlines"].contains(&line)), "{}", ended.stdout);
    assert!(ended.stderr.contains("--raw"), "{}", ended.stderr);
    let raw = place.succeed(&["predict", RECORD, "new.csv", "--raw"]);
    assert!(raw.stdout.lines().any(|line| line == "=1+1") && raw.stderr.is_empty(), "{}", raw.stderr);
    let numbers = record(["-1", "1"], ",");
    numbers.write("new.csv", text("", ",", plain));
    let printed = numbers.succeed(&["predict", RECORD, "new.csv"]).stdout;
    assert!(printed.lines().all(|line| line == "-1" || line == "1"), "{printed}");
}

#[test]
fn a_record_without_or_with_another_networks_schema_is_refused() {
    let place = record(["narrow", "wide"], ",");
    place.write("new.csv", text("", ",", plain));
    let whole = read_json(&place.path(RECORD));
    let with = |change: &dyn Fn(&mut Value)| {
        let mut record = whole.clone();
        change(&mut record);
        place.write_json("changed.json", &record);
    };
    with(&|record| {
        record["schema_version"] = json!(1);
        for key in ["class_names", "feature_names", "normalization", "checksum"] {
            record["data"].as_object_mut().expect("an object").remove(key);
        }
    });
    place
        .refused(&["predict", "changed.json", "new.csv"], &["changed.json", "an earlier supermask", "`run`"]);
    for (key, value) in [
        ("class_names", json!(["narrow"])),
        ("feature_names", json!(["width"])),
        ("normalization", json!({"method": "min_max", "range": [0, 1], "min": [0, 0, 0], "max": [1, 1, 1]})),
        ("normalization", json!({"method": "standard", "mean": [0, 0], "deviation": [1]})),
        ("normalization", json!({"method": "standard", "mean": [0, null], "deviation": [1, 1]})),
    ] {
        with(&|record| record["data"][key] = value.clone());
        place.refused(&["predict", "changed.json", "new.csv"], &["changed.json", key]);
    }
}

#[test]
fn a_ticket_is_used_with_a_warning_where_what_the_run_reached_contradicts_itself() {
    let place = record(["big", "small"], ",");
    let mut written = read_json(&place.path(RECORD));
    written["result"]["weights_kept"] = json!(1);
    place.write_json(RECORD, &written);
    place.write("new.csv", text("width,height\n", ",", plain));
    for args in
        [&["predict", RECORD, "new.csv"][..], &["export", RECORD, "--format", "csv", "--out", "t.csv"]]
    {
        let ended = place.succeed(args);
        assert!(
            ended.stderr.contains("contradicts itself") && ended.stderr.contains("result.sparsity is"),
            "{}",
            ended.stderr
        );
    }
    written["ticket"]["mask_hex"] = json!("00");
    place.write_json(RECORD, &written);
    place.refused(&["predict", RECORD, "new.csv"], &["run-seed0.json", "mask_hex"]);
}

#[test]
fn new_data_beyond_single_precision_are_refused_by_their_file() {
    let place = record(["big", "small"], ",");
    place.write("new.csv", "width,height\n0.1,1e300\n");
    place.refused(&["predict", RECORD, "new.csv"], &["new.csv", "sample 1"]);
}
