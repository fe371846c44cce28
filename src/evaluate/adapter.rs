//! Which adapter evaluates: parsing the choice, making it, and opening what it comes to.

use crate::evaluate::gpu::{self, AdapterDescription, GpuBackend, GpuDevice, Interfaces, SOFTWARE};
use crate::evaluate::{Arithmetic, Backend, Contest, CpuBackend, EvaluateError, Occasion};
use std::convert::Infallible;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

/// A backend that was opened.
#[derive(Clone, Debug)]
pub struct Opened {
    pub backend: Arc<dyn Backend>,
    /// Which it is and why, in one line for the user.
    pub notice: String,
    /// What it was chosen by, where it was measured beside another.
    pub contest: Option<Contest>,
    /// The backend as a GPU that was simply there: another may be faster.
    found: Option<GpuBackend>,
}

impl Opened {
    fn new(backend: impl Backend + 'static, notice: String) -> Self {
        Self { backend: Arc::new(backend), notice, contest: None, found: None }
    }

    /// May the CPU evaluator take its place, where that is faster?
    pub fn is_open_to_choice(&self) -> bool {
        self.found.is_some()
    }

    /// The same, or the CPU evaluator where nobody asked for a GPU and it is the faster one on the `occasion`.
    #[must_use]
    pub fn settled(self, occasion: Option<&Occasion<'_>>) -> Self {
        match (self.found.clone(), occasion) {
            (Some(gpu), Some(occasion)) => faster(gpu, occasion, Contest::cache_file().as_deref()),
            _ => self,
        }
    }
}

/// What the user asks for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum AdapterChoice {
    /// The faster of the CPU evaluator and the best hardware GPU, where there is one that rounds as asked, or as the CPU
    /// does.
    #[default]
    Auto,
    /// The best hardware GPU.
    Gpu,
    /// A software adapter, for testing.
    Software,
    /// The CPU evaluator.
    Cpu,
    /// Of the adapters whose names contain `name`, in any case, the first or another, counted from one.
    Named { name: String, nth: usize },
}

impl FromStr for AdapterChoice {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "auto" => Self::Auto,
            "gpu" => Self::Gpu,
            "software" => Self::Software,
            "cpu" => Self::Cpu,
            name => {
                let counted = name.rsplit_once(':').and_then(|(name, nth)| Some((name, nth.parse().ok()?)));
                let (name, nth) = counted.filter(|&(_, nth)| nth > 0).unwrap_or((name, 1));
                Self::Named { name: name.to_owned(), nth }
            }
        })
    }
}

impl fmt::Display for AdapterChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Gpu => f.write_str("gpu"),
            Self::Software => f.write_str("software"),
            Self::Cpu => f.write_str("cpu"),
            Self::Named { name, nth: 1 } => f.write_str(name),
            Self::Named { name, nth } => write!(f, "{name}:{nth}"),
        }
    }
}

/// Why the adapter that was asked for cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    #[error("--adapter {asked}: no such adapter; present: {}", listing(.present))]
    NotFound { asked: AdapterChoice, present: Vec<AdapterDescription> },
    #[error(
        "--arithmetic {asked}: {adapter} rounds another way ({has}); leave the option out, or use --adapter cpu, which has \
         all"
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

/// The indices of `present` without those that are seen a second time, through another interface.
fn distinct(present: &[AdapterDescription]) -> Vec<usize> {
    let mut distinct: Vec<usize> = Vec::new();
    for (index, adapter) in present.iter().enumerate() {
        if !distinct.iter().any(|&seen| adapter.is_also(&present[seen])) {
            distinct.push(index);
        }
    }
    distinct
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
        AdapterChoice::Named { name, nth } => {
            let name = name.to_lowercase();
            let is_named = |&index: &usize| present[index].info.name.to_lowercase().contains(&name);
            let mut named = distinct(present).into_iter().filter(is_named).filter(|_| !name.is_empty());
            let index = named.nth(nth - 1).ok_or_else(not_found)?;
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

/// The arithmetic in which the CPU computes instead of a GPU of another that nobody asked for: no ticket depends on which
/// GPU happens to be there.
fn instead_of(gpus: Arithmetic, asked: Option<Arithmetic>) -> Option<Arithmetic> {
    let wanted = asked.unwrap_or(Arithmetic::Fused);
    (gpus != wanted).then_some(wanted)
}

/// Opens what `choice` comes to. `arithmetic` is an explicit demand: without one a GPU has its own and the CPU is fused.
///
/// # Errors
/// Where there is no such adapter, or it rounds the other way; errors of the device.
pub fn open(choice: &AdapterChoice, arithmetic: Option<Arithmetic>) -> Result<Opened, AdapterError> {
    let (found, notice) = find(choice)?;
    let Some(adapter) = found else {
        return Ok(Opened::new(CpuBackend(arithmetic.unwrap_or(Arithmetic::Fused)), notice));
    };
    if *choice != AdapterChoice::Auto {
        return Ok(Opened::new(GpuBackend::new(open_device(&adapter, arithmetic)?, true), notice));
    }
    let device = match open_device(&adapter, None) {
        Ok(device) => device,
        Err(error) => {
            let cpu = CpuBackend(arithmetic.unwrap_or(Arithmetic::Fused));
            let notice =
                format!("adapter: the CPU evaluator, as the best hardware GPU does not open: {error}");
            return Ok(Opened::new(cpu, notice));
        }
    };
    if let Some(wanted) = instead_of(device.arithmetic(), arithmetic) {
        let notice = format!(
            "adapter: the CPU evaluator ({wanted}), as {} has other results ({}); --adapter gpu takes it",
            title(device.description()),
            device.arithmetic()
        );
        return Ok(Opened::new(CpuBackend(wanted), notice));
    }
    let gpu = GpuBackend::new(device, false);
    Ok(Opened { found: Some(gpu.clone()), ..Opened::new(gpu, notice) })
}

/// `gpu`, or the CPU evaluator in its arithmetic where that is faster on the `occasion`, as `file` remembers or a short
/// measurement shows; so too where the GPU cannot do it.
pub fn faster(gpu: GpuBackend, occasion: &Occasion<'_>, file: Option<&Path>) -> Opened {
    let cpu = CpuBackend(gpu.arithmetic());
    let name = title(gpu.device().description());
    // Kernels are chosen once the GPU is: a measurement of each would take longer than most runs.
    let untuned = gpu.without_tuning();
    let contest = Contest::hold([untuned.as_deref().unwrap_or(&gpu), &cpu], occasion, file);
    let contest = match contest {
        Ok(contest) => contest,
        Err(error) => {
            let notice = format!("adapter: the CPU evaluator, as {name} cannot do this: {error}");
            return Opened::new(cpu, notice);
        }
    };
    let [of_gpu, of_cpu] = [contest.gpu_masks_per_s, contest.cpu_masks_per_s];
    let opened = if contest.gpu_wins() {
        let notice =
            format!("adapter: {name}, the faster here: {of_gpu:.0} masks/s, the CPU evaluator {of_cpu:.0}");
        Opened::new(gpu, notice)
    } else {
        let notice = format!(
            "adapter: the CPU evaluator, the faster here: {of_cpu:.0} masks/s, {name} {of_gpu:.0}; --adapter gpu takes it"
        );
        Opened::new(cpu, notice)
    };
    Opened { contest: Some(contest), ..opened }
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

/// What of all was opened, and what was not, in a line each.
pub type OpenedOfAll = (Vec<Opened>, Vec<String>);

/// Opens every hardware GPU, once each; without any, the CPU evaluator. One that does not open is left out.
///
/// # Errors
/// As [`open`], and where none of those that there are opens.
pub fn open_all(arithmetic: Option<Arithmetic>) -> Result<OpenedOfAll, AdapterError> {
    let (adapters, present): (Vec<_>, Vec<_>) = gpu::enumerate(Interfaces::Native).into_iter().unzip();
    let mut hardware = distinct(&present);
    hardware.retain(|&index| is_hardware(&present[index]));
    if hardware.is_empty() {
        let opened = open(&AdapterChoice::Auto, arithmetic)?;
        let notice = format!("{} (all stands for every hardware GPU)", opened.notice);
        return Ok((vec![Opened { notice, ..opened }], Vec::new()));
    }
    let open = |index: usize| -> Result<Opened, AdapterError> {
        let device = open_device(&adapters[index], arithmetic)?;
        let notice = format!("adapter: {}, one of all", title(&present[index]));
        Ok(Opened::new(GpuBackend::new(device, true), notice))
    };
    all_that_open(hardware.into_iter().map(|index| (title(&present[index]), open(index))))
}

/// What was opened of what was `tried`, and what was not. Only a request that is at fault, or no device at all, is an
/// error.
fn all_that_open(
    tried: impl IntoIterator<Item = (String, Result<Opened, AdapterError>)>,
) -> Result<OpenedOfAll, AdapterError> {
    let (mut opened, mut left_out, mut failure) = (Vec::new(), Vec::new(), None);
    for (name, result) in tried {
        match result {
            Ok(one) => opened.push(one),
            Err(error) if error.is_usage() => return Err(error),
            Err(error) => {
                left_out.push(format!("adapter: {name} is left out: {error}"));
                failure.get_or_insert(error);
            }
        }
    }
    match failure {
        Some(error) if opened.is_empty() => Err(error),
        _ => Ok((opened, left_out)),
    }
}

#[cfg(test)]
mod tests;
