//! Does an adapter compute what it should? Every kernel, every question, neighbours, small limits and whole searches,
//! against the [plain form](crate::evaluate::plain); then facts of the adapter.
//!
//! `supermask check` runs all [`cases`] on a machine of its user's; the conformance tests run the same ones on theirs.
//! Expectations come from the plain form, and of screened neighbours and searches from the CPU in the same arithmetic,
//! which the tests hold against the plain form.

pub mod case;
mod check_case;
mod facts;
mod fault;
pub mod neighbours;
mod report;
pub mod scores;
pub mod suite;
pub mod tickets;

pub use check_case::{CaseGroup, CheckCase};
pub use facts::{CheckFacts, ClockFact, DeviceFacts, Speed};
pub use fault::Fault;
pub use report::{CheckReport, Finding};
pub use suite::cases;

use crate::evaluate::Backend;
use crate::evaluate::gpu::{GpuBackend, GpuDevice};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

/// What is checked.
#[derive(Clone, Debug)]
pub struct Subject {
    backend: Arc<dyn Backend>,
    device: Option<GpuDevice>,
}

impl Subject {
    /// A backend, by what it makes alone.
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend, device: None }
    }

    /// A GPU or a software adapter, with every kernel that it may choose.
    pub fn on_device(backend: GpuBackend) -> Self {
        let device = Some(backend.device().clone());
        Self { backend: Arc::new(backend), device }
    }

    pub fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    pub fn device(&self) -> Option<&GpuDevice> {
        self.device.as_ref()
    }

    /// The same on another handle of the device.
    fn with_device(&self, device: GpuDevice) -> Self {
        Self { device: Some(device), ..self.clone() }
    }

    /// The backend, which does not measure its kernels first.
    fn with_default_kernels(&self) -> Arc<dyn Backend> {
        self.backend.without_tuning().unwrap_or_else(|| Arc::clone(&self.backend))
    }
}

/// Runs `cases`, each after `observe` has been told of it. One that fails does not end the others: after the loss of its
/// device the subject is opened anew, where `reopen` can.
pub fn run(
    mut subject: Subject,
    cases: &[CheckCase],
    reopen: impl Fn() -> Option<Subject>,
    mut observe: impl FnMut(&CheckCase),
) -> Vec<Finding> {
    let mut findings = Vec::with_capacity(cases.len());
    for case in cases {
        observe(case);
        let begun = Instant::now();
        let fault = attempt(case, &subject).err();
        if fault.as_ref().is_some_and(Fault::lost_the_device) {
            subject = reopen().unwrap_or(subject);
        }
        findings.push(Finding {
            group: case.group.to_string(),
            case: case.name.clone(),
            seconds: begun.elapsed().as_secs_f64(),
            fault: fault.map(|fault| fault.to_string()),
        });
    }
    findings
}

/// The case's outcome; a panic of a driver's binding is one too.
fn attempt(case: &CheckCase, subject: &Subject) -> Result<(), Fault> {
    catch_unwind(AssertUnwindSafe(|| case.run(subject))).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("without a message");
        Err(Fault::Panic(text.to_owned()))
    })
}
