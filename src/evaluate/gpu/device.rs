//! Adapters and devices: what is there, opening one, and its errors.

use super::arithmetic;
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
    pub limits: Limits,
    /// Can the device measure its own time?
    pub timestamps: bool,
    /// Does it have subgroup operations?
    pub subgroups: bool,
}

/// The kind of adapters that are processors in disguise.
pub const SOFTWARE: &str = "software";

/// All adapters that can compute, hardware first, the system's own interface before OpenGL.
pub fn adapters() -> Vec<AdapterDescription> {
    enumerate(Interfaces::All).into_iter().map(|(_, description)| description).collect()
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
    arithmetic: Arithmetic,
    trouble: Arc<Trouble>,
    /// Until when its time has been charged.
    charged_until: Arc<Mutex<Instant>>,
}

/// A wait is cut into pieces of this length, between which the device's loss is noticed.
const WAIT: Duration = Duration::from_secs(5);

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
        let mut opened =
            Self { device, queue, description, arithmetic: Arithmetic::Fused, trouble, charged_until };
        opened.arithmetic = arithmetic::probe(&opened)?;
        Ok(opened)
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

    /// How the device's `fma` rounds.
    pub fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }

    /// Is the device a processor in disguise?
    pub fn is_software(&self) -> bool {
        self.description.info.kind == SOFTWARE
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

    /// The kernel `entry_point` of `text`, whose bindings' layout is read from the text.
    pub(super) fn pipeline(
        &self,
        text: &str,
        entry_point: &str,
        constants: &[(&str, f64)],
    ) -> wgpu::ComputePipeline {
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(entry_point),
            source: wgpu::ShaderSource::Wgsl(text.into()),
        });
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

    /// Waits until `submission` is done.
    pub(super) fn wait(&self, submission: wgpu::SubmissionIndex) -> Result<(), EvaluateError> {
        loop {
            let waited = self.device.poll(wgpu::PollType::Wait {
                submission_index: Some(submission.clone()),
                timeout: Some(WAIT),
            });
            self.check_lost()?;
            match waited {
                Ok(_) => return Ok(()),
                Err(wgpu::PollError::Timeout) => {}
                Err(error) => return Err(EvaluateError::Device(error.to_string())),
            }
        }
    }

    /// Waits for `submission`, which fills `buffer`, and reads its first `bytes`.
    pub(super) fn read(
        &self,
        buffer: &wgpu::Buffer,
        bytes: u64,
        submission: wgpu::SubmissionIndex,
    ) -> Result<Vec<u32>, EvaluateError> {
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
        let words = bytemuck::pod_collect_to_vec(&view[..]);
        drop(view);
        buffer.unmap();
        Ok(words)
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
