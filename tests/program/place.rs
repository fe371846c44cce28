//! The program as its user meets it: started in an empty folder, judged by what it prints and writes.

#![allow(dead_code, reason = "every test file takes what it needs")]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Lines of Mesa's own, which a driver prints when the desktop's environment is not there.
const DRIVER_NOISE: &str = "XDG_RUNTIME_DIR";

/// An empty folder in which the program runs.
pub struct Place {
    folder: TempDir,
    /// The user's cache folder, on Linux and others of its kind.
    cache: TempDir,
}

/// What the program did.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("output is UTF-8");
        let stderr = text(&output.stderr);
        let ours = stderr.lines().filter(|line| !line.contains(DRIVER_NOISE));
        let stderr = ours.map(|line| format!("{line}\n")).collect();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr }
    }
}

impl Place {
    pub fn new() -> Self {
        let folder = || TempDir::new().expect("a temporary folder");
        Self { folder: folder(), cache: folder() }
    }

    /// What the program remembers.
    pub fn remembered(&self, name: &str) -> PathBuf {
        self.cache.path().join("supermask").join(name)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, contents).expect("a file");
        path
    }

    pub fn write_json(&self, name: &str, value: &Value) -> PathBuf {
        self.write(name, value.to_string())
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_supermask"));
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("XDG_CACHE_HOME", self.cache.path());
        // Compiled kernels of the software adapter are shared by all places.
        command.env("MESA_SHADER_CACHE_DIR", std::env::temp_dir());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ended {
        self.command(args).output().expect("the program starts").into()
    }

    /// Runs the program, which must succeed.
    pub fn succeed(&self, args: &[&str]) -> Ended {
        let ended = self.run(args);
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.stderr);
        ended
    }

    /// Runs the program, which must refuse with one error that has all of `parts`, and write nothing.
    pub fn refused(&self, args: &[&str], parts: &[&str]) {
        let before = self.files();
        let ended = self.run(args);
        let stderr = &ended.stderr;
        assert_eq!(ended.code, Some(2), "{args:?}: {stderr}");
        assert_eq!(stderr.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{stderr}");
        assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
        for part in parts {
            assert!(stderr.contains(part), "{args:?}: no {part:?} in: {stderr}");
        }
        assert_eq!(ended.stdout, "", "{args:?}");
        assert_eq!(self.files(), before, "{args:?}");
    }

    /// Everything in the folder.
    fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path.clone());
                }
                found.push(path);
            }
        }
        found.sort();
        found
    }
}

/// A run that ends after a fraction of a second.
pub fn small_run() -> Value {
    json!({
        "dataset": {"kind": "moons", "train_samples": 200, "test_samples": 80},
        "network": {"hidden": [6]},
        "algorithm": {
            "kind": "ga",
            "population": 20,
            "termination": {"min_generations": 8, "patience": 5, "max_generations": 12}
        }
    })
}

/// `base` with `value` at a JSON pointer.
pub fn with(mut base: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    base.pointer_mut(parent).expect("a place in the configuration")[key] = value;
    base
}

pub fn read_json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The records of a folder by file name, without their timing (and how many runs shared a batch).
pub fn records(folder: &Path) -> BTreeMap<String, Value> {
    let mut records = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("the folder of a sweep") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name.ends_with(".json") && !name.ends_with(".failed.json") {
            let mut record = without(read_json(&path), &["timing"]);
            if let Some(history) = record.pointer_mut("/local_search/history") {
                history["seconds"] = Value::Null;
            }
            records.insert(name, record);
        }
    }
    records
}

pub fn without(mut record: Value, keys: &[&str]) -> Value {
    for key in keys {
        let removed = record.as_object_mut().expect("a record").remove(*key);
        assert!(removed.is_some(), "a record has {key}");
    }
    record
}

/// Asserts that both hold the same records, naming the first that differs.
pub fn assert_same(found: &BTreeMap<String, Value>, expected: &BTreeMap<String, Value>) {
    let names = |records: &BTreeMap<String, Value>| records.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(expected));
    for (name, record) in expected {
        assert_eq!(&found[name], record, "{name}");
    }
}
