//! The house's rules: each room imports only from rooms that stand before it, and a type name stands for one thing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Top-level modules, each of which may import those before it. What is new goes where its imports allow it.
const ORDER: [&str; 34] = [
    "account",
    "arithmetic",
    "memory",
    "meter",
    "random",
    "threads",
    "timing",
    "printable",
    "excerpt",
    "flaw",
    "files",
    "foreign",
    "json",
    "settings",
    "cache",
    "table",
    "network",
    "mask",
    "dataset",
    "objective",
    "stats",
    "evaluate",
    "search",
    "baseline",
    "run",
    "sweep",
    "archive",
    "bench",
    "check",
    "export",
    "report",
    "cli",
    "lib",
    "main",
];

/// The text of all files of a module, without comments and without its tests.
fn text(path: &Path) -> String {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).expect("a folder");
        return entries.map(|entry| text(&entry.expect("an entry").path())).collect();
    }
    if path.file_name().is_some_and(|name| name == "tests.rs") {
        return String::new();
    }
    let text = std::fs::read_to_string(path).expect("a source file");
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

/// The top-level modules that a text names after `crate::`.
fn imports(text: &str) -> BTreeSet<String> {
    let names = text.split("crate::").skip(1);
    let name = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    names.map(name).filter(|name| !name.is_empty()).collect()
}

#[test]
fn each_room_imports_only_from_those_before_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut names = BTreeSet::new();
    let mut wrong = Vec::new();
    let mut edges = 0;
    for entry in std::fs::read_dir(&source).expect("the sources") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let place = ORDER.iter().position(|known| *known == name);
        let place = place.unwrap_or_else(|| panic!("{name} has no place in the order of rooms"));
        names.insert(name.clone());
        for import in imports(&text(&path)).iter().filter(|import| **import != name) {
            if let Some(of) = ORDER.iter().position(|known| known == import) {
                edges += 1;
                if of > place {
                    wrong.push(format!("{name} imports {import}"));
                }
            }
        }
    }
    assert_eq!(names.len(), ORDER.len(), "a room that is gone stands in the order: {names:?}");
    assert!(edges > 60, "only {edges} imports were found");
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// The types that a text defines outside functions and modules of their own.
fn types(text: &str) -> Vec<String> {
    let defined = |line: &str| {
        let visible = match line.strip_prefix("pub(") {
            Some(rest) => rest.split_once(") ")?.1,
            None => line.strip_prefix("pub ").unwrap_or(line),
        };
        let (kind, rest) = visible.strip_prefix("unsafe ").unwrap_or(visible).split_once(' ')?;
        let name = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        ["struct", "enum", "trait", "type"].contains(&kind).then_some(name)
    };
    text.lines().filter_map(defined).collect()
}

#[test]
fn a_type_name_stands_for_one_thing() {
    let mut counts = BTreeMap::new();
    for name in types(&text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))) {
        *counts.entry(name).or_insert(0) += 1;
    }
    assert!(counts.len() > 400, "only {} types were found", counts.len());
    counts.retain(|_, times| *times > 1);
    assert!(counts.is_empty(), "defined more than once: {counts:?}");
}
