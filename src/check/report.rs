//! What a check found, as a page of text and as JSON.

use super::facts::{CheckFacts, ClockFact, Speed};
use crate::table::Table;
use serde::Serialize;
use std::fmt::Write as _;

/// How a case went.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub group: String,
    pub case: String,
    pub seconds: f64,
    /// What was wrong; none where it passed.
    pub fault: Option<String>,
}

/// What a check found.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    pub program_version: &'static str,
    /// Of the sources, where whoever built the program said it.
    pub revision: Option<&'static str>,
    pub build: &'static str,
    pub system: String,
    pub facts: CheckFacts,
    pub findings: Vec<Finding>,
}

impl CheckReport {
    pub fn new(facts: CheckFacts, findings: Vec<Finding>) -> Self {
        Self {
            program_version: env!("CARGO_PKG_VERSION"),
            revision: option_env!("SUPERMASK_REVISION"),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            system: system(),
            facts,
            findings,
        }
    }

    /// Cases that did not pass.
    pub fn failed(&self) -> usize {
        self.findings.iter().filter(|finding| finding.fault.is_some()).count()
    }

    /// A page to read, and to send; tables of at most `limit` characters a line.
    pub fn to_text(&self, limit: Option<usize>) -> String {
        let (all, failed) = (self.findings.len(), self.failed());
        let mut text = lines_of(&self.identity(), limit);
        let _ = write!(text, "\n{}\n", self.verdicts().to_text_within(limit));
        let _ = writeln!(
            text,
            "{} of {all} cases passed{}",
            all - failed,
            if failed > 0 { ": FAIL" } else { "" }
        );
        let _ = write!(text, "\n{}", lines_of(&self.details(), limit));
        if !self.facts.speed.is_empty() {
            let _ = write!(text, "\n{}", speeds(&self.facts.speed).to_text_within(limit));
        }
        text
    }

    /// Program, system and adapter.
    fn identity(&self) -> Vec<(&'static str, String)> {
        let adapter = &self.facts.adapter;
        let revision = self.revision.map(|revision| format!(" ({revision})")).unwrap_or_default();
        vec![
            ("supermask", format!("{}{revision}, {} build", self.program_version, self.build)),
            ("system", self.system.clone()),
            ("adapter", format!("{} ({}, {})", adapter.name, adapter.backend, adapter.kind)),
            ("driver", adapter.driver.clone()),
        ]
    }

    /// A row for each group's passes, and one for each case that did not pass.
    fn verdicts(&self) -> Table {
        let mut table = Table::new("check", "check", &["verdict", "what", "detail"]);
        let mut groups: Vec<&str> = self.findings.iter().map(|finding| finding.group.as_str()).collect();
        groups.dedup();
        for group in groups {
            let of_group = || self.findings.iter().filter(|finding| finding.group == group);
            let passed = of_group().filter(|finding| finding.fault.is_none()).count();
            let seconds: f64 = of_group().map(|finding| finding.seconds).sum();
            if passed > 0 {
                let detail = format!("{passed} of {} cases, {seconds:.1} s", of_group().count());
                table.push(vec!["PASS".to_owned(), group.to_owned(), detail]);
            }
            for finding in of_group() {
                if let Some(fault) = &finding.fault {
                    table.push(vec!["FAIL".to_owned(), format!("{group}: {}", finding.case), fault.clone()]);
                }
            }
        }
        table
    }

    fn details(&self) -> Vec<(&'static str, String)> {
        let mut lines = vec![("arithmetic", self.facts.arithmetic.to_string())];
        if let Some(device) = &self.facts.device {
            let limits = &device.limits;
            let subgroups = match device.subgroup_threads {
                Some([least, most]) if least == most => format!("{least} threads"),
                Some([least, most]) => format!("{least} to {most} threads"),
                None => "none".to_owned(),
            };
            let subnormals = if device.flushes_subnormals { "flushed to zero" } else { "kept" };
            let hinge = if device.exact_hinge { "as written" } else { "rearranged, and refused" };
            lines.extend([
                ("subnormals", subnormals.to_owned()),
                ("margin loss", hinge.to_owned()),
                ("clock", device.clock.map_or("unknown".to_owned(), of_clock)),
                ("subgroups", subgroups),
                (
                    "memory",
                    format!(
                        "binding {} MiB, buffer {} MiB",
                        limits.binding_bytes >> 20,
                        limits.buffer_bytes >> 20
                    ),
                ),
                (
                    "workgroups",
                    format!(
                        "{} threads, {} KiB, {} in a dimension",
                        limits.workgroup_threads,
                        limits.workgroup_bytes >> 10,
                        limits.groups_per_dimension
                    ),
                ),
            ]);
        }
        lines.extend(self.facts.unknown.iter().map(|what| ("unknown", what.clone())));
        lines
    }
}

fn lines_of(pairs: &[(&str, String)], limit: Option<usize>) -> String {
    let mut table = Table::new("facts", "facts", &["", ""]);
    pairs.iter().for_each(|(name, value)| table.push(vec![(*name).to_owned(), value.clone()]));
    table.to_text_within(limit).trim_start().to_owned()
}

fn of_clock(clock: ClockFact) -> String {
    let milliseconds = |seconds: f64| format!("{:.2} ms", 1e3 * seconds);
    match clock {
        ClockFact::Missing => "none; the host's is taken".to_owned(),
        ClockFact::Standing => "not usable: a batch took no time by it".to_owned(),
        ClockFact::Fast { device_s, host_s } => {
            format!("not usable: {} of a batch of {}", milliseconds(device_s), milliseconds(host_s))
        }
        ClockFact::Usable { device_s, host_s } => {
            format!("usable: {} of a batch of {}", milliseconds(device_s), milliseconds(host_s))
        }
    }
}

fn speeds(speeds: &[Speed]) -> Table {
    let columns = ["network", ">compiled in", ">masks/s", ">on the CPU", ">ratio", ">GFMA/s", ">of its peak"];
    let mut table = Table::new("speed", "speed", &columns);
    for speed in speeds {
        table.push(vec![
            speed.network.clone(),
            format!("{:.2} s", speed.compile_s),
            format!("{:.0}", speed.masks_per_s),
            format!("{:.0}", speed.cpu_masks_per_s),
            format!("{:.2}", speed.masks_per_s / speed.cpu_masks_per_s),
            format!("{:.1}", speed.gfma_per_s),
            format!("{:.0}%", 100.0 * speed.share_of_peak),
        ]);
    }
    table
}

/// The operating system, by its own name where it tells, and the processor's kind.
fn system() -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let name = name.map(|name| format!(", {}", name.trim_matches('"'))).unwrap_or_default();
    format!("{} {}{name}", std::env::consts::OS, std::env::consts::ARCH)
}
