//! `supermask check` as its user meets it.

use crate::adapter;
use crate::place::Place;
use serde_json::Value;

#[test]
fn a_quick_check_passes_and_says_what_the_adapter_is_like() {
    let place = Place::new();
    let ended = place.succeed(&["check", "--quick", "--adapter", &adapter::name()]);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert!(
        lines[0].starts_with("supermask") && lines[0].contains(env!("CARGO_PKG_VERSION")),
        "{}",
        lines[0]
    );
    for part in [
        "system",
        "adapter",
        "driver",
        "arithmetic",
        "subnormals",
        "margin loss",
        "clock",
        "subgroups",
        "memory",
        "workgroups",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(part)), "no {part} in {}", ended.stdout);
    }
    let passed: Vec<&&str> = lines.iter().filter(|line| line.starts_with("PASS")).collect();
    for group in ["every kernel", "networks of all shapes", "sizes and limits", "neighbours", "tickets"] {
        assert!(passed.iter().any(|line| line.contains(group)), "no {group} in {}", ended.stdout);
    }
    assert!(!ended.stdout.contains("FAIL"), "{}", ended.stdout);
}

#[test]
fn the_cpu_evaluator_is_checked_too_and_json_has_every_case() {
    let place = Place::new();
    let ended = place.succeed(&["check", "--quick", "--adapter", "cpu", "--json"]);
    let report: Value = serde_json::from_str(&ended.stdout).expect("one document");
    assert_eq!(report["facts"]["adapter"]["kind"], "cpu");
    let findings = report["findings"].as_array().expect("findings");
    assert!(findings.len() >= 10, "{findings:?}");
    for finding in findings {
        assert_eq!(finding["fault"], Value::Null, "{finding}");
        assert!(finding["case"].is_string() && finding["seconds"].as_f64().is_some_and(|time| time >= 0.0));
    }
}

#[test]
fn an_adapter_that_is_not_there_is_refused_by_name() {
    Place::new().refused(&["check", "--adapter", "voodoo"], &["--adapter voodoo", "cpu"]);
}
