//! What the account, the machine and the terminal allow.

use crate::place::{Ended, Place, records, small_run, with, without};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

/// Address space of the tests of memory: enough for the program, and less than any of the demands.
const ADDRESS_SPACE: u64 = 3_000_000_000;

/// The program in `place`, started by another one that sets limits.
fn limited(place: &Place, by: &[&str], args: &[&str]) -> Ended {
    let program = place.command(args);
    let mut command = Command::new(by[0]);
    command.args(&by[1..]).arg(program.get_program()).args(args).stdin(Stdio::null());
    command.current_dir(program.get_current_dir().expect("the place"));
    command.envs(program.get_envs().filter_map(|(key, value)| Some((key, value?))));
    Ended::from(command.output().unwrap_or_else(|error| panic!("{}: {error}", by[0])))
}

fn refused_for_memory(config: Value, parts: &[&str]) {
    let place = Place::new();
    place.write_json("large.json", &config);
    let limit = format!("--as={ADDRESS_SPACE}");
    let args = ["run", "large.json", "--adapter", "cpu", "--out", "out", "-j", "2"];
    let ended = limited(&place, &["prlimit", &limit], &args);
    assert_eq!(ended.code, Some(2), "{config}: {}", ended.stderr);
    for part in [&["would take at least", "of which", "are free"], parts].concat() {
        assert!(ended.stderr.contains(part), "{config}: no {part:?} in {}", ended.stderr);
    }
    assert!(ended.stderr.len() < 400, "{}", ended.stderr);
    assert!(!place.path("out").exists(), "{config}");
}

#[test]
fn what_does_not_fit_into_memory_is_refused_before_the_work() {
    let genetic = |population: u64| with(small_run(), "/algorithm/population", json!(population));
    refused_for_memory(genetic(1_000_000_000), &["a population of 1000000000", "[2, 6, 2]"]);
    refused_for_memory(
        with(genetic(100_000), "/network/hidden", json!([100_000])),
        &["a population of 100000"],
    );
    refused_for_memory(
        with(small_run(), "/network/hidden", json!([60_000, 60_000])),
        &["[2, 60000, 60000, 2]"],
    );
    let local = |more: Value| with(small_run(), "/algorithm", more);
    let chains = json!({"kind": "local_search", "chains": 1_000_000_000_000u64, "proposals": 1});
    refused_for_memory(local(chains), &["1000000000000 chains"]);
    let batch =
        json!({"kind": "local_search", "batch": 1_000_000_000_000u64, "proposals": 1_000_000_000_000u64});
    refused_for_memory(local(batch), &["a batch of 1000000000000"]);
    let samples = with(small_run(), "/dataset/train_samples", json!(134_217_728));
    refused_for_memory(samples, &["134217728 train_samples"]);
    let blobs = json!({"kind": "blobs", "classes": 2, "samples_per_class": 10_000_000, "features": 10});
    refused_for_memory(with(small_run(), "/dataset", blobs), &["10000000 samples_per_class"]);
    let copies = json!({"kind": "digits", "augmentation": {"copies": 10_000}});
    refused_for_memory(with(small_run(), "/dataset", copies), &["augmentation.copies of 10000"]);
}

#[test]
fn a_cell_a_measurement_and_a_record_that_do_not_fit_are_refused_too() {
    let place = Place::new();
    let limit = format!("--as={ADDRESS_SPACE}");
    let grid = json!({"base": small_run(), "grid": {"algorithm.population": [20, 1_000_000_000]}});
    place.write_json("sweep.json", &grid);
    place.write_json("small.json", &small_run());
    place.succeed(&["run", "small.json", "--adapter", "cpu", "--out", "small"]);
    let record = crate::place::read_json(&place.path("small/small-seed0.json"));
    place.write_json("claims.json", &with(record, "/config/network/layers", json!([2, 60_000, 60_000, 2])));
    let cases: [(&[&str], &str); 3] = [
        (&["sweep", "sweep.json", "--adapter", "cpu", "--out", "out", "-j", "2"], "population=1000000000"),
        (&["bench", "--network", "2,60000,60000,2", "--adapter", "cpu", "-j", "2"], "[2, 60000, 60000, 2]"),
        (&["evaluate", "claims.json", "--adapter", "cpu", "-j", "2"], "claims.json"),
    ];
    for (args, part) in cases {
        let ended = limited(&place, &["prlimit", &limit], args);
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(part), "{args:?}: {}", ended.stderr);
    }
    assert!(!place.path("out").exists());
}

#[test]
fn more_than_any_sweep_or_search_can_do_is_refused_at_once() {
    let place = Place::new();
    for (seeds, part) in [
        (json!(10_000_000), "found 10000000, but a sweep has at most 100000 runs"),
        (json!({"first": u64::MAX - 1, "count": 3}), "the last seed"),
    ] {
        place.write_json("sweep.json", &json!({"base": small_run(), "seeds": seeds}));
        place.refused(&["sweep", "sweep.json", "--dry-run"], &["sweep.json", "seeds", part]);
    }
    let many = json!({"base": small_run(), "seeds": 100_000, "grid": {"algorithm.population": [20, 30]}});
    place.write_json("sweep.json", &many);
    place.refused(&["sweep", "sweep.json", "--dry-run"], &["grid", "more than 100000 runs"]);
    place.write_json("small.json", &small_run());
    let tune = ["tune", "small.json", "--candidates", "1000000000000", "--out", "tune.jsonl"];
    place.refused(&tune, &["candidates", "10000000"]);
    let blobs = json!({"kind": "blobs", "classes": 100_001, "samples_per_class": 1});
    place.write_json("blobs.json", &with(small_run(), "/dataset", blobs));
    place.refused(&["dataset", "blobs.json"], &["classes", "at most 100000"]);
}

/// The program as a user who may start no process and no thread any more; none where such a user cannot be had.
/// Limits on processes do not hold for root, who becomes another user here.
fn as_a_user_without_threads(place: &Place, args: &[&str]) -> Option<Ended> {
    const NOBODY: [&str; 4] = ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups"];
    const LIMIT: [&str; 2] = ["prlimit", "--nproc=1"];
    if !rustix::process::geteuid().is_root() {
        return Some(limited(place, &LIMIT, args));
    }
    let become_nobody = Command::new(NOBODY[0]).args(&NOBODY[1..]).arg("true").status();
    if !become_nobody.is_ok_and(|status| status.success()) {
        return None;
    }
    // Nobody may not look into root's folders.
    let copy = place.path("supermask");
    if !copy.exists() {
        fs::copy(env!("CARGO_BIN_EXE_supermask"), &copy).expect("a copy");
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(place.path("."), open).expect("ours");
    }
    let mut command = Command::new(NOBODY[0]);
    command.args(&NOBODY[1..]).args(LIMIT).arg(copy).args(args);
    let output = command.current_dir(place.path(".")).stdin(Stdio::null()).output();
    Some(Ended::from(output.expect("the program starts")))
}

#[test]
fn without_threads_of_its_own_the_program_works_on_the_one_it_has() {
    let place = Place::new();
    place.write_json("small.json", &small_run());
    let local = json!({"kind": "local_search", "proposals": 500, "chains": 2});
    place.write_json("local.json", &with(small_run(), "/algorithm", local));
    let algorithms = json!([small_run()["algorithm"], {"kind": "edge_popup", "epochs": 2}]);
    let base = without(small_run(), &["algorithm"]);
    let sweep = json!({"base": base, "seeds": 3, "grid": {"algorithm": algorithms}});
    place.write_json("sweep.json", &sweep);
    place.write("new.csv", "0.1,0.2\n");
    place.succeed(&["sweep", "sweep.json", "--adapter", "cpu", "--out", "usual"]);
    let commands: [&[&str]; 8] = [
        &["run", "small.json", "--adapter", "cpu", "--out", "out"],
        &["run", "small.json", "--adapter", "cpu", "--out", "out", "-j", "1"],
        &["run", "local.json", "--adapter", "cpu", "--out", "out"],
        &["sweep", "sweep.json", "--adapter", "cpu", "--out", "sweep"],
        &["table", "usual"],
        &["report", "usual", "--out", "page.html", "--figures", "figures"],
        &["predict", "out/small-seed0.json", "new.csv"],
        &["tune", "small.json", "--candidates", "2", "--folds", "2", "--out", "tune.jsonl"],
    ];
    for args in commands {
        let Some(ended) = as_a_user_without_threads(&place, args) else { return };
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{args:?}: {}", ended.stderr);
        let asked_for_one = args.contains(&"-j");
        assert_eq!(ended.stderr.contains("note: 1 of "), !asked_for_one, "{args:?}: {}", ended.stderr);
    }
    crate::place::assert_same(&records(&place.path("sweep")), &records(&place.path("usual")));
    let four = ["run", "small.json", "--adapter", "cpu", "--out", "out", "-j", "4"];
    let ended = as_a_user_without_threads(&place, &four).expect("as before");
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("--threads 4: "), "{}", ended.stderr);
}

/// What a sweep of four runs writes to a terminal of so many columns.
fn on_a_terminal(term: &str, columns: usize) -> String {
    let place = Place::new();
    place.write_json("sweep.json", &json!({"base": small_run(), "seeds": 4}));
    let program = env!("CARGO_BIN_EXE_supermask");
    let inside = format!(
        "stty rows 24 cols {columns}; '{program}' sweep sweep.json --adapter cpu --out out >ended.txt"
    );
    let ended = Command::new("script")
        .args(["-qec", &inside, "/dev/null"])
        .current_dir(place.path("."))
        .env("TERM", term)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .expect("script, of util-linux");
    assert!(ended.status.success(), "{term}, {columns} columns");
    assert_eq!(records(&place.path("out")).len(), 4);
    String::from_utf8(ended.stdout).expect("output is UTF-8")
}

#[test]
fn a_terminal_that_cannot_renew_a_display_gets_the_lines_of_a_log() {
    for (term, columns) in [("dumb", 80), ("xterm", 1), ("xterm", 19)] {
        let shown = on_a_terminal(term, columns);
        assert!(shown.contains("[4/4]"), "{term}, {columns} columns: {shown:?}");
        assert!(!shown.contains('\x1b'), "{term}, {columns} columns: {shown:?}");
        assert!(shown.lines().count() < 10, "{term}, {columns} columns: {shown:?}");
    }
    for columns in [20, 80, 1000] {
        let shown = on_a_terminal("xterm", columns);
        assert!(shown.contains("\x1b[") && !shown.contains("[4/4]"), "{columns} columns: {shown:?}");
        let colours = shown.split("\x1b[").skip(1).filter(|rest| {
            rest.find(|c: char| c.is_ascii_alphabetic()).is_some_and(|end| rest[end..].starts_with('m'))
        });
        assert_eq!(colours.count(), 0, "{columns} columns: {shown:?}");
    }
}
