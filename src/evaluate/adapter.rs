//! Which adapter evaluates: parsing the choice, making it, and opening what it comes to.

use crate::evaluate::gpu::{self, AdapterDescription, GpuBackend, GpuDevice, Interfaces, SOFTWARE};
use crate::evaluate::{Arithmetic, Backend, CpuBackend, EvaluateError};
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A backend that was opened; which it is and why, in one line for the user.
pub type Opened = (Arc<dyn Backend>, String);

/// What the user asks for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum AdapterChoice {
    /// A hardware GPU where there is one, else the CPU evaluator.
    #[default]
    Auto,
    /// The best hardware GPU.
    Gpu,
    /// A software adapter, for testing.
    Software,
    /// The CPU evaluator.
    Cpu,
    /// The first adapter whose name contains this, in any case.
    Named(String),
}

impl FromStr for AdapterChoice {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "auto" => Self::Auto,
            "gpu" => Self::Gpu,
            "software" => Self::Software,
            "cpu" => Self::Cpu,
            name => Self::Named(name.to_owned()),
        })
    }
}

impl fmt::Display for AdapterChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Gpu => "gpu",
            Self::Software => "software",
            Self::Cpu => "cpu",
            Self::Named(name) => name,
        })
    }
}

/// Why the adapter that was asked for cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    #[error("--adapter {asked}: no such adapter; present: {}", listing(.present))]
    NotFound { asked: AdapterChoice, present: Vec<AdapterDescription> },
    #[error(
        "--arithmetic {}: {adapter} rounds the other way ({}); leave the option out, or use --adapter cpu, which has both",
        mode(*.asked), mode(*.has)
    )]
    Arithmetic { asked: Arithmetic, has: Arithmetic, adapter: String },
    #[error(transparent)]
    Device(#[from] EvaluateError),
}

impl AdapterError {
    /// Is the request itself at fault, and not the device?
    pub fn is_usage(&self) -> bool {
        !matches!(self, Self::Device(_))
    }
}

fn mode(arithmetic: Arithmetic) -> &'static str {
    match arithmetic {
        Arithmetic::Fused => "fused",
        Arithmetic::Separate => "separate",
    }
}

fn listing(present: &[AdapterDescription]) -> String {
    let names = present.iter().map(title).chain(["cpu".to_owned()]);
    names.collect::<Vec<_>>().join(", ")
}

fn title(adapter: &AdapterDescription) -> String {
    format!("\"{}\" ({}, {})", adapter.info.name, adapter.info.backend, adapter.info.kind)
}

fn is_hardware(adapter: &AdapterDescription) -> bool {
    ["discrete_gpu", "integrated_gpu", "virtual_gpu"].contains(&adapter.info.kind.as_str())
}

/// Opens a device that rounds as `asked`, where that is said.
fn open_device(adapter: &wgpu::Adapter, asked: Option<Arithmetic>) -> Result<GpuDevice, AdapterError> {
    let device = GpuDevice::open(adapter)?;
    let has = device.arithmetic();
    match asked.filter(|&asked| asked != has) {
        Some(asked) => Err(AdapterError::Arithmetic { asked, has, adapter: title(device.description()) }),
        None => Ok(device),
    }
}

/// What a choice comes to.
#[derive(Debug)]
struct Decision {
    /// Index among the adapters present; `None` is the CPU evaluator.
    adapter: Option<usize>,
    /// Which and why, in one line.
    notice: String,
}

/// Chooses among `present`, best first.
fn decide(choice: &AdapterChoice, present: &[AdapterDescription]) -> Result<Decision, AdapterError> {
    let is_software = |adapter: &AdapterDescription| adapter.info.kind == SOFTWARE;
    let on = |index: usize, why: &str| Decision {
        adapter: Some(index),
        notice: format!("adapter: {}{why}", title(&present[index])),
    };
    let not_found = || AdapterError::NotFound { asked: choice.clone(), present: present.to_vec() };
    let testing = " — a software adapter, for testing: --adapter cpu is faster";
    match choice {
        AdapterChoice::Cpu => {
            Ok(Decision { adapter: None, notice: "adapter: the CPU evaluator, as asked".to_owned() })
        }
        AdapterChoice::Auto => Ok(match present.iter().position(is_hardware) {
            Some(index) => on(index, ", the best hardware GPU"),
            None => Decision {
                adapter: None,
                notice: "adapter: the CPU evaluator, as no hardware GPU was found".to_owned(),
            },
        }),
        AdapterChoice::Gpu => {
            present.iter().position(is_hardware).map(|index| on(index, ", as asked")).ok_or_else(not_found)
        }
        AdapterChoice::Software => {
            present.iter().position(is_software).map(|index| on(index, testing)).ok_or_else(not_found)
        }
        AdapterChoice::Named(name) => {
            let name = name.to_lowercase();
            let index = present
                .iter()
                .position(|adapter| !name.is_empty() && adapter.info.name.to_lowercase().contains(&name))
                .ok_or_else(not_found)?;
            Ok(on(index, if is_software(&present[index]) { testing } else { ", as asked" }))
        }
    }
}

/// The adapters of `interfaces` and what `choice` comes to among them, best first.
fn look(
    choice: &AdapterChoice,
    interfaces: Interfaces,
) -> Result<(Option<wgpu::Adapter>, String), AdapterError> {
    let (mut adapters, present): (Vec<_>, Vec<_>) = gpu::enumerate(interfaces).into_iter().unzip();
    let Decision { adapter, notice } = decide(choice, &present)?;
    Ok((adapter.map(|index| adapters.swap_remove(index)), notice))
}

/// The adapter that `choice` comes to, `None` being the CPU evaluator, and why.
fn find(choice: &AdapterChoice) -> Result<(Option<wgpu::Adapter>, String), AdapterError> {
    // The CPU evaluator needs no look at drivers, which takes a while.
    if *choice == AdapterChoice::Cpu {
        return Ok((None, decide(choice, &[])?.notice));
    }
    look(choice, Interfaces::Native).or_else(|_| look(choice, Interfaces::All))
}

/// Opens what `choice` comes to; also which and why, in one line for the user. `arithmetic` is an explicit demand:
/// without one a GPU has its own and the CPU is fused.
///
/// # Errors
/// Where there is no such adapter, or it rounds the other way; errors of the device.
pub fn open(choice: &AdapterChoice, arithmetic: Option<Arithmetic>) -> Result<Opened, AdapterError> {
    let (found, notice) = find(choice)?;
    let Some(adapter) = found else {
        return Ok((Arc::new(CpuBackend(arithmetic.unwrap_or(Arithmetic::Fused))), notice));
    };
    let device = open_device(&adapter, arithmetic)?;
    Ok((Arc::new(GpuBackend::new(device, *choice != AdapterChoice::Auto)), notice))
}

/// Opens the GPU or software adapter that `choice` comes to.
///
/// # Errors
/// As [`open`], and where the choice comes to the CPU evaluator.
pub fn open_gpu(choice: &AdapterChoice) -> Result<GpuBackend, AdapterError> {
    let (found, _) = find(choice)?;
    let not_found = || AdapterError::NotFound { asked: choice.clone(), present: gpu::adapters() };
    let device = open_device(&found.ok_or_else(not_found)?, None)?;
    Ok(GpuBackend::new(device, *choice != AdapterChoice::Auto))
}

/// Opens every hardware GPU; without any, the CPU evaluator. Also which, in a line each.
///
/// # Errors
/// As [`open`].
pub fn open_all(arithmetic: Option<Arithmetic>) -> Result<Vec<Opened>, AdapterError> {
    let mut opened: Vec<Opened> = Vec::new();
    for (adapter, description) in gpu::enumerate(Interfaces::Native) {
        if is_hardware(&description) {
            let device = open_device(&adapter, arithmetic)?;
            let notice = format!("adapter: {}, one of all", title(&description));
            opened.push((Arc::new(GpuBackend::new(device, true)), notice));
        }
    }
    if opened.is_empty() { Ok(vec![open(&AdapterChoice::Auto, arithmetic)?]) } else { Ok(opened) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::AdapterInfo;
    use crate::evaluate::gpu::Limits;

    fn adapter(name: &str, kind: &str) -> AdapterDescription {
        AdapterDescription {
            info: AdapterInfo {
                name: name.to_owned(),
                backend: "vulkan".to_owned(),
                driver: "invented".to_owned(),
                kind: kind.to_owned(),
            },
            limits: Limits {
                binding_bytes: 1 << 27,
                buffer_bytes: 1 << 28,
                groups_per_dimension: 65_535,
                workgroup_bytes: 1 << 15,
                workgroup_threads: 256,
            },
            timestamps: false,
            subgroups: false,
        }
    }

    fn decision(choice: &str, present: &[AdapterDescription]) -> Result<Decision, AdapterError> {
        let choice = choice.parse().expect("every text is a choice");
        decide(&choice, present)
    }

    #[test]
    fn auto_takes_hardware_and_never_software() {
        let both = [adapter("Radeon", "discrete_gpu"), adapter("llvmpipe", "software")];
        let chosen = decision("auto", &both).expect("a choice");
        assert_eq!(chosen.adapter, Some(0));
        assert!(chosen.notice.contains("Radeon") && chosen.notice.contains("best hardware GPU"));
        let chosen = decision("auto", &both[1..]).expect("a choice");
        assert_eq!(chosen.adapter, None);
        assert!(chosen.notice.contains("no hardware GPU was found"), "{}", chosen.notice);
    }

    #[test]
    fn software_is_taken_when_asked_for_with_a_warning() {
        let both = [adapter("Radeon", "discrete_gpu"), adapter("llvmpipe", "software")];
        for choice in ["software", "LLVM"] {
            let chosen = decision(choice, &both).expect("a choice");
            assert_eq!(chosen.adapter, Some(1));
            assert!(chosen.notice.contains("for testing"), "{}", chosen.notice);
        }
    }

    #[test]
    fn what_is_not_there_is_an_error_that_lists_what_is() {
        let present = [adapter("llvmpipe", "software")];
        for choice in ["gpu", "geforce", ""] {
            let error = decision(choice, &present).expect_err("no such adapter");
            assert!(error.is_usage());
            assert!(error.to_string().contains("\"llvmpipe\" (vulkan, software), cpu"), "{error}");
        }
        let error = decision("software", &[]).expect_err("no such adapter");
        assert!(error.to_string().ends_with("present: cpu"), "{error}");
    }
}
