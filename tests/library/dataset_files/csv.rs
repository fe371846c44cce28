//! Comma-separated values, and text delimited otherwise.

use super::{Folder, error, gzip, load, plain, summary_of};
use serde_json::{Value, json};
use supermask::dataset::{DatasetConfig, DatasetSummary};

#[test]
fn a_csv_file_is_read_with_its_label_column_by_name_or_number() {
    let folder = Folder::new();
    let train = folder.write("train.csv", "kind,x,y\nb,1,2\na,3,4\nb,5,6\n");
    let test = folder.write("test.csv", "kind,x,y\na,7,8\n");
    for label in [json!("kind"), json!(0), json!(-3)] {
        let data = load(plain(json!({"kind": "csv", "train": train, "test": test, "label": label})))
            .expect("good data");
        assert_eq!(data.schema.class_names, ["a", "b"]);
        assert_eq!(data.train.features, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(data.train.labels, [1, 0, 1]);
        assert_eq!((data.test.features, data.test.labels), (vec![7.0, 8.0], vec![0]));
    }
}

#[test]
fn a_csv_file_without_header_compressed_and_with_other_delimiters_is_read() {
    let folder = Folder::new();
    let file = folder.write("data.csv.gz", gzip("1; 2; 10\r\n3;4;9\n\n5;6;10".as_bytes()));
    let split = json!({"test_fraction": 0.3, "shuffle": false, "stratify": false});
    let data = load(plain(json!({"kind": "csv", "train": file, "delimiter": ";", "split": split})))
        .expect("good data");
    assert_eq!(data.schema.class_names, ["9", "10"]);
    assert_eq!((data.train.features, data.train.labels), (vec![1.0, 2.0, 3.0, 4.0], vec![1, 0]));
    assert_eq!((data.test.features, data.test.labels), (vec![5.0, 6.0], vec![1]));
}

#[test]
fn a_file_is_split_by_default_and_the_configuration_says_how() {
    let folder = Folder::new();
    let rows: String = (0..40).map(|i| format!("{i},{}\n", i % 2)).collect();
    let file = folder.write("data.csv", rows);
    let config: DatasetConfig =
        serde_json::from_value(json!({"kind": "csv", "train": file})).expect("a valid configuration");
    let written = serde_json::to_value(&config).expect("JSON");
    assert_eq!(
        written["split"],
        json!({"test_fraction": 0.25, "shuffle": true, "seed": 0, "stratify": true})
    );
    let (summary, data) = DatasetSummary::load(&config).expect("good data");
    assert_eq!((data.train.len(), data.test.len()), (30, 10));
    assert_eq!(summary.test.class_counts, [5, 5]);
    assert_eq!((summary.train.min, summary.train.max), (-0.7, 0.7));
    assert!(summary.to_string().contains(&summary.train.sha256_x_f4));
}

#[test]
fn sample_limits_take_the_first_samples_and_no_more_than_there_are() {
    let folder = Folder::new();
    let file = folder.write("data.csv", "1,0\n2,1\n3,0\n4,1\n");
    let config = |train_samples: usize| {
        plain(json!({"kind": "csv", "train": file, "test": file, "train_samples": train_samples}))
    };
    assert_eq!(load(config(3)).expect("good data").train.features, [1.0, 2.0, 3.0]);
    assert!(error(config(5)).contains("train_samples"));
    assert!(error(config(0)).contains("train_samples"));
    assert!(error(config(1)).contains("class 1 has no training sample"));
}

#[test]
fn bad_csv_files_are_refused_with_the_place() {
    let folder = Folder::new();
    for (contents, expected) in [
        ("", "empty"),
        ("\n\n", "no rows"),
        ("x,y\n", "no samples"),
        ("1,2,0\n1,1\n", "row 2 has 2 columns"),
        ("1,2,0\n3,nan,1\n", "row 2, column 2: found nan"),
        ("1,2,0\n3,inf,1\n", "row 2, column 2: found inf"),
        ("x,y,c\n1,2,0\n3,zwei,1\n", "row 3, column 2: \"zwei\" is not a number"),
        ("1,2,0\n\n\n3,zwei,1\n", "row 2, column 2"),
        ("\"1\n\",2,0\r\n3,zwei,1\n", "row 2, column 2"),
        ("1,2,0\n3,,1\n", "row 2, column 2: the cell is empty"),
        ("1,2,0\n3,4,\n", "row 2, column 3: the cell is empty"),
        ("1,2,0\n3,1e999,1\n", "row 2, column 2: found 1e999; features must be finite"),
        ("1,2,0\n3,4,0\n", "one class only (0)"),
        ("1\n2\n", "one column only"),
    ] {
        let file = folder.write("data.csv", contents);
        let error = error(json!({"kind": "csv", "train": file}));
        assert!(error.contains(expected), "{contents:?}: {error}");
        assert!(error.contains("data.csv"), "{contents:?}: {error}");
    }
    let file = folder.write("data.csv", b"1,0\n\xff\xff,1\n");
    assert!(error(json!({"kind": "csv", "train": file})).contains("row 2 is not UTF-8"));
    let file = folder.write("data.csv.gz", &gzip(b"1,2,0\n3,4,1\n")[..15]);
    assert!(error(json!({"kind": "csv", "train": file})).contains("cut short"));
    let missing = folder.path("missing.csv");
    assert!(error(json!({"kind": "csv", "train": missing})).contains("missing.csv"));
    assert!(error(json!({"kind": "csv", "train": folder.0.path()})).contains("cannot"));
}

/// What rounding to f32 may move a value by, with the rounding of scikit-learn's own sums.
const SINGLE_ROUNDING: f64 = 1.2e-7;

/// `tests/goldens/normalization.json`, made by the program beside it.
#[test]
fn columns_far_from_zero_are_normalised_as_by_scikit_learn_in_double_precision() {
    let golden: Value = serde_json::from_str(include_str!("../../goldens/normalization.json"))
        .expect("the golden file is JSON");
    let numbers =
        |value: &Value| -> Vec<Vec<f64>> { serde_json::from_value(value.clone()).expect("rows of numbers") };
    let folder = Folder::new();
    let file = |name: &str| {
        let rows = numbers(&golden[name]).into_iter().enumerate();
        let line = |(n, row): (usize, Vec<f64>)| {
            row.iter().map(|x| format!("{x:?},")).collect::<String>() + &(n % 2).to_string() + "\n"
        };
        folder.write(name, rows.map(line).collect::<String>())
    };
    let (train, test) = (file("train"), file("test"));
    for method in ["min_max", "standard"] {
        let normalization = json!({"method": method, "scope": "feature"});
        let config = json!({"kind": "csv", "train": train, "test": test, "normalization": normalization});
        let data = load(config).expect("good data");
        let scaled =
            [&golden["scaled"][method][0], &golden["scaled"][method][1]].map(|rows| numbers(rows).concat());
        for (ours, theirs) in [&data.train, &data.test].into_iter().zip(scaled) {
            assert_eq!(ours.features.len(), theirs.len());
            let near =
                |(&x, &y): (&f32, &f64)| (f64::from(x) - y).abs() <= SINGLE_ROUNDING * y.abs().max(1.0);
            assert_eq!(ours.features.iter().zip(&theirs).position(|pair| !near(pair)), None, "{method}");
        }
    }
}

#[test]
fn columns_are_normalised_one_by_one_where_nothing_else_is_asked_for() {
    let folder = Folder::new();
    let file = folder.write("data.csv", "1,1000,0\n2,2000,1\n3,4000,0\n");
    let with = |normalization: Value| {
        let config = json!({"kind": "csv", "train": file, "test": file, "normalization": normalization});
        load(config).expect("good data").train.features
    };
    for method in ["min_max", "standard"] {
        let by_feature = with(json!({"method": method, "scope": "feature"}));
        assert_eq!(with(json!(method)), by_feature);
        assert_ne!(with(json!({"method": method, "scope": "matrix"})), by_feature);
    }
}

#[test]
fn numbers_beyond_single_precision_are_normalised_and_refused_only_where_they_must_fit() {
    let folder = Folder::new();
    let file = folder.write("data.csv", "1e200,0\n3e200,1\n2e200,0\n1e200,1\n");
    let config = json!({"kind": "csv", "train": file, "test": file});
    assert_eq!(load(config.clone()).expect("good data").train.features, [-0.7, 0.7, 0.0, -0.7]);
    assert!(error(plain(config.clone())).contains("more than single precision can hold"));
    let mut standard = config;
    standard["normalization"] = json!({"method": "standard"});
    assert!(error(standard).contains("more than double precision can hold"));
}

#[test]
fn label_columns_and_test_files_that_do_not_fit_are_refused() {
    let folder = Folder::new();
    let file = folder.write("data.csv", "x,y,c\n1,2,0\n3,4,1\n");
    let csv = |label: Value| error(json!({"kind": "csv", "train": file, "label": label}));
    assert!(csv(json!("class")).contains("no column is called \"class\""));
    assert!(csv(json!(3)).contains("there are 3 columns"));
    assert!(csv(json!(i64::MIN)).contains("there are 3 columns"));
    let with = |contents: &str| {
        let test = folder.write("test.csv", contents);
        error(json!({"kind": "csv", "train": file, "test": test}))
    };
    assert!(with("x,y,c\n1,2,7\n").contains("test.csv, sample 1: class 7"));
    assert!(with("x,c\n1,0\n").contains("2 features"));
    assert!(with("y,x,c\n1,2,0\n").contains("called \"y\" here"));
    assert!(with("x,y,c\n").contains("test.csv has no samples"));
}

/// `header` and then `count` rows of two features below 1 and a class, the first of them `classes[0]`.
fn table(header: &str, count: usize, classes: &[&str]) -> String {
    let row = |n: usize| format!("0.{n:03},0.{:03},{}\n", n * 37 % 1000, classes[n % classes.len()]);
    header.to_owned() + &(0..count).map(row).collect::<String>()
}

#[test]
fn columns_called_by_numbers_are_names_or_the_file_is_refused_and_the_configuration_decides() {
    let folder = Folder::new();
    for (header, classes) in [
        ("0,1,2\n", ["0", "1"]),
        ("0,1,target\n", ["0", "1"]),
        ("2021,2022,region\n", ["3", "4"]),
        ("950.2,951.7,oil\n", ["0", "1"]),
    ] {
        let file = folder.write("data.csv", table(header, 40, &classes));
        let summary = summary_of(json!({"kind": "csv", "train": file}));
        assert_eq!(summary.train.samples + summary.test.samples, 40, "{header}");
        assert_eq!(summary.class_names, classes, "{header}");
        assert!(summary.to_string().contains("names the columns: "), "{summary}");
        let reading = summary.reading.expect("text");
        assert!(reading.header && reading.class_column.ends_with(')'), "{reading:?}");
    }
    for header in ["0,1,target\n", "2021,2022,region\n", "950.2,951.7,target\n", "0.5,0.5,rare\n"] {
        let file = folder.write("data.csv", table(header, 40, &["no", "yes"]));
        let config = |header: Value| json!({"kind": "csv", "train": file, "header": header});
        let refused = error(config(json!("auto")));
        assert!(
            refused.contains("data.csv: row 1 may name the columns") && refused.contains("\"header\""),
            "{refused}"
        );
        assert_eq!(summary_of(config(json!(true))).class_names, ["no", "yes"], "{header}");
        assert_eq!(summary_of(config(json!(false))).class_names.len(), 3, "{header}");
    }
    let rows: String = (0..40).map(|n| format!("{n},0.5{n},0.{n},{}\n", n % 2)).collect();
    let file = folder.write("data.csv", format!(",0,1,2\n{rows}"));
    let summary = summary_of(json!({"kind": "csv", "train": file}));
    assert_eq!(summary.train.samples + summary.test.samples, 40);
    assert!(
        summary.notes.iter().any(|note| note.contains("column 0 numbers the rows")),
        "{:?}",
        summary.notes
    );
    assert!(summary.to_string().contains("note: column 0 numbers the rows"), "{summary}");
}

#[test]
fn names_in_a_summary_drive_no_terminal_and_are_cut() {
    let folder = Folder::new();
    let long = "z".repeat(10_000);
    let file = folder.write("data.csv", table("x,y,kind\n", 40, &["\u{1b}[31mred", &long]));
    let shown = summary_of(json!({"kind": "csv", "file": file})).to_string();
    assert!(shown.contains("samples of class \\u001b[31mred"), "{shown}");
    assert!(!shown.contains('\u{1b}') && shown.len() < 3000, "{shown}");
}

#[test]
fn samples_of_numbers_stay_samples() {
    let folder = Folder::new();
    for (contents, samples) in [
        (table("", 40, &["a", "b"]), 40),
        ((0..40).map(|n| format!("{},{},{}\n", n, n + 1, n % 2)).collect(), 40),
        ((0..40).map(|n| format!("{n},{}\n", n % 2)).collect(), 40),
    ] {
        let file = folder.write("data.csv", contents);
        let summary = summary_of(json!({"kind": "csv", "train": file, "split": {"stratify": false}}));
        assert_eq!(summary.train.samples + summary.test.samples, samples);
        assert!(!summary.reading.expect("text").header);
    }
}

#[test]
fn a_first_row_without_values_or_with_decimal_commas_is_no_header() {
    let folder = Folder::new();
    for (first, expected) in [
        ("?,NA,a\n", "row 1, column 1: found ?, which says that the value is missing"),
        (",,a\n", "row 1, column 1: the cell is empty"),
        ("nan,null,a\n", "row 1, column 1: found nan"),
        ("0.5,none,a\n", "row 1, column 2: found none"),
        (
            "\"1,5\",\"2,5\",a\n",
            "row 1, column 1: \"1,5\" is not a number; decimals are written with a point",
        ),
        (
            "60,words,a\n",
            "row 1, column 2: \"words\" is not a number; if row 1 names the columns, say \"header\": true",
        ),
        ("sep=,\n", "\"skip_rows\": 1"),
    ] {
        let file = folder.write("data.csv", table(first, 10, &["a", "b"]));
        let error = error(json!({"kind": "csv", "train": file}));
        assert!(error.contains(expected), "{first:?}: {error}");
    }
    let file = folder.write("data.csv", table("Na,Mg,class\n", 10, &["a", "b"]));
    assert!(summary_of(json!({"kind": "csv", "train": file})).reading.expect("text").header);
}

#[test]
fn quotes_that_swallow_rows_are_refused_by_the_row_where_they_open() {
    let folder = Folder::new();
    let rows = |n: usize| table("", n, &["a", "b"]);
    for (damage, expected) in [
        ("0.1,0.2,\"a\n", "row 11, column 3: the quote that opens here, on line 11, is not closed"),
        ("\"0.1,0.2,a\n", "row 11, column 1: the quote that opens here"),
        ("0.1,\"0.2\"\",a\n", "row 11, column 2: the quote that opens here"),
        (
            "0.1,0.2,\"a\n0.1,0.2,\"b\n",
            "row 11, column 3: text stands behind the quote that closes this cell, 1 lines",
        ),
        ("0.1,0.2,\"a\n0.1,0.2,b\"\n", "row 11, column 3: a cell between quotes holds 2 lines"),
    ] {
        let file = folder.write("data.csv", format!("{}{damage}{}", rows(10), rows(30)));
        let error = error(json!({"kind": "csv", "train": file}));
        assert!(error.contains(expected), "{damage:?}: {error}");
        assert!(error.len() < 400, "{error}");
    }
    let file = folder.write("data.csv", "x,c\n1,\"two\nlines\"\n2,\"a, b\"\n");
    assert_eq!(
        summary_of(json!({"kind": "csv", "train": file, "test": file})).class_names,
        ["a, b", "two\nlines"]
    );
}

#[test]
fn missing_classes_are_refused_unless_the_words_are_classes() {
    let folder = Folder::new();
    for word in ["NA", "n/a", "nan", "?", "NULL", "None", "-"] {
        let file = folder.write("data.csv", format!("{}0.5,0.5,{word}\n", table("", 10, &["a", "b"])));
        let config =
            |allowed: bool| json!({"kind": "csv", "train": file, "missing_words_are_classes": allowed});
        let refused = error(config(false));
        assert!(
            refused.contains(&format!("row 11, column 3: \"{word}\" says that the class is missing")),
            "{refused}"
        );
        assert_eq!(summary_of(config(true)).classes, 3, "{word}");
    }
    let signs = folder.write("signs.csv", table("", 12, &["+", "-"]));
    assert_eq!(summary_of(json!({"kind": "csv", "train": signs})).class_names, ["+", "-"]);
}

#[test]
fn labels_that_are_one_number_are_one_class_in_both_files() {
    let folder = Folder::new();
    let train = folder.write("train.csv", table("", 12, &["1", "0", "1.0", "-0.0", "01", "2"]));
    let test = folder.write("test.csv", table("", 12, &["2.0", "1e0"]));
    let summary = summary_of(json!({"kind": "csv", "train": train, "test": test}));
    assert_eq!(summary.class_names, ["0", "1", "2"]);
    assert_eq!((summary.train.class_counts, summary.test.class_counts), (vec![4, 6, 2], vec![0, 6, 6]));
    assert!(
        summary.notes.iter().any(|note| note.contains("the same number are one class")),
        "{:?}",
        summary.notes
    );
}

#[test]
fn columns_are_left_out_or_chosen_and_shown() {
    let folder = Folder::new();
    let file = folder.write("data.csv", "id,x,when,y,c\na1,1,Monday,2,p\nb2,3,,4,q\n");
    let csv = |more: Value| {
        let mut config = plain(json!({"kind": "csv", "train": file, "test": file}));
        more.as_object().expect("settings").iter().for_each(|(key, value)| config[key] = value.clone());
        config
    };
    for more in [
        json!({"drop": ["id", "when"]}),
        json!({"drop": [0, -3], "label": "c"}),
        json!({"features": ["y", "x"]}),
        json!({"features": [1, 3], "header": true}),
    ] {
        let data = load(csv(more.clone())).expect("good data");
        assert_eq!(data.train.features, [1.0, 2.0, 3.0, 4.0], "{more}");
        assert_eq!(data.schema.feature_names, Some(vec!["x".to_owned(), "y".to_owned()]), "{more}");
    }
    let summary = summary_of(csv(json!({"drop": ["id", 2]})));
    let shown = summary.to_string();
    let has =
        |name: &str, rest: &str| shown.lines().any(|line| line.starts_with(name) && line.ends_with(rest));
    assert!(has("columns left out", " 0 (id), 2 (when)"), "{shown}");
    assert!(has("class column", " 4 (c)") && has("columns of features", " 1 (x), 3 (y)"), "{shown}");
    for (more, expected) in [
        (json!({}), "row 2, column 1: \"a1\" is not a number"),
        (json!({"drop": ["id", 2, 7]}), "`drop` is column 7, but there are 5 columns"),
        (json!({"features": ["x", "z"]}), "no column is called \"z\" (`features`)"),
        (json!({"label": 9}), "`label` is column 9, but there are 5 columns"),
    ] {
        let error = error(csv(more));
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn aligned_columns_headings_and_comments_are_read() {
    let folder = Folder::new();
    let aligned = folder.write("aligned.txt", "   1.5     2.0   a \n\t3.5     4.0   b\n");
    let heading = folder.write("heading.csv", "2,2,setosa\n# measured by hand\n1.5,2.0,a\n3.5,4.0,b\n");
    for config in [
        json!({"kind": "csv", "train": aligned, "test": aligned, "delimiter": "whitespace"}),
        json!({"kind": "csv", "train": aligned, "test": aligned, "delimiter": " "}),
        json!({"kind": "csv", "train": heading, "test": heading, "skip_rows": 1, "comment": "#"}),
    ] {
        let data = load(plain(config.clone())).expect("good data");
        assert_eq!(data.train.features, [1.5, 2.0, 3.5, 4.0], "{config}");
    }
    let error = error(json!({"kind": "csv", "train": aligned}));
    assert!(error.contains("one column only") && error.contains("try \"whitespace\""), "{error}");
}
