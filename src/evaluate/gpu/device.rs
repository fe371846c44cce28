//! Adapters and devices: what is there, opening one, and its errors.

use super::arithmetic::{self, ProbeFindings};
use super::kernel::Maker;
use super::plan::Limits;
use crate::account;
use crate::evaluate::{AdapterInfo, Arithmetic, EvaluateError};
use serde::Serialize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// An adapter that is present, and what matters of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AdapterDescription {
    #[serde(flatten)]
    pub info: AdapterInfo,
    /// Maker and model, as the interface numbers them.
    pub model: [u32; 2],
    /// Where it is plugged in, such as `0000:01:00.0`; empty where the interface does not say.
    pub pci_bus_id: String,
    pub limits: Limits,
    /// Can the device measure its own time?
    pub timestamps: bool,
    /// Does it have subgroup operations?
    pub subgroups: bool,
}

/// The kind of adapters that are processors in disguise.
pub const SOFTWARE: &str = "software";

/// AMD, as the PCI standard numbers makers.
const AMD: u32 = 0x1002;

/// All adapters that can compute, hardware first, the system's own interface before OpenGL.
pub fn adapters() -> Vec<AdapterDescription> {
    enumerate(Interfaces::All).into_iter().map(|(_, description)| description).collect()
}

impl AdapterDescription {
    /// Is this the device that `other` is, seen through another interface? Two of one interface are two devices.
    pub(crate) fn is_also(&self, other: &Self) -> bool {
        let is_same = if self.pci_bus_id.is_empty() || other.pci_bus_id.is_empty() {
            self.model == other.model && self.info.kind == other.info.kind
        } else {
            self.pci_bus_id == other.pci_bus_id
        };
        self.info.backend != other.info.backend && is_same
    }
}

/// Where to look for adapters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interfaces {
    /// Vulkan, Metal or DX12; OpenGL only where these have nothing: looking there too takes several times
    /// as long.
    Native,
    All,
}

pub(crate) fn enumerate(interfaces: Interfaces) -> Vec<(wgpu::Adapter, AdapterDescription)> {
    if interfaces == Interfaces::Native {
        let found = enumerate_on(wgpu::Backends::PRIMARY);
        if !found.is_empty() {
            return found;
        }
    }
    enumerate_on(wgpu::Backends::all())
}

/// `WGPU_BACKEND` in the environment restricts the choice further, as in every program with wgpu.
fn enumerate_on(backends: wgpu::Backends) -> Vec<(wgpu::Adapter, AdapterDescription)> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    descriptor.backends &= backends;
    let instance = wgpu::Instance::new(descriptor);
    let mut found: Vec<_> = pollster::block_on(instance.enumerate_adapters(backends))
        .into_iter()
        .filter(can_compute)
        .map(|adapter| {
            let description = describe(&adapter);
            (adapter, description)
        })
        .collect();
    found.sort_by_key(|(_, description)| rank(&description.info));
    found
}

/// Storage buffers that the tiled kernel binds.
const STORAGE_BUFFERS: u32 = 8;

fn can_compute(adapter: &wgpu::Adapter) -> bool {
    let limits = adapter.limits();
    adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
        && limits.max_storage_buffers_per_shader_stage >= STORAGE_BUFFERS
        && limits.max_compute_workgroups_per_dimension > 0
}

/// Lower is better.
fn rank(info: &AdapterInfo) -> (usize, bool) {
    let kinds = ["discrete_gpu", "integrated_gpu", "virtual_gpu", "other"];
    let kind = kinds.iter().position(|kind| *kind == info.kind).unwrap_or(kinds.len());
    (kind, info.backend == "gl")
}

fn describe(adapter: &wgpu::Adapter) -> AdapterDescription {
    let info = adapter.get_info();
    let features = adapter.features();
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => "discrete_gpu",
        wgpu::DeviceType::IntegratedGpu => "integrated_gpu",
        wgpu::DeviceType::VirtualGpu => "virtual_gpu",
        wgpu::DeviceType::Cpu => SOFTWARE,
        wgpu::DeviceType::Other => "other",
    };
    AdapterDescription {
        info: AdapterInfo {
            name: info.name,
            backend: info.backend.to_str().to_owned(),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            kind: kind.to_owned(),
        },
        model: [info.vendor, info.device],
        pci_bus_id: info.device_pci_bus_id,
        limits: limits(&adapter.limits()),
        timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
        subgroups: features.contains(wgpu::Features::SUBGROUP),
    }
}

fn limits(limits: &wgpu::Limits) -> Limits {
    Limits {
        binding_bytes: limits.max_storage_buffer_binding_size,
        buffer_bytes: limits.max_buffer_size,
        groups_per_dimension: limits.max_compute_workgroups_per_dimension,
        workgroup_bytes: limits.max_compute_workgroup_storage_size,
        workgroup_threads: limits
            .max_compute_invocations_per_workgroup
            .min(limits.max_compute_workgroup_size_x),
    }
}

/// What went wrong outside of any call: set by the device's callbacks.
#[derive(Debug, Default)]
struct Trouble {
    lost: Mutex<Option<String>>,
    uncaptured: Mutex<Option<String>>,
}

fn set(place: &Mutex<Option<String>>, message: String) {
    *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(message);
}

fn get(place: &Mutex<Option<String>>) -> Option<String> {
    place.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// An open device. Clones share it; evaluators on clones may run on different threads.
#[derive(Clone, Debug)]
pub struct GpuDevice {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    description: AdapterDescription,
    facts: ProbeFindings,
    trouble: Arc<Trouble>,
    /// How long a submission is waited for.
    patience: Duration,
    /// Until when its time has been charged.
    charged_until: Arc<Mutex<Instant>>,
}

/// A wait is cut into pieces of this length, between which the device's loss is noticed.
const WAIT: Duration = Duration::from_secs(5);

/// A submission is made to take a tenth of a second; one that has not ended after this long, on a device that is busy with
/// others' work or compiles at its first use, never will.
const PATIENCE: Duration = Duration::from_secs(120);

impl GpuDevice {
    /// Opens the device of `adapter` and finds out how it rounds.
    pub(crate) fn open(adapter: &wgpu::Adapter) -> Result<Self, EvaluateError> {
        let description = describe(adapter);
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("supermask"),
            required_features: adapter.features()
                & (wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::SUBGROUP),
            required_limits: adapter.limits(),
            ..Default::default()
        }))
        .map_err(|error| EvaluateError::Device(format!("{}: {error}", description.info.name)))?;
        let trouble = Arc::new(Trouble::default());
        let lost = Arc::clone(&trouble);
        device.set_device_lost_callback(move |reason, message| {
            set(&lost.lost, format!("{reason:?}: {message}"));
        });
        let uncaptured = Arc::clone(&trouble);
        device.on_uncaptured_error(Arc::new(move |error| set(&uncaptured.uncaptured, error.to_string())));
        let charged_until = Arc::new(Mutex::new(Instant::now()));
        let unknown = ProbeFindings { arithmetic: Arithmetic::Fused, exact_hinge: false };
        let opened =
            Self { device, queue, description, facts: unknown, trouble, patience: PATIENCE, charged_until };
        Ok(Self { facts: arithmetic::probe(&opened)?, ..opened })
    }

    /// What was opened.
    pub fn description(&self) -> &AdapterDescription {
        &self.description
    }

    /// The same device, of which no more than `limits`, which are at most its own, is asked.
    pub fn within(&self, limits: Limits) -> Self {
        let description = AdapterDescription { limits, ..self.description.clone() };
        Self { description, ..self.clone() }
    }

    /// How the device's `fma` rounds, and what becomes of its subnormal results.
    pub fn arithmetic(&self) -> Arithmetic {
        self.facts.arithmetic
    }

    /// Does the device compute the margin loss as it is written?
    pub fn has_exact_hinge(&self) -> bool {
        self.facts.exact_hinge
    }

    /// Refuses the margin loss where the device does not compute it as it is written.
    pub(super) fn check_hinge(&self) -> Result<(), EvaluateError> {
        if self.has_exact_hinge() {
            return Ok(());
        }
        Err(EvaluateError::Unsupported(format!(
            "{}: its compiler rearranges the margin loss, which would differ from that of other adapters; use \
             --adapter cpu, or judge by accuracy",
            self.description.info.name
        )))
    }

    /// Threads of its subgroups, least and most.
    pub fn subgroup_threads(&self) -> [u32; 2] {
        let info = self.device.adapter_info();
        [info.subgroup_min_size, info.subgroup_max_size]
    }

    /// Is the device a processor in disguise?
    pub fn is_software(&self) -> bool {
        self.description.info.kind == SOFTWARE
    }

    /// Who compiles its kernels.
    pub fn maker(&self) -> Maker {
        match self.description.model {
            _ if self.is_software() => Maker::Software,
            [AMD, _] => Maker::Amd,
            _ => Maker::Other,
        }
    }

    /// Gives the device up, as a driver's reset would: whatever uses it reports its loss.
    pub fn destroy(&self) {
        self.device.destroy();
    }

    /// Runs `work` and turns everything that the device reports meanwhile into an error.
    pub(super) fn guarded<T>(
        &self,
        work: impl FnOnce() -> Result<T, EvaluateError>,
    ) -> Result<T, EvaluateError> {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let internal = self.device.push_error_scope(wgpu::ErrorFilter::Internal);
        let result = work();
        let internal = pollster::block_on(internal.pop());
        let validation = pollster::block_on(validation.pop());
        let memory = pollster::block_on(memory.pop());
        if result.is_err() || memory.is_some() || validation.is_some() || internal.is_some() {
            // A loss is reported by the next poll only, and causes errors of its own until then.
            let _ = self.device.poll(wgpu::PollType::Poll);
        }
        self.check_lost()?;
        if let Some(error) = memory {
            return Err(EvaluateError::OutOfMemory(error_text(&error)));
        }
        if let Some(error) = internal.or(validation) {
            return Err(EvaluateError::Device(error_text(&error)));
        }
        if let Some(message) = get(&self.trouble.uncaptured) {
            return Err(EvaluateError::Device(message));
        }
        result
    }

    /// As [`guarded`](Self::guarded), for work that the device computes: its wall time is charged to the account of
    /// this thread, but for what was charged to others in that time.
    pub(super) fn occupied<T>(
        &self,
        work: impl FnOnce() -> Result<T, EvaluateError>,
    ) -> Result<T, EvaluateError> {
        let begun = Instant::now();
        let result = self.guarded(work);
        let mut until = self.charged_until.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        account::Current::get().charge_device(now - begun.max(*until));
        *until = now;
        result
    }

    /// One of our kernels, with loops and indices guarded or not.
    pub(super) fn module(&self, label: &str, text: &str, checked: bool) -> wgpu::ShaderModule {
        let source = wgpu::ShaderSource::Wgsl(text.into());
        let descriptor = wgpu::ShaderModuleDescriptor { label: Some(label), source };
        if checked {
            return self.device.create_shader_module(descriptor);
        }
        // SAFETY: every loop counts up to a constant or to a bound fixed before it. Indices stay in range. Of batches:
        // masks and networks are checked on upload, mask bits lie below the weights, samples are clamped to the window,
        // windows are cut to the activations' buffers, rows are clamped to the layer. Of neighbours: parents, rows,
        // slots and terms are those that `ProposedFlips` counted and `ProposalBuffers` has room for, tiles are those
        // of the chunk, neurons and inputs are compared with those of the part of a layer that is bound. Tests run the
        // same texts with checks. The reason: bounding each loop has cost an order of magnitude on hardware
        // (gfx-rs/wgpu#7698).
        unsafe {
            self.device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
        }
    }

    /// The kernel `entry_point` of `text`, whose bindings' layout is read from the text.
    pub(super) fn pipeline(
        &self,
        text: &str,
        entry_point: &str,
        constants: &[(&str, f64)],
        checked: bool,
    ) -> wgpu::ComputePipeline {
        let module = self.module(entry_point, text, checked);
        self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(entry_point),
            layout: None,
            module: &module,
            entry_point: Some(entry_point),
            compilation_options: wgpu::PipelineCompilationOptions { constants, ..Default::default() },
            cache: None,
        })
    }

    fn check_lost(&self) -> Result<(), EvaluateError> {
        get(&self.trouble.lost).map_or(Ok(()), |message| Err(EvaluateError::DeviceLost(message)))
    }

    /// Waits until `submission` is done, as long as one may take.
    pub(super) fn wait(&self, submission: wgpu::SubmissionIndex) -> Result<(), EvaluateError> {
        let begun = Instant::now();
        loop {
            let left = self.patience.saturating_sub(begun.elapsed());
            let waited = self.device.poll(wgpu::PollType::Wait {
                submission_index: Some(submission.clone()),
                timeout: Some(left.min(WAIT)),
            });
            self.check_lost()?;
            match waited {
                Ok(_) => return Ok(()),
                Err(wgpu::PollError::Timeout) if left.is_zero() => return Err(self.unfinished()),
                Err(wgpu::PollError::Timeout) => {}
                Err(error) => return Err(EvaluateError::Device(error.to_string())),
            }
        }
    }

    /// The error for a submission that does not end.
    fn unfinished(&self) -> EvaluateError {
        // wgpu waits for what was submitted when it drops a queue, and panics when that does not end: it is kept.
        std::mem::forget(self.queue.clone());
        EvaluateError::Unfinished { adapter: self.description.info.name.clone(), waited: self.patience }
    }

    /// Waits for `submission`, which fills `buffer`, and reads its first `bytes`.
    pub(super) fn read(
        &self,
        buffer: &wgpu::Buffer,
        bytes: u64,
        submission: wgpu::SubmissionIndex,
    ) -> Result<Vec<u32>, EvaluateError> {
        self.read_with(buffer, bytes, submission, bytemuck::pod_collect_to_vec)
    }

    /// The same, without a copy: shows them to `take`, beginning at a multiple of eight.
    pub(super) fn read_with<T>(
        &self,
        buffer: &wgpu::Buffer,
        bytes: u64,
        submission: wgpu::SubmissionIndex,
        take: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, EvaluateError> {
        let (sender, receiver) = std::sync::mpsc::channel();
        buffer.map_async(wgpu::MapMode::Read, 0..bytes, move |result| {
            // The receiver is gone only when the wait below has failed, which is reported there.
            let _ = sender.send(result);
        });
        self.wait(submission)?;
        let mapped = receiver.recv().map_err(|error| EvaluateError::Device(error.to_string()))?;
        mapped.map_err(|error| EvaluateError::Device(format!("reading results: {error}")))?;
        let view = buffer
            .get_mapped_range(0..bytes)
            .map_err(|error| EvaluateError::Device(format!("reading results: {error}")))?;
        let taken = take(&view[..]);
        drop(view);
        buffer.unmap();
        Ok(taken)
    }
}

fn error_text(error: &wgpu::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::peak;
    use super::*;
    use crate::evaluate::adapter::{AdapterChoice, open_gpu};

    #[test]
    fn a_submission_that_does_not_end_is_an_error_that_says_so() {
        let software = open_gpu(&AdapterChoice::Software)
            .expect("these tests need a software adapter (Mesa's lavapipe)");
        let patient = software.device().clone();
        let hasty = GpuDevice { patience: Duration::from_millis(1), ..patient.clone() };
        let error = peak::measure(&hasty).expect_err("it takes longer");
        assert!(matches!(error, EvaluateError::Unfinished { .. }), "{error}");
        let error = error.to_string();
        assert!(error.contains("--adapter cpu") && error.contains(&patient.description.info.name), "{error}");
        peak::measure(&patient).expect("the device itself goes on");
    }
}
