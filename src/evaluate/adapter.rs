//! Which adapter evaluates: parsing the choice, making it, and building evaluators on it.

use crate::dataset::Dataset;
use crate::evaluate::cpu::instructions::Instructions;
use crate::evaluate::cpu::{self, CpuEvaluator};
use crate::evaluate::gpu::{self, AdapterDescription, GpuDevice, GpuEvaluator, Interfaces, SOFTWARE};
use crate::evaluate::{AdapterInfo, Arithmetic, EvaluateError, Evaluator};
use crate::network::{Architecture, Network};
use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

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

fn check_arithmetic(
    device: &GpuDevice,
    description: &AdapterDescription,
    asked: Option<Arithmetic>,
) -> Result<(), AdapterError> {
    let has = device.arithmetic();
    match asked.filter(|&asked| asked != has) {
        Some(asked) => Err(AdapterError::Arithmetic { asked, has, adapter: title(description) }),
        None => Ok(()),
    }
}

/// What a choice comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Index among the adapters present; `None` is the CPU evaluator.
    pub adapter: Option<usize>,
    /// Which and why, in one line.
    pub notice: String,
}

/// Chooses among `present`, best first.
pub fn decide(choice: &AdapterChoice, present: &[AdapterDescription]) -> Result<Decision, AdapterError> {
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

type Present = Vec<(wgpu::Adapter, AdapterDescription)>;

/// The adapters of `interfaces` and what `choice` comes to among them.
fn look(choice: &AdapterChoice, interfaces: Interfaces) -> (Present, Result<Decision, AdapterError>) {
    let present = gpu::enumerate(interfaces);
    let descriptions: Vec<AdapterDescription> =
        present.iter().map(|(_, description)| description.clone()).collect();
    let decision = decide(choice, &descriptions);
    (present, decision)
}

/// Where masks are scored. Evaluators built on one device share it.
#[derive(Clone, Debug)]
pub enum Device {
    Cpu(Arithmetic),
    Gpu {
        device: GpuDevice,
        /// Where the fastest kernel of each architecture is remembered; `None` takes the defaults.
        choices: Option<PathBuf>,
        /// Did the user ask for it, or was it simply there?
        asked_for: bool,
    },
}

/// Neighbours that a GPU gets at a time at least, where the user has not asked for it: a round trip takes some hundred
/// microseconds, a neighbour on the CPU some microseconds.
const NEIGHBOURS_WORTH_A_ROUND_TRIP: usize = 64;

impl Device {
    /// Opens what `choice` comes to; also which and why, in one line for the user. `arithmetic` is an
    /// explicit demand: without one a GPU has its own and the CPU is fused.
    pub fn open(
        choice: &AdapterChoice,
        arithmetic: Option<Arithmetic>,
    ) -> Result<(Self, String), AdapterError> {
        // The CPU evaluator needs no look at drivers, which takes a while.
        let (mut present, mut decision) = match choice {
            AdapterChoice::Cpu => (Vec::new(), decide(choice, &[])),
            _ => look(choice, Interfaces::Native),
        };
        if decision.is_err() {
            (present, decision) = look(choice, Interfaces::All);
        }
        let decision = decision?;
        let Some(index) = decision.adapter else {
            return Ok((Self::Cpu(arithmetic.unwrap_or(Arithmetic::Fused)), decision.notice));
        };
        let (adapter, description) = present.swap_remove(index);
        let device = GpuDevice::open(&adapter)?;
        check_arithmetic(&device, &description, arithmetic)?;
        Ok((Self::on(device, *choice != AdapterChoice::Auto), decision.notice))
    }

    /// Opens every hardware GPU; without any, the CPU evaluator. Also which, in a line each.
    pub fn open_all(arithmetic: Option<Arithmetic>) -> Result<Vec<(Self, String)>, AdapterError> {
        let mut opened = Vec::new();
        for (adapter, description) in gpu::enumerate(Interfaces::Native) {
            if is_hardware(&description) {
                let device = GpuDevice::open(&adapter)?;
                check_arithmetic(&device, &description, arithmetic)?;
                opened
                    .push((Self::on(device, true), format!("adapter: {}, one of all", title(&description))));
            }
        }
        if opened.is_empty() { Ok(vec![Self::open(&AdapterChoice::Auto, arithmetic)?]) } else { Ok(opened) }
    }

    fn on(device: GpuDevice, asked_for: bool) -> Self {
        // A software adapter is for testing: its kernels need no tuning.
        let choices = if device.is_software() { None } else { gpu::cache_file() };
        Self::Gpu { device, choices, asked_for }
    }

    /// Where the neighbours of local searches are scored, `batch` at a time: here, or on the CPU in the same arithmetic
    /// (and so with the same result) where nobody asked for this GPU and the batches are too small for it.
    pub fn for_neighbours(&self, batch: usize) -> Self {
        match self {
            Self::Gpu { device, asked_for: false, .. } if batch < NEIGHBOURS_WORTH_A_ROUND_TRIP => {
                Self::Cpu(device.arithmetic())
            }
            _ => self.clone(),
        }
    }

    /// What computes.
    pub fn info(&self) -> AdapterInfo {
        match self {
            Self::Cpu(_) => cpu::describe(Instructions::best()),
            Self::Gpu { device, .. } => device.description().info.clone(),
        }
    }

    /// Takes the default kernels instead of measuring which is fastest.
    pub fn without_autotuning(mut self) -> Self {
        if let Self::Gpu { choices, .. } = &mut self {
            *choices = None;
        }
        self
    }

    /// Measures which kernel is fastest, on a software adapter too, and remembers it in the file `choices`.
    pub fn with_autotuning(mut self, file: PathBuf) -> Self {
        if let Self::Gpu { choices, .. } = &mut self {
            *choices = Some(file);
        }
        self
    }

    /// How evaluators on this device round.
    pub fn arithmetic(&self) -> Arithmetic {
        match self {
            Self::Cpu(arithmetic) => *arithmetic,
            Self::Gpu { device, .. } => device.arithmetic(),
        }
    }

    /// Builds an evaluator of `networks` (all of `architecture`) on `dataset`.
    pub fn evaluator(
        &self,
        architecture: &Architecture,
        networks: &[Network],
        dataset: &Arc<Dataset>,
    ) -> Result<Box<dyn Evaluator>, EvaluateError> {
        match self {
            Self::Cpu(arithmetic) => {
                let dataset = Arc::clone(dataset);
                Ok(Box::new(CpuEvaluator::new(architecture, networks, dataset, *arithmetic)?))
            }
            Self::Gpu { device, choices: Some(file), .. } => {
                Ok(Box::new(GpuEvaluator::tuned(device, architecture, networks, dataset, file)?))
            }
            Self::Gpu { device, choices: None, .. } => {
                Ok(Box::new(GpuEvaluator::new(device, architecture, networks, dataset)?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::gpu::plan::Limits;

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
