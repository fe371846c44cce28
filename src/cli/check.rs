//! `supermask check`: does an adapter compute what it should?

use super::output::{self, Failure};
use super::progress::ProgressLine;
use super::run::adapter_failure;
use crate::check::{self, CheckFacts, CheckReport, Subject};
use crate::evaluate::adapter::{self, AdapterError};
use crate::evaluate::{AdapterChoice, Arithmetic, CpuBackend};
use clap::Args;
use std::sync::Arc;

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// gpu, software, cpu, or part of an adapter's name (see `supermask adapters`) [default: the best
    /// hardware GPU, else the software adapter]
    #[arg(long, value_name = "ADAPTER")]
    adapter: Option<AdapterChoice>,

    /// A part of the cases, and no measurement of speed
    #[arg(long)]
    quick: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn check(args: &CheckArgs) -> Result<(), Failure> {
    let (subject, choice) = open(args.adapter.as_ref()).map_err(adapter_failure)?;
    let cases = check::cases(&subject, args.quick);
    let mut progress = ProgressLine::new();
    let mut done = 0;
    // After the loss of a device: the same one, where it comes back.
    let reopen = || open(Some(&choice)).ok().map(|(subject, _)| subject);
    let findings = check::run(subject.clone(), &cases, reopen, |case| {
        progress.update(|| format!("{done} of {} cases, now {}: {}", cases.len(), case.group, case.name));
        done += 1;
    });
    let facts = CheckFacts::gather(&subject, !args.quick, |what| progress.update(|| what.to_owned()));
    progress.finish();
    let report = CheckReport::new(facts, findings);
    if args.json {
        output::print_json(&report)?;
    } else {
        output::print_wrapped(report.to_text(output::columns()).trim_end())?;
    }
    match report.failed() {
        0 => Ok(()),
        failed => Err(Failure::Work(format!(
            "{failed} of {} cases failed on {}; docs/GPU.md says how to report it",
            report.findings.len(),
            report.facts.adapter.name
        ))),
    }
}

/// What is to be checked, and the choice that it comes from.
fn open(asked: Option<&AdapterChoice>) -> Result<(Subject, AdapterChoice), AdapterError> {
    match asked {
        Some(AdapterChoice::Cpu) => {
            Ok((Subject::new(Arc::new(CpuBackend(Arithmetic::Fused))), AdapterChoice::Cpu))
        }
        None | Some(AdapterChoice::Auto) => match open(Some(&AdapterChoice::Gpu)) {
            Err(AdapterError::NotFound { .. }) => open(Some(&AdapterChoice::Software)),
            opened => opened,
        },
        Some(choice) => Ok((Subject::on_device(adapter::open_gpu(choice)?), choice.clone())),
    }
}
