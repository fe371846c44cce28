//! Where output goes: devices, pipes, links, full disks, readers that have gone.

use crate::place::{Ended, Place, small_run};
use serde_json::json;
use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::process::{Command, Stdio};

/// A place with the record `out/small-seed0.json` and samples to classify.
fn place() -> Place {
    let place = Place::new();
    place.write_json("small.json", &small_run());
    place.write("new.csv", "0.1,0.2\n0.3,-0.4\n");
    place.succeed(&["run", "small.json", "--out", "out", "--adapter", "cpu"]);
    place
}

const RECORD: &str = "out/small-seed0.json";

/// Every way to write a document to `path`.
fn writers(path: &str) -> Vec<Vec<&str>> {
    vec![
        vec!["predict", RECORD, "new.csv", "--out", path],
        vec!["export", RECORD, "--format", "csv", "--out", path],
        vec!["export", RECORD, "--format", "npz", "--compact", "--out", path],
        vec!["report", "out", "--out", path],
        vec!["dataset", "small.json", "--out", path],
    ]
}

fn full() -> File {
    File::options().write(true).open("/dev/full").expect("/dev/full")
}

/// The write end of a pipe whose reader has gone.
fn gone() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

#[test]
fn a_document_goes_through_a_link_and_into_a_device() {
    let place = place();
    place.write("target", "old");
    symlink("target", place.path("link")).expect("a link");
    symlink("new", place.path("dangling")).expect("a link");
    symlink("/dev/null", place.path("null")).expect("a link");
    for args in writers("link") {
        place.write("target", "old");
        fs::set_permissions(place.path("target"), fs::Permissions::from_mode(0o640)).expect("ours");
        place.succeed(&args);
        assert!(fs::symlink_metadata(place.path("link")).expect("there").is_symlink(), "{args:?}");
        assert_ne!(fs::read(place.path("target")).expect("a file"), b"old", "{args:?}");
        assert_eq!(fs::metadata(place.path("target")).expect("there").mode() & 0o777, 0o640, "{args:?}");
    }
    for args in writers("dangling") {
        place.succeed(&args);
        assert!(fs::symlink_metadata(place.path("dangling")).expect("there").is_symlink(), "{args:?}");
        fs::remove_file(place.path("new")).expect("the target was made");
    }
    for args in writers("null") {
        place.succeed(&args);
        assert!(fs::metadata(place.path("null")).expect("there").file_type().is_char_device(), "{args:?}");
    }
}

#[test]
fn a_document_on_standard_output_is_alone_there() {
    let place = place();
    symlink("/dev/stdout", place.path("stdout")).expect("a link");
    for (on_standard_output, to_file) in writers("stdout").into_iter().zip(writers("file")) {
        place.succeed(&to_file);
        let whole = fs::read(place.path("file")).expect("a file");
        for out in ["stdout", "-", "/dev/fd/1"] {
            let args: Vec<&str> =
                on_standard_output.iter().map(|&arg| if arg == "stdout" { out } else { arg }).collect();
            let output = place.command(&args).output().expect("an end");
            assert!(output.status.success(), "{args:?}");
            assert_eq!(output.stdout.len(), whole.len(), "{args:?}");
            // A file that is standard output is added to, and not replaced.
            let log = place.write("log", "before");
            let opened = File::options().append(true).open(&log).expect("a file");
            assert!(
                place.command(&args).stdout(opened).output().expect("an end").status.success(),
                "{args:?}"
            );
            assert_eq!(fs::read(&log).expect("a file").len(), "before".len() + whole.len(), "{args:?}");
        }
    }
}

#[test]
fn a_pipe_is_read_from_by_another_program() {
    let place = place();
    assert!(Command::new("mkfifo").arg(place.path("pipe")).status().expect("mkfifo").success());
    for args in writers("pipe") {
        let reader = Command::new("cat").arg(place.path("pipe")).stdout(Stdio::piped()).spawn().expect("cat");
        place.succeed(&args);
        let read = reader.wait_with_output().expect("an end").stdout;
        assert!(!read.is_empty(), "{args:?}");
        assert!(fs::metadata(place.path("pipe")).expect("there").file_type().is_fifo(), "{args:?}");
    }
}

#[test]
fn a_run_follows_the_link_at_its_records_place() {
    let place = place();
    fs::rename(place.path(RECORD), place.path("elsewhere.json")).expect("moved");
    symlink("../elsewhere.json", place.path(RECORD)).expect("a link");
    let before = fs::metadata(place.path("elsewhere.json")).expect("there").ino();
    place.succeed(&["run", "small.json", "--out", "out", "--adapter", "cpu"]);
    assert!(fs::symlink_metadata(place.path(RECORD)).expect("there").is_symlink());
    assert_ne!(fs::metadata(place.path("elsewhere.json")).expect("there").ino(), before);
}

#[test]
fn a_place_that_cannot_be_written_is_found_before_the_work() {
    let place = place();
    fs::create_dir(place.path("folder")).expect("a folder");
    symlink("loop", place.path("loop")).expect("a link");
    for (path, reason) in [
        ("folder", "it is a folder"),
        ("small.json/file", "Not a directory"),
        ("loop", "circle"),
        ("nowhere/", "the name of a file"),
    ] {
        for args in writers(path) {
            place.refused(&args, &["--out", path, reason]);
        }
    }
    place.refused(
        &["report", "out", "--figures", "small.json"],
        &["--figures small.json", "a file, not a folder"],
    );
    place.refused(&["report", "out", "--figures", "small.json/new"], &["--figures", "small.json is a file"]);
    let hour = ["bench", "--network", "2,75,2", "--seconds", "3600", "--adapter", "cpu"];
    for flag in ["--out", "--plot"] {
        for (path, reason) in [("folder", "it is a folder"), ("small.json/b.json", "small.json")] {
            place.refused(&[&hour[..], &[flag, path]].concat(), &[flag, path, reason]);
        }
    }
    for (path, reason) in [("folder", "it is a folder"), ("-", "regular file"), ("/dev/null", "regular file")]
    {
        place.refused(&["tune", "small.json", "--out", path], &["--out", path, reason]);
    }
    for ending in ["json", "safetensors"] {
        let record = format!("other/small-seed0.{ending}");
        fs::create_dir_all(place.path(&record)).expect("a folder");
        let args = ["run", "small.json", "--out", "other", "--adapter", "cpu"];
        place.refused(&args, &[&record, "it is a folder"]);
        fs::remove_dir(place.path(&record)).expect("an empty folder");
    }
}

#[test]
fn a_lost_standard_error_loses_nothing_else() {
    let place = place();
    place.write_json("out/other.json", &json!({}));
    place.write_json("sweep.json", &json!({"base": small_run(), "seeds": 3}));
    let cases: [(&[&str], i32); 6] = [
        (&["table", "out"], 0),
        (&["compare", "out", "--reference", "ga", "--target", "x"], 2),
        (&["report", "out", "--out", "page.html", "--figures", "figures"], 0),
        (&["run", "small.json", "--seed", "5", "--out", "out", "--adapter", "cpu"], 0),
        (&["sweep", "sweep.json", "--out", "sweep", "--adapter", "cpu"], 0),
        (&["nonsense"], 2),
    ];
    for (args, code) in cases {
        let usual = place.run(args);
        assert_eq!(usual.code, Some(code), "{args:?}: {}", usual.stderr);
        for lost in [full().into(), gone()] {
            for made in ["page.html", "out/small-seed5.json"] {
                let _ = fs::remove_file(place.path(made));
            }
            for made in ["figures", "sweep"] {
                let _ = fs::remove_dir_all(place.path(made));
            }
            let output = place.command(args).stderr(lost).output().expect("an end");
            let ended = Ended::from(output);
            assert_eq!(ended.code, Some(code), "{args:?}");
            let lines = |text: &str| text.lines().count();
            assert_eq!(lines(&ended.stdout), lines(&usual.stdout), "{args:?}: {}", ended.stdout);
            match args[0] {
                "report" => {
                    assert!(place.path("page.html").exists());
                    assert!(fs::read_dir(place.path("figures")).expect("figures").count() > 10);
                }
                "run" => assert!(place.path("out/small-seed5.json").exists()),
                "sweep" => assert_eq!(crate::place::records(&place.path("sweep")).len(), 3),
                _ => {}
            }
        }
    }
}

#[test]
fn a_lost_standard_output_loses_no_work() {
    let place = place();
    place.write_json("sweep.json", &json!({"base": small_run(), "seeds": 2}));
    let cases: [&[&str]; 4] = [
        &["run", "small.json", "--seed", "6", "--out", "out", "--adapter", "cpu"],
        &["sweep", "sweep.json", "--out", "sweep", "--adapter", "cpu"],
        &["report", "out", "--out", "page.html", "--figures", "figures"],
        &["export", RECORD, "--format", "onnx", "--compact", "--out", "ticket.onnx"],
    ];
    let made = [
        "out/small-seed6.json",
        "out/small-seed6.safetensors",
        "page.html",
        "figures/results.csv",
        "ticket.onnx",
    ];
    // A disk that is full is an error; a reader that has seen enough is none.
    for code in [1, 0] {
        for args in cases {
            let stdout = if code == 1 { full().into() } else { gone() };
            let output = place.command(args).stdout(stdout).output().expect("an end");
            let ended = Ended::from(output);
            assert_eq!(ended.code, Some(code), "{args:?}: {}", ended.stderr);
            assert_eq!(
                ended.stderr.contains("cannot write to standard output"),
                code == 1,
                "{}",
                ended.stderr
            );
        }
        for name in made {
            fs::remove_file(place.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        assert_eq!(crate::place::records(&place.path("sweep")).len(), 2);
        fs::remove_dir_all(place.path("sweep")).expect("the records of the sweep");
    }
    for args in [&["table", "out"][..], &["adapters", "--json"], &["dataset", "small.json"], &["--help"]] {
        let ended = Ended::from(place.command(args).stdout(gone()).output().expect("an end"));
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{args:?}");
    }
}

#[test]
fn a_reader_that_has_gone_hides_no_failure() {
    let place = Place::new();
    let weights = json!({"huge": {"init": "uniform", "bound": 3e38}});
    place.write_json("sweep.json", &json!({"base": small_run(), "grid": {"network.weights": weights}}));
    let args = ["sweep", "sweep.json", "--out", "sweep", "--adapter", "cpu"];
    let ended = Ended::from(place.command(&args).stdout(gone()).output().expect("an end"));
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("1 runs failed"), "{}", ended.stderr);
}
